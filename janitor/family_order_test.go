package janitor

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// Whatever references what: no row comes before one that references it, and just those rows stay
// that must, or that lead to one that must.
func TestOrderOfFamilies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const most = 4
		n := rapid.IntRange(1, 30).Draw(t, "rows")
		row := rapid.IntRange(0, n-1)
		g := &graph{}
		references := make([][]bool, n) // [child][parent], and farther up
		for i := range n {
			due := rapid.SampledFrom([]Reason{Expired, Expired, Expired, Revoked, Revoked, ""}).Draw(t, "due")
			g.add(place{1, fmt.Sprintf("(0,%d)", i+1)}, due)
			g.rows[i].listed = rapid.Bool().Draw(t, "listed")
			references[i] = make([]bool, n)
		}
		for range rapid.IntRange(0, 2*n).Draw(t, "references") {
			child, parent := row.Draw(t, "child"), row.Draw(t, "parent")
			g.reference(int32(child), int32(parent))
			references[child][parent] = true
		}
		for via := range n {
			for child := range n {
				for parent := range n {
					references[child][parent] = references[child][parent] || references[child][via] && references[via][parent]
				}
			}
		}
		sameUnit := func(a, b int) bool { return a == b || references[a][b] && references[b][a] }
		mustStay := func(row int) bool {
			size := 0
			for other := range n {
				if sameUnit(row, other) {
					size++
				}
			}
			return g.rows[row].due == "" || size > most
		}
		units := g.order(most)
		at := map[int]int{}
		for i, u := range units {
			for _, row := range u {
				if _, twice := at[int(row)]; twice {
					t.Fatalf("row %d comes twice", row)
				}
				at[int(row)] = i
			}
		}
		if len(at) != n {
			t.Fatalf("%d of %d rows", len(at), n)
		}
		for parent := range n {
			stays := false
			for child := range n {
				if child != parent && !references[child][parent] {
					continue
				}
				stays = stays || mustStay(child)
				if at[child] > at[parent] || (at[child] == at[parent]) != sameUnit(child, parent) {
					t.Fatalf("row %d references %d: units %d and %d", child, parent, at[child], at[parent])
				}
			}
			if g.rows[parent].stays != stays {
				t.Fatalf("row %d stays: %t, want %t", parent, !stays, stays)
			}
		}
	})
}

// A chain as long as a table neither recurses nor takes quadratic time.
func TestOrderOfALongChain(t *testing.T) {
	t.Parallel()
	const rows = 100_000
	g := &graph{}
	for i := range rows {
		g.add(place{1, fmt.Sprint(i)}, Expired)
		if i > 0 {
			g.reference(int32(i), int32(i-1))
		}
	}
	units := g.order(1)
	if len(units) != rows || units[0][0] != rows-1 || units[rows-1][0] != 0 {
		t.Errorf("%d units", len(units))
	}
}
