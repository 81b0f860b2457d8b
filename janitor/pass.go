package janitor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pass deletes what one rule makes due. It reads the table through one reader after another, keeps
// the books, and alone decides which reader comes next.
type pass struct {
	*scan
	ordered   bool   // it follows the column that its rule compares, so rows become due in its order
	reader    reader // of the next step; nil = the pass is complete
	cursor    cursor
	tally     tally
	companion *pass // its rows are cleared as well when this pass sweeps; nil = none

	density  density
	estimate int64 // rows due when the run began, by the planner or a sample; -1 = unknown
	missed   missed
	observe  func(from reader, what event, to reader)

	indexChecked time.Time
	checkEvery   time.Duration // the index, at the least
}

// checkEvery is how long a pass may follow an index before it looks whether that is still there: a look takes a
// millisecond, and of hundreds of partitions so long that it comes less often.
const checkEvery = 5 * time.Second

// missed is whether due rows may have been missed, and what was done about it.
type missed struct {
	why    event // "" = none was
	rounds int   // how often a count has found that some were
}

// tuning is the constants of a pass, other ones in tests.
type tuning struct {
	sweepAfter, dense, fewTied, smallTable int64
	scannedBlocks                          int64
	lookAhead                              int // rows of the first windows of a pass among live rows
	checkEvery                             time.Duration
	observe                                func(from reader, what event, to reader)
}

