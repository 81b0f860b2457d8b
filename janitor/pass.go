package janitor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	forever  = "infinity"  // the largest timestamptz there is
	earliest = "-infinity" // and the smallest
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

	scanned     int64 // rows that its windows have spanned
	sampleAfter int64 // and after how many the heap is sampled, once; never = not at all
	dense       int64 // rows of the pass for each block of the heap that make a sweep worth it
	estimate    int64 // rows due when the run began, by the planner or a sample; -1 = unknown
	doubt       event // why rows may have been missed; "" = none was
	rounds      int   // how often a count has found that some were
	observe     func(from reader, what event, to reader)

	indexChecked time.Time
}

// cursor is how far a pass has come. Keys are PostgreSQL's own text from end to end, for Go's time
// knows neither infinity nor all the years. It only rises, but for a restart.
type cursor struct {
	start      string
	at         string // all rows below have been dealt with
	resumeFrom string // the highest key below which no due row was left
	leftBelow  int64  // due rows that were left below at
}

func startAt(key string) cursor { return cursor{start: key, at: key, resumeFrom: key} }

const (
	// sweepAfter is how many rows a pass reads in windows before it checks whether a sweep would
	// serve it better: some milliseconds of work, as much as the check takes.
	sweepAfter = 10_000
	// dense is how many rows of the pass, for each block of the heap, make a sweep worth it: a
	// quarter of what fits, so that it reads at most four times of what it has to, in order. A row
	// that it passes over costs a sixth of a deletion; a row that the index finds where no
	// neighbour of it is due, up to seven: measured in memory.
	dense = rowsPerBlock / 4
	never = math.MaxInt64
)

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
		case err == nil && f.vanished > 0 && vanishings < retries:
			vanishings++ // its rows are elsewhere by now: the region is read again
			p.noteTransition(p.reader, rowsVanished)
			p.doubt = rowsVanished
			continue
		case err == nil && f.vanished > 0:
			p.doubt = rowsVanished
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
	if err := p.deleter.picker.everyRowFailed(); err != nil {
		return fmt.Errorf("no row can be deleted: %w", err)
	}
	return nil
}

// timedOut is for a step that the server ended for its length, the n-th in a row: the step is taken
// again over fewer rows, unless the index is gone, dead entries are the reason, or single rows are.
func (p *pass) timedOut(ctx context.Context, n int) error {
	p.batcher.pace.shrink()
	p.lookAhead = 0
	switch r := p.reader.(type) {
	case countByIndex:
		if n > 1 {
			p.finish(ctx) // the doubt remains
		}
		return nil
	case countByBlock:
		if n > 1 {
			if r.companion != nil {
				p.companion.tally = tally{} // it reads for itself
			}
			p.finish(ctx)
		}
		return nil
	}
	if err := p.checkIndex(ctx); err != nil || n < 2 {
		return err
	}
	if p.reader.deadEntriesAhead(ctx) {
		before := p.reader
		p.restart(p.sweep())
		p.noteTransition(before, deadEntries)
		return nil
	}
	p.deleter.expectFailures = true // so that the picker finds the rows that are slow
	return nil
}

