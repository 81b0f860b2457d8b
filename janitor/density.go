package janitor

import (
	"context"
	"math"
)

const (
	// sweepAfter is how many rows a pass reads in windows before it checks whether a sweep would
	// serve it better: some milliseconds of work, as much as the check takes.
	sweepAfter = 5_000
	// dense is how many rows of the pass, for each block of the heap, make a sweep worth it: a
	// quarter of what fits, so that it reads at most four times of what it has to, in order. A row
	// that it passes over costs a sixth of a deletion; a row that the index finds where no
	// neighbour of it is due, up to seven: measured in memory.
	dense = rowsPerBlock / 4
	never = math.MaxInt64
)

// density is whether the rows of a pass lie so close together in the heap that a sweep serves it
// better than the index.
type density struct {
	scanned     int64 // rows that its windows have spanned
	sampleAfter int64 // and after how many the heap is sampled, once; never = not at all
	enough      int64 // rows of the pass for each block of the heap that make a sweep worth it
}

// sweep is a sweep from the first block to where the heap ends now: rows have moved beyond the end that was known before, if
// somebody has written since. Until it has ended, no key is safe to resume from.
func (p *pass) sweep(ctx context.Context) reader {
	p.cursor.resumeFrom = p.key.kind.earliest()
	p.density.sampleAfter = never
	p.missed.why = rowsDense
	p.batcher.session.alone.watch(p.remeasure(ctx))
	s := sweep{scan: p.scan, rows: dueRows, left: p.heap.all()}
	if p.companion != nil && p.companion.reader != nil && !p.batcher.DryRun {
		s.rows, s.companion = bothRules, p.companion.scan
	}
	return s
}

// maySweep reports whether the pass may read the whole heap where that is faster than the index.
// The index costs a second look at each row, to find the edges, and leads through the heap in an
// order that need not be the heap's. Not where a budget may end the run, nor from a floor: the next
// run would begin at the first block again. Nor in a dry run, which would count again what its
// windows have counted; nor through live rows at a low rate, where a window looks at more of them
// than a batch of blocks; nor where so many partitions lie side by side that a block of each holds more
// than a batch may, for then rows would be listed and picked.
func (p *pass) maySweep() bool {
	return p.deleter.keys == nil && (p.cursor.at == p.key.kind.earliest() || !p.ordered && p.batcher.pace.max >= scanRows) &&
		p.batcher.MaxRows == 0 && p.batcher.MaxRunTime == 0 && !p.batcher.DryRun && p.heap.usual() <= int64(max(scanRows, p.batcher.pace.max))
}

// sweepIfDense turns windows into a sweep if the pass has read enough of them and its rows are
// dense in the heap. A sample of the heap tells: the planner's statistics may be older than the
// rows.
func (p *pass) sweepIfDense(ctx context.Context) error {
	if _, reading := p.reader.(windows); !reading || p.density.scanned < p.density.sampleAfter {
		return nil
	}
	p.density.sampleAfter = never
	if p.tally.left.Total() > 0 || p.heap.total == 0 {
		return nil // a sweep would meet the rows that were left again, or nothing
	}
	rows, err := p.sampled(ctx, p.cursor.at)
	if err != nil || rows < 0 {
		return err
	}
	if p.ordered {
		p.estimate = p.batcher.totals.deleted.Of(p.reason) + rows
		p.batcher.underWay.estimate = p.estimate
	}
	if rows >= p.density.enough*p.heap.total {
		before := p.reader
		p.reader = p.sweep(ctx)
		p.noteTransition(before, rowsDense)
	}
	return nil
}
