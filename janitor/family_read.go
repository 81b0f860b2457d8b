package janitor

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// edge is a row that references another, or a listed one.
type edge struct {
	row  place
	onto place // zero = none: the row is listed
	due  Reason
}

// read reads the graph of listed rows. Where it is cut off, it returns the rows from which to read on;
// none if what the graph lacks cannot matter.
func (f *family) read(ctx context.Context, rows places, open map[place]bool, told, whole bool) (*graph, places, error) {
	most := min(f.edges, edgesPerRow*max(scanRows, f.batcher.largest())) + int(rows.len())
	if whole {
		most = wholeEdges
	}
	var edges []edge
	read := query{f.sql.edges, with(f.args, "parts", rows.parts, "places", rows.ctids), func(found pgx.Rows) error {
		edges = nil
		var part *int64
		var ctid, due *string
		var e edge
		_, err := pgx.ForEachRow(found, []any{&e.row.part, &e.row.ctid, &part, &ctid, &due}, func() error {
			e.onto, e.due = place{}, ""
			if part != nil {
				e.onto = place{*part, *ctid}
			}
			if due != nil {
				e.due = Reason(*due)
			}
			edges = append(edges, e)
			return nil
		})
		return err
	}}
	if f.sql.scanWhole == "" {
		read.args["rows"] = most
	}
	if err := f.batcher.send(ctx, f.reading(read)...); err != nil {
		return nil, places{}, err
	}
	if f.sql.scanWhole != "" {
		edges = nearest(edges, most)
	}
	g := &graph{}
	last := int32(-1) // the row that the last edge references
	for _, e := range edges {
		row := g.add(e.row, e.due)
		if e.onto == (place{}) {
			g.rows[row].listed = true
			continue
		}
		last = g.index[e.onto]
		g.reference(row, last)
	}
	var deeper places
	for i := range g.rows {
		r := &g.rows[i]
		_, kept := f.kept[r.place]
		switch {
		case r.listed && told:
			delete(f.kept, r.place) // it is told now, and tried
		case kept, open[r.place] && !r.listed: // the latter: a cycle that is too large
			r.stays = true
		}
	}
	if g.cut = len(edges) >= most; !g.cut {
		return g, deeper, nil
	}
	g.order(cycleRows)
	if !slices.ContainsFunc(g.rows, func(r familyRow) bool { return r.listed && !r.stays }) {
		return g, deeper, nil
	}
	for i, r := range g.rows {
		if !r.stays && !r.listed && (len(g.children[i]) == 0 || int32(i) == last) { // #nosec G115 -- see add
			deeper.parts, deeper.ctids = append(deeper.parts, r.part), append(deeper.ctids, r.ctid)
		}
	}
	return g, deeper, nil
}

// nearest chooses, from all edges of a table, those that lead to listed rows, the nearest first, as family_edges.sql does.
func nearest(all []edge, most int) (chosen []edge) {
	onto := map[place][]edge{}
	seen := map[place]bool{}
	for _, e := range all {
		if e.onto != (place{}) {
			onto[e.onto] = append(onto[e.onto], e)
		} else if !seen[e.row] {
			seen[e.row] = true
			chosen = append(chosen, e)
		}
	}
	for i := 0; i < len(chosen) && len(chosen) < most; i++ {
		row := chosen[i].row
		if chosen[i].due != "" {
			chosen = append(chosen, onto[row]...)
			delete(onto, row) // it may reference several, and is met by each
		}
	}
	return chosen[:min(len(chosen), most)]
}

// reading is a query for edges with what comes before it.
func (f *family) reading(q query) []query {
	if f.sql.scanWhole == "" {
		return []query{q}
	}
	return []query{{f.sql.scanWhole, nil, ignored}, q}
}

// follow has the next graph be as large as the server reads in time: without an index on a key each row of it costs a
// look at the whole table.
func (f *family) follow(err error) {
	switch {
	case sqlState(err) == queryCanceled:
		f.rows, f.edges = max(1, f.rows/8), max(1, f.edges/8)
	case err != nil:
	case f.batcher.lastTook > f.batcher.StatementTimeout/5:
		f.rows, f.edges = max(1, f.rows/2), max(1, f.edges/2)
	case f.quick():
		f.edges = min(familyEdges, 2*f.edges)
	}
}

// quick reports whether the last read took so little that more may be read at once.
func (f *family) quick() bool { return f.batcher.lastTook < f.batcher.StatementTimeout/20 }
