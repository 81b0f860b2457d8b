package janitor

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	// familyEdges is how many edges one query reads, at most: some tenths of a second of work.
	familyEdges = 20_000
	// edgesPerRow lets that follow the pace: where the server is slow, fewer are read at once.
	edgesPerRow = 20
	// familyRows is how many listed rows a graph is read from, at most.
	familyRows = 1000
	// cycleRows is how large a cycle may be that goes in one statement, and wholeEdges how many edges are read at once to
	// see all of it: about a second of work for each. Where each row references the one before and the one after, a family
	// is one cycle.
	cycleRows  = 50_000
	wholeEdges = 3 * cycleRows
	// scannedBlocks is how large a table may be, at most, that is read whole where a key has no index: a quarter of a million
	// rows, some tenths of a second of work.
	scannedBlocks = 4000
	// keptRows is how many rows are remembered that had to stay, at most.
	keptRows = 200_000
)

// ownKey is a foreign key of the table onto itself that refuses a deletion.
type ownKey struct {
	table                          pgx.Identifier // the one with the key: the table, or a partition
	columns, references, operators []string
	parts                          []int64 // partitions that it references; nil = all
	readable                       bool    // the role may read the columns
	indexed                        bool    // an index finds the rows that reference one
}

type ownKeys []ownKey

func (keys *ownKeys) query(oid int64) query {
	return query{statement("own_keys"), pgx.NamedArgs{"oid": oid}, func(rows pgx.Rows) error {
		*keys = nil
		for rows.Next() {
			var key ownKey
			var schema, name string
			if err := rows.Scan(&schema, &name, &key.columns, &key.references, &key.operators, &key.parts, &key.readable, &key.indexed); err != nil {
				return err
			}
			key.table = pgx.Identifier{schema, name}
			*keys = append(*keys, key)
		}
		return rows.Err()
	}}
}

// family deletes listed rows of a table whose rows reference one another, as the tokens of a family
// do: after the rows that reference them, by whichever rule those are due. A row that something
// keeps, keeps what it references.
type family struct {
	sql     familySQL
	args    pgx.NamedArgs // the cutoffs
	batcher *batcher
	pickers map[Reason]*picker

	rows      int                // how many listed rows the next graph is read from
	edges     int                // and how many edges at most
	held      int                // how many rows are held against those known to stay at once; 0 = as many as rows
	careful   bool               // rows of the last batch had to stay, and such rows come in swarms
	kept      map[place]struct{} // rows that had to stay
	cannotSee bool               // the rows cannot be read: then they are picked as if no key were there
}

type familySQL struct{ scanWhole, edges, kept, delete, left string } // scanWhole comes before edges and kept; "" = nothing does

// newFamily is for a table that may be small enough to be read whole. It returns nil if the table has no such keys, or the role may not read their columns.
func newFamily(b *batcher, cols columns, keys ownKeys, isSmall bool, cutoffs pgx.NamedArgs) *family {
	if len(keys) == 0 {
		return nil
	}
	shared := pieces{
		"table":   b.Table.Sanitize(),
		"expired": cols.rule(Expired),
		"revoked": cols.rule(Revoked),
	}
	alias := map[string]string{} // of a column that is referenced
	var references, selects, links []string
	scanned := false
	for _, key := range keys {
		if !key.readable {
			return nil
		}
		for _, name := range key.references {
			if alias[name] == "" {
				alias[name] = fmt.Sprintf("k%d", len(alias)+1)
				references = append(references, "t."+pgx.Identifier{name}.Sanitize()+" AS "+alias[name])
			}
		}
	}
	shared["columns"] = strings.Join(references, ", ")
	for _, key := range keys {
		var matches []string
		for i, name := range key.columns {
			matches = append(matches, fmt.Sprintf("e.%s %s t.%s", alias[key.references[i]], key.operators[i], pgx.Identifier{name}.Sanitize()))
		}
		if key.parts != nil {
			matches = append(matches, "e.part::bigint IN ("+strings.Trim(strings.ReplaceAll(fmt.Sprint(key.parts), " ", ", "), "[]")+")")
		}
		own := pieces{"referencing": key.table.Sanitize(), "matches": strings.Join(matches, " AND ")}
		selects = append(selects, "("+render("where_references", shared, own)+")")
		links = append(links, "("+render("where_links", shared, own)+")")
		scanned = scanned || !key.indexed && isSmall
	}
	union := pieces{"keys": strings.Join(selects, " UNION ALL ")}
	sql := familySQL{
		edges:  render("family_edges", shared, union),
		kept:   render("family_kept", shared, union),
		delete: render("family_delete", shared, nil),
		left:   render("family_left", shared, nil),
	}
	if scanned {
		sql.scanWhole = statement("scan_whole")
		sql.edges = render("family_edges_scanned", shared, pieces{"links": strings.Join(links, " UNION ALL ")})
	}
	return &family{
		sql:     sql,
		args:    cutoffs,
		batcher: b,
		pickers: map[Reason]*picker{},
		rows:    familyRows,
		edges:   familyEdges,
		kept:    map[place]struct{}{},
	}
}

