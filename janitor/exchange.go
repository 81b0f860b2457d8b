package janitor

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// answerGrace is how much longer we wait for an answer than statement_timeout allows all the
// statements together: the server says itself when one took too long, so silence past this is
// a dead network and not a slow table.
const answerGrace = 5 * time.Second

// query is one statement and what becomes of its rows.
type query struct {
	text string
	args pgx.NamedArgs
	rows func(pgx.Rows) error
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

// ignored takes the rows of a query that is sent for what it does.
func ignored(rows pgx.Rows) error {
	rows.Close()
	return rows.Err()
}

// affected takes the number of rows that a statement changed.
func affected(n *int64) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		rows.Close()
		*n = rows.CommandTag().RowsAffected()
		return rows.Err()
	}
}

// exchange sends open.sql and the queries as one transaction, in one round trip. The
// transaction is the implicit one of a pipeline: it commits if all went well, and an
// error needs no ROLLBACK. It returns stopped(StopOther) where another janitor is at
// work; the queries have then changed nothing.
//
// A run is cancelled between two batches, never in one: so only the time limit of the
// context is ours.
func (r *run) exchange(ctx context.Context, queries ...query) error {
	return r.exchangeWithin(ctx, r.StatementTimeout, queries...)
}

// exchangeWithin is exchange with a statement_timeout of its own.
func (r *run) exchangeWithin(ctx context.Context, limit time.Duration, queries ...query) error {
	// The server's limit is of one statement, ours of all of them.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), limit*time.Duration(len(queries))+answerGrace)
	defer stop()
	var alone bool
	queries = append([]query{{r.open, pgx.NamedArgs{
		"lock_timeout":      milliseconds(r.LockTimeout),
		"statement_timeout": milliseconds(limit),
		"oid":               r.oid,
		"dry_run":           r.DryRun,
	}, into(&alone)}}, queries...)
	var pipeline pgx.Batch
	for _, q := range queries {
		pipeline.Queue(q.text, q.args)
	}
	answers := r.conn.SendBatch(ctx, &pipeline)
	err := read(answers, queries)
	// Only at the end of the pipeline does the server commit, so what was read
	// counts only once Close has seen it.
	if closed := answers.Close(); err == nil {
		err = closed
	}
	switch {
	case err == nil && !alone:
		err = stopped(StopOther)
	case err != nil && code(err) == "" && r.conn.IsClosed():
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
		err = q.rows(rows)
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

func milliseconds(d time.Duration) string {
	return strconv.FormatInt(max(1, d.Milliseconds()), 10) + "ms" // 0 would mean no limit
}

// The server's error codes that the engine has an answer to.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	lockNotAvailable      = "55P03"
	foreignKeyViolation   = "23503"
	restrictViolation     = "23001" // what PostgreSQL 18 says for ON DELETE RESTRICT
	deadlockDetected      = "40P01"
	serializationFailure  = "40001"
	queryCanceled         = "57014" // statement_timeout, or an operator
	insufficientPrivilege = "42501"
	featureNotSupported   = "0A000"
	undefinedObject       = "42704"
)

// ofAll are the codes of what is no single row's fault: the connection, what this
// statement or role may do, the transaction, the server. All others, for triggers raise
// what they like, are taken for a word on the rows.
const ofAll = "^(08|0A|25|26|28|40|42|53|54|55|57|58|F0|XX)"

var ofAllCode = regexp.MustCompile(ofAll)

// ofARow says whether an error is one that leaving out some of the rows may avoid. (Severity is in the server's language;
// without SeverityUnlocalized, which some proxies drop, the code alone tells.)
func ofARow(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.SeverityUnlocalized == "ERROR" || e.SeverityUnlocalized == "") && !ofAllCode.MatchString(e.Code)
}

// inDoubt says whether a batch that failed may have been committed all the same. The
// server's own word in place of an answer says that it was not; a pooler's word, which
// names no routine of the server, or the end of the connection says neither.
func (r *run) inDoubt(err error) bool {
	e, said := errors.AsType[*pgconn.PgError](err)
	return r.conn.IsClosed() && !(said && e.Routine != "")
}

// code is the server's code for an error, or "" if it is not the server's.
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// words are the server's own of an error, or "" if it is not the server's.
func words(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Message
	}
	return ""
}
