package main

import "slices"

// drawDrain is how fast each way drains, with and without an old snapshot, over one DELETE
// without. To drop a partition is off the scale, and another schema.
func drawDrain(lines []line, th theme) ([]byte, error) {
	ways := slices.DeleteFunc(names(lines, "way", "benchmark", "Drain"), func(way string) bool { return way == "DROP partition" })
	deleteHeld, _ := find(lines, "/alone", "benchmark", "Drain", "ties", "false", "held", "true", "way", "one DELETE")
	alone, held := group{legend: "alone"}, group{legend: "with an old snapshot held open"}
	for _, way := range ways {
		a, _ := find(lines, "/DELETE", "benchmark", "Drain", "ties", "false", "held", "false", "way", way)
		h, _ := find(lines, "/DELETE", "benchmark", "Drain", "ties", "false", "held", "true", "way", way)
		alone.lengths, held.lengths = append(alone.lengths, a), append(held.lengths, h*deleteHeld)
	}
	return bars(th, "Rows a second, over those of one DELETE", "one DELETE, alone = 1; longer is better", ways, []group{alone, held})
}

// drawAPI is the latency of the API beside each way, over its own undisturbed.
func drawAPI(lines []line, th theme) ([]byte, error) {
	ways := slices.DeleteFunc(names(lines, "way", "benchmark", "APIBeside"), func(way string) bool { return way == "undisturbed" })
	var groups []group
	for _, data := range []struct{ file, legend string }{{"api-ram.txt", "on a RAM disk"}, {"api-disk.txt", "on a disk"}} {
		g := group{legend: data.legend}
		for _, way := range ways {
			f, _ := find(lines, "p99/undisturbed", "file", data.file, "way", way)
			g.lengths = append(g.lengths, f)
		}
		groups = append(groups, g)
	}
	return bars(th, "The API's p99 while tokens are deleted", "undisturbed = 1; shorter is better", ways, groups)
}
