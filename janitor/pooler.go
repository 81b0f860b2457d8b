package janitor

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A pooler may allow a query less time than we ask of the server, as PgBouncer's query_timeout does. It ends the connection and says
// nothing of rows: without an answer to that, each run would begin with the row that the last one ended at.

const (
	// reconnects is how often a run goes on over a new connection.
	reconnects = 2
	// poolerPatience is the least that a pooler allows a query; what it ends sooner, it ends for another reason.
	poolerPatience = 250 * time.Millisecond
)

// outlasted reports whether a pooler has ended the connection for the length of a batch, and the run has a new one. From then
// on the server ends a statement before the pooler would, so that the rows are found that take so long.
func (b *batcher) outlasted(ctx context.Context, err error, took time.Duration) bool {
	e, answered := errors.AsType[*pgconn.PgError](err)
	if !answered || e.Routine != "" || !b.session.conn.IsClosed() || took < poolerPatience || b.Reconnect == nil || b.totals.reconnected == reconnects {
		return false
	}
	conn, err := b.Reconnect(ctx)
	if err != nil {
		return false // the end of the first says more
	}
	b.totals.reconnected++
	b.session.conn = conn
	before := b.StatementTimeout
	b.StatementTimeout = min(before, took*3/4)
	b.session.statementTimeout = b.StatementTimeout
	// The server may not have heard yet, and be at work on the batch for as long as we allowed it, with the lock that says so.
	for until := time.Now().Add(before + answerGrace); time.Now().Before(until) && ctx.Err() == nil; {
		if err := b.session.exchange(ctx); err != stopped(StopOther) {
			break // any other error shows in the batch that comes next
		}
		b.pause(ctx, Rest{Cause: ForLoad, For: b.LockTimeout})
	}
	return true
}

// errOutlasted stands for the answer that the server would have given.
func errOutlasted() error {
	return &pgconn.PgError{Severity: "ERROR", Code: queryCanceled, Message: "a pooler ended the connection for the length of a statement"}
}

// leave closes the connection, if it is not the one that the run was given.
func (s *session) leave(given *pgx.Conn) {
	if s.conn != given {
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		_ = s.conn.Close(ctx)
	}
}
