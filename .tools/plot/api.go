package main

import "slices"

// drawAPI is the latency of the API beside each way, over its own undisturbed.
func drawAPI(lines []line, th theme) ([]byte, error) {
	ways := slices.DeleteFunc(names(lines, "way", "benchmark", "APIBeside"), func(way string) bool { return way == "undisturbed" })
	var groups []group
	for _, data := range []struct{ file, legend string }{{"api-ram.txt", "on a RAM disk"}, {"api-disk.txt", "on a disk"}} {
		g := group{legend: data.legend}
		for _, way := range ways {
			f, err := must(lines, "p99/undisturbed", "benchmark", "APIBeside", "file", data.file, "way", way)
			if err != nil {
				return nil, err
			}
			g.lengths = append(g.lengths, f)
		}
		groups = append(groups, g)
	}
	return bars(th, "The API's p99 while tokens are deleted", "undisturbed = 1; shorter is better", ways, groups)
}
