package janitor

import (
	"context"
	"fmt"
)

// next is the table of transitions in the package comment.
func (p *pass) next(ctx context.Context, f found) reader {
	switch r := p.reader.(type) {
	case windows:
		p.density.scanned += f.scanned
		p.adaptLookAhead(f)
		switch f.event {
		case keyFillsAll:
			return tie{p.scan, r.from}
		case keysEnd:
			return p.atEnd(ctx)
		}
		p.raise(f.key)
		return windows{p.scan, f.key}
	case tie:
		after := afterTie{p.scan, r.key}
		if f.event == tieTooLarge && !f.blocks.empty() {
			p.missed.why = tieTooLarge
			return blocks{p.scan, tiedRows, r.key, f.blocks, after}
		}
		return after
	case afterTie:
		if f.event == keysEnd {
			return p.atEnd(ctx)
		}
		p.raise(f.key)
		return p.at(f.key)
	case blocks:
		if !f.blocks.empty() {
			r.left = f.blocks
			return r
		}
		if s, sweeping := r.then.(sweep); sweeping {
			return p.afterBlocks(ctx, s)
		}
		return r.then
	case sweep:
		p.adaptLookAhead(f)
		r.left = f.blocks
		if f.event == otherRuleMet {
			return blocks{r.companion, dueRows, "", f.met, r}
		}
		return p.afterBlocks(ctx, r)
	case again:
		if f.event == rowsVanished {
			p.missed.why = rowsVanished
		}
		if more := r.goOn(f); more != nil {
			return more
		}
		if s, sweeping := r.then.(sweep); sweeping {
			return p.afterBlocks(ctx, s)
		}
		if p.tally.oldest = 0; p.tally.left.Total() > 0 {
			_, p.tally.oldest, _, _ = p.overdueFrom(ctx, p.cursor.start, OverdueCap) // without an answer it is unknown
		}
		p.raise(p.until)
		return p.verify(ctx)
	case countByIndex:
		return p.settle(ctx, f.remaining.Of(p.reason))
	case countByBlock:
		if f.event == rewritten {
			*p.heap = f.heap
			p.missed.rounds++
			return p.restart(p.at(p.cursor.start))
		}
		if f.event == countedBlocks {
			r.left = f.blocks
			r.remaining = f.remaining
			return r
		}
		if r.companion != nil {
			p.companion.reader = p.companion.settle(ctx, f.remaining.Of(r.companion.reason))
		}
		return p.settle(ctx, f.remaining.Of(p.reason))
	}
	panic(fmt.Sprintf("no reader comes after %T", p.reader))
}

// adaptLookAhead sets how many rows the next window spans, if that is not for the pace to say: as
// many as are read in the time that a batch may take, while next to none of them is due. To list rows and
// pick them takes several times as long as one DELETE of them.
func (p *pass) adaptLookAhead(f found) {
	goal, took := p.batcher.pace.goal, p.batcher.lastTook-p.batcher.overhead(p.batcher.lastTook)
	switch {
	case p.lookAhead == 0: // it reads what is due
	case f.deleted > f.scanned/100:
		p.lookAhead = scanRows
	case took > goal:
		p.lookAhead = max(1, int(float64(p.lookAhead)*float64(goal)/float64(took)))
	case took < goal*2/3:
		read := max(p.lookAhead, p.batcher.largest())
		p.lookAhead = min(read+read/2, max(read, sparseRows))
	}
}

// at is the reader that begins at a key: no window has an edge above infinity.
func (p *pass) at(key string) reader {
	if key == p.key.kind.forever() {
		return tie{p.scan, key}
	}
	return windows{p.scan, key}
}

// atEnd comes after the last key before the end. The pass is complete, unless it includes the
// keys at infinity and has not read them yet.
func (p *pass) atEnd(ctx context.Context) reader {
	last := p.key.kind.forever()
	complete := p.until != last || p.cursor.at == last
	p.raise(p.until)
	if complete {
		if r := p.tryAgain(nil); r != nil {
			return r
		}
		return p.verify(ctx)
	}
	return p.at(last)
}

// verify comes after the last region: nothing, or a count of the due rows where some may have been
// missed.
func (p *pass) verify(ctx context.Context) reader {
	p.noteRewrite(ctx)
	p.lookBehind(ctx)
	switch {
	case p.missed.why == "" || p.batcher.DryRun || p.missed.rounds >= maxRounds:
		return nil
	case p.ordered:
		return countByIndex{p.scan, p.cursor.start, p.tally.left.Total() + 1}
	}
	return countByBlock{scan: p.scan, left: p.heap.all()}
}

// afterBlocks goes on with a sweep. After its last blocks, what it may have missed is counted, for both
// rules at once, unless nobody was there to move a row.
func (p *pass) afterBlocks(ctx context.Context, r sweep) reader {
	if !r.left.empty() {
		return r
	}
	for _, of := range []*scan{r.scan, r.companion} {
		if of == nil {
			continue
		}
		if blocked := of.tryAgain(r); blocked != nil {
			return blocked
		}
	}
	switch {
	case p.batcher.DryRun:
		return p.finish(ctx)
	case p.nothingMoved(ctx):
		p.missed.why = ""
		if r.companion != nil {
			p.companion.reader = p.companion.finish(ctx)
		}
		return p.finish(ctx)
	}
	return countByBlock{scan: p.scan, left: p.heap.all(), companion: r.companion}
}

// settle compares the due rows that are still there with those that were left: the pass ends if none
// was missed, and reads along the index from the start otherwise.
func (p *pass) settle(ctx context.Context, remaining int64) reader {
	p.missed.why = ""
	if remaining <= p.tally.left.Total() {
		if p.deleter.hasDeleteTrigger { // a sweep meets rows again that a trigger moves
			p.tally.left.Refused -= min(p.tally.left.Total()-remaining, p.tally.left.Refused)
		}
		return p.finish(ctx)
	}
	rounds := maxRounds
	if p.tally.left.Total() > 0 {
		rounds = 2 // it will not be drained: what keeps coming is for the next run
	}
	if p.missed.rounds++; p.missed.rounds >= rounds {
		p.missed.why = rowsVanished
		return p.finish(ctx)
	}
	p.batcher.rest.For += p.batcher.LockTimeout << (2 * p.missed.rounds) // whoever moves them, as one UPDATE of all does, may be done by then
	p.cursor.resumeFrom = p.cursor.start
	p.remeasure(ctx)
	return p.restart(p.at(p.cursor.start))
}

// maxRounds is how often a pass is read, if rows keep moving.
const maxRounds = 4

// restart begins the pass again with a reader: what it has counted it will meet again.
func (p *pass) restart(r reader) reader {
	if p.companion != nil && p.companion.reader != nil {
		p.companion.tally = tally{}
	}
	p.tally = tally{}
	p.deleter.picker.blocked = blocked{}
	p.batcher.counted = p.counted()
	p.cursor.at, p.cursor.leftBelow = p.cursor.start, 0
	return r
}
