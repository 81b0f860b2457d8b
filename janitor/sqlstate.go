package janitor

import (
	"cmp"
	"errors"
	"regexp"

	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs that the engine has an answer to.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	lockNotAvailable      = "55P03"
	foreignKeyViolation   = "23503"
	restrictViolation     = "23001" // what PostgreSQL 18 reports for ON DELETE RESTRICT
	deadlockDetected      = "40P01"
	serializationFailure  = "40001"
	queryCanceled         = "57014" // statement_timeout, or an operator
	insufficientPrivilege = "42501"
	featureNotSupported   = "0A000"
	undefinedObject       = "42704"
)

// statementErrors matches SQLSTATEs that concern the whole statement: the connection, the
// role's rights, the transaction, the server. Any other may come from a trigger, which may raise
// what it likes, and concern single rows.
const statementErrors = "^(08|0A|25|26|28|40|42|53|54|55|57|58|F0|XX)"

var statementError = regexp.MustCompile(statementErrors)

// isRowError reports whether the statement may succeed without some of its rows.
func isRowError(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	// Severity is in the language of the server; its plain form came with PostgreSQL 9.6, and
	// a pooler may not send it.
	return ok && cmp.Or(e.SeverityUnlocalized, e.Severity) == "ERROR" && !statementError.MatchString(e.Code)
}

// sqlState is the SQLSTATE of an error, or "" if it is not the server's.
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// serverMessage is the server's message of an error, or "" if it is not the server's.
func serverMessage(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Message
	}
	return ""
}

// cannotIsolate reports whether the server, or this role on it, has no PL/pgSQL.
func cannotIsolate(err error) bool {
	switch sqlState(err) {
	case insufficientPrivilege, featureNotSupported, undefinedObject:
		return true
	}
	return false
}
