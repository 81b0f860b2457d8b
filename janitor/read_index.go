package janitor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// reader is one way through the table. A reader is a value: a step that failed can be taken again,
// and the pass makes the reader of the next step from what this one found.
type reader interface {
	// step clears one region, in one batch or its rows one by one, and returns what it found. What
	// it found counts beside an error that ends the run; a step that is taken again counts again.
	step(context.Context) (found, error)
}

// alongIndex is a reader that follows the index of the pass.
type alongIndex interface {
	// deadEntriesAhead reports whether a step that timed out did so because of the dead index
	// entries before it: more than can be passed in that time, as after millions of deletions
	// that no vacuum could clean up yet. Then a smaller region is no help.
	deadEntriesAhead(context.Context) bool
}

// event is what happened in a step.
type event string

const (
	windowCleared event = "window cleared"
	keyFillsAll   event = "one key fills the window"
	keysEnd       event = "no key before the end"
	tieListed     event = "few rows of one key"
	tieTooLarge   event = "many rows of one key"
	nextKey       event = "next key"
	blocksCleared event = "blocks cleared"
	otherRuleMet  event = "rows of the other rule met"
	rewritten     event = "the table was rewritten"
	countedBlocks event = "blocks counted"
	counted       event = "due rows counted"
	triedAgain    event = "rows tried again"
	rowsVanished  event = "listed rows vanished" // found by the pass, as the three below
	belowUnknown  event = "unknown whether rows lie below"
	rowsDense     event = "the rows are dense"
	deadEntries   event = "timed out over dead entries"
)

// found is what a step did and met.
type found struct {
	event   event
	reason  Reason // the rule whose rows these are
	key     string // where the pass reads on, after windowCleared and nextKey
	scanned int64  // rows that a window, or blocks of a sweep, may hold
	deleted int64
	// vanished is how many listed rows were no longer due at their place.
	vanished int64
	tally    tally
	blocks   blockRange // of tieTooLarge, blocksCleared, otherRuleMet and countedBlocks: what is still to read
	met      blockRange // of otherRuleMet: where
	heap     heap       // of rewritten: as it is now

	remaining Counts // of counted and countedBlocks: due rows so far
}

// fewTied is how many rows of one key are listed along the index. Of more, the heap blocks between
// which they lie are read, whatever else lies there.
const fewTied = 10_000

// scan is what the readers of one pass share.
type scan struct {
	reason  Reason
	key     column // whose index the pass follows
	until   string // it ends before this key; forever includes the keys at infinity
	sql     statements
	columns columns
	cutoffs pgx.NamedArgs
	heap    *heap
	deleter *deleter
	batcher *batcher

	fewTied   int64      // how many rows of one key are few
	lookAhead int        // a window spans at least so many rows, where few of them are due
	edgeGuess *edgeGuess // nil = each window's edge is found by its rows
}

// blockSQL is the statements on heap blocks of one part of the table.
func (s *scan) blockSQL(part heapPart) blockSQL {
	if part.oid == s.batcher.session.oid {
		return s.sql.blocks
	}
	return blockStatements(part.table, "tableoid = @part::oid", s.columns, s.reason, s.key)
}

// with is the arguments of a statement: the cutoffs, and more as name, value, name, value.
func (s *scan) with(more ...any) pgx.NamedArgs { return with(s.cutoffs, more...) }

func with(args pgx.NamedArgs, more ...any) pgx.NamedArgs {
	all := pgx.NamedArgs{}
	for name, value := range args {
		all[name] = value
	}
	for ; len(more) > 1; more = more[2:] {
		all[more[0].(string)] = more[1]
	}
	return all
}

// windows reads along the index: the window [from, edge).
type windows struct {
	*scan
	from string
}

func (w windows) step(ctx context.Context) (found, error) {
	// Where it spans more rows than a batch may delete, those that are due are listed first. Their
	// order is the heap's: near the end of the budget a window is small, so that the oldest go.
	rows := max(int(min(int64(w.batcher.largest()), max(scanRows, w.batcher.budget()))), w.lookAhead)
	r := region{
		edge:      w.sql.windowEdge,
		stretches: []stretch{{w.sql.window, w.with("floor", w.from, "until", w.until, "rows", rows)}},
		rows:      rows,
		oversize:  rows > w.batcher.largest(),
	}
	c, err := w.clear(ctx, r)
	f := found{event: windowCleared, reason: w.reason, scanned: int64(rows), deleted: c.deleted, vanished: c.vanished, tally: c.tally}
	switch {
	case c.edge == nil:
		f.event = keysEnd
	case *c.edge == w.from:
		f.event = keyFillsAll
	default:
		f.key = *c.edge
	}
	return f, err
}

