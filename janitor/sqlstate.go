package janitor

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs that the engine has an answer to.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	lockNotAvailable          = "55P03"
	foreignKeyViolation       = "23503"
	restrictViolation         = "23001" // what PostgreSQL 18 reports for ON DELETE RESTRICT
	deadlockDetected          = "40P01"
	serializationFailure      = "40001"
	queryCanceled             = "57014" // statement_timeout, or an operator
	insufficientPrivilege     = "42501"
	featureNotSupported       = "0A000"
	undefinedObject           = "42704"
	undefinedTable            = "42P01"
	readOnlyTransaction       = "25006"
	diskFull                  = "53100"
	outOfMemory               = "53200"
	dataCorrupted             = "XX001"
	indexCorrupted            = "XX002"
	invalidTextRepresentation = "22P02"
	invalidParameterValue     = "22023" // a time zone that the server does not know
)

// isReferenced reports whether a SQLSTATE is that of a foreign key that refuses a deletion.
func isReferenced(state string) bool {
	return state == foreignKeyViolation || state == restrictViolation
}

// isServerState reports whether a SQLSTATE says that the server takes no writes, is out of space or memory, or
// finds corrupt data.
func isServerState(state string) bool {
	switch state {
	case readOnlyTransaction, diskFull, outOfMemory, dataCorrupted, indexCorrupted:
		return true
	}
	return false
}

// isRowError reports whether the statement may succeed without some of its rows. A trigger may
// raise any SQLSTATE, so none says that it concerns the whole statement: what fails for every row
// does, and that is found by trying. Only a server that can do no more, and says so outside of any
// function (Where), is left alone at once.
func isRowError(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if ok && isServerState(e.Code) && e.Where == "" {
		return false
	}
	if !ok || e.SeverityUnlocalized != "" {
		return ok && e.SeverityUnlocalized == "ERROR" // FATAL ends the session
	}
	// A pooler's own errors have no SeverityUnlocalized, and its words are English. Severity is in the
	// language of the server, where a proxy took the other away: then the SQLSTATE tells.
	ended := e.Severity == "FATAL" || e.Severity == "PANIC" || endsSession(e.Code)
	return !ended
}

// endsSession reports whether a SQLSTATE says that a session is gone, or on its way: of a worker in a
// cluster, whose coordinator tells of it as of any error, as well.
func endsSession(state string) bool {
	return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "57P")
}

// keepsRow reports whether a SQLSTATE is one with which a constraint or a trigger keeps a row on
// purpose. The others are a broken trigger (a name that does not exist), a full disk, an internal
// error: if no row goes at all, they are what the run fails with.
func keepsRow(state string) bool {
	switch state[:min(2, len(state))] {
	case "08", "0A", "25", "26", "28", "40", "53", "54", "57", "58", "F0", "XX":
		return false
	case "42":
		return state == insufficientPrivilege
	}
	return true
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
