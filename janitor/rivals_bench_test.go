package janitor

import (
	"context"
	"flag"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

var benchCron = flag.Bool("cron", false, "pg_cron too: it begins a job at the full minute, so each round takes one or two")

// way is one way to delete what expired.
type way struct {
	name      string
	prepare   func(*table) // not timed; nil: nothing
	run       func(*table) work
	byCron    bool // it takes pg_cron, and begins at the full minute
	quadratic bool // ten times the rows take it a hundred times as long
	sameWAL   bool // as another of them
}

// work is what a way did.
type work struct {
	rows          int64
	took, longest time.Duration // longest: one statement
}

func (w work) rate() float64 { return float64(w.rows) / w.took.Seconds() }

// ways are one DELETE, which the others are compared with, ours, and what one would use instead.
var ways = []way{
	{name: "one DELETE", run: untilNone(true, `DELETE FROM refresh_tokens WHERE expires_at < $1::timestamptz`)},
	{name: "token-janitor", run: ours(0), sameWAL: true},
	{name: "token-janitor lifetime known", run: ours(week)},
	{name: "HyphaGraph's OR", run: untilNone(true, or)},
	{name: "LIMIT 5000 by ctid", run: untilNone(false, `WITH batch AS MATERIALIZED (SELECT ctid FROM refresh_tokens WHERE expires_at < $1::timestamptz
		ORDER BY expires_at LIMIT 5000 FOR UPDATE SKIP LOCKED) DELETE FROM refresh_tokens t USING batch WHERE t.ctid = batch.ctid`)},
	{name: "LIMIT 1000 by id", run: untilNone(false, limitByID), quadratic: true},
	{name: "ids then 100 by id", run: hundreds},
	{name: "DROP partition", prepare: partitionByTime, run: dropPartition},
	{name: "pg-cron", run: cron, byCron: true, sameWAL: true},
}

// wayOf is the way of that name.
func wayOf(name string) way {
	for _, w := range ways {
		if w.name == name {
			return w
		}
	}
	panic("no way is called " + name)
}

// limitByID is the shape of supabase/auth and River; SKIP LOCKED lets their workers share.
const limitByID = `DELETE FROM refresh_tokens WHERE id IN (SELECT id FROM refresh_tokens WHERE expires_at < $1::timestamptz
	ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)`

// or is what HyphaGraph itself runs.
const or = `DELETE FROM refresh_tokens WHERE expires_at < $1::timestamptz OR is_revoked`

// ours is the engine at full speed, with the command's largest window.
func ours(lifetime time.Duration) func(*table) work {
	return func(tab *table) work {
		s := settings()
		s.BatchMaxRows, s.TokenLifetime = 100_000, lifetime
		began := time.Now()
		res := tab.run(s)
		return work{res.Deleted.Total(), time.Since(began), res.LongestBatch}
	}
}

// untilNone repeats a statement until it deletes nothing; one time is enough for some.
func untilNone(once bool, sql string) func(*table) work {
	return func(tab *table) (w work) {
		for began := time.Now(); ; {
			at := time.Now()
			tag, err := tab.Exec(tab.t.Context(), sql, cutoff)
			if err != nil {
				tab.t.Fatal(err)
			}
			w.rows += tag.RowsAffected()
			w.took, w.longest = time.Since(began), max(w.longest, time.Since(at))
			if once || tag.RowsAffected() == 0 {
				return w
			}
		}
	}
}

// cutoff is the cutoff of a run at noon.
var cutoff = at(-time.Hour)

// hundreds is the shape of Ory Hydra's janitor and of Duende's.
func hundreds(tab *table) (w work) {
	for began := time.Now(); ; {
		at := time.Now()
		rows, err := tab.Query(tab.t.Context(), `SELECT id::text FROM refresh_tokens WHERE expires_at < $1::timestamptz ORDER BY expires_at LIMIT 100`, cutoff)
		if err != nil {
			tab.t.Fatal(err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			tab.t.Fatal(err)
		}
		if len(ids) > 0 {
			tag, err := tab.Exec(tab.t.Context(), `DELETE FROM refresh_tokens WHERE id = ANY($1::text[]::uuid[])`, ids)
			if err != nil {
				tab.t.Fatal(err)
			}
			w.rows += tag.RowsAffected()
		}
		w.took, w.longest = time.Since(began), max(w.longest, time.Since(at))
		if len(ids) == 0 {
			return w
		}
	}
}

// partitionByTime makes of the table two partitions, one of which is all that is due: the
// best case of a schema that partitions by time, and pays for it elsewhere.
func partitionByTime(tab *table) {
	tab.t.Helper()
	tab.exec(`CREATE TABLE parted (LIKE refresh_tokens INCLUDING DEFAULTS) PARTITION BY RANGE (expires_at)`)
	tab.exec(`CREATE TABLE due PARTITION OF parted FOR VALUES FROM (MINVALUE) TO ('` + cutoff + `')`)
	tab.exec(`CREATE TABLE rest PARTITION OF parted FOR VALUES FROM ('` + cutoff + `') TO (MAXVALUE)`)
	for _, columns := range []string{"user_id", "token_hash", "expires_at", "id"} {
		tab.exec(`CREATE INDEX ON parted (` + columns + `)`)
	}
	tab.exec(`INSERT INTO parted SELECT * FROM refresh_tokens`)
	tab.exec(`DROP TABLE refresh_tokens`)
	tab.exec(`ALTER TABLE parted RENAME TO refresh_tokens`)
	tab.exec(`VACUUM ANALYZE refresh_tokens`)
	tab.exec(`CHECKPOINT`)
}

func dropPartition(tab *table) work {
	rows := tab.count(`expires_at < '` + cutoff + `'`)
	began := time.Now()
	tab.exec(`DROP TABLE due`)
	took := time.Since(began)
	return work{rows, took, took}
}

// cron has pg_cron run HyphaGraph's DELETE, and tells the times that pg_cron noted.
func cron(tab *table) (w work) {
	tab.t.Helper()
	config, err := pgx.ParseConfig(tab.url)
	if err != nil {
		tab.t.Fatal(err)
	}
	database := config.Database
	config.Database = "postgres" // cron.database_name's default
	conn, err := pgx.ConnectConfig(tab.t.Context(), config)
	if err != nil {
		tab.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var job int64
	if err := conn.QueryRow(tab.t.Context(), `SELECT cron.schedule_in_database('drain', '* * * * *', $1, $2)`,
		strings.ReplaceAll(or, "$1", "'"+cutoff+"'"), database).Scan(&job); err != nil {
		tab.t.Fatal(err)
	}
	var began, ended pgtype.Timestamptz
	var status string
	for status == "" {
		err := conn.QueryRow(tab.t.Context(), `
			SELECT status, substring(return_message FROM '\d+')::bigint, start_time, end_time
			  FROM (SELECT pg_sleep(0.5)) AS pause, cron.job_run_details
			 WHERE jobid = $1 AND status IN ('succeeded', 'failed') LIMIT 1`, job).Scan(&status, &w.rows, &began, &ended)
		if err != nil && err != pgx.ErrNoRows {
			tab.t.Fatal(err)
		}
	}
	if status != "succeeded" {
		tab.t.Fatalf("pg_cron's job %s", status)
	}
	if _, err := conn.Exec(tab.t.Context(), `SELECT cron.unschedule($1::bigint)`, job); err != nil {
		tab.t.Fatal(err)
	}
	w.took = ended.Time.Sub(began.Time)
	w.longest = w.took
	return w
}

// hasCron says whether the server can run the way by pg_cron, and makes its extension.
func (tab *table) hasCron() bool {
	tab.t.Helper()
	config, err := pgx.ParseConfig(tab.url)
	if err != nil {
		tab.t.Fatal(err)
	}
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(tab.t.Context(), config)
	if err != nil {
		tab.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(tab.t.Context(), `CREATE EXTENSION IF NOT EXISTS pg_cron`)
	return err == nil
}
