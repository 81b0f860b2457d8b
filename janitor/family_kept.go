package janitor

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// remember keeps in mind which rows had to stay: they need not be tried again for what they reference.
func (f *family) remember(g *graph) {
	for _, r := range g.rows {
		if !r.stays || r.due == "" {
			continue
		}
		if len(f.kept) >= keptRows {
			clear(f.kept)
		}
		f.kept[r.place] = struct{}{}
	}
}

// leave takes away those of the next listed rows that rows known to stay reference, and reports whether
// there were such: the graph is not read again for each of them, however long the chain is that leads
// to a row that stays.
func (f *family) leave(ctx context.Context, reason Reason, l *listed, all *familyPicked) (bool, error) {
	if len(f.kept) == l.checked && (l.checked == 0 || l.rows.len() > l.unchecked) {
		return false, nil
	}
	f.held = cmp.Or(f.held, f.rows)
	next, rest := l.rows.cut(int(min(l.rows.len(), int64(f.held))))
	g := &graph{}
	for i := range next.ctids {
		g.rows[g.add(place{next.parts[i], next.ctids[i]}, reason)].listed = true
	}
	args := with(f.args, "parts", next.parts, "places", next.ctids, "rows", familyEdges)
	err := f.batcher.send(ctx, f.reading(query{f.sql.kept, args, func(found pgx.Rows) error {
		var parent, child place
		var due *string
		_, err := pgx.ForEachRow(found, []any{&parent.part, &parent.ctid, &child.part, &child.ctid, &due}, func() error {
			rule := Reason("")
			if due != nil {
				rule = Reason(*due)
			}
			i := g.add(child, rule)
			if _, kept := f.kept[child]; kept && !g.rows[i].listed {
				g.rows[i].stays = true
			}
			g.reference(i, g.add(parent, reason))
			return nil
		})
		return err
	}})...)
	switch {
	case sqlState(err) == queryCanceled:
		f.held = max(1, f.held/8)
		return false, nil // their graphs are read, and fewer are held against the others next time
	case err == nil && f.quick():
		f.held = min(familyRows, 2*f.held)
	}
	if err != nil {
		return false, fmt.Errorf("read what references %d listed rows: %w", next.len(), err)
	}
	g.order(cycleRows)
	var free places
	for i := range next.ctids { // the first rows of the graph
		if !g.rows[i].stays {
			free.parts, free.ctids = append(free.parts, next.parts[i]), append(free.ctids, next.ctids[i])
			continue
		}
		all.others = true
		if l.told {
			all.tally.left.Referenced++
		}
	}
	f.remember(g)
	l.checked, l.unchecked = len(f.kept), rest.len()
	l.rows = places{append(free.parts, rest.parts...), append(free.ctids, rest.ctids...)}
	return free.len() < next.len(), nil
}
