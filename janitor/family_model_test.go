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

// Whatever references what, a run leaves what is not due and what such a row leads to.
func TestFamilyModel(t *testing.T) {
	for _, variant := range []struct {
		name string
		tune func(*run)
		key  string
	}{
		{"windows", nil, ""}, {"swept", sweepAll, "ON DELETE RESTRICT"}, {"deferred", nil, "DEFERRABLE INITIALLY DEFERRED"},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.tune = variant.tune
			tab.key("parent_id", variant.key)
			tab.key("replaced_by", variant.key)
			other := tab.other()
			rapid.Check(t, func(t *rapid.T) {
				n := rapid.IntRange(1, 40).Draw(t, "rows")
				kinds := make([]int, n)
				references := make([][]int, n) // of a row, onto which
				var values []string
				for i := range n {
					kinds[i] = rapid.SampledFrom([]int{0, 0, 0, 0, 1, 1, 1, 2}).Draw(t, "kind")
					expires, revokedAt := at(-time.Duration(rapid.IntRange(2, 5).Draw(t, "age"))*time.Hour), ""
					if kinds[i] > 0 {
						expires = at(week)
					}
					if kinds[i] == 1 {
						revokedAt = at(-2 * week)
					}
					onto := [2]string{"NULL", "NULL"}
					for k := range onto {
						if rapid.IntRange(0, 2).Draw(t, "references") == 0 {
							row := rapid.IntRange(0, n-1).Draw(t, "row")
							references[i] = append(references[i], row)
							onto[k] = fmt.Sprintf("md5('%03d')::uuid", row)
						}
					}
					values = append(values, fmt.Sprintf(`(md5('%03[1]d')::uuid, '00000000-0000-0000-0000-000000000001', '%03[1]d', '%[2]s', %[3]t, nullif('%[4]s', '')::timestamptz, %[5]s, %[6]s)`,
						i, expires, revokedAt != "", revokedAt, onto[0], onto[1]))
				}
				tab.exec(`TRUNCATE refresh_tokens`)
				tab.exec(`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, revoked_at, parent_id, replaced_by) VALUES ` + strings.Join(values, ","))

				s := settings()
				s.LockTimeout = 2 * time.Millisecond
				s.BatchMaxRows = rapid.SampledFrom([]int{1, 2, 3, 7, 5000}).Draw(t, "batch")
				held := -1
				if rapid.Bool().Draw(t, "hold") {
					held = rapid.IntRange(0, n-1).Draw(t, "held")
				}
				stays := make([]bool, n)
				for i := range n {
					stays[i] = kinds[i] == 2 || i == held
				}
				for changed := true; changed; {
					changed = false
					for i := range n {
						for _, parent := range references[i] {
							if stays[i] && !stays[parent] {
								stays[parent], changed = true, true
							}
						}
					}
				}
				var want Counts
				var left Left
				var survivors []string
				for i := range n {
					switch {
					case !stays[i]:
						*want.of(Reasons[kinds[i]])++
						continue
					case i == held && kinds[i] < 2:
						left.Locked++
					case kinds[i] < 2:
						left.Referenced++
					}
					survivors = append(survivors, fmt.Sprintf("%03d", i))
				}
				if held >= 0 {
					other.exec(`BEGIN`)
					defer other.exec(`ROLLBACK`)
					other.exec(`SELECT FROM refresh_tokens WHERE token_hash = $1 FOR UPDATE`, fmt.Sprintf("%03d", held))
				}
				var got Counts
				if rapid.Bool().Draw(t, "interrupted") {
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					after := rapid.IntRange(1, 5).Draw(t, "cancel after")
					first := s
					first.OnBatch = func(Batch) {
						if after--; after == 0 {
							cancel()
						}
					}
					res, err := tab.runAt(ctx, noon, first)
					if err != nil {
						t.Fatalf("interrupted run: %v", err)
					}
					got, s.Floors = res.Deleted, res.Floors
				}
				res := tab.run(s)
				got.Expired += res.Deleted.Expired
				got.Revoked += res.Deleted.Revoked
				// By which cause is not told of a row that is held and would stay anyway.
				if got != want || res.Left.Total() != left.Total() || (res.Outcome == Drained) != (left.Total() == 0) {
					t.Fatalf("run: %+v; deleted %+v, want %+v, left %+v", res, got, want, left)
				}
				if overdue := res.Overdue[Expired].Rows + res.Overdue[Revoked].Rows; overdue != left.Total() {
					t.Fatalf("overdue %+v, want %d", res.Overdue, left.Total())
				}
				if names := tab.names(); !slices.Equal(names, survivors) {
					t.Fatalf("left %v, want %v", names, survivors)
				}
			})
		})
	}
}
