package janitor

import (
	"cmp"
	"math"
	"time"
)

const (
	// firstRows is the window that the first run begins with: rows of a table that nobody has
	// measured may cost milliseconds each, as where a foreign key lacks its index. Rows that cost
	// little reach a window of thousands in three batches.
	firstRows = 16
	// firstGrowth is how many times larger a window may be than the one before, until one has
	// taken about as long as it should.
	firstGrowth = 8
	// scanRows is how many rows are read, to begin with, where few of them are due: reading costs
	// microseconds a row.
	scanRows = 1000
	// floorRows is the window below which slowness leads only if it is the rows that are slow: what a
	// commit waits for, a disk or a standby, takes as long for fewer.
	floorRows = 100
	// ratePerWindow spreads a rate over this many windows a second, so that
	// 20,000 rows/s are ten windows of 2,000 and not four bursts of 5,000.
	ratePerWindow = 10
	// sparseRows is the largest window that windows lead to of which less than a quarter went:
	// how long one takes that goes whole is not known.
	sparseRows = 20_000
)

// pace decides how many rows the next window is cut for and how long to rest before
// it. It is pure: it is told what a batch took and is never asked for the time.
type pace struct {
	goal time.Duration
	load float64
	rate int
	max  int // the largest window

	rows  int           // the window now
	known bool          // a window took about as long as it should, so rows is not far from right
	last  sample        // of the last batch that deleted rows
	fixed time.Duration // what a batch takes besides its rows, as far as two batches tell
	owed  time.Duration // rest that load still asks for; negative when it rested too long
	due   time.Duration // on the run's clock: before this, rate lets no batch begin
}

// longestRest bounds what load asks for; two of it are still a Duration.
const longestRest = 100 * 365 * 24 * time.Hour

func newPace(s Settings) *pace {
	p := &pace{goal: s.BatchGoal, load: s.Load, rate: s.MaxRate, max: s.BatchMaxRows}
	if s.DryRun {
		p.rate = 0 // it bounds what is written, and counting writes nothing
	}
	if p.rate > 0 {
		p.max = min(p.max, max(1, p.rate/ratePerWindow))
	}
	first := cmp.Or(s.Window, firstRows)
	if s.DryRun {
		first = max(first, scanRows)
	}
	p.rows = min(first, p.max)
	return p
}

// after takes in a batch that began at an instant of the run's clock, took so long and
// deleted so many rows. It returns the rest that is due before the next.
func (p *pace) after(began, took time.Duration, deleted int64) Rest {
	// Next to no load asks for more rest than a Duration holds.
	p.owed = min(p.owed, longestRest) + time.Duration(min(float64(took)*(1-p.load)/p.load, float64(longestRest)))
	rest := Rest{Cause: ForLoad, For: max(0, p.owed)}
	if p.rate > 0 {
		// Counted from its own beginning if it began late: what a slow stretch left
		// undone is not caught up with in a burst.
		p.due = max(p.due, began) + time.Duration(float64(deleted)/float64(p.rate)*float64(time.Second))
		if wait := p.due - (began + took); wait > rest.For {
			rest = Rest{Cause: ForRate, For: wait}
		}
	}
	return rest
}

// rested takes in how long the rest really was: timers oversleep, and what they took
// too much is taken off the next rest, up to one batch's worth.
func (p *pace) rested(slept time.Duration) {
	p.owed = max(p.owed-slept, -p.goal)
}

// sample is how long a batch took that deleted so many rows.
type sample struct {
	rows int64
	took time.Duration
}

// resize cuts the next window for what the last one took, the round trip apart, and deleted. It
// shrinks at once to what the goal allows. It grows by a half at most, once the pace is known; before,
// by more, but not beyond what the goal allows either, and only if rows went: what else costs nothing.
func (p *pace) resize(took time.Duration, deleted int64) {
	p.rows = min(max(p.next(took, deleted), 1), p.max)
	if deleted > 0 {
		p.last = sample{deleted, took}
	}
}

// next is the next window, between any bounds.
func (p *pace) next(took time.Duration, deleted int64) int {
	allowed := p.within(took)
	switch {
	case took > p.goal && p.rows > floorRows:
		p.known = true
		return max(allowed, floorRows) // a stall is not yet the rows' fault
	case took > p.goal:
		p.known = true
		p.learnFixed(took, deleted)
		if took -= p.fixed; took < p.goal*2/3 {
			return min(p.larger(), floorRows)
		}
		return p.within(took)
	case took >= p.goal*2/3: // it is right
		p.known = true
		return p.rows
	}
	larger := p.larger()
	if !p.known {
		larger = max(larger, min(firstGrowth*p.rows, allowed))
	}
	if deleted < int64(p.rows+3)/4 {
		larger = min(larger, p.sparse(took, deleted))
	}
	return larger
}

// within is how many rows take no longer than the goal, if those of the window took so long.
func (p *pace) within(took time.Duration) int {
	return int(min(float64(p.rows)*float64(p.goal)/float64(max(took, 1)), math.MaxInt32))
}

// larger is the next larger window.
func (p *pace) larger() int { return p.rows + max(1, p.rows/2) }

// sparse is how large a window may grow of which less than a quarter went. While the pace is not known, all rows of the
// next may be due, and each may cost as much as one of those that went.
func (p *pace) sparse(took time.Duration, deleted int64) int {
	most := float64(sparseRows)
	if !p.known {
		most = min(most, float64(deleted)*float64(p.goal)/float64(max(took, 1)))
	}
	return max(p.rows, int(most))
}

// learnFixed tells, from two batches of which one had half again as many rows, how much of their time
// more or fewer rows would not have changed.
func (p *pace) learnFixed(took time.Duration, deleted int64) {
	few, many := p.last, sample{deleted, took}
	if few.rows > many.rows {
		few, many = many, few
	}
	if few.rows > 0 && many.rows >= few.rows+(few.rows+1)/2 {
		slope := max(0, float64(many.took-few.took)/float64(many.rows-few.rows))
		p.fixed = max(0, few.took-time.Duration(slope*float64(few.rows)))
	}
}

// shrink cuts the window to a quarter after a batch that the server cancelled for its length: each such
// batch costs as much as a statement may take.
func (p *pace) shrink() { p.rows, p.known = min(max(p.rows/4, 1), p.max), true }
