package janitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// answerGrace is how much longer we wait for an answer than statement_timeout allows all
// statements together. The server itself reports a statement that takes too long, so silence
// beyond this is a dead network, not a slow table.
const answerGrace = 5 * time.Second

// session exchanges statements with the server.
type session struct {
	conn             *pgx.Conn
	oid              int64 // of the table
	lockTimeout      time.Duration
	statementTimeout time.Duration
	dryRun           bool
	hasCitus         bool          // the extension is there
	cluster          *cluster      // nil = the table is this server's alone
	begin            string        // begin.sql
	effects          Effects       // what acted on a DELETE when the table was checked, or the run began
	alone            alone         // whether others write
	trip             time.Duration // the shortest exchange so far: about what the way there and back takes
	planning         time.Duration // what the server took to plan the statements of a window
}

// query is one statement and what reads its rows.
type query struct {
	text string
	args pgx.NamedArgs
	read func(pgx.Rows) error
}

// into scans the one row of a query.
func into(dest ...any) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		if !rows.Next() {
			return errors.Join(rows.Err(), pgx.ErrNoRows)
		}
		return rows.Scan(dest...)
	}
}

// ignored is for a query that is sent for its effect.
func ignored(rows pgx.Rows) error {
	rows.Close()
	return rows.Err()
}

// affected adds the number of rows that a statement changed.
func affected(n *int64) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		rows.Close()
		*n += rows.CommandTag().RowsAffected()
		return rows.Err()
	}
}

// plus adds the number that a query counts.
func plus(n *int64) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var more int64
		err := into(&more)(rows)
		*n += more
		return err
	}
}

// exchange sends read_committed.sql, begin.sql and the queries as one transaction, in one round trip. The
// transaction is the implicit one of a pipeline: it commits if all went well, and an
// error needs no ROLLBACK. It returns stopped(StopOther) if another janitor holds the lock;
// the queries have then changed nothing.
//
// A run is cancelled between two batches, never in one: only our own time limit ends an
// exchange.
func (s *session) exchange(ctx context.Context, queries ...query) error {
	return s.exchangeWithin(ctx, s.statementTimeout, queries...)
}

// look is exchangeWithin of what only reads the table, and returns errEffectsChanged if rows may be hidden from it that the
// run could see when it began.
func (s *session) look(ctx context.Context, limit time.Duration, q query) error {
	return s.exchangeWithin(ctx, limit, q, s.effects.unchanged(nil))
}

// exchangeWithin is exchange with a statement_timeout of its own.
func (s *session) exchangeWithin(ctx context.Context, limit time.Duration, queries ...query) error {
	// The server's limit is for one statement, ours for all of them.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), limit*time.Duration(len(queries))+answerGrace)
	defer stop()
	var hasLock bool
	begin := query{s.begin, pgx.NamedArgs{
		"lock_timeout":      milliseconds(s.lockTimeout),
		"statement_timeout": milliseconds(limit),
		"oid":               s.oid,
		"dry_run":           s.dryRun,
	}, into(&hasLock, &s.alone.last.next, &s.alone.last.settled)}
	if s.cluster != nil {
		queries = slices.Concat([]query{{"BEGIN ISOLATION LEVEL READ COMMITTED", nil, ignored}, begin},
			s.cluster.settings(milliseconds(s.lockTimeout), milliseconds(limit)), queries, []query{{"COMMIT", nil, ignored}})
	} else {
		queries = slices.Concat([]query{{statement("read_committed"), nil, ignored}, begin}, queries)
	}
	var pipeline pgx.Batch
	for _, q := range queries {
		pipeline.Queue(q.text, q.args)
	}
	began := time.Now()
	answers := s.conn.SendBatch(ctx, &pipeline)
	err := read(answers, queries)
	// The server commits at the end of the pipeline: what was read counts only once Close has
	// seen that.
	if closed := answers.Close(); err == nil {
		err = closed
	}
	if err != nil && s.cluster != nil && !s.conn.IsClosed() {
		_, _ = s.conn.Exec(ctx, "ROLLBACK") // an error shows in the exchange that comes next
	}
	if took := time.Since(began); err == nil && (s.trip == 0 || took < s.trip) {
		s.trip = took
	}
	switch {
	case err == nil && !hasLock:
		err = stopped(StopOther)
	case effectsChanged(err):
		err = errEffectsChanged
	case err != nil && sqlState(err) == "" && s.conn.IsClosed():
		err = fmt.Errorf("the connection is lost: %w", err) // pgx may say no more than "conn closed"
	}
	return err
}

func read(answers pgx.BatchResults, queries []query) error {
	for _, q := range queries {
		rows, err := answers.Query()
		if err != nil {
			return err
		}
		err = q.read(rows)
		rows.Close()
		// The server's own error says more than "no rows".
		if failed := rows.Err(); failed != nil {
			return failed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inDoubt reports whether a batch that failed may have been committed all the same. An error
// from the server in place of an answer means that it was not. The end of the connection, or an
// error from a pooler, which names no routine of the server, means neither.
func (s *session) inDoubt(err error) bool {
	e, answered := errors.AsType[*pgconn.PgError](err)
	return s.conn.IsClosed() && !(answered && e.Routine != "")
}

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(1, d.Milliseconds()), 10) + "ms" // 0 would mean no limit
}
