package janitor

import (
	"testing"
	"time"
)

// A trigger that changes a row in place of deleting it, so that it is due no longer, has kept none that is due.
func TestSoftDeletes(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.fill(3000, spread(-2*time.Hour, -time.Second), "false", "NULL")
	tab.exec(`CREATE FUNCTION soft() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		UPDATE refresh_tokens SET expires_at = 'infinity' WHERE id = OLD.id; RETURN NULL; END $$`)
	tab.exec(`CREATE TRIGGER soft BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION soft()`)
	res := expect{stop: StopDrained}.of(t, "run", tab.run(s))
	if res.Overdue[Expired].Rows != 0 {
		t.Errorf("overdue: %+v", res.Overdue[Expired])
	}
	if n := tab.count("expires_at = 'infinity'"); n != 3000 {
		t.Errorf("%d rows are kept", n)
	}
}

// A trigger that changes a row in place of deleting it, so that it lies elsewhere and is due as before, keeps it: each run asks it
// twice and no more, and says so.
func TestRowsThatATriggerMovesAndKeeps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		keeps string // which rows
		kept  int64
		sweep bool
	}{
		{name: "one", keeps: "OLD.token_hash = 'oldest'", kept: 1},
		{name: "one in three", keeps: "hashtext(OLD.id::text) % 3 = 0 OR OLD.token_hash = 'oldest'", kept: -1},
		{name: "one, in a sweep", keeps: "OLD.token_hash = 'oldest'", kept: 1, sweep: true},
		{name: "all", keeps: "true", kept: 2001},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			if c.sweep {
				tab.tune = sweepAll
			}
			tab.insert(token{name: "oldest", expires: at(-3 * time.Hour)}, token{name: "live", expires: at(week)})
			tab.fill(2000, spread(-2*time.Hour, -time.Second), "false", "NULL")
			tab.exec(`ALTER TABLE refresh_tokens ADD touched int NOT NULL DEFAULT 0`)
			tab.exec(`CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF ` + c.keeps + ` THEN UPDATE refresh_tokens SET touched = touched + 1 WHERE id = OLD.id; RETURN NULL; END IF; RETURN OLD; END $$`)
			tab.exec(`CREATE TRIGGER touch BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION touch()`)
			res, err := tab.runAt(t.Context(), noon, s)
			left := tab.count("token_hash <> 'live'")
			t.Logf("%s, %d batches, left %d; %v", res.Duration, res.Batches[Expired], left, err)
			if c.kept >= 0 && left != c.kept {
				t.Errorf("%d rows are left, want %d", left, c.kept)
			}
			if res.Outcome == Drained || res.Left.Refused != left || res.Deleted.Expired != 2001-left {
				t.Errorf("run: %+v", res)
			}
			if n := tab.count("touched > 3"); n > 0 {
				t.Errorf("%d rows were tried more than three times", n)
			}
			if tab.count("token_hash = 'live' AND touched = 0") != 1 {
				t.Error("the live token is not what it was")
			}
		})
	}
}
