package config

import (
	"maps"
	"slices"
)

// knownParameters are the names that a misspelt one may have meant, in order.
func knownParameters() []string { return slices.Sorted(maps.Keys(parameters)) }

// slips is how many letters were left out, put in, mistaken or swapped with the next to
// make one name of the other.
func slips(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			mistaken := last[j]
			if a[i] != b[j] {
				mistaken++
			}
			row[j+1] = min(mistaken, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
