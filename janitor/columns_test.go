package janitor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// other is a table that is not HyphaGraph's: its columns are name and those of the definition.
func (tab *table) makeOther(definition, index string) {
	tab.t.Helper()
	tab.exec(`CREATE TABLE "Sessions" (name text, ` + definition + `)`)
	tab.exec(`CREATE INDEX ON "Sessions" (` + index + `)`)
}

func (tab *table) add(name string, values ...string) {
	tab.t.Helper()
	tab.exec(`INSERT INTO "Sessions" VALUES ('` + name + `', ` + strings.Join(values, ", ") + `)`)
}

// leaves fails the test unless just these rows of it are left.
func (tab *table) leaves(want ...string) {
	tab.t.Helper()
	rows, err := tab.Query(tab.t.Context(), `SELECT name FROM "Sessions"`)
	if err != nil {
		tab.t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tab.t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		tab.t.Errorf("left: %s\nwant: %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

func other(c Columns) Settings {
	s := settings()
	s.Table, s.Columns = pgx.Identifier{"public", "Sessions"}, c
	return s
}

// in is a time as each kind of column holds it.
type in struct {
	name     string
	sqlType  string
	last     string // the largest value, "" = it is a time of this century
	at       func(time.Time) string
	settings func(*Settings)
}

func kindsOfColumn(t *testing.T) []in {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	epoch := func(e Epoch) func(*Settings) { return func(s *Settings) { s.Epoch = e } }
	return []in{
		{"timestamptz", "timestamptz", "'infinity'", func(at time.Time) string { return "'" + timestamp(at) + "'" }, func(*Settings) {}},
		{"timestamp", "timestamp", "'infinity'", func(at time.Time) string { return at.In(berlin).Format("'2006-01-02 15:04:05.999999'") }, func(s *Settings) { s.TimestampZone = berlin }},
		{"bigint, seconds", "bigint", "9223372036854775807", func(at time.Time) string { return fmt.Sprint(at.Unix()) }, epoch(Seconds)},
		{"bigint, milliseconds", "bigint", "9223372036854775807", func(at time.Time) string { return fmt.Sprint(at.UnixMilli()) }, epoch(Milliseconds)},
		{"integer", "integer", "", func(at time.Time) string { return fmt.Sprint(at.Unix()) }, epoch(Seconds)},
	}
}

// The rules that follow from which columns there are, for each type that they may have; through windows,
// ties, row by row, and, in a large enough heap, sweeps.
func TestColumns(t *testing.T) {
	t.Parallel()
	for _, k := range kindsOfColumn(t) {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			shared := newTable(t)
			for _, variant := range []struct {
				name    string
				columns Columns
				gone    []string
			}{
				{"no revocation", Columns{Expires: "expiresAt"}, nil},
				{"a flag without a time", Columns{Expires: "expiresAt", Revoked: "used"}, nil},
				{"a time alone", Columns{Expires: "expiresAt", RevokedAt: "usedAt"}, []string{"revoked", "time without flag"}},
				{"both", Columns{Expires: "expiresAt", Revoked: "used", RevokedAt: "usedAt"}, []string{"revoked"}},
			} {
				for _, way := range []string{"windows", "by revocation", "a trigger", "one row a batch", "blocks of a tie", "sweep", "lifetime", "a family"} {
					t.Run(variant.name+"/"+way, func(t *testing.T) {
						if k.name != "timestamptz" && way != "windows" {
							pgtemp.Large(t)
						}
						tab := *shared
						tab.t = t
						tab.runOnColumns(k, variant.columns, way, variant.gone)
					})
				}
			}
		})
	}
}

// runOnColumns makes a table of a kind of column, fills it, and runs dry, with a budget of one row, and to the end.
func (tab *table) runOnColumns(k in, columns Columns, way string, gone []string) {
	t := tab.t
	tab.exec(`DROP TABLE IF EXISTS "Sessions"`)
	tab.makeOther(strings.ReplaceAll(`"expiresAt" TYPE, used boolean, "usedAt" TYPE`, "TYPE", k.sqlType), `"expiresAt"`)
	s := other(columns)
	k.settings(&s)
	switch way {
	case "by revocation":
		tab.exec(`CREATE INDEX ON "Sessions" ("usedAt")`)
	case "a trigger":
		tab.exec(`CREATE OR REPLACE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'`)
		tab.exec(`CREATE TRIGGER pass BEFORE DELETE ON "Sessions" FOR EACH ROW EXECUTE FUNCTION pass()`)
	case "one row a batch":
		s.BatchMaxRows = 1
	case "blocks of a tie":
		s.BatchMaxRows = 1
		tab.tune = func(r *run) { r.tuning.fewTied = 1 }
	case "lifetime":
		s.TokenLifetime = 2*week + 2*time.Hour
	case "sweep":
		tab.tune = func(r *run) { r.tuning.sweepAfter, r.tuning.dense = 0, 0 }
	}
	from := func(d time.Duration) string { return k.at(noon.Add(d)) }
	stays := []string{"live", "expired lately", "revoked lately", "flag without time", "no expiry", "revoked, no expiry"}
	for _, name := range []string{"revoked", "time without flag"} {
		if !slices.Contains(gone, name) {
			stays = append(stays, name)
		}
	}
	tab.add("expired", from(-61*time.Minute), "false", "NULL")
	tab.add("expired, revoked", from(-61*time.Minute), "true", from(-time.Minute))
	tab.add("expired long ago", from(-20*365*24*time.Hour), "true", "NULL")
	tab.add("expired together", from(-61*time.Minute), "false", "NULL")
	tab.add("expired lately", from(-59*time.Minute), "false", "NULL")
	tab.add("live", from(week), "false", "NULL")
	tab.add("revoked", from(week), "true", from(-week-time.Hour))
	tab.add("revoked lately", from(week), "true", from(-week+time.Hour))
	tab.add("flag without time", from(week), "true", "NULL")
	tab.add("time without flag", from(week), "false", from(-week-time.Hour))
	tab.add("no expiry", "NULL", "false", "NULL")
	tab.add("revoked, no expiry", "NULL", "true", from(-week-time.Hour))
	if k.last != "" && way != "lifetime" { // or it could not be
		tab.add("revoked, for ever", k.last, "true", from(-week-time.Hour))
		tab.add("live for ever", k.last, "false", "NULL")
		stays = append(stays, "live for ever")
		if gone == nil {
			stays = append(stays, "revoked, for ever")
		} else {
			gone = append(slices.Clone(gone), "revoked, for ever")
		}
	}
	if strings.Contains(k.sqlType, "int") {
		tab.add("zero", "0", "true", "0")
		tab.add("below", "-1", "true", "-1")
		tab.add("revoked at zero", from(week), "true", "0")
		tab.add("revoked below zero", from(week), "true", "-5")
		stays = append(stays, "zero", "below", "revoked at zero", "revoked below zero")
	}
	if way == "a family" { // rows reference one another, across the rules
		tab.exec(`ALTER TABLE "Sessions" ADD id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ADD parent int REFERENCES "Sessions"`)
		tab.exec(`CREATE INDEX ON "Sessions" (parent)`)
		tab.exec(`UPDATE "Sessions" SET parent = (SELECT id FROM "Sessions" WHERE name = 'expired') WHERE name = 'expired together' OR name = ANY ($1)`, gone)
	}
	dry := s
	dry.DryRun = true
	want := expect{deleted: Counts{Expired: 4, Revoked: int64(len(gone))}}
	res := tab.run(dry)
	if res.Would != want.deleted {
		t.Errorf("dry run: would delete %+v, want %+v", res.Would, want.deleted)
	}
	if oldest := timestamp(noon.Add(-20 * 365 * 24 * time.Hour).Truncate(time.Second)); !strings.HasPrefix(res.Due[Expired].Oldest, oldest[:19]) {
		t.Errorf("dry run: oldest %q, want %q", res.Due[Expired].Oldest, oldest)
	}
	limited := s
	limited.MaxRows, limited.BatchMaxRows = 1, 1
	res = tab.run(limited)
	oldest := 20 * 365 * 24 * time.Hour
	if res.Deleted.Expired == 1 { // the oldest is gone
		oldest = 61 * time.Minute
	}
	oldest -= limited.KeepExpired
	if o := res.Overdue[Expired]; !o.Known || o.Rows != 3 || (o.Oldest-oldest).Abs() > time.Second {
		t.Errorf("with a budget of a row: overdue %+v, want 3 rows, the oldest for %s", o, oldest)
	}
	if o := res.Overdue[Revoked]; !o.Known || o.Rows != int64(len(gone)) {
		t.Errorf("with a budget of a row: overdue %+v, want %d revoked", o, len(gone))
	} else if late := o.Oldest - time.Hour; o.Rows > 0 && late.Abs() > time.Second {
		t.Errorf("revoked rows are overdue for %s, want an hour", o.Oldest)
	}
	if way != "sweep" { // which begins at the start
		s.Floors = res.Floors
	}
	res = tab.run(s)
	want.stop, want.deleted.Expired = StopDrained, 3
	want.of(t, "run", res)
	if res.Cutoffs.Revoked.IsZero() != (s.Columns.RevokedAt == "") {
		t.Errorf("cutoffs are %+v", res.Cutoffs)
	}
	tab.leaves(stays...)
}

// A time that comes twice, or never, when the clocks change is due when it is so however it is read.
func TestLocalTimes(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tab := newTable(t)
	tab.makeOther(`expires timestamp`, `expires`)
	s := other(Columns{Expires: "expires"})
	s.TimestampZone, s.KeepExpired = berlin, 0
	for _, c := range []struct {
		now   string // UTC
		stays []string
	}{
		// Until 01:00 UTC Berlin is two hours ahead, then one: 02:00 to 03:00 comes twice.
		{"2026-10-24 23:30", []string{"2026-10-25 01:30", "2026-10-25 01:59:59", "2026-10-25 02:00", "2026-10-25 02:30", "2026-10-25 03:00"}},
		{"2026-10-24 23:45", []string{"2026-10-25 01:59:59", "2026-10-25 02:00", "2026-10-25 02:30", "2026-10-25 03:00"}},
		{"2026-10-25 00:45", []string{"2026-10-25 02:00", "2026-10-25 02:30", "2026-10-25 03:00"}},
		{"2026-10-25 01:00", []string{"2026-10-25 02:00", "2026-10-25 02:30", "2026-10-25 03:00"}},
		{"2026-10-25 01:15", []string{"2026-10-25 02:30", "2026-10-25 03:00"}},
		{"2026-10-25 01:45", []string{"2026-10-25 03:00"}},
		{"2026-10-25 02:00", []string{"2026-10-25 03:00"}},
		{"2026-10-25 02:01", nil},
		// From 01:00 UTC on it is two hours ahead, not one: 02:00 to 03:00 is left out.
		{"2026-03-29 00:45", []string{"2026-03-29 01:45", "2026-03-29 02:30", "2026-03-29 03:00", "2026-03-29 03:30"}},
		{"2026-03-29 01:15", []string{"2026-03-29 02:30", "2026-03-29 03:00", "2026-03-29 03:30"}},
		{"2026-03-29 01:45", []string{"2026-03-29 03:00", "2026-03-29 03:30"}},
		{"2026-03-29 02:00", nil},
		// And a day without any of it.
		{"2026-07-01 10:00", []string{"2026-07-01 12:00", "2026-07-01 12:00:00.000001"}},
	} {
		tab.exec(`TRUNCATE "Sessions"`)
		for _, local := range []string{
			"2026-10-25 01:30", "2026-10-25 01:59:59", "2026-10-25 02:00", "2026-10-25 02:30", "2026-10-25 03:00",
			"2026-03-29 01:45", "2026-03-29 02:30", "2026-03-29 03:00", "2026-03-29 03:30",
			"2026-07-01 11:59:59.999999", "2026-07-01 12:00", "2026-07-01 12:00:00.000001", "-infinity", "0044-03-15 12:00 BC",
		} {
			if strings.HasPrefix(local, c.now[:7]) || !strings.HasPrefix(local, "2026") {
				tab.add(local, "'"+local+"'")
			}
		}
		now, err := time.Parse("2006-01-02 15:04", c.now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tab.runAt(t.Context(), now, s); err != nil {
			t.Errorf("at %s: %v", c.now, err)
		}
		t.Log(c.now)
		tab.leaves(c.stays...)
	}
}

// A name of the catalogue needs no quotes in Settings, whatever is in it.
func TestStrangeColumns(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`expiresAt`, `select`, `a "quoted" name`, `it's; --`, `@rows`, `:key`, `até`, `expires.at`, `(x`, `expires_at`, `at`, `due`, `key`, `ctid2`, `part`, `place`, `parts`, `places`, `listed`, `free`, `deleted`, `edges`, `onto_part`, `t`, `l`, `e`, `n`, `c1`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			column := pgx.Identifier{name}.Sanitize()
			tab.makeOther(column+` timestamptz, "revoked At" timestamptz`, column)
			tab.add("due", "'"+at(-2*time.Hour)+"'", "NULL")
			tab.add("live", "'"+at(time.Hour)+"'", "NULL")
			tab.add("revoked", "'"+at(time.Hour)+"'", "'"+at(-2*week)+"'")
			s := other(Columns{Expires: name, RevokedAt: "revoked At"})
			s.BatchMaxRows = 1 // ties as well
			expect{stop: StopDrained, deleted: Counts{Expired: 1, Revoked: 1}}.of(t, "run", tab.run(s))
			tab.leaves("live")

			// Row by row, and by families.
			tab.exec(`ALTER TABLE "Sessions" ADD id int GENERATED ALWAYS AS IDENTITY UNIQUE, ADD "Parent" int REFERENCES "Sessions" (id)`)
			tab.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.name = 'kept' THEN RAISE 'kept'; END IF; RETURN OLD; END $$`)
			tab.exec(`CREATE TRIGGER refuse AFTER DELETE ON "Sessions" FOR EACH ROW EXECUTE FUNCTION refuse()`)
			for _, name := range []string{"due", "kept", "due", "parent"} {
				tab.add(name, "'"+at(-2*time.Hour)+"'", "NULL")
			}
			tab.add("child", "'"+at(-90*time.Minute)+"'", "NULL")
			tab.exec(`UPDATE "Sessions" SET "Parent" = (SELECT id FROM "Sessions" WHERE name = 'parent') WHERE name IN ('child', 'live')`)
			s.BatchMaxRows = 100
			expect{stop: StopLeft, deleted: Counts{Expired: 3}, left: Left{Referenced: 1, Refused: 1}}.of(t, "row by row", tab.run(s))
			tab.leaves("kept", "live", "parent")

			tab.exec(`ALTER TABLE "Sessions" DROP "Parent"`)
			tab.exec(`DROP INDEX "Sessions_` + strings.ReplaceAll(name, `"`, `""`) + `_idx"`)
			if _, err := tab.runAt(t.Context(), noon, s); err == nil || !strings.Contains(err.Error(), `ON "public"."Sessions" (`+quoted(name)+`)`) {
				t.Errorf("without an index: %v", err)
			}
		})
	}
}

