package janitor

import "context"

// clearBlocks clears the first blocks of a range and returns them, and what is left of the range.
func (s *scan) clearBlocks(ctx context.Context, rows blockRows, all blockRange, key string) (now, rest blockRange, c cleared, err error) {
	read := max(s.batcher.largest(), s.lookAhead)
	// Where partitions lie side by side, a block of each is the least, and they may be many.
	oversize := read > s.batcher.largest() || s.heap.usual() > int64(read) || !s.batcher.pace.known && read < scanRows
	if oversize {
		read = max(read, scanRows)
	}
	now = all.first(read)
	most := int((now.end - now.next) * s.heap.most())
	r := region{rows: most, oversize: oversize}
	for _, span := range s.heap.spans(now) {
		r.stretches = append(r.stretches, stretch{s.blockSQL(span.part).of(rows), span.args(s.with("floor", key, "rows", most))})
		if span.part.oid != s.batcher.session.oid {
			r.parts = append(r.parts, span.part)
		}
	}
	if rows == bothRules {
		r.met = statement("sweep_met")
	}
	c, err = s.deleter.clear(ctx, r)
	n := now.end - now.next
	rest = blockRange{now.end, all.end, min(s.heap.most(), max(s.heap.usual(), (c.deleted+c.tally.counted+n-1)/n))}
	return now, rest, c, err
}

// blocks reads a range of heap blocks: those of a tie, or those in which a sweep met rows of the
// other rule.
type blocks struct {
	*scan
	rows blockRows
	key  string // of the tie; "" = any
	left blockRange
	then reader // after the last block
}

func (b blocks) step(ctx context.Context) (found, error) {
	_, rest, c, err := b.clearBlocks(ctx, b.rows, b.left, b.key)
	return found{event: blocksCleared, reason: b.reason, deleted: c.deleted, vanished: c.vanished, tally: c.tally, blocks: rest}, err
}

// sweep reads the whole heap, for both rules if there is a companion.
type sweep struct {
	*scan
	rows      blockRows
	left      blockRange
	companion *scan // whose rows are cleared on the way; nil = none
}

func (s sweep) step(ctx context.Context) (found, error) {
	now, rest, c, err := s.clearBlocks(ctx, s.rows, s.left, "")
	f := found{event: blocksCleared, reason: s.reason, scanned: (now.end - now.next) * s.heap.usual(), deleted: c.deleted, vanished: c.vanished, tally: c.tally, blocks: rest}
	if s.companion != nil && c.met {
		f.event = otherRuleMet
		f.met = blockRange{now.next, min(now.end, s.left.end), s.heap.usual()}
	}
	return f, err
}
