package janitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// citusVariable names a database on the coordinator of a Citus cluster. There is no package of Citus to be had in CI, so
// these tests are skipped there as well.
const citusVariable = "TOKEN_JANITOR_TEST_CITUS"

// citusKind is one way to keep a table in a cluster.
type citusKind struct {
	name       string
	primary    string // the primary key
	distribute string // makes a table one of the kind
	serial     bool   // Citus lets one writer in at a time, so a held row holds the table
}

func citusKinds() []citusKind {
	return []citusKind{
		{"by user_id", "user_id, id", "SELECT create_distributed_table('%s', 'user_id')", false},
		{"by token_hash", "token_hash", "SELECT create_distributed_table('%s', 'token_hash')", false},
		{"reference", "id", "SELECT create_reference_table('%s')", true},
		{"one shard", "id", "SELECT create_distributed_table('%s', NULL)", false},
		{"managed", "id", "SELECT citus_add_local_table_to_metadata('%s')", false},
		{"local", "id", "SELECT '%s'", false},
	}
}

// citusTable is a table of tokens in a schema of its own.
type citusTable struct {
	*table
	schema string
}

// newCitusSchema is a schema without a table yet.
func newCitusSchema(t *testing.T) *citusTable {
	t.Helper()
	url := os.Getenv(citusVariable)
	if url == "" {
		t.Skip(citusVariable + " names no coordinator of a Citus cluster")
	}
	tab := &citusTable{table: &table{Conn: connect(t, url), t: t, url: url}, schema: fmt.Sprintf("tokens_%d", time.Now().UnixNano())}
	tab.exec("SET client_min_messages = error")
	tab.exec("SET citus.shard_count = 4")
	tab.exec("CREATE SCHEMA " + tab.schema)
	t.Cleanup(func() {
		ctx := context.Background()
		clean, err := pgx.Connect(ctx, url)
		if err == nil {
			_, err = clean.Exec(ctx, "SET client_min_messages = error; DROP SCHEMA "+tab.schema+" CASCADE")
			err = errors.Join(err, clean.Close(ctx))
		}
		if err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	tab.exec("SET search_path = " + tab.schema)
	return tab
}

func newCitusTable(t *testing.T, k citusKind, indexes ...string) *citusTable {
	t.Helper()
	tab := newCitusSchema(t)
	tab.exec(`CREATE TABLE refresh_tokens (id uuid NOT NULL, user_id uuid NOT NULL, token_hash text NOT NULL, expires_at timestamptz NOT NULL,
		is_revoked boolean NOT NULL DEFAULT false, revoked_at timestamptz, PRIMARY KEY (` + k.primary + `))`)
	for _, on := range append(indexes, "expires_at") {
		tab.exec("CREATE INDEX ON refresh_tokens (" + on + ")")
	}
	tab.exec(fmt.Sprintf(k.distribute, "refresh_tokens"))
	return tab
}

// add inserts n rows whose names begin with a word, and whose other values are SQL over i, from 1 on.
func (tab *citusTable) add(name string, n int, expires, revokedAt string) {
	tab.t.Helper()
	tab.exec(fmt.Sprintf(`INSERT INTO refresh_tokens SELECT md5('%[1]s' || i)::uuid, md5('user of %[1]s' || i)::uuid, '%[1]s' || i, %[3]s, (%[4]s) IS NOT NULL, %[4]s
		FROM generate_series(1, %[2]d) AS i`, name, n, expires, revokedAt))
}

func (tab *citusTable) settings() Settings {
	s := settings()
	s.Table, s.BatchMaxRows = pgx.Identifier{tab.schema, "refresh_tokens"}, 50
	return s
}

// janitor is a run by the real clocks.
func (tab *citusTable) janitor(s Settings) Result {
	tab.t.Helper()
	res, err := Run(tab.t.Context(), tab.other().Conn, s)
	if err != nil {
		tab.t.Fatalf("run: %v", err)
	}
	return res
}

const (
	noTime    = "NULL::timestamptz"
	longAgo   = "now() - interval '30 days'"
	inAWeek   = "now() + interval '7 days'"
	spreadOut = "now() - interval '2 days' + i * interval '1 second'"
)

func forEachCitusKind(t *testing.T, do func(t *testing.T, k citusKind)) {
	for _, k := range citusKinds() {
		t.Run(k.name, func(t *testing.T) { do(t, k) })
	}
}

func TestCitus(t *testing.T) {
	forEachCitusKind(t, func(t *testing.T, k citusKind) {
		for _, indexes := range [][]string{nil, {"revoked_at"}} {
			tab := newCitusTable(t, k, indexes...)
			tab.add("expired", 230, spreadOut, noTime)
			tab.add("tied", 170, "now()::date - interval '3 days'", noTime)
			tab.add("revoked", 120, inAWeek+" + i * interval '1 minute'", longAgo)
			tab.add("live", 2, inAWeek, noTime)
			tab.add("justrevoked", 1, inAWeek, "now() - interval '1 hour'")
			tab.add("justexpired", 1, "now() - interval '5 minutes'", noTime)
			s := tab.settings()
			s.DryRun = true
			if res, want := tab.janitor(s), (Counts{Expired: 400, Revoked: 120}); res.Would != want {
				t.Errorf("indexes %q: a dry run counts %v, want %v", indexes, res.Would, want)
			}
			if n := tab.count("true"); n != 524 {
				t.Errorf("indexes %q: a dry run leaves %d rows, want 524", indexes, n)
			}
			s.DryRun = false
			res := tab.janitor(s)
			if want := (Counts{Expired: 400, Revoked: 120}); res.Deleted != want || res.Outcome != Drained {
				t.Errorf("indexes %q: deleted %v, %s, want %v", indexes, res.Deleted, res.Outcome, want)
			}
			if res.Space.Known && res.Space.TableBytes == 0 || res.Space.LiveRows == 0 || !res.Space.Known {
				t.Errorf("indexes %q: space %+v", indexes, res.Space)
			}
			tab.survive("justexpired1", "justrevoked1", "live1", "live2")
		}
	})
}

// A row that another session holds stays and is counted; its neighbours go, and nobody waits for longer than a batch may.
func TestCitusHeldRow(t *testing.T) {
	forEachCitusKind(t, func(t *testing.T, k citusKind) {
		tab := newCitusTable(t, k)
		tab.add("expired", 230, spreadOut, noTime)
		tab.add("live", 1, inAWeek, noTime)
		holder := tab.other()
		holder.exec("SET search_path = " + tab.schema)
		holder.exec("BEGIN")
		holder.exec("SELECT id FROM refresh_tokens WHERE user_id = md5('user of expired100')::uuid AND token_hash = 'expired100' FOR UPDATE")
		began := time.Now()
		res := tab.janitor(tab.settings())
		if k.serial {
			if res.StopReason != StopTableLocked || res.Deleted.Total() != 0 {
				t.Errorf("%s, deleted %v, want the table to be locked", res.StopReason, res.Deleted)
			}
			holder.exec("ROLLBACK")
			if released := tab.janitor(tab.settings()); released.Deleted.Expired != 230 || released.Outcome != Drained {
				t.Errorf("released: deleted %v, %s", released.Deleted, released.Outcome)
			}
			tab.survive("live1")
			return
		}
		if res.Left != (Left{Locked: 1}) || res.Deleted.Expired != 229 || res.Outcome != Partial {
			t.Errorf("left %+v, deleted %v, %s, want 1 locked and 229 deleted", res.Left, res.Deleted, res.Outcome)
		}
		t.Logf("took %v, longest batch %v", time.Since(began), res.LongestBatch)
		tab.survive("expired100", "live1")
		holder.exec("ROLLBACK")
		if res := tab.janitor(tab.settings()); res.Deleted.Expired != 1 || res.Outcome != Drained {
			t.Errorf("released: deleted %v, %s", res.Deleted, res.Outcome)
		}
		tab.survive("live1")
	})
}

// A later run begins where an earlier one has left nothing, and finds the row that was put below all the same.
func TestCitusNextRun(t *testing.T) {
	forEachCitusKind(t, func(t *testing.T, k citusKind) {
		tab := newCitusTable(t, k, "revoked_at")
		tab.add("expired", 230, spreadOut, noTime)
		tab.add("revoked", 50, inAWeek+" + i * interval '1 minute'", longAgo)
		tab.add("live", 1, inAWeek, noTime)
		s := tab.settings()
		for i, more := range []struct {
			expires string
			deleted Counts
		}{{longAgo, Counts{Expired: 231, Revoked: 50}}, {longAgo, Counts{Expired: 1}}, {"now() - interval '61 minutes'", Counts{Expired: 1}}, {inAWeek, Counts{}}} {
			tab.add(fmt.Sprint("more", i), 1, more.expires, noTime)
			res := tab.janitor(s)
			if res.Deleted != more.deleted || res.Outcome != Drained {
				t.Errorf("%s: deleted %v, %s, want %v", more.expires, res.Deleted, res.Outcome, more.deleted)
			}
			s.Floors = res.Floors
		}
		if n := tab.count("token_hash = 'live1'"); n != 1 || tab.count("true") != 2 {
			t.Errorf("%d rows are left, %d of them the live one, want 2", tab.count("true"), n)
		}

		tab.add("overlooked", 3, longAgo, noTime)
		r := newRun(tab.other().Conn, s)
		if err := errors.Join(r.readClocks(t.Context()), r.plan(t.Context())); err != nil {
			t.Fatal(err)
		}
		p := r.passes[0]
		if f, err := (countByIndex{p.scan, p.cursor.start, 10}).step(t.Context()); err != nil || f.remaining.Of(Expired) != 3 {
			t.Errorf("a count finds %d rows, want 3: %v", f.remaining, err)
		}
	})
}

// Another janitor at work keeps the lock on the coordinator, wherever a statement is executed.
func TestCitusOtherJanitor(t *testing.T) {
	forEachCitusKind(t, func(t *testing.T, k citusKind) {
		tab := newCitusTable(t, k)
		tab.add("expired", 230, spreadOut, noTime)
		tab.add("tied", 170, "now()::date - interval '3 days'", noTime)
		other := tab.other()
		other.exec("BEGIN")
		other.exec("SELECT pg_advisory_xact_lock(1953128814, '" + tab.schema + ".refresh_tokens'::regclass::oid::int4)")
		if res := tab.janitor(tab.settings()); res.StopReason != StopOther || res.Deleted.Total() != 0 {
			t.Errorf("%s, deleted %v, want another janitor to be at work", res.StopReason, res.Deleted)
		}
		if n := tab.count("true"); n != 400 {
			t.Errorf("%d rows are left of 400", n)
		}
		other.exec("ROLLBACK")
		if res := tab.janitor(tab.settings()); res.Deleted.Expired != 400 || res.Outcome != Drained {
			t.Errorf("alone: deleted %v, %s", res.Deleted, res.Outcome)
		}
	})
}

// Where rows lie as no window before would tell, between gaps and in crowds and ties, no batch is larger than its window.
func TestCitusUnevenRows(t *testing.T) {
	forEachCitusKind(t, func(t *testing.T, k citusKind) {
		tab := newCitusTable(t, k)
		tab.add("sparse", 300, "now() - interval '40 days' + i * interval '1 hour'", noTime)
		tab.add("crowd", 700, "now() - interval '9 days' + i * interval '1 millisecond'", noTime)
		tab.add("tied", 170, "now()::date - interval '8 days'", noTime)
		tab.add("even", 400, spreadOut, noTime)
		tab.add("last", 1, "now() - interval '61 minutes'", noTime)
		tab.add("justexpired", 1, "now() - interval '59 minutes'", noTime)
		tab.add("live", 1, inAWeek, noTime)
		s := tab.settings()
		s.OnBatch = func(b Batch) {
			if b.Rows > int64(b.Window) {
				t.Errorf("a batch of %d rows in a window of %d", b.Rows, b.Window)
			}
		}
		if res := tab.janitor(s); res.Deleted.Expired != 1571 || res.Outcome != Drained {
			t.Errorf("deleted %v, %s, want 1571", res.Deleted, res.Outcome)
		}
		tab.survive("justexpired1", "live1")
	})
}

// A window's edge is guessed by the window before, within the pass and the years that Go's time knows.
func TestStretch(t *testing.T) {
	t.Parallel()
	day := func(n string) string { return "2026-05-" + n + " 00:00:00+00" }
	for _, c := range []struct {
		k                 kind
		from, edge, until string // of the window before, which ends where the next begins
		rows              int    // of the next, of 100 before
		n                 int    // edges
		first, last       string
	}{
		{instants(), day("01"), day("02"), day("30"), 100, 16, "2026-05-02 02:15:00+00", "2026-05-03 12:00:00+00"},
		{instants(), day("01"), day("02"), day("30"), 200, 16, "2026-05-02 04:30:00+00", "2026-05-05 00:00:00+00"},
		{instants(), day("01"), day("02"), day("03"), 100, 11, "2026-05-02 02:15:00+00", day("03")},
		{instants(), day("01"), day("02"), forever, 100, 16, "2026-05-02 02:15:00+00", "2026-05-03 12:00:00+00"},
		{instants(), earliest, day("02"), day("30"), 100, 0, "", ""},
		{instants(), "4714-11-24 00:00:00+00 BC", day("02"), day("30"), 100, 0, "", ""},
		{instants(), "2026-05-01 00:00:00+00", "9999-01-01 00:00:00+00", forever, 100, 0, "", ""},
		{instants(), day("01"), day("01"), day("30"), 100, 0, "", ""},
		{kind{sql: "timestamp", zone: time.UTC}, "2026-05-01 00:00:00", "2026-05-02 00:00:00", "2026-05-30 00:00:00.5", 100, 16, "2026-05-02 02:15:00", "2026-05-03 12:00:00"},
		{kind{sql: "bigint", unit: time.Second}, "1000", "1160", "5000", 100, 16, "1175", "1400"},
		{kind{sql: "bigint", unit: time.Second}, "1000", "1002", "5000", 100, 3, "1003", "1005"},
	} {
		var s edgeGuess
		r := region{rows: c.rows, stretches: []stretch{{}}}
		s.learn(c.k, c.from, c.edge, 100)
		last := s.guess(&r, c.k, c.edge, c.until)
		edges, _ := r.stretches[0].args["edges"].([]string)
		if len(edges) != c.n || last != c.last || c.n > 0 && (edges[0] != c.first || edges[c.n-1] != last) {
			t.Errorf("after %s to %s: got %q, want %d from %q to %q", c.from, c.edge, edges, c.n, c.first, c.last)
		}
	}
}

// Rows that a foreign key keeps stay and are counted; their neighbours go, in a window and in a tie.
func TestCitusReferencedRows(t *testing.T) {
	forEachCitusKind(t, func(t *testing.T, k citusKind) {
		tab := newCitusTable(t, k)
		tab.add("expired", 230, spreadOut, noTime)
		tab.add("tied", 170, "now()::date - interval '3 days'", noTime)
		tab.add("live", 1, inAWeek, noTime)
		tab.exec("CREATE TABLE audit AS SELECT " + k.primary + " FROM refresh_tokens WHERE false")
		tab.exec(fmt.Sprintf(k.distribute, "audit"))
		tab.exec(fmt.Sprintf("ALTER TABLE audit ADD CONSTRAINT audit_fk FOREIGN KEY (%[1]s) REFERENCES refresh_tokens (%[1]s)", k.primary))
		kept := []string{"expired7", "expired77", "expired78", "tied3"}
		tab.exec("INSERT INTO audit SELECT " + k.primary + " FROM refresh_tokens WHERE token_hash IN ('" + strings.Join(kept, "', '") + "')")
		s := tab.settings()
		s.BatchMaxRows = 100
		res := tab.janitor(s)
		if res.Left != (Left{Referenced: 4}) || res.Deleted.Expired != 396 || res.Outcome != Partial {
			t.Errorf("left %+v, deleted %v, %s, want 4 referenced and 396 deleted", res.Left, res.Deleted, res.Outcome)
		}
		tab.survive(append(kept, "live1")...)
	})
}

// Families of 20 tokens that name one another go, if in several runs. What a live token names, directly or not, stays.
func TestCitusRotations(t *testing.T) {
	for _, c := range []struct {
		rule, other string
		deleted     int64
	}{{"names the one before", "i - 1", 300}, {"names the one after", "i + 1", 395}} {
		t.Run(c.rule, func(t *testing.T) {
			tab := newCitusTable(t, citusKinds()[0])
			tab.exec("ALTER TABLE refresh_tokens ADD other uuid")
			// The newest token of each of the first five families is live.
			tab.exec(`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, other)
				SELECT md5('t' || i)::uuid, md5('u' || i / 20)::uuid, CASE WHEN live THEN 'live' ELSE 'due' END || i,
					now() + CASE WHEN live THEN interval '7 days' ELSE i * interval '1 second' - interval '2 days' END,
					CASE WHEN i / 20 = other / 20 AND other BETWEEN 0 AND 399 THEN md5('t' || other)::uuid END
				FROM (SELECT i, ` + c.other + ` AS other, i % 20 = 19 AND i < 100 AS live FROM generate_series(0, 399) AS i) AS tokens`)
			tab.exec("ALTER TABLE refresh_tokens ADD FOREIGN KEY (user_id, other) REFERENCES refresh_tokens (user_id, id)")
			var deleted int64
			for range 20 {
				res := tab.janitor(tab.settings())
				if deleted += res.Deleted.Total(); res.Deleted.Total() > 0 {
					continue
				}
				if deleted != c.deleted || res.Left != (Left{Referenced: 395 - c.deleted}) {
					t.Errorf("deleted %d, left %+v, want %d and the others referenced", deleted, res.Left, c.deleted)
				}
				break
			}
			if live, all := tab.count("token_hash IN ('live19', 'live39', 'live59', 'live79', 'live99')"), tab.count("true"); live != 5 || int64(all) != 400-c.deleted {
				t.Errorf("%d rows are left, %d of the 5 live ones", all, live)
			}
		})
	}
}

// A table that DDL keeps locked, on the coordinator or one of its shards on a worker, stops the run, and nothing goes.
func TestCitusLockedTable(t *testing.T) {
	tab := newCitusTable(t, citusKinds()[0])
	tab.add("expired", 230, spreadOut, noTime)
	tab.add("live", 1, inAWeek, noTime)
	holder := tab.other()
	holder.exec("BEGIN")
	holder.exec("LOCK TABLE " + tab.schema + ".refresh_tokens IN SHARE MODE")
	if res := tab.janitor(tab.settings()); res.StopReason != StopTableLocked || res.Deleted.Total() != 0 || tab.count("true") != 231 {
		t.Errorf("%s, deleted %v, want the table to be locked", res.StopReason, res.Deleted)
	}
	holder.exec("ROLLBACK")

	r := newRun(tab.other().Conn, tab.settings())
	if err := errors.Join(r.readClocks(t.Context()), r.plan(t.Context())); err != nil {
		t.Fatal(err)
	}
	var host, shard string
	var port int
	if err := tab.QueryRow(t.Context(), `SELECT nodename, nodeport, shard_name FROM citus_shards JOIN pg_dist_node USING (nodename, nodeport)
		WHERE table_name = 'refresh_tokens'::regclass AND groupid <> 0 LIMIT 1`).Scan(&host, &port, &shard); err != nil {
		t.Fatal(err)
	}
	worker := &table{Conn: connect(t, fmt.Sprintf("postgres://%s:%d/%s?sslmode=disable&user=%s", host, port, tab.Config().Database, tab.Config().User)), t: t}
	worker.exec("SET citus.enable_manual_changes_to_shards = on")
	worker.exec("BEGIN")
	worker.exec("LOCK TABLE " + shard + " IN ACCESS EXCLUSIVE MODE")
	if err := r.passes[0].run(t.Context()); !errors.Is(err, stopped(StopTableLocked)) {
		t.Errorf("a shard is locked: %v", err)
	}
	worker.exec("ROLLBACK")
	if res := tab.janitor(tab.settings()); res.Deleted.Expired != 230 || res.Outcome != Drained {
		t.Errorf("released: deleted %v, %s", res.Deleted, res.Outcome)
	}
	tab.survive("live1")
}

// Tables that are not HyphaGraph's, each distributed by its user.
func TestCitusShapes(t *testing.T) {
	for _, c := range []struct {
		name, table string
		make        []string
		change      func(*Settings)
		deleted     Counts
		stays       string
	}{
		{"timestamp without time zone, in capitals, never revoked", "Sessions", []string{
			`CREATE TABLE "Sessions" (id bigint, "userId" bigint, name text, "validUntil" timestamp NOT NULL, PRIMARY KEY ("userId", id))`,
			`CREATE INDEX ON "Sessions" ("validUntil")`,
			`SELECT create_distributed_table('"Sessions"', 'userId')`,
			`INSERT INTO "Sessions" SELECT i, i, 'due', now() AT TIME ZONE 'UTC' - interval '2 days' + i * interval '1 second' FROM generate_series(1, 400) AS i`,
			`INSERT INTO "Sessions" VALUES (1001, 1, 'live', now() AT TIME ZONE 'UTC' + interval '1 minute'), (1002, 2, 'lately', now() AT TIME ZONE 'UTC' - interval '59 minutes'),
				(1003, 3, 'for ever', 'infinity')`,
		}, func(s *Settings) { s.Columns, s.TimestampZone = Columns{Expires: "validUntil"}, time.UTC }, Counts{Expired: 400}, "for ever, lately, live"},
		{"seconds since 1970", "sessions", []string{
			`CREATE TABLE sessions (id bigint, user_id bigint, name text, expires bigint NOT NULL, revoked bigint, PRIMARY KEY (user_id, id))`,
			`CREATE INDEX ON sessions (expires)`,
			`SELECT create_distributed_table('sessions', 'user_id')`,
			`INSERT INTO sessions SELECT i, i, 'due', extract(epoch FROM now())::bigint - 200000 + i FROM generate_series(1, 400) AS i`,
			`INSERT INTO sessions SELECT 400 + i, i, 'revoked', extract(epoch FROM now())::bigint + 200000 + i, extract(epoch FROM now())::bigint - 700000 FROM generate_series(1, 100) AS i`,
			`INSERT INTO sessions VALUES (1001, 1, 'live', extract(epoch FROM now())::bigint + 60), (1002, 2, 'lately', extract(epoch FROM now())::bigint - 3540), (1003, 3, 'never', 0)`,
		}, func(s *Settings) { s.Columns, s.Epoch = Columns{Expires: "expires", RevokedAt: "revoked"}, Seconds }, Counts{Expired: 400, Revoked: 100}, "lately, live, never"},
		{"partitions by day", "parts", []string{
			`CREATE TABLE parts (id bigint, user_id bigint, name text, expires_at timestamptz NOT NULL, is_revoked boolean NOT NULL DEFAULT false, revoked_at timestamptz,
				PRIMARY KEY (user_id, id, expires_at)) PARTITION BY RANGE (expires_at)`,
			`SELECT create_distributed_table('parts', 'user_id')`,
			`SELECT create_time_partitions('parts', '1 day', now() + interval '3 days', now() - interval '4 days')`,
			`CREATE INDEX ON parts (expires_at)`,
			`CREATE INDEX ON parts (revoked_at)`,
			`INSERT INTO parts SELECT i, i, 'due', now() - interval '3 days' + i * interval '8 minutes' FROM generate_series(1, 400) AS i`,
			`INSERT INTO parts SELECT 400 + i, i, 'revoked', now() + interval '1 day' + i * interval '1 minute', true, now() - interval '8 days' FROM generate_series(1, 100) AS i`,
			`INSERT INTO parts VALUES (1001, 1, 'live', now() + interval '1 minute'), (1002, 2, 'lately', now() - interval '59 minutes')`,
		}, func(*Settings) {}, Counts{Expired: 400, Revoked: 100}, "lately, live"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab := newCitusSchema(t)
			for _, sql := range c.make {
				tab.exec(sql)
			}
			s := tab.settings()
			s.Table = pgx.Identifier{tab.schema, c.table}
			c.change(&s)
			for _, s.DryRun = range []bool{true, false} {
				res := tab.janitor(s)
				if got := (Counts{res.Deleted.Expired + res.Would.Expired, res.Deleted.Revoked + res.Would.Revoked}); got != c.deleted || res.Outcome != Drained {
					t.Errorf("dry run %t: %v, %s, want %v", s.DryRun, got, res.Outcome, c.deleted)
				}
			}
			var stays string
			if err := tab.QueryRow(t.Context(), "SELECT string_agg(name, ', ' ORDER BY name) FROM "+pgx.Identifier{c.table}.Sanitize()).Scan(&stays); err != nil || stays != c.stays {
				t.Errorf("%.200s stay, want %s: %v", stays, c.stays, err)
			}
		})
	}
}

// What a worker says when it is lost is no word on a row, as a trigger's would be: the run ends with it.
func TestCitusLostWorker(t *testing.T) {
	tab := newCitusTable(t, citusKind{primary: "id", distribute: "SELECT citus_add_local_table_to_metadata('%s')"})
	tab.add("expired", 230, spreadOut, noTime)
	tab.add("live", 1, inAWeek, noTime)
	tab.exec(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF OLD.token_hash = 'expired100' THEN RAISE 'connection to the remote node failed' USING ERRCODE = 'connection_failure'; END IF; RETURN OLD; END $$`)
	tab.exec("CREATE TRIGGER lose BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION lose()")
	res, err := Run(t.Context(), tab.other().Conn, tab.settings())
	if sqlState(err) != "08006" || res.Outcome != Failed || res.Left.Total() != 0 {
		t.Errorf("%s, left %+v, %v, want the worker's error", res.Outcome, res.Left, err)
	}
	if went := 231 - int64(tab.count("true")); went != res.Deleted.Expired || tab.count("token_hash IN ('expired100', 'live1')") != 2 {
		t.Errorf("%d went, %d are counted", went, res.Deleted.Expired)
	}
}