// A floor that an earlier run left in another type, before the column was altered, is no floor.
func TestFloorOfAnotherType(t *testing.T) {
	t.Parallel()
	for _, k := range kindsOfColumn(t) {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.makeOther(`expires `+k.sqlType, `expires`)
			for _, floor := range []string{"2026-11-25 10:59:00+00", "1795604340", "infinity", "-infinity"} {
				tab.add("due", k.at(noon.Add(-2*time.Hour)))
				tab.add("live", k.at(noon.Add(time.Hour)))
				s := other(Columns{Expires: "expires"})
				k.settings(&s)
				s.Floors = map[Reason]string{Expired: floor}
				expect{stop: StopDrained, deleted: Counts{Expired: 1}}.of(t, "from "+floor, tab.run(s))
				tab.leaves("live")
				tab.exec(`TRUNCATE "Sessions"`)
			}
		})
	}
}

// A zone that the server does not know is refused by the flag's name.
func TestZoneThatTheServerDoesNotKnow(t *testing.T) {
	t.Parallel()
	tab := newTable(t)
	tab.makeOther(`expires timestamp`, `expires`)
	tab.add("due", "'"+at(-2*time.Hour)+"'")
	s := other(Columns{Expires: "expires"})
	s.TimestampZone = time.FixedZone("Mars/Ol'ympus", 3600)
	res, err := tab.runAt(t.Context(), noon, s)
	failed(t, "run", res, err, StopError, "--timestamp-zone: ")
	tab.leaves("due")
}

