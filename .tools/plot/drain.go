package main

import "slices"

// drawDrain is how fast each way drains, with and without an old snapshot, over one DELETE
// without. To drop a partition is off the scale, and another schema.
func drawDrain(lines []line, th theme) ([]byte, error) {
	ways := slices.DeleteFunc(names(lines, "way", "benchmark", "Drain"), func(way string) bool { return way == "DROP partition" })
	deleteHeld, err := must(lines, "/alone", "benchmark", "Drain", "ties", "false", "held", "true", "way", "one DELETE")
	if err != nil {
		return nil, err
	}
	alone, held := group{legend: "alone"}, group{legend: "with an old snapshot held open"}
	for _, way := range ways {
		a, err := must(lines, "/DELETE", "benchmark", "Drain", "ties", "false", "held", "false", "way", way)
		if err != nil {
			return nil, err
		}
		h, err := must(lines, "/DELETE", "benchmark", "Drain", "ties", "false", "held", "true", "way", way)
		if err != nil {
			return nil, err
		}
		alone.lengths, held.lengths = append(alone.lengths, a), append(held.lengths, h*deleteHeld)
	}
	return bars(th, "Rows a second, over those of one DELETE", "one DELETE, alone = 1; longer is better", ways, []group{alone, held})
}
