package janitor

import (
	"testing"
	"time"
)

// Where a key has no index, the families of a small table are found by one look at all of it, and those of a large one
// in steps that the server takes within its time. Neither fails, and what has nothing to do with them is deleted.
func TestFamiliesWithoutAnIndex(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		tune func(*run)
	}{
		{"small", nil},
		{"large", func(r *run) { r.tuning.scannedBlocks = 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.key("parent_id", "")
			tab.exec(`DROP INDEX refresh_tokens_parent_id_idx`)
			tab.tune = c.tune
			tab.rotate(rotations{families: 1, length: 2000, key: "parent_id"}) // a chain
			tab.fill(500, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.insert(token{name: "live", expires: at(week)}, token{name: "kept", expires: at(-90 * 24 * time.Hour)})
			tab.exec(`UPDATE refresh_tokens SET parent_id = (SELECT id FROM refresh_tokens WHERE token_hash = 'kept') WHERE token_hash = 'live'`)
			s.StatementTimeout = 150 * time.Millisecond // a look at the whole chain takes longer
			res := expect{stop: StopLeft, deleted: Counts{Expired: 2500}, left: Left{Referenced: 1}}.of(t, "run", tab.run(s))
			t.Logf("%d batches, %d timed out, %s", res.Batches[Expired], res.BatchesTimedOut, res.Duration)
			tab.survive("kept", "live")
		})
	}
}
