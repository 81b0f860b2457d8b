package janitor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// heap is where the rows lie: in so many leaves (partitions, or the table itself), the
// longest of so many blocks, all together of so many.
type heap struct {
	leaves, longest, blocks int64
	files                   string
}

// look is the query that tells.
func (h *heap) look(oid int64) query {
	return query{statement("heap"), pgx.NamedArgs{"oid": oid}, into(&h.leaves, &h.longest, &h.blocks, &h.files)}
}

// stretch is a part of the heap that a walk clears by its place, a range of blocks a
// batch, where the index serves it ill.
type stretch struct {
	placed
	next, end int64                       // blocks, in each of the leaves
	behind    func(context.Context) error // where the walk goes on
	beside    *stretch                    // the blocks that the other walk has yet to clear; nil: it does not come along

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
// twice what the windows before have left there; nor through live rows at a low rate, where a
// window looks at more of them than a batch of blocks.
func (w *walk) maySweep() {
	w.sweepable = (w.floor == earliest || !w.ordered && w.pace.max >= firstRows) && w.MaxRows == 0 && w.MaxRunTime == 0 && !w.DryRun
}

// sweep makes the walk one if its rows are dense in the heap. The heap itself tells, for
// the planner's statistics may be from before the rows were there.
func (w *walk) sweep(ctx context.Context) error {
	w.sweepable = false
	if w.stay > 0 || w.heap.blocks == 0 {
		return nil // it would meet them again, or nothing
	}
	rows, err := w.sampled(ctx)
	if err != nil || rows < 0 {
		return err
	}
	if w.ordered {
		w.about = *w.due.of(w.reason) + rows
	}
	if rows >= w.dense*w.heap.blocks {
		w.beginSweep()
	}
	return nil
}

// deadAhead says whether a step along the index timed out for the dead entries before it: more
// than can be passed in that time, as after millions of rows went that nobody may vacuum yet.
// Then to find its end takes too long by itself, and a smaller window is no help.
func (w *walk) deadAhead(ctx context.Context) bool {
	inHeap := w.sweeping || w.stretch != nil && w.stretch.next < w.stretch.end
	if inHeap || w.leftIndex || w.heap.blocks == 0 {
		return false
	}
	looks := []query{w.spanQuery(ignored), {w.sql.edge, w.args("until", w.until, "rows", w.pace.rows), ignored}}
	if w.stretch != nil {
		looks = []query{{w.sql.next, w.args("until", w.until), ignored}}
	}
	return code(w.exchange(ctx, looks...)) == queryCanceled
}

// leaveIndex goes over to a sweep, which meets no entries of the index.
func (w *walk) leaveIndex() {
	w.leftIndex = true
	w.again()
	w.beginSweep()
}

// again is for a walk that will meet once more what it left behind.
func (w *walk) again() {
	w.forget(w.first)
	w.floor, w.below = w.from, 0
}

func (w *walk) beginSweep() {
	w.sweepable, w.sweeping = false, true
	w.clean = earliest // until it has ended, there is no floor
	w.stretch = w.heap.stretch(w.sql.blocks, 0, w.heap.longest, w.swept)
	if w.beside != nil && !w.beside.done && !w.DryRun {
		w.stretch.placed = w.sql.swept
		w.stretch.beside = w.heap.stretch(w.beside.sql.blocks, 0, 0, nil)
	}
}

// swept ends a sweep. A row that somebody changed meanwhile may have moved to a block that
// was read before: if one can be seen, the walk goes on along the index; else whoever next
// begins at the start meets it. Where the whole table was rewritten, all begins again there.
func (w *walk) swept(ctx context.Context) error {
	if w.DryRun {
		w.sweeping = false
		w.sweptOut(ctx)
		return nil
	}
	var now heap
	if err := w.send(ctx, now.look(w.oid)); err != nil {
		return fmt.Errorf("look at the heap after a sweep: %w", err)
	}
	w.sweeping = false
	if now.files != w.heap.files {
		w.heap, w.leftIndex = now, false
		w.again()
		return nil
	}
	if w.beside != nil {
		w.beside.sweptOut(ctx)
		w.first = w.leftBehind() // what that one left, nobody meets again
	}
	if w.ordered && w.stay == 0 && !w.leftIndex && *w.due.of(w.reason) <= seenBelow {
		if empty, known, err := w.empty(ctx, w.until); err != nil || known && !empty {
			return err
		}
	}
	w.sweptOut(ctx)
	return nil
}

// sweptOut ends a walk all of whose rows were in a sweep.
func (w *walk) sweptOut(ctx context.Context) {
	if w.stay > 0 {
		w.lookForOldest(ctx, OverdueCap)
	}
	w.raise(w.until)
	w.done = true
}

// onward clears the next blocks of the stretch, and leaves it behind after the last.
func (w *walk) onward(ctx context.Context) error {
	s := w.stretch
	switch {
	case s.beside != nil && s.beside.next < s.beside.end:
		if err := w.beside.blocks(ctx, s.beside); err != nil {
			return fmt.Errorf("%s tokens on the way: %w", w.beside.reason, err)
		}
		return nil
	case s.next >= s.end:
		err := s.behind(ctx)
		if err == nil {
			w.stretch = nil
		}
		return err
	case s.beside == nil:
		return w.blocks(ctx, s)
	}
	first := s.next
	met := true // unless the batch says no: where rows are picked one by one, nobody asks
	if err := w.blocks(ctx, s, query{w.sql.met, nil, into(&met)}); err != nil {
		return err
	}
	if met {
		s.beside.next, s.beside.end, s.beside.perBlock = first, min(s.next, s.end), s.usual
	}
	return nil
}

// blocks clears the next blocks of a stretch, and asks what it is told to after that.
func (w *walk) blocks(ctx context.Context, s *stretch, after ...query) error {
	blocks := min(max(1, int64(w.pace.rows)/s.perBlock), max(1, s.end-s.next))
	before := w.due.Total()
	err := w.clear(ctx, place{
		placed: s.placed,
		after:  after,
		first:  tid(s.next),
		end:    tid(s.next + blocks),
		rows:   int(blocks * s.most),
		picked: s.usual > int64(w.pace.rows), // a block of each leaf is the least, and they may be many
	})
	if err != nil {
		return err
	}
	s.perBlock = min(s.most, max(s.usual, (w.due.Total()-before+blocks-1)/blocks))
	s.next += blocks
	return nil
}

func tid(block int64) string { return fmt.Sprintf("(%d,0)", block) }
