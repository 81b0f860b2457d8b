package janitor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// edgesAhead is how many edges are tried at once, and reach how far they reach, in windows like the last.
const (
	edgesAhead = 16
	reach      = 1.5
)

// edgeGuess is a window in a cluster, by which the edge of the next is guessed: to find it without a guess, each shard sends as many
// keys as the whole window holds rows, which took ten times as long as their deletion where there were 32 shards.
type edgeGuess struct {
	text        string // citus_edge_among.sql
	first, last int64
	rows        int // that lie between the two; 0 = there was no such window yet
}

// clear clears a window of a pass by a guess of its edge. Where none would do, or the last one did, the rows tell.
func (s *edgeGuess) clear(ctx context.Context, w windows, r region) (cleared, error) {
	guessed := r
	if last := s.guess(&guessed, w.key.kind, w.from, w.until); last != "" {
		c, err := w.deleter.clear(ctx, guessed)
		switch {
		case err != nil || c.edge == nil:
			return c, err
		case *c.edge == last:
			s.rows = 0
			return c, nil
		case *c.edge != w.from:
			s.learn(w.key.kind, w.from, *c.edge, r.rows)
			return c, nil
		}
	}
	c, err := w.deleter.clear(ctx, r)
	if c.edge != nil {
		s.learn(w.key.kind, w.from, *c.edge, r.rows)
	}
	return c, err
}

// guess has a region that begins at a key end at one of some edges, where the last window tells about how far they lie. It
// returns the last of them, "" if it has no guess.
func (s *edgeGuess) guess(r *region, k kind, from, until string) string {
	first, known := k.number(from)
	if s.rows == 0 || !known {
		return ""
	}
	end, ends := k.number(until)
	step := float64(s.last-s.first) / float64(s.rows) * float64(r.rows) * reach / edgesAhead
	var edges []string
	last := first
	for i := range edgesAhead {
		at := first + int64(step*float64(i+1))
		if ends && at >= end {
			edges = append(edges, until)
			break
		}
		edge := k.text(at)
		if _, ok := k.number(edge); !ok {
			break // it lies beyond all years
		}
		if at > last {
			edges, last = append(edges, edge), at
		}
	}
	if len(edges) == 0 {
		return ""
	}
	r.edge, r.stretches = s.text, r.with("edges", edges, "last", edges[len(edges)-1])
	return edges[len(edges)-1]
}

// with is the stretch of a window with more arguments.
func (r *region) with(more ...any) []stretch {
	on := r.stretches[0]
	return []stretch{{on.sql, with(on.args, more...)}}
}

// learn takes in a window.
func (s *edgeGuess) learn(k kind, from, edge string, rows int) {
	first, known := k.number(from)
	last, alsoKnown := k.number(edge)
	if s.rows = 0; known && alsoKnown && last > first {
		s.first, s.last, s.rows = first, last, rows
	}
}

// newEdgeGuess is for a pass that follows the index on key; nil = its edges are found by their rows.
func (c *cluster) newEdgeGuess(table pgx.Identifier, cols columns, reason Reason, key column) *edgeGuess {
	if c == nil || !c.sharded {
		return nil
	}
	shared := cols.pieces(reason, key)
	shared["table"] = table.Sanitize()
	return &edgeGuess{text: render("citus_edge_among", shared, nil)}
}

// number is a key as a number, of microseconds or as it stands; unknown for those that Go's time cannot hold.
func (k kind) number(key string) (n int64, known bool) {
	if k.unit > 0 {
		n, err := strconv.ParseInt(key, 10, 64)
		return n, err == nil
	}
	t, err := time.Parse(k.layout(), key)
	return t.UnixMicro(), err == nil
}

// text is the key of a number.
func (k kind) text(n int64) string {
	if k.unit > 0 {
		return strconv.FormatInt(n, 10)
	}
	return time.UnixMicro(n).UTC().Format(k.layout())
}

// layout is how PostgreSQL writes a time of the kind, in ISO style and UTC.
func (k kind) layout() string {
	if k.zone != nil {
		return "2006-01-02 15:04:05.999999"
	}
	return "2006-01-02 15:04:05.999999-07"
}

// sendWhole is for a table of one shard: Citus sends its statements whole to the worker, where no setting of ours is.
func (c *cluster) sendWhole(sql *statements) {
	const edge, hasLock = "current_setting('token_janitor.edge')", "current_setting('token_janitor.has_lock')"
	deletes := strings.NewReplacer(edge, "@edge") // its functions are evaluated here
	reads := strings.NewReplacer(edge, "@edge", hasLock, "true")
	for _, text := range []*string{&sql.windowEdge, &sql.window.count, &sql.window.list, &sql.tieByIndex.count, &sql.tieByIndex.list} {
		*text = reads.Replace(*text)
	}
	sql.window.delete = deletes.Replace(sql.window.delete)
}

// findEdge finds the edge of a window of one shard, before the batch.
func (p *keyPicker) findEdge(ctx context.Context, r *region, c *cleared, edge query) error {
	if err := p.picker.batcher.send(ctx, edge); err != nil {
		return fmt.Errorf("find the edge of a window: %w", err)
	}
	end := r.stretches[0].args["until"]
	if c.edge != nil {
		end = *c.edge
	}
	r.stretches = r.with("edge", end)
	return nil
}
