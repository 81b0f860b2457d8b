package janitor

import "slices"

// place is where one row lies in the heap.
type place struct {
	part int64
	ctid string
}

// graph is rows of one or more families, and which of them references which by the table's own
// foreign keys.
type graph struct {
	rows     []familyRow
	index    map[place]int32
	children [][]int32 // of a row: the rows that reference it
	cut      bool      // more rows belong to it
}

// familyRow is one row of a graph.
type familyRow struct {
	place
	due    Reason // the rule by which it is due; "" = none
	listed bool   // the graph was read from it; others are there because they reference such a one
	stays  bool   // it is not due, or something keeps it, or a row that stays references it
	told   bool   // that it stays has been counted
}

// add returns the number of a row, which it adds where it is new.
func (g *graph) add(at place, due Reason) int32 {
	if i, known := g.index[at]; known {
		return i
	}
	if g.index == nil {
		g.index = map[place]int32{}
	}
	i := int32(len(g.rows)) // #nosec G115 -- a graph is read from a query of so many thousand rows
	g.index[at] = i
	g.rows = append(g.rows, familyRow{place: at, due: due, stays: due == ""})
	g.children = append(g.children, nil)
	return i
}

// reference notes that one row references another. A row may reference itself, and goes all the same.
func (g *graph) reference(child, parent int32) {
	if child != parent {
		g.children[parent] = append(g.children[parent], child)
	}
}

// unit is rows that have to go in one statement: a single row, or the rows of a cycle.
type unit []int32

// order returns the rows in an order in which they can go: each after all that reference it. Rows of
// the same depth lie together, and among them those that were listed and those of one rule. A cycle of
// more than most rows stays.
func (g *graph) order(most int) []unit {
	type leveled struct {
		unit
		level, kind int
	}
	depth := make([]int, len(g.rows))
	var all []leveled
	for _, u := range g.components() {
		level := 0
		for _, i := range u {
			for _, child := range g.children[i] {
				level = max(level, depth[child]+1)
			}
		}
		for _, i := range u {
			depth[i] = level
			if len(u) > most {
				g.rows[i].stays = true
			}
		}
		all = append(all, leveled{u, level, g.rows[u[0]].kind()})
	}
	slices.SortStableFunc(all, func(a, b leveled) int {
		if a.level != b.level {
			return a.level - b.level
		}
		return a.kind - b.kind
	})
	units := make([]unit, len(all))
	for i, l := range all {
		units[i] = l.unit
	}
	g.spread(units)
	return units
}

// kind tells apart rows that the books count differently.
func (r familyRow) kind() int {
	kind := 0
	if r.listed {
		kind = 1
	}
	if r.due == Revoked {
		kind += 2
	}
	return kind
}

// spread has what a row that stays references stay as well. The units are in order.
func (g *graph) spread(units []unit) {
	for _, u := range units {
		if !g.kept(u) {
			continue
		}
		for _, i := range u {
			g.rows[i].stays = true
		}
	}
}

// kept reports whether a unit stays.
func (g *graph) kept(u unit) bool {
	for _, i := range u {
		if g.rows[i].stays || slices.ContainsFunc(g.children[i], func(child int32) bool { return g.rows[child].stays }) {
			return true
		}
	}
	return false
}

// components returns the strongly connected components of the graph, each after all that reference it:
// Tarjan's algorithm, with a stack of its own, for a chain may be as long as the table.
func (g *graph) components() []unit {
	type visit struct{ row, next int32 }
	var (
		units   []unit
		number  = make([]int32, len(g.rows)) // in the order in which they are met, from 1
		lowest  = make([]int32, len(g.rows)) // the lowest number on the stack that a row leads to
		onStack = make([]bool, len(g.rows))
		stack   []int32
		met     int32
	)
	for start := range g.rows {
		if number[start] != 0 {
			continue
		}
		visits := []visit{{row: int32(start)}} // #nosec G115 -- see add
		for len(visits) > 0 {
			v := &visits[len(visits)-1]
			if number[v.row] == 0 {
				met++
				number[v.row], lowest[v.row] = met, met
				stack = append(stack, v.row)
				onStack[v.row] = true
			}
			if int(v.next) < len(g.children[v.row]) {
				child := g.children[v.row][v.next]
				v.next++
				if number[child] == 0 {
					visits = append(visits, visit{row: child})
				} else if onStack[child] {
					lowest[v.row] = min(lowest[v.row], number[child])
				}
				continue
			}
			row := v.row
			visits = visits[:len(visits)-1]
			if len(visits) > 0 {
				before := visits[len(visits)-1].row
				lowest[before] = min(lowest[before], lowest[row])
			}
			if lowest[row] == number[row] {
				first := len(stack) - 1
				for stack[first] != row {
					first--
				}
				for _, i := range stack[first:] {
					onStack[i] = false
				}
				units = append(units, slices.Clone(stack[first:]))
				stack = stack[:first]
			}
		}
	}
	return units
}
