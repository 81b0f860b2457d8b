package text

import "fmt"

// Suggest hints at the known name that differs least from a misspelt one.
func Suggest[V any](name string, known map[string]V, dashes string) string {
	name = Clip(name)
	best, least := "", len(name)/3+1
	for k := range known {
		if d := distance(name, k); d <= least && (d < least || k < best || best == "") {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s%s?)", dashes, best)
}

// distance is Levenshtein's, of names too short to matter.
func distance(a, b string) int {
	a, b = Clip(a), Clip(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
