package janitor

import (
	"context"
	"fmt"
)

// heap is where the rows lie: in so many leaves (partitions, or the table itself), the
// longest of so many blocks, all together of so many.
type heap struct{ leaves, longest, blocks int64 }

// stretch is a part of the heap that a walk clears by its place, a range of blocks a
// batch, where the index serves it ill.
type stretch struct {
	placed
	next, end int64                       // blocks, in each of the leaves
	behind    func(context.Context) error // where the walk goes on
	beside    *walk                       // which is done as well, block by block; nil: none
	owed      *place                      // what it has yet to clear; nil: nothing

	most, usual, perBlock int64 // rows in a block of each leaf: at most, usually, and as the last batch had it
}

// rowsPerBlock is how many rows fit into a block, of this table's columns, where the
// hash is a SHA-256 in hex. No more than mostPerBlock fit of any hash.
const (
	rowsPerBlock = 64
	mostPerBlock = 226
)

const (
	// sweepAfter is how many rows a walk cuts windows for before it looks whether a sweep
	// would serve it better: some milliseconds of work, as that look.
	sweepAfter = 10_000
	// dense is how many rows of the walk, for each block of the heap, make a sweep: a
	// quarter of what fits, so that it reads at most four times of what it has to, in
	// order. What else it passes over costs a sixth of a deletion, but a row that the index
	// finds where no neighbour of it is due, up to seven: measured in memory.
	dense = rowsPerBlock / 4
	// sampleBlocks is how many blocks tell of all: to a twentieth, if half of them hold
	// such rows.
	sampleBlocks = 400
)

func (h heap) stretch(p placed, first, end int64, behind func(context.Context) error) *stretch {
	leaves := max(1, h.leaves)
	return &stretch{placed: p, next: first, end: end, behind: behind,
		most: mostPerBlock * leaves, usual: rowsPerBlock * leaves, perBlock: mostPerBlock * leaves}
}

// maySweep lets a walk read the whole heap, where that is sooner done than along the index,
// which costs a second look at each row, to find the edges, and leads through the heap in
// an order that need not be the heap's. Not where a budget may end the run, nor behind a
// floor: the next would begin at the first block again. Nor in a dry run, which would count
// twice what the windows before have left there.
func (w *walk) maySweep() {
	w.sweepable = (w.floor == earliest || !w.ordered) && w.MaxRows == 0 && w.MaxRunTime == 0 && !w.DryRun
}

// sweep makes the walk one if its rows are dense in the heap. The heap itself tells, for
// the planner's statistics may be from before the rows were there.
func (w *walk) sweep(ctx context.Context) error {
	w.sweepable = false
	if w.stay > 0 {
		return nil // it would meet them again
	}
	rows, err := w.sampled(ctx)
	if err != nil || rows < 0 {
		return err
	}
	if w.ordered {
		w.about = *w.due.of(w.reason) + rows
	}
	if rows < w.dense*w.heap.blocks {
		return nil
	}
	w.stretch = w.heap.stretch(w.sql.blocks, 0, w.heap.longest, w.swept)
	if w.beside != nil {
		w.stretch.placed, w.stretch.beside = w.sql.swept, w.beside
	}
	return nil
}

// swept ends a sweep. A row that somebody changed meanwhile may have moved to a block that
// was read before: if one can be seen, the walk goes on along the index; if that takes too
// long, the next run begins at the start.
func (w *walk) swept(ctx context.Context) error {
	empty, known := true, true
	switch {
	case !w.ordered || w.stay > 0:
	case *w.due.of(w.reason) > seenBelow:
		empty, known = false, false
	default:
		var err error
		if empty, known, err = w.empty(ctx, w.until); err != nil {
			return err
		}
	}
	w.done = empty || !known
	if empty {
		w.raise(w.until)
	}
	if w.beside != nil {
		w.beside.raise(w.beside.until)
		w.beside.done = true
	}
	return nil
}

// tie clears the rows of the timestamp at the floor when they fill a window by
// themselves. The index cannot tell them apart, and a batch that walks their entries
// walks over the dead ones of all batches before it, which takes quadratic time.
func (w *walk) tie(ctx context.Context) error {
	first, end, err := w.span(ctx)
	if err != nil {
		return fmt.Errorf("find the blocks of a tie: %w", err)
	}
	w.stretch = w.heap.stretch(w.sql.tie, first, end, func(ctx context.Context) error {
		var next *string
		if err := w.send(ctx, query{w.sql.next, w.args("until", w.until), into(&next)}); err != nil {
			return fmt.Errorf("find the timestamp behind a tie: %w", err)
		}
		if next == nil {
			return w.end(ctx)
		}
		w.raise(*next)
		return nil
	})
	return nil
}

// onward clears the next blocks of the stretch, and leaves it behind after the last.
func (w *walk) onward(ctx context.Context) error {
	s := w.stretch
	if s.owed != nil {
		err := s.beside.clear(ctx, *s.owed)
		if err == nil {
			s.owed = nil
		}
		return err
	}
	if s.next >= s.end {
		w.stretch = nil
		return s.behind(ctx)
	}
	blocks := max(1, int64(w.pace.rows)/s.perBlock)
	before := w.due.Total()
	p := place{
		placed: s.placed,
		first:  tid(s.next),
		end:    tid(s.next + blocks),
		rows:   int(blocks * s.most),
	}
	met := s.beside != nil
	if met {
		p.after = []query{{w.sql.met, nil, into(&met)}}
	}
	if err := w.clear(ctx, p); err != nil {
		return err
	}
	s.perBlock = min(s.most, max(s.usual, (w.due.Total()-before)/blocks))
	s.next += blocks
	if met {
		p.placed, p.after = s.beside.sql.blocks, nil
		s.owed = &p
	}
	return nil
}

// span is the range of heap blocks [first, end) that hold the rows of the timestamp at
// the floor. The block numbers of several partitions overlap, so these are taken whole. An
// index that was built before PostgreSQL 12 and carried over since is not in heap order:
// then the range may be short, and the next run goes on.
func (w *walk) span(ctx context.Context) (first, end int64, err error) {
	if w.heap.leaves > 1 {
		return 0, w.heap.longest, nil
	}
	var low, high *string
	if err := w.send(ctx, query{w.sql.span, w.args(), into(&low, &high)}); err != nil {
		return 0, 0, err
	}
	if low == nil || high == nil {
		return 0, 0, nil // no such row
	}
	if _, err := fmt.Sscanf(*low, "(%d,", &first); err != nil {
		return 0, 0, fmt.Errorf("read place %q: %w", *low, err)
	}
	if _, err := fmt.Sscanf(*high, "(%d,", &end); err != nil {
		return 0, 0, fmt.Errorf("read place %q: %w", *high, err)
	}
	return first, end + 1, nil
}

func tid(block int64) string { return fmt.Sprintf("(%d,0)", block) }