// Rows that a trigger refuses are isolated, whatever the type of the columns.
func TestRefusedRowsOfOtherColumns(t *testing.T) {
	t.Parallel()
	for _, k := range kindsOfColumn(t) {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			tab := newTable(t)
			tab.makeOther(`"expiresAt" `+k.sqlType+`, "usedAt" `+k.sqlType, `"expiresAt"`)
			tab.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.name = 'kept' THEN RAISE 'kept'; END IF; RETURN OLD; END $$`)
			tab.exec(`CREATE TRIGGER refuse AFTER DELETE ON "Sessions" FOR EACH ROW EXECUTE FUNCTION refuse()`)
			past, future, long := k.at(noon.Add(-3*time.Hour)), k.at(noon.Add(week)), k.at(noon.Add(-2*week))
			for range 100 {
				tab.add("due", past, "NULL")
				tab.add("revoked", future, long)
				tab.add("live", future, "NULL")
			}
			tab.add("kept", past, "NULL")
			tab.add("kept", future, long)
			s := other(Columns{Expires: "expiresAt", RevokedAt: "usedAt"})
			k.settings(&s)
			res := tab.run(s)
			expect{stop: StopLeft, deleted: Counts{Expired: 100, Revoked: 100}, left: Left{Refused: 2}}.of(t, "run", res)
			if o := res.Overdue[Expired]; o.Rows != 1 || (o.Oldest-2*time.Hour).Abs() > time.Second {
				t.Errorf("overdue %+v, want a row, due for two hours", o)
			}
			if o := res.Overdue[Revoked]; o.Rows != 1 || (o.Oldest-week).Abs() > time.Second {
				t.Errorf("overdue %+v, want a row, due for a week", o)
			}
			tab.leaves(append(slices.Repeat([]string{"live"}, 100), "kept", "kept")...)
		})
	}
}