// familyPicked is what became of listed rows and their families.
type familyPicked struct {
	picked
	others bool // rows beside the listed ones had to go first, or stay
}

// listed is rows that are still to be picked.
type listed struct {
	rows  places
	told  bool  // they are for the books; others are there because a graph was cut off at them
	dug   int64 // rows that the run had deleted when the first of them was last found too deep
	again bool  // it was found so before
	whole bool  // the graph of the first of them is read whole, if it can be

	checked   int   // how many rows were known to stay when the next ones were last held against them
	unchecked int64 // how many of the rows, the last ones, were not
}

// pick deletes the listed rows that are due by a rule, and what references them first. A graph that is
// too large to read is read from farther down, where it was cut off, and then again.
func (f *family) pick(ctx context.Context, reason Reason, rows places) (all familyPicked, err error) {
	work := []listed{{rows: rows, told: true}}
	open := map[place]bool{} // rows that wait for others farther down
	for len(work) > 0 {
		l := &work[len(work)-1]
		if l.rows.len() == 0 {
			work = work[:len(work)-1]
			continue
		}
		if !l.again {
			if some, err := f.leave(ctx, reason, l, &all); some {
				continue
			} else if err != nil && !cannotSee(err) {
				return all, err
			}
		}
		n := int(min(l.rows.len(), int64(f.rows), int64(f.batcher.largest())))
		if l.again || l.whole {
			n = 1
		}
		now, rest := l.rows.cut(n)
		g, deeper, err := f.read(ctx, now, open, l.told, l.whole)
		f.follow(err)
		switch {
		case sqlState(err) == queryCanceled && l.whole:
			l.whole, f.edges = false, familyEdges/2 // it is too large to be read whole
			continue
		case sqlState(err) == queryCanceled && n == 1 && f.edges == 1: // to look once takes longer than a statement may
			p, books := f.pickers[reason], &all.tally
			if !l.told {
				books = &tally{} // it is counted where it is listed
			}
			p.countLeft(books, queryCanceled, "", err)
			if err := p.hopeless(); err != nil {
				return all, err
			}
			f.kept[placeOf(now)] = struct{}{}
			l.rows, l.again, l.whole = rest, false, false
			continue
		case sqlState(err) == queryCanceled:
			continue
		case cannotSee(err):
			f.cannotSee = true
			more, err := f.pickers[reason].pick(ctx, work[0].rows, true)
			all.deleted += more.deleted
			all.vanished += more.vanished
			all.tally.add(more.tally)
			return all, err
		case err != nil:
			return all, fmt.Errorf("read what references %d listed rows: %w", n, err)
		case deeper.len() > 0 && n > 1:
			f.rows = n / 2
			continue
		}
		if deeper.len() > 0 && !l.whole && f.edges == familyEdges {
			l.whole = true // lest it be a cycle, which has no end to dig for
			continue
		}
		gone := f.batcher.totals.deleted.Total()
		if deeper.len() > 0 && !(l.again && gone == l.dug) {
			l.again, l.dug, l.whole = true, gone, false
			open[placeOf(now)] = true
			work = append(work, listed{rows: deeper})
			continue
		}
		if deeper.len() > 0 { // it is no less deep than before
			g.rows[0].stays = true
		}
		if err := f.clear(ctx, g, l.told, &all); err != nil {
			return all, err
		}
		if l.again {
			delete(open, placeOf(now))
		} else if len(g.rows) < familyEdges/4 && f.quick() {
			f.rows = min(familyRows, 2*f.rows)
		}
		l.rows, l.again, l.whole = rest, false, false
	}
	return all, nil
}

func placeOf(one places) place { return place{one.parts[0], one.ctids[0]} }

// cannotSee reports whether the rows of families cannot be read at all.
func cannotSee(err error) bool {
	return strings.HasPrefix(sqlState(err), "42") || sqlState(err) == featureNotSupported
}
