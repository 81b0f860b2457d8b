package janitor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	// rowsPerBlock is how many rows fit into a block, of this table's columns, where the hash is a
	// SHA-256 in hex. No more than mostPerBlock fit of any hash.
	rowsPerBlock = 64
	mostPerBlock = 226
)

// heap describes the table's storage: number of partitions (1 for a plain table), blocks of the
// largest one, blocks in total, and the files, which change when the table is rewritten.
type heap struct {
	partitions, longest, total int64
	files                      string
}

func (h *heap) query(oid int64) query {
	return query{statement("heap"), pgx.NamedArgs{"oid": oid}, into(&h.partitions, &h.longest, &h.total, &h.files)}
}

// most and usual are the rows in one block of each partition.
func (h *heap) most() int64  { return mostPerBlock * max(1, h.partitions) }
func (h *heap) usual() int64 { return rowsPerBlock * max(1, h.partitions) }

func (h *heap) blocks(from, to int64) blockRange { return blockRange{from, to, h.most()} }

func (h *heap) all() blockRange { return h.blocks(0, h.longest) }

// blockRange is the heap blocks [next, end) of each partition.
type blockRange struct {
	next, end int64
	perBlock  int64 // rows to clear in a block of each partition, as the last batch found
}

func (r blockRange) empty() bool { return r.next >= r.end }

// first returns the blocks of the next batch, which may hold so many rows.
func (r blockRange) first(rows int) blockRange {
	n := min(max(1, int64(rows)/r.perBlock), max(1, r.end-r.next))
	return blockRange{r.next, r.next + n, r.perBlock}
}

func (r blockRange) args(s *scan, more ...any) pgx.NamedArgs {
	return with(s.with(more...), "first", ctid(r.next), "end", ctid(r.end))
}

func ctid(block int64) string { return fmt.Sprintf("(%d,0)", block) }

// clearBlocks clears the first blocks of a range and returns them, and what is left of the range.
func (s *scan) clearBlocks(ctx context.Context, sql regionSQL, all blockRange, key string) (now, rest blockRange, c cleared, err error) {
	read := s.batcher.largest()
	// A block of each partition is the least, and the partitions may be many.
	oversize := s.heap.usual() > int64(read) || !s.batcher.pace.known && read < scanRows
	if oversize {
		read = max(read, scanRows)
	}
	now = all.first(read)
	rows := int((now.end - now.next) * s.heap.most())
	c, err = s.deleter.clear(ctx, region{
		sql:      sql,
		args:     now.args(s, "floor", key, "rows", rows),
		rows:     rows,
		oversize: oversize,
	})
	n := now.end - now.next
	rest = blockRange{now.end, all.end, min(s.heap.most(), max(s.heap.usual(), (c.deleted+c.tally.counted+n-1)/n))}
	return now, rest, c, err
}

// blocks reads a range of heap blocks: those of a tie, or those in which a sweep met rows of the
// other rule.
type blocks struct {
	*scan
	sql  regionSQL
	key  string // of the tie; "" = any
	left blockRange
	then reader // after the last block
}

func (b blocks) step(ctx context.Context) (found, error) {
	_, rest, c, err := b.clearBlocks(ctx, b.sql, b.left, b.key)
	return found{event: blocksCleared, reason: b.reason, deleted: c.deleted, vanished: c.vanished, tally: c.tally, blocks: rest}, err
}

// sweep reads the whole heap, for both rules if there is a companion.
type sweep struct {
	*scan
	sql       regionSQL
	left      blockRange
	companion *scan // whose rows are cleared on the way; nil = none
}

func (s sweep) step(ctx context.Context) (found, error) {
	if s.left.empty() {
		return s.end(ctx)
	}
	now, rest, c, err := s.clearBlocks(ctx, s.sql, s.left, "")
	f := found{event: blocksCleared, reason: s.reason, deleted: c.deleted, vanished: c.vanished, tally: c.tally, blocks: rest}
	if s.companion != nil && c.met {
		f.event = otherRuleMet
		f.met = blockRange{now.next, min(now.end, s.left.end), s.heap.usual()}
	}
	return f, err
}

// end looks whether the table was rewritten under the sweep.
func (s sweep) end(ctx context.Context) (found, error) {
	f := found{event: sweepEnded, reason: s.reason}
	if s.batcher.DryRun {
		return f, nil
	}
	if err := s.batcher.send(ctx, f.heap.query(s.batcher.session.oid)); err != nil {
		return found{}, fmt.Errorf("look at the heap after a sweep: %w", err)
	}
	if f.heap.files != s.heap.files {
		f.event = rewritten
	}
	return f, nil
}
