package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/config"
)

// connect opens a fresh connection: between runs the daemon holds none, and a rotated
// password or a new primary is found by itself.
func connect(ctx context.Context, database config.Source) (*pgx.Conn, error) {
	where, err := database.ConnConfig()
	if err != nil {
		return nil, err
	}
	// A role's own encoding may lack the letters of what the server says.
	const encoding = "client_encoding"
	where.RuntimeParams[encoding] = "UTF8"
	conn, err := pgx.ConnectConfig(ctx, where)
	if err != nil {
		return nil, connectFault(err, database.Given())
	}
	if conn.PgConn().ParameterStatus("server_encoding") != "SQL_ASCII" {
		return conn, nil
	}
	// A database without an encoding may hold what is no text in any: it is taken as it comes.
	_ = conn.Close(ctx)
	where.RuntimeParams[encoding] = "SQL_ASCII"
	conn, err = pgx.ConnectConfig(ctx, where)
	return conn, connectFault(err, true)
}

// connectError is one of pgx, with its causes first and each once. It names host, user and database, no secret.
type connectError struct {
	told  string
	given bool // somebody said where the database is
	error
}

func (e connectError) Error() string { return e.told }

func (e connectError) Unwrap() error { return e.error }

// connectFault tells why a connection failed. pgx tells of every try: each address, with TLS and without. Where a server
// answered, its answers are the cause.
func connectFault(err error, given bool) error {
	failed, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return err
	}
	tries := []error{failed.Unwrap()}
	if joined, ok := tries[0].(interface{ Unwrap() []error }); ok {
		tries = joined.Unwrap()
	}
	var answers, others []string
	for _, try := range tries {
		address, _, _ := strings.Cut(try.Error(), " (")
		answer, refused := errors.AsType[*pgconn.PgError](try)
		lookup, unresolved := errors.AsType[*net.DNSError](try)
		dial, dialled := errors.AsType[*net.OpError](try)
		switch {
		case refused:
			answers = append(answers, fmt.Sprintf("%s (SQLSTATE %s), at %s", answer.Message, answer.Code, address))
		case unresolved:
			others = append(others, lookup.Error())
		case dialled:
			others = append(others, dial.Error())
		default:
			others = append(others, try.Error())
		}
	}
	causes := answers
	if len(causes) == 0 {
		causes = others
	}
	told := fmt.Sprintf("cannot connect: %s (user=%s database=%s)", strings.Join(distinct(causes), "; "), failed.Config.User, failed.Config.Database)
	if !given {
		told = "no database URL is given (--database-url, --database-url-file, DATABASE_URL or PGHOST): " + told
	}
	return connectError{told, given, err}
}

// distinct is a list without what it says again.
func distinct(list []string) (short []string) {
	for _, s := range list {
		if !slices.Contains(short, s) {
			short = append(short, s)
		}
	}
	return short
}

// unreachable says whether a connection failed for something that passes: nobody
// listens, or the server is starting, stopping or full. A wrong password does not pass,
// nor does a certificate.
func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return false
	}
	if told, ok := errors.AsType[connectError](err); ok && !told.given {
		return false // nobody starts a server where nobody said that there is one
	}
	for _, wrong := range []any{new(*tls.CertificateVerificationError), new(x509.UnknownAuthorityError), new(x509.HostnameError), new(x509.CertificateInvalidError)} {
		if errors.As(err, wrong) { // without the first where only the authority is looked at
			return false
		}
	}
	for _, check := range []string{"require_auth check failed", "channel binding check failed", "sslcertmode check failed"} {
		if strings.Contains(err.Error(), check) { // pgx has no types for them
			return false
		}
	}
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return true // the network's word
	}
	switch refused.Code {
	case "57P03", "57P01", "57P02", "57P05", "53300", "53400": // starting, stopping, no connection left
		return true
	}
	// A proxy may send none at all. PgBouncer has one code for all its troubles, and no
	// other language; this one is a parameter that its ignore_startup_parameters lacks.
	return strings.HasPrefix(refused.Code, "08") && !strings.HasPrefix(refused.Message, "unsupported startup parameter")
}
