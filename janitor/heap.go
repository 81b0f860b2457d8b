package janitor

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	// rowsPerBlock is how many rows fit into a block, of this table's columns, where the hash is a
	// SHA-256 in hex. No more than mostPerBlock fit of any hash.
	rowsPerBlock = 64
	mostPerBlock = 226
	// lastBlock is the end of a file, however much it grows.
	lastBlock = 4_294_967_294
)

// heap describes the table's storage: its partitions, laid end to end (one for a plain table), and the
// files, which change when the table is rewritten, and when it gets or loses a partition.
type heap struct {
	parts      []heapPart
	length     int64 // blocks of all parts
	total      int64 // blocks there are: more, where partitions lie side by side
	partitions int64
	direct     []heapPart // partitions that may be reached directly
	files      string     // and the names of their tables, and which may be reached directly
}

// heapPart is one partition. Where not all of them may be reached directly, it is all of them side by side, through the
// table: block 7 is block 7 of each.
type heapPart struct {
	oid    int64
	table  pgx.Identifier
	blocks int64 // at least 1
}

func (h *heap) query(b *batcher) query {
	oid := b.session.oid
	columns := append(b.Columns.names(), "ctid", "tableoid")
	return query{statement("heap"), pgx.NamedArgs{"oid": oid, "names": columns}, func(rows pgx.Rows) error {
		*h = heap{}
		all := heapPart{oid: oid, table: b.Table}
		var files strings.Builder
		var part heapPart
		var schema, name string
		var file int64
		var reach bool
		_, err := pgx.ForEachRow(rows, []any{&part.oid, &schema, &name, &part.blocks, &file, &reach}, func() error {
			h.total, h.partitions = h.total+part.blocks, h.partitions+1
			part.blocks = max(1, part.blocks)
			all.blocks = max(all.blocks, part.blocks)
			part.table = pgx.Identifier{schema, name}
			if reach && part.oid != oid {
				h.direct = append(h.direct, part)
			}
			fmt.Fprintf(&files, "%d %q %d %t\n", part.oid, part.table, file, reach)
			return nil
		})
		if h.parts = h.direct; int64(len(h.direct)) < h.partitions {
			h.parts = []heapPart{all}
		}
		for _, p := range h.parts {
			h.length += p.blocks
		}
		h.files = files.String()
		return err
	}}
}

// most and usual are the rows in one block, or in one of each partition that lies beside.
func (h *heap) most() int64  { return mostPerBlock * h.beside() }
func (h *heap) usual() int64 { return rowsPerBlock * h.beside() }

// beside is how many partitions lie side by side.
func (h *heap) beside() int64 {
	if len(h.parts) > 1 {
		return 1
	}
	return max(1, h.partitions)
}

func (h *heap) blocks(from, to int64) blockRange { return blockRange{from, to, h.most()} }

func (h *heap) all() blockRange { return h.blocks(0, h.length) }

// blockRange is the heap blocks [next, end).
type blockRange struct {
	next, end int64
	perBlock  int64 // rows to clear in a block, as the last batch found
}

func (r blockRange) empty() bool { return r.next >= r.end }

// first returns the blocks of the next batch, which may hold so many rows.
func (r blockRange) first(rows int) blockRange {
	n := min(max(1, int64(rows)/r.perBlock), max(1, r.end-r.next))
	return blockRange{r.next, r.next + n, r.perBlock}
}

// span is the blocks [first, end) of one part.
type span struct {
	part       heapPart
	first, end int64
}

// spans are the parts of a range.
func (h *heap) spans(r blockRange) (spans []span) {
	for _, part := range h.parts {
		s := span{part, max(0, r.next), min(part.blocks, r.end)}
		if s.first < s.end {
			spans = append(spans, s)
		}
		r.next, r.end = r.next-part.blocks, r.end-part.blocks
	}
	return spans
}

// args is the arguments of a statement on the span.
func (s span) args(more pgx.NamedArgs) pgx.NamedArgs {
	return with(more, "part", s.part.oid, "first", ctid(s.first), "end", ctid(s.end))
}

// open is the span with what its part has grown by, if it is the part's last.
func (s span) open() span {
	if s.end >= s.part.blocks {
		s.end = lastBlock
	}
	return s
}

func ctid(block int64) string { return fmt.Sprintf("(%d,0)", block) }

// attached is the queries that keep a batch from its work if it would reach rows directly in partitions that are no longer the
// table's; none where it reaches them through the table.
func (b *batcher) attached(parts ...heapPart) []query {
	if len(parts) == 0 || parts[0].oid == b.session.oid {
		return nil
	}
	oids, selects := make([]int64, len(parts)), make([]string, len(parts))
	for i, part := range parts {
		oids[i], selects[i] = part.oid, "SELECT FROM "+part.table.Sanitize()+" WHERE false"
	}
	return []query{
		{render("lock_parts", nil, pieces{"selects": strings.Join(selects, " UNION ALL ")}), nil, ignored},
		{statement("attached"), pgx.NamedArgs{"parts": oids, "oid": b.session.oid}, ignored},
	}
}
