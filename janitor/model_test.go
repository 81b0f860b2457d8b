package janitor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// Whatever the table and the settings, what a run leaves is what these few lines say,
// and the dry run before says so too.
func (k token) goes(expiredBefore, revokedBefore time.Time) Reason {
	before := func(text string, cutoff time.Time) bool {
		at, err := time.Parse("2006-01-02 15:04:05.999999+00", text)
		return text == earliest || (err == nil && at.Before(cutoff))
	}
	switch {
	case k.expires == "": // no expiry known: never
		return ""
	case before(k.expires, expiredBefore):
		return Expired
	case k.revoked && k.revokedAt != "" && before(k.revokedAt, revokedBefore):
		return Revoked
	}
	return ""
}

func tokens(least int) *rapid.Generator[[]token] {
	// Around each cutoff to the microsecond, far from it, and often the same.
	near := func(cutoff time.Duration) *rapid.Generator[string] {
		return rapid.OneOf(
			rapid.Map(rapid.IntRange(-3, 3), func(i int) string { return at(-cutoff + time.Duration(i)*us) }),
			rapid.Map(rapid.IntRange(-4, 4), func(i int) string { return at(-cutoff + time.Duration(i)*24*time.Hour) }),
			rapid.SampledFrom([]string{"", earliest, forever}),
		)
	}
	one := rapid.Custom(func(t *rapid.T) token {
		return token{
			expires:   near(time.Hour).Draw(t, "expires"),
			revoked:   rapid.Bool().Draw(t, "revoked"),
			revokedAt: near(24*time.Hour).Draw(t, "revokedAt"),
		}
	})
	// And a tie: rows that nothing tells apart.
	return rapid.Custom(func(t *rapid.T) []token {
		rows := rapid.SliceOfN(one, least, 60).Draw(t, "tokens")
		tied := one.Draw(t, "tied")
		for range rapid.IntRange(0, 30).Draw(t, "ties") {
			rows = append(rows, tied)
		}
		return rows
	})
}

// sweepAll has a run read the heap from its first row on, however little is due there.
func sweepAll(r *run) { r.tuning.sweepAfter, r.tuning.dense = 0, 0 }

// tiesByBlocks has a run read the heap blocks of each tie, however few rows it has.
func tiesByBlocks(r *run) { r.tuning.fewTied = 0 }

// model is a kind of table, of run, and of what happens beside it.
type model struct {
	name        string
	partitioned bool
	indexed     bool // by revoked_at
	wide        bool // a row fills a block of the heap
	tune        func(*run)
	beside      []string // what another session does between two batches, once
}

func TestModel(t *testing.T) {
	models := []model{
		{name: "as migrated"},
		{name: "small windows among live rows", tune: func(r *run) { r.tuning.lookAhead = 0 }},
		{name: "partitioned", partitioned: true},
		{name: "swept", wide: true, tune: sweepAll},
		{name: "ties by blocks", wide: true, tune: tiesByBlocks},
		{name: "swept, partitioned", partitioned: true, tune: sweepAll},
		{name: "index on revoked_at", indexed: true},
		{name: "index on revoked_at, swept", indexed: true, tune: sweepAll},
		{name: "rows move", wide: true, beside: []string{`VACUUM refresh_tokens`, touch}},
		{name: "rows move behind a sweep", wide: true, tune: sweepAll, beside: []string{`VACUUM refresh_tokens`, touch}},
		{name: "rows move within ties", wide: true, tune: tiesByBlocks, beside: []string{`VACUUM refresh_tokens`, touch}},
		{name: "rewritten", wide: true, beside: []string{`VACUUM FULL refresh_tokens`}},
		{name: "rewritten under a sweep", wide: true, tune: sweepAll, beside: []string{`VACUUM FULL refresh_tokens`}},
		{name: "rewritten under ties", wide: true, tune: tiesByBlocks, beside: []string{`VACUUM FULL refresh_tokens`}},
	}
	taken := &recorder{}
	// Some transitions are rare: where CI requires it, the models are checked until each was taken.
	for round := 1; round == 1 || round <= 10 && len(taken.missing(mapped)) > 0 && !t.Failed(); round++ {
		var ran atomic.Int64
		t.Run(fmt.Sprintf("tables %d", round), func(t *testing.T) {
			for _, m := range models {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					ran.Add(1)
					m.check(t, taken)
				})
			}
		})
		if int(ran.Load()) < len(models) || !pgtemp.Required() { // -run chose some
			return
		}
	}
	taken.require(t, mapped...)
}

// touch moves the rows that nobody holds, which stay what they are.
const touch = `UPDATE refresh_tokens SET token_hash = token_hash WHERE id IN (SELECT id FROM refresh_tokens FOR UPDATE SKIP LOCKED)`