// checkIndex returns a *planError if the pass reads along an index that is gone by now: each batch
// would read the whole table.
func (p *pass) checkIndex(ctx context.Context) error {
	switch p.reader.(type) {
	case windows, tie, afterTie:
		p.indexChecked = time.Now()
		err := p.requireIndex(ctx, p.cursor.at)
		if _, gone := errors.AsType[*planError](err); gone {
			return fmt.Errorf("an index was dropped during the run: %w", err)
		}
		if _, stop := errors.AsType[stopped](err); stop {
			return err
		}
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
		// In windows by expires_at the first row that is left is the oldest. A sweep looks at its
		// end: before, most of what is due has yet to go.
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
	// A batch that is much too slow may have lost its index.
	if p.batcher.lastTook > 2*p.batcher.BatchGoal && time.Since(p.indexChecked) > time.Second {
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

// next is the table of transitions in the package comment.
func (p *pass) next(ctx context.Context, f found) reader {
	switch r := p.reader.(type) {
	case windows:
		p.scanned += f.scanned
		switch f.event {
		case keyFillsAll:
			return tie{p.scan, r.from}
		case keysEnd:
			return p.atEnd()
		}
		p.raise(f.key)
		return windows{p.scan, f.key}
	case tie:
		after := afterTie{p.scan, r.key}
		if f.event == tieTooLarge && !f.blocks.empty() {
			p.doubt = tieTooLarge
			return blocks{p.scan, p.sql.tieByBlock, r.key, f.blocks, after}
		}
		return after
	case afterTie:
		if f.event == keysEnd {
			return p.atEnd()
		}
		p.raise(f.key)
		return p.at(f.key)
	case blocks:
		if f.blocks.empty() {
			return r.then
		}
		r.left = f.blocks
		return r
	case sweep:
		switch f.event {
		case otherRuleMet:
			r.left = f.blocks
			return blocks{r.companion, r.companion.sql.blocks, "", f.met, r}
		case rewritten:
			*p.heap = f.heap
			p.restart(p.at(p.cursor.start))
			return p.reader
		case sweepEnded:
			return p.afterSweep(ctx, r, f)
		}
		r.left = f.blocks
		return r
	case countByIndex:
		return p.afterCount(ctx, f)
	case countByBlock:
		if f.event == rewritten {
			*p.heap = f.heap
			p.rounds++
			p.restart(p.at(p.cursor.start))
			return p.reader
		}
		if f.event == countedBlocks {
			r.left = f.blocks
			*r.remaining.of(r.reason) = f.remaining
			if r.companion != nil {
				*r.remaining.of(r.companion.reason) = f.companionRemaining
			}
			return r
		}
		if r.companion != nil {
			p.companion.settleSweep(ctx, f.companionRemaining)
		}
		return p.afterCount(ctx, f)
	}
	panic(fmt.Sprintf("no reader comes after %T", p.reader))
}

// at is the reader that begins at a key: no window has an edge above infinity.
func (p *pass) at(key string) reader {
	if key == forever {
		return tie{p.scan, key}
	}
	return windows{p.scan, key}
}

// atEnd comes after the last key before the end. The pass is complete, unless it includes the
// keys at infinity and has not read them yet.
func (p *pass) atEnd() reader {
	complete := p.until != forever || p.cursor.at == forever
	p.raise(p.until)
	if complete {
		return p.verify()
	}
	return p.at(forever)
}

// verify comes after the last region: nothing, or a count of the due rows where some may have been
// missed.
func (p *pass) verify() reader {
	switch {
	case p.doubt == "" || p.batcher.DryRun || p.rounds >= maxRounds:
		return nil
	case p.ordered:
		return countByIndex{p.scan, p.cursor.start, p.tally.left.Total() + 1}
	}
	return countByBlock{scan: p.scan, from: p.cursor.start, left: p.heap.all()}
}

// afterSweep counts what the sweep may have missed, for both rules at once.
func (p *pass) afterSweep(ctx context.Context, r sweep, f found) reader {
	if p.batcher.DryRun {
		p.finish(ctx)
		return nil
	}
	*p.heap = f.heap
	count := countByBlock{scan: p.scan, from: p.cursor.start, left: p.heap.all()}
	if r.companion != nil {
		count.companion, count.companionFrom = r.companion, p.companion.cursor.start
	}
	return count
}

// afterCount ends the pass if nothing was missed, and reads along the index from the start
// otherwise.
func (p *pass) afterCount(ctx context.Context, f found) reader {
	p.settleSweep(ctx, f.remaining)
	return p.reader
}

// settleSweep compares the due rows that are still there with those that were left.
func (p *pass) settleSweep(ctx context.Context, remaining int64) {
	if remaining <= p.tally.left.Total() {
		p.doubt = ""
		p.finish(ctx)
		return
	}
	if p.rounds++; p.rounds >= maxRounds {
		p.doubt = rowsVanished
		p.finish(ctx)
		return
	}
	p.doubt = ""
	p.cursor.resumeFrom = p.cursor.start
	p.restart(p.at(p.cursor.start))
}

// maxRounds is how often a pass is read, if rows keep moving.
const maxRounds = 4

// raise raises the cursor. What is below it now and still there, stays.
func (p *pass) raise(key string) {
	p.cursor.at, p.cursor.leftBelow = key, p.tally.left.Total()
	if p.cursor.leftBelow == 0 {
		p.cursor.resumeFrom = key
	}
}

// restart begins the pass again: what it has counted it will meet again.
func (p *pass) restart(r reader) {
	if p.companion != nil && p.companion.reader != nil {
		p.companion.tally = tally{}
	}
	p.tally = tally{}
	p.batcher.counted = p.counted()
	p.cursor.at, p.cursor.leftBelow = p.cursor.start, 0
	p.reader = r
}

// sweep is a sweep from the first block. Until it has ended, no key is safe to resume from.
func (p *pass) sweep() reader {
	p.cursor.resumeFrom = earliest
	p.sampleAfter = never
	p.doubt = sweepEnded
	s := sweep{scan: p.scan, sql: p.sql.blocks, left: p.heap.all()}
	if p.companion != nil && p.companion.reader != nil && !p.batcher.DryRun {
		s.sql, s.companion = p.sql.sweep, p.companion.scan
	}
	return s
}

// maySweep reports whether the pass may read the whole heap where that is faster than the index.
// The index costs a second look at each row, to find the edges, and leads through the heap in an
// order that need not be the heap's. Not where a budget may end the run, nor from a floor: the next
// run would begin at the first block again. Nor in a dry run, which would count again what its
// windows have counted; nor through live rows at a low rate, where a window looks at more of them
// than a batch of blocks.
func (p *pass) maySweep() bool {
	return (p.cursor.at == earliest || !p.ordered && p.batcher.pace.max >= firstRows) &&
		p.batcher.MaxRows == 0 && p.batcher.MaxRunTime == 0 && !p.batcher.DryRun
}

// sweepIfDense turns windows into a sweep if the pass has read enough of them and its rows are
// dense in the heap. A sample of the heap tells: the planner's statistics may be older than the
// rows.
func (p *pass) sweepIfDense(ctx context.Context) error {
	if _, reading := p.reader.(windows); !reading || p.scanned < p.sampleAfter {
		return nil
	}
	p.sampleAfter = never
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
	if rows >= p.dense*p.heap.total {
		before := p.reader
		p.reader = p.sweep()
		p.noteTransition(before, rowsDense)
	}
	return nil
}

// finish ends a pass all of whose rows were in a sweep.
func (p *pass) finish(ctx context.Context) {
	if p.tally.left.Total() > 0 {
		p.noteOldest(ctx, OverdueCap)
	}
	p.raise(p.until)
	p.reader = nil
}

// floor is where the next run may begin, "" if nowhere.
func (p *pass) floor() string {
	if !p.ordered {
		return "" // rows become due all along the pass
	}
	return p.cursor.resumeFrom
}

// lookBelow is how long a run looks where nothing should be left: enough for tens of thousands of
// dead entries, and little for a run that finds nothing else to do.
const lookBelow = 5 * time.Millisecond

// skipTo begins the pass at the floor of an earlier run, unless a row lies below it by now.
func (p *pass) skipTo(ctx context.Context, floor string) error {
	if floor == "" {
		return nil
	}
	empty, known, err := p.empty(ctx, p.cursor.at, floor)
	if err == nil && (empty || !known) {
		p.raise(floor)
		p.reader = p.at(floor)
	}
	if err == nil && !known {
		p.doubt = belowUnknown
	}
	return err
}

// empty reports whether no row has a key in [from, to); unknown if that takes too long.
func (s *scan) empty(ctx context.Context, from, to string) (empty, known bool, err error) {
	var first *string
	var setting string
	err = s.batcher.session.exchangeWithin(ctx, lookBelow, query{s.sql.windowEdge, s.with("floor", from, "until", to, "rows", 0), into(&first, &setting)})
	switch {
	case sqlState(err) != "":
		return false, false, nil // it takes too long, or the table is locked
	case err != nil:
		return false, false, fmt.Errorf("look below %s: %w", to, err)
	}
	return first == nil, true, nil
}
