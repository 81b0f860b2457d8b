package janitor

import (
	"context"
	"fmt"
)

// A pass that read the heap, or picked rows by their place, may have missed rows that moved: an
// UPDATE by the API, or by a foreign key with ON DELETE SET NULL, makes a new version elsewhere. These
// readers count, without deleting, the due rows that are still there. More than were left were missed.

// countByIndex counts the due rows along the index.
type countByIndex struct {
	*scan
	from string
	most int64 // it counts no further
}

func (c countByIndex) step(ctx context.Context) (found, error) {
	f := found{event: counted, reason: c.reason}
	err := c.batcher.send(ctx, query{c.sql.countByIndex, c.with("floor", c.from, "until", c.until, "rows", c.most), into(f.remaining.of(c.reason))})
	if err != nil {
		return found{}, fmt.Errorf("count the rows that may have moved: %w", err)
	}
	return f, nil
}

// countByBlock counts the due rows of all blocks, for both rules after a sweep of both.
type countByBlock struct {
	*scan
	left      blockRange
	companion *scan  // nil = none
	remaining Counts // so far
}

// countedPerRow is how many rows are counted in the time in which one is deleted, about, where
// nothing makes deletions slow.
const countedPerRow = 16

func (c countByBlock) step(ctx context.Context) (found, error) {
	now := c.left.first(countedPerRow * max(scanRows, c.batcher.largest()))
	f := found{event: countedBlocks, reason: c.reason, blocks: blockRange{now.end, c.left.end, c.left.perBlock}}
	spans := c.heap.spans(now)
	counts := make([]Counts, len(spans))
	var queries []query
	for i, span := range spans {
		queries = append(queries, query{c.blockSQL(span.part).count, span.open().args(c.cutoffs), into(&counts[i].Expired, &counts[i].Revoked)})
	}
	if f.blocks.empty() {
		queries = append(queries, f.heap.query(c.batcher))
	}
	if err := c.batcher.send(ctx, queries...); err != nil {
		return found{}, fmt.Errorf("count the rows that may have moved: %w", err)
	}
	f.remaining = c.remaining
	for _, more := range counts {
		f.remaining.Expired, f.remaining.Revoked = f.remaining.Expired+more.Expired, f.remaining.Revoked+more.Revoked
	}
	switch {
	case f.blocks.empty() && f.heap.files != c.heap.files:
		f.event = rewritten
	case f.blocks.empty():
		f.event = counted
	}
	return f, nil
}

// lookBehind notes that rows may have been missed, behind the cursor, if others wrote while the pass deleted rows: the API, or
// a trigger, may have given a row an earlier key, or made a new one. The count passes the dead entries of all that went, and
// prunes their pages, as whoever reads them next would.
func (p *pass) lookBehind(ctx context.Context) {
	if p.missed.why == "" && p.ordered && !p.batcher.DryRun && p.deleter.keys == nil &&
		p.batcher.totals.deleted.Of(p.reason) > 0 && !p.nothingMoved(ctx) {
		p.missed.why = belowUnknown
	}
}

// nothingMoved asks whether no row can have moved while the run alone was watched.
func (p *pass) nothingMoved(ctx context.Context) bool {
	s := p.batcher.session
	return !p.deleter.hasEffects && s.alone.next != 0 && s.exchange(ctx) == nil && s.alone.still()
}

// noteRewrite notes that rows may have been missed if the table was rewritten while listed rows were
// picked: where one of them lay, another may lie by then that is due as well, and goes in its place.
func (p *pass) noteRewrite(ctx context.Context) {
	if p.missed.why != "" || !p.deleter.hasListed || p.batcher.DryRun {
		return
	}
	now, err := p.heapNow(ctx)
	if err != nil || now.files != p.heap.files {
		p.missed.why = rewritten
	}
	if err == nil {
		*p.heap = now
	}
}
