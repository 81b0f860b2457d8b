package janitor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// region is a part of the table that one batch clears: a window, the rows of one key, or a range
// of heap blocks.
type region struct {
	edge      string     // finds where it ends, in the same batch; "" = it is known
	parts     []heapPart // that are reached directly; none = through the table
	stretches []stretch  // all but a range of heap blocks has one
	met       string     // asks whether rows due by the other rule were met; "" = nobody needs to know
	rows      int        // it holds no more
	oversize  bool       // it may hold more rows than one batch may delete
}

// stretch is the statements on what a region has of a table, or of a partition.
type stretch struct {
	sql  regionSQL
	args pgx.NamedArgs // where it begins and ends
}

// cleared is what became of a region.
type cleared struct {
	deleted  int64
	vanished int64 // listed rows that were no longer due at their place: changed, moved or deleted by somebody else
	tally    tally
	edge     *string // where a window ends; nil: it reached the end of the pass
	met      bool    // rows that are due by the other rule were met, or may have been
}

// deleter clears regions by one rule.
type deleter struct {
	reason  Reason
	batcher *batcher
	picker  *picker
	keys    *keyPicker // nil = rows are picked by their place
	family  *family    // nil = no foreign key of the table onto itself refuses a deletion

	hasListed        bool // rows were picked by their place
	hasDeleteTrigger bool // a trigger or a rule may silently keep a row
	hasEffects       bool // a DELETE may do more than delete rows
	expectFailures   bool // rows of the last region failed their statement or were too slow, and such rows come in swarms
}

// clear deletes what is due in a region (a dry run counts it), in one batch. Where that cannot
// be, because a row is locked or referenced, because something keeps one, or because there are
// too many or the budget may end within the region, it lists the rows and picks them. So it does after
// a DELETE that timed out.
func (d *deleter) clear(ctx context.Context, r region) (cleared, error) {
	if d.batcher.budget() >= int64(r.rows) && (d.batcher.DryRun || !r.oversize && !d.hasDeleteTrigger && !d.expectFailures) {
		c, err := d.whole(ctx, r)
		if sqlState(err) != lockNotAvailable && !isRowError(err) {
			return c, err
		}
	}
	if d.keys != nil {
		c, _, err := d.clearKeyed(ctx, r)
		return c, err
	}
	return d.listed(ctx, r)
}

// whole clears a region in one batch.
func (d *deleter) whole(ctx context.Context, r region) (c cleared, err error) {
	var rows int64
	queries, err := d.findEdge(ctx, &r, &c)
	if err != nil {
		return c, err
	}
	if !d.batcher.DryRun {
		queries = append(queries, d.picker.trigger)
	}
	for _, on := range r.stretches {
		if d.batcher.DryRun {
			queries = append(queries, query{on.sql.count, on.args, plus(&rows)})
		} else {
			queries = append(queries, query{on.sql.delete, on.args, affected(&rows)})
		}
	}
	if r.met != "" {
		queries = append(queries, query{r.met, nil, into(&c.met)})
	}
	err = d.batcher.run(ctx, batch{reason: d.reason, most: int64(r.rows), rows: &rows, parts: r.parts, queries: queries})
	if d.batcher.DryRun {
		c.tally.counted = rows
	} else {
		c.deleted = rows
	}
	return c, err
}

// listed clears a region by the places of its due rows.
func (d *deleter) listed(ctx context.Context, r region) (cleared, error) {
	c := cleared{met: true}
	lists := make([]places, len(r.stretches))
	var queries []query
	if r.edge != "" {
		queries = append(queries, edgeQuery(r, &c.edge))
	}
	for i, on := range r.stretches {
		queries = append(queries, query{on.sql.list, on.args, lists[i].scan})
	}
	if err := d.batcher.sendTo(ctx, r.parts, queries...); err != nil {
		return cleared{}, fmt.Errorf("list the rows of a batch: %w", err)
	}
	var due places
	for _, more := range lists {
		due.parts, due.ctids = append(due.parts, more.parts...), append(due.ctids, more.ctids...)
	}
	if d.batcher.DryRun {
		budget := d.batcher.budget()
		c.tally.counted = min(due.len(), budget)
		if due.len() > budget {
			return c, stopped(StopMaxRows)
		}
		return c, nil
	}
	d.hasListed = d.hasListed || due.len() > 0
	if d.family != nil && !d.family.cannotSee {
		done, err := d.family.pick(ctx, d.reason, due)
		c.deleted, c.vanished, c.tally = done.deleted, done.vanished, done.tally
		d.expectFailures = done.others || c.tally.left.Referenced+c.tally.left.Refused > 0
		return c, err
	}
	done, err := d.picker.pick(ctx, due, d.expectFailures)
	c.deleted, c.vanished, c.tally = done.deleted, done.vanished, done.tally
	d.expectFailures = c.tally.left.Referenced+c.tally.left.Refused > 0
	return c, err
}

// findEdge is the query for the edge of a window, in the same batch, if it has to be found.
func (d *deleter) findEdge(ctx context.Context, r *region, c *cleared) ([]query, error) {
	if r.edge == "" {
		return nil, nil
	}
	edge := edgeQuery(*r, &c.edge)
	if d.keys == nil || d.keys.cluster.sharded {
		return []query{edge}, nil
	}
	return nil, d.keys.findEdge(ctx, r, c, edge)
}

func edgeQuery(r region, edge **string) query {
	var setting string
	return query{r.edge, r.stretches[0].args, into(edge, &setting)}
}