// run reads to the end, or until an error says why not.
func (p *pass) run(ctx context.Context) error {
	p.batcher.underWay = underWay{p.reason, p.estimate}
	if p.reader == nil {
		return nil // a sweep of the pass before has done it
	}
	if err := p.sweepIfDense(ctx); err != nil {
		return err
	}
	timeouts, vanishings := 0, 0
	for p.reader != nil {
		deleted := p.batcher.totals.deleted.Total()
		f, err := p.reader.step(ctx)
		if p.batcher.totals.deleted.Total() > deleted {
			timeouts = 0 // it got on, even if not to the end of the region
		}
		switch {
		case sqlState(err) == queryCanceled && timeouts < retries:
			timeouts++
			if err := p.timedOut(ctx, timeouts); err != nil {
				return err
			}
			continue
		case (sqlState(err) == undefinedTable || sqlState(err) == insufficientPrivilege) && p.lostPartition(ctx):
			before := p.reader
			p.reader = p.restart(p.at(p.cursor.start))
			p.noteTransition(before, rewritten)
			continue
		case err == nil && f.vanished > 0 && vanishings < retries:
			vanishings++ // its rows are elsewhere by now: the region is read again
			p.noteTransition(p.reader, rowsVanished)
			p.missed.why = rowsVanished
			continue
		case err == nil && f.vanished > 0:
			p.missed.why = rowsVanished
		}
		p.record(ctx, f)
		if err != nil {
			if f.reason != "" && f.reason != p.reason {
				err = fmt.Errorf("%s tokens on the way: %w", f.reason, err)
			}
			return err
		}
		timeouts, vanishings = 0, 0
		if err := p.advance(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// timedOut is for a step that the server ended for its length, the n-th in a row: the step is taken
// again, over fewer rows if it has a size, unless the index is gone, dead entries are the reason, or
// single rows are.
func (p *pass) timedOut(ctx context.Context, n int) error {
	p.batcher.pace.shrink()
	p.lookAhead /= 4
	switch r := p.reader.(type) {
	case countByIndex:
		if n > 1 {
			p.reader = p.finish(ctx) // the doubt remains
		}
		return nil
	case countByBlock:
		if n > 1 {
			if r.companion != nil {
				p.companion.tally = tally{} // it reads for itself
			}
			p.reader = p.finish(ctx)
		}
		return nil
	}
	if err := p.checkIndex(ctx); err != nil || n < 2 {
		return err
	}
	if r, ok := p.reader.(alongIndex); ok && p.deleter.keys == nil && r.deadEntriesAhead(ctx) {
		before := p.reader
		p.reader = p.restart(p.sweep(ctx))
		p.noteTransition(before, deadEntries)
		return nil
	}
	p.deleter.expectFailures = true // so that the picker finds the rows that are slow
	return nil
}

// lostPartition reports whether a partition is gone that the pass would have reached directly, or no longer open to its role.
func (p *pass) lostPartition(ctx context.Context) bool {
	if len(p.heap.parts) < 2 {
		return false
	}
	now, err := p.heapNow(ctx)
	lost := err == nil && now.files != p.heap.files
	if lost {
		*p.heap = now
	}
	return lost
}

// remeasure looks where the heap ends now, and reports whether it knows. A table that was rewritten, or has got or lost a
// partition, is left to whoever counts.
func (p *pass) remeasure(ctx context.Context) bool {
	now, err := p.heapNow(ctx)
	if err != nil || now.files != p.heap.files {
		return false // an error shows in the batch that comes next
	}
	*p.heap = now
	return true
}

func (p *pass) heapNow(ctx context.Context) (now heap, err error) {
	err = p.batcher.session.exchange(ctx, now.query(p.batcher))
	return now, err
}

// checkIndex returns a *planError if the pass reads along an index that is gone by now: each batch
// would read the whole table.
func (p *pass) checkIndex(ctx context.Context) error {
	if _, along := p.reader.(alongIndex); !along {
		return nil
	}
	p.indexChecked = time.Now()
	err := p.requireIndex(ctx, p.cursor.at)
	if _, gone := errors.AsType[*planError](err); gone {
		return fmt.Errorf("an index was dropped during the run: %w", err)
	}
	if _, stop := errors.AsType[stopped](err); stop {
		return err
	}
	return nil
}

// record adds what a step found to the books.
func (p *pass) record(ctx context.Context, f found) {
	of := p
	if p.companion != nil && f.reason == p.companion.reason {
		of = p.companion
	}
	of.tally.add(f.tally)
	of.batcher.counted = of.counted()
	if _, sweeping := p.reader.(sweep); of == p && !sweeping && f.tally.left.Total() > 0 && p.tally.oldest == 0 {
		// In windows in the order of the rule's column the first row that is left is the oldest. A sweep
		// looks at its end: before, most of what is due has yet to go.
		p.noteOldest(ctx, oldestAmong)
	}
}

// counted is what the passes of a dry run have counted.
func (p *pass) counted() Counts {
	counted := p.batcher.counted
	*counted.of(p.reason) = p.tally.counted
	return counted
}

// advance moves the cursor and goes over to the reader that comes next.
func (p *pass) advance(ctx context.Context, f found) error {
	before := p.reader
	p.reader = p.next(ctx, f)
	p.noteTransition(before, f.event)
	// A batch that is much too slow may have lost its index. Of a small table it is not slow for that, and
	// reads the whole all the same.
	unchecked := time.Since(p.indexChecked)
	if p.batcher.lastTook > 2*p.batcher.pace.goal && unchecked > time.Second || unchecked > max(p.checkEvery, 100*p.batcher.session.planning) {
		if err := p.checkIndex(ctx); err != nil {
			return err
		}
	}
	return p.sweepIfDense(ctx)
}

func (p *pass) noteTransition(from reader, what event) {
	if p.observe != nil {
		p.observe(from, what, p.reader)
	}
}

// complete reports whether the pass has read all that is due, and left none but what may stay for long.
func (p *pass) complete() bool {
	return p.reader == nil && p.missed.why == "" && p.tally.left.Locked == 0
}

// finish ends the pass where it is: no reader comes next.
func (p *pass) finish(ctx context.Context) reader {
	if p.tally.left.Total() > 0 {
		p.noteOldest(ctx, OverdueCap)
	}
	p.raise(p.until)
	return nil
}
