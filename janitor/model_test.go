package janitor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
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

func tokens() *rapid.Generator[[]token] {
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
	return rapid.SliceOfN(one, 0, 60)
}

// sweepAll has a run read the heap from its first row on, however little is due there.
func sweepAll(r *run) { r.tuning.sweepAfter, r.tuning.dense = 0, 0 }

func TestModel(t *testing.T) {
	for _, variant := range []struct {
		name  string
		setUp func(*table)
	}{
		{"as migrated", nil},
		{"partitioned", (*table).partition},
		{"swept", func(tab *table) { tab.tune = sweepAll }},
		{"ties by blocks", func(tab *table) { tab.tune = func(r *run) { r.tuning.fewTied = 0 } }},
		{"swept, partitioned", func(tab *table) { tab.partition(); tab.tune = sweepAll }},
		{"index on revoked_at", func(tab *table) { tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at)`) }},
		{"index on revoked_at, swept", func(tab *table) { tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at)`); tab.tune = sweepAll }},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			if variant.setUp != nil {
				variant.setUp(tab)
			}
			tab.exec(`ALTER TABLE refresh_tokens ALTER expires_at DROP NOT NULL`)
			other := &table{Conn: connect(t, tab.url), t: t, url: tab.url}
			rapid.Check(t, func(t *rapid.T) {
				rows := tokens().Draw(t, "tokens")
				s := settings()
				s.KeepRevoked = 24 * time.Hour
				s.BatchMaxRows = rapid.SampledFrom([]int{1, 2, 3, 7, 20, 5000}).Draw(t, "batch")
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
				if res := tab.run(s); res.Would != want || res.Outcome != Drained {
					t.Fatalf("dry run: %+v, want %+v", res, want)
				}
				s.DryRun = false

				// Interruptions: a budget, a cancelled run, a held row, each may hit.
				if rapid.Bool().Draw(t, "budget") {
					s.MaxRows = int64(rapid.IntRange(1, 20).Draw(t, "max rows"))
				}
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				stopAfter := rapid.IntRange(0, 12).Draw(t, "cancel after")
				batches := 0
				s.OnBatch = func(Batch) {
					if batches++; batches == stopAfter {
						cancel()
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
				if gone := int64(len(rows) - len(left)); gone != first.Deleted.Total() || (s.MaxRows > 0 && gone > s.MaxRows) {
					t.Fatalf("%d rows are gone: %+v", gone, first)
				}
				if (first.Outcome == Drained) != (len(left) == len(survivors)) {
					t.Fatalf("%d rows left, %d should: %+v", len(left), len(survivors), first)
				}
				if overdue := first.Overdue[Expired].Rows + first.Overdue[Revoked].Rows; overdue != int64(len(left)-len(survivors)) {
					t.Fatalf("%d rows are overdue: %+v in %+v", len(left)-len(survivors), first.Overdue, first)
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
				got := first.Deleted
				got.Expired += second.Deleted.Expired
				got.Revoked += second.Deleted.Revoked
				if left := tab.names(); got != want || second.Outcome != Drained || !slices.Equal(left, survivors) {
					t.Fatalf("both runs deleted %+v, want %+v; left %v, want %v", got, want, left, survivors)
				}
			})
		})
	}
}
