package janitor

import "time"

const (
	// firstRows is the window that a run begins with: large enough to be worth its
	// round trip, small enough for a disk that nobody has measured yet.
	firstRows = 1000
	// floorRows is the smallest window that slowness leads to. Below it the round
	// trip, not the rows, is what takes the time, and shrinking buys nothing.
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

	rows int           // the window now
	owed time.Duration // rest that load still asks for; negative when it rested too long
	due  time.Duration // on the run's clock: before this, rate lets no batch begin
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
	p.rows = min(firstRows, p.max)
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

// resize cuts the next window for what the last one took and deleted: it grows by a half at
// most, and shrinks at once to what the goal allows.
func (p *pace) resize(took time.Duration, deleted int64) {
	switch {
	case took > p.goal:
		p.rows = int(float64(p.rows) * float64(p.goal) / float64(took))
	case took < p.goal*2/3: // between two thirds and the goal it is right
		larger := p.rows + max(1, p.rows/2)
		if deleted < int64(p.rows/4) {
			larger = min(larger, max(p.rows, sparseRows))
		}
		p.rows = larger
	}
	p.rows = min(max(p.rows, floorRows), p.max)
}

// shrink is for a batch that the server refused for its length.
func (p *pace) shrink() { p.rows = min(max(p.rows/4, floorRows), p.max) }
