package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
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
	conn, err := pgx.ConnectConfig(ctx, where) // its errors name host, user and database, no secret
	if err != nil || conn.PgConn().ParameterStatus("server_encoding") != "SQL_ASCII" {
		return conn, err
	}
	// A database without an encoding may hold what is no text in any: it is taken as it comes.
	_ = conn.Close(ctx)
	where.RuntimeParams[encoding] = "SQL_ASCII"
	return pgx.ConnectConfig(ctx, where)
}

// unreachable says whether a connection failed for something that passes: nobody
// listens, or the server is starting, stopping or full. A wrong password does not pass,
// nor does a certificate.
func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return false
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