// clear clears a window. In a cluster its edge is guessed first.
func (w windows) clear(ctx context.Context, r region) (cleared, error) {
	if w.edgeGuess == nil {
		return w.deleter.clear(ctx, r)
	}
	return w.edgeGuess.clear(ctx, w, r)
}

func (w windows) deadEntriesAhead(ctx context.Context) bool {
	return timesOut(ctx, w.batcher, query{w.sql.windowEdge, w.with("floor", w.from, "until", w.until, "rows", w.batcher.largest()), ignored})
}

// tie reads the rows of one key when they fill a window by themselves. The index cannot tell them
// apart, and batches that walk their entries, each over the dead ones of all before it, would take
// quadratic time. So the entries are walked a fixed number of times, and never once for each batch.
type tie struct {
	*scan
	key string
}

func (t tie) step(ctx context.Context) (found, error) {
	if t.deleter.keys != nil {
		return t.keyed(ctx)
	}
	rows, blocks, err := t.extent(ctx)
	if err != nil {
		return found{}, fmt.Errorf("find the rows of a tie: %w", err)
	}
	f := found{event: tieListed, reason: t.reason}
	switch {
	case rows > t.fewTied:
		f.event, f.blocks = tieTooLarge, blocks
		return f, nil
	case rows == 0: // another session was faster, or no key is at infinity
		return f, nil
	}
	c, err := t.deleter.clear(ctx, region{
		stretches: []stretch{{t.sql.tieByIndex, t.with("floor", t.key, "rows", t.fewTied)}},
		rows:      int(t.fewTied),
		oversize:  true,
	})
	f.deleted, f.vanished, f.tally = c.deleted, c.vanished, c.tally
	return f, err
}

func (t tie) deadEntriesAhead(ctx context.Context) bool {
	return timesOut(ctx, t.batcher, t.extentQuery(ignored))
}

// extent is how many rows the key has, counted to one more than are few, and the range of heap
// blocks that holds them: the whole heap where there are several, whose block numbers overlap, or
// where the index has the rows in another order. (An index that was built before PostgreSQL 12 and
// carried over since gives no sign of that: then the range may be short, and the count at the end
// of the pass finds what was missed.)
func (t tie) extent(ctx context.Context) (rows int64, blocks blockRange, err error) {
	var low, high *string
	var inOrder bool
	err = t.batcher.send(ctx, t.extentQuery(into(&rows, &low, &high, &inOrder)))
	if err != nil || low == nil || high == nil {
		return 0, blockRange{}, err
	}
	if t.heap.partitions > 1 || !inOrder {
		return rows, t.heap.all(), nil
	}
	var first, last int64
	if _, err := fmt.Sscanf(*low, "(%d,", &first); err != nil {
		return 0, blockRange{}, fmt.Errorf("read ctid %q: %w", *low, err)
	}
	if _, err := fmt.Sscanf(*high, "(%d,", &last); err != nil {
		return 0, blockRange{}, fmt.Errorf("read ctid %q: %w", *high, err)
	}
	return rows, t.heap.blocks(first, last+1), nil
}

func (t tie) extentQuery(read func(pgx.Rows) error) query {
	return query{t.sql.tieExtent, t.with("floor", t.key, "oid", t.batcher.session.oid, "key", t.scan.key.name, "rows", t.fewTied+1), read}
}

// afterTie finds the first key after a tie.
type afterTie struct {
	*scan
	key string // of the tie
}

func (a afterTie) step(ctx context.Context) (found, error) {
	var next *string
	if err := a.batcher.send(ctx, a.nextQuery(into(&next))); err != nil {
		return found{}, fmt.Errorf("find the key after a tie: %w", err)
	}
	if next == nil {
		return found{event: keysEnd, reason: a.reason}, nil
	}
	return found{event: nextKey, reason: a.reason, key: *next}, nil
}

func (a afterTie) deadEntriesAhead(ctx context.Context) bool {
	return timesOut(ctx, a.batcher, a.nextQuery(ignored))
}

func (a afterTie) nextQuery(read func(pgx.Rows) error) query {
	return query{a.sql.keyAfterTie, a.with("floor", a.key, "until", a.until), read}
}

// timesOut reports whether the server does not get through a query in time.
func timesOut(ctx context.Context, b *batcher, q query) bool {
	return sqlState(b.session.exchange(ctx, q)) == queryCanceled
}