func (m model) check(t *testing.T, taken *recorder) {
	tab := newTable(t)
	tab.taken, tab.tune = taken, m.tune
	if m.wide {
		tab.exec(`ALTER TABLE refresh_tokens ADD wide text NOT NULL DEFAULT repeat('w', 7000), ALTER wide SET STORAGE PLAIN`)
	}
	if m.partitioned {
		tab.partition()
	}
	if m.indexed {
		tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at)`)
	}
	tab.exec(`ALTER TABLE refresh_tokens ALTER expires_at DROP NOT NULL`)
	other, beside := tab.other(), tab.other()
	beside.exec(`SET lock_timeout = '20ms'`)
	rapid.Check(t, func(t *rapid.T) {
		least, batches := 0, []int{1, 2, 3, 7, 20, 5000}
		switch {
		case m.beside != nil: // it comes between two batches
			least, batches = 20, []int{1, 2, 3, 7}
		case m.wide: // some blocks are cleared whole
			batches = []int{1, 7, 200, 5000}
		}
		rows := tokens(least).Draw(t, "tokens")
		s := settings()
		s.KeepRevoked = 24 * time.Hour
		s.BatchMaxRows = rapid.SampledFrom(batches).Draw(t, "batch")
		s.LockTimeout = 2 * time.Millisecond

		tab.exec(`TRUNCATE refresh_tokens`)
		values := make([]string, len(rows))
		var want Counts
		var survivors, due []string
		for i := range rows {
			k := &rows[i]
			k.name = fmt.Sprintf("%03d", i)
			values[i] = fmt.Sprintf(`(md5('%[1]s')::uuid, '00000000-0000-0000-0000-000000000001', '%[1]s', nullif('%[2]s', '')::timestamptz, %[3]t, nullif('%[4]s', '')::timestamptz)`,
				k.name, k.expires, k.revoked, k.revokedAt)
			if goes := k.goes(noon.Add(-s.KeepExpired), noon.Add(-s.KeepRevoked)); goes != "" {
				*want.of(goes)++
				due = append(due, k.name)
			} else {
				survivors = append(survivors, k.name)
			}
		}
		if len(values) > 0 {
			tab.exec(`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, revoked_at) VALUES ` + strings.Join(values, ","))
		}

		s.DryRun = true
		dry := tab.run(s)
		if dry.Would != want {
			t.Fatalf("the dry run found %+v, want %+v", dry.Would, want)
		}
		if dry.Outcome != Drained {
			t.Fatalf("dry run: %+v", dry)
		}
		s.DryRun = false

		// Interruptions: a budget, a cancelled run, a held row, each may hit.
		if rapid.Bool().Draw(t, "budget") {
			s.MaxRows = int64(rapid.IntRange(1, 20).Draw(t, "max rows"))
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		stopAfter := rapid.IntRange(0, 12).Draw(t, "cancel after")
		actAfter := rapid.IntRange(1, 4).Draw(t, "act after")
		done := 0
		s.OnBatch = func(Batch) {
			if done++; done == stopAfter {
				cancel()
			}
			if done == actAfter {
				for _, sql := range m.beside {
					if _, err := beside.Exec(context.Background(), sql); err != nil && sqlState(err) != lockNotAvailable {
						t.Fatalf("%s: %v", sql, err)
					}
				}
			}
		}
		held := ""
		if len(due) > 0 && rapid.Bool().Draw(t, "hold") {
			held = rapid.SampledFrom(due).Draw(t, "held")
			other.exec(`BEGIN`)
			defer other.exec(`ROLLBACK`) // also when the check fails: the next begins with TRUNCATE
			other.exec(`SELECT FROM refresh_tokens WHERE token_hash = $1 FOR UPDATE`, held)
		}
		first, err := tab.runAt(ctx, noon, s)
		if err != nil {
			t.Fatalf("interrupted run: %v", err)
		}
		left := tab.names()
		for _, name := range survivors {
			if !slices.Contains(left, name) {
				t.Fatalf("the interrupted run deleted %s, which is of use", name)
			}
		}
		gone := int64(len(rows) - len(left))
		if gone != first.Deleted.Total() {
			t.Fatalf("%d rows are gone, it says %d", gone, first.Deleted.Total())
		}
		if s.MaxRows > 0 && gone > s.MaxRows {
			t.Fatalf("%d rows are gone, %d were allowed", gone, s.MaxRows)
		}
		overdue := int64(len(left) - len(survivors))
		if first.Outcome == Drained && overdue > 0 {
			t.Fatalf("drained, and %d due rows are left: %+v", overdue, first)
		}
		if first.Outcome != Drained && overdue == 0 {
			t.Fatalf("no due row is left, and it is not drained: %+v", first)
		}
		if told := first.Overdue[Expired].Rows + first.Overdue[Revoked].Rows; told != overdue {
			t.Fatalf("%d rows are overdue, it says %d: %+v", overdue, told, first)
		}
		if held != "" {
			if !slices.Contains(left, held) {
				t.Fatalf("the held row %s is gone", held)
			}
			other.exec(`ROLLBACK`)
		}

		s.MaxRows, s.OnBatch = 0, nil
		s.Floors = first.Floors
		second := tab.run(s)
		if second.Outcome != Drained {
			t.Fatalf("second run: %+v", second)
		}
		both := Counts{first.Deleted.Expired + second.Deleted.Expired, first.Deleted.Revoked + second.Deleted.Revoked}
		if both != want {
			t.Fatalf("both runs deleted %+v, want %+v", both, want)
		}
		if left := tab.names(); !slices.Equal(left, survivors) {
			t.Fatalf("both runs left %v, want %v", left, survivors)
		}
	})
}
