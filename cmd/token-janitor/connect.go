package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	settings "github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/config"
)

// connect opens a fresh connection: between runs the daemon holds none, and a rotated
// password or a new primary is found by itself.
func (c *config) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := c.connConfig()
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["client_encoding"] = "UTF8" // a role's own may lack the letters of what the server says
	return pgx.ConnectConfig(ctx, config)            // its errors name host, user and database, no secret
}

// connConfig is where to connect to, from the flag, the file, DATABASE_URL or PG*.
func (c *config) connConfig() (*pgx.ConnConfig, error) {
	text, from, err := c.databaseURL()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	config, err := parseDatabaseURL(text)
	switch {
	case err != nil && text == "":
		return nil, fmt.Errorf("libpq's PG* variables: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return config, nil
}

// databaseURL is the first that is given, and where. It is "" when the PG* say it all.
func (c *config) databaseURL() (text, from string, err error) {
	from = "--database-url"
	if text, err = settings.CleanDatabaseURL(c.DatabaseURL); err != nil || text != "" {
		return text, from, err
	}
	if c.DatabaseURLFile != "" {
		from = "--database-url-file"
		content, err := os.ReadFile(c.DatabaseURLFile)
		if err != nil {
			return "", from, err
		}
		if text, err = settings.CleanDatabaseURL(string(content)); err == nil && text == "" {
			err = fmt.Errorf("%s is empty", c.DatabaseURLFile)
		}
		return text, from, err
	}
	text, err = settings.CleanDatabaseURL(os.Getenv("DATABASE_URL"))
	return text, "DATABASE_URL", err
}

// parseDatabaseURL reads a database URL into what pgx takes.
func parseDatabaseURL(text string) (*pgx.ConnConfig, error) {
	database, err := settings.ParseDatabaseURL(text, os.Getenv)
	if err != nil {
		return nil, err
	}
	config, err := forDriver(database)
	if err != nil {
		return nil, err
	}
	// Unnamed statements only: a pooler in transaction mode lends each transaction
	// another server connection, where no statement of ours is prepared.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	config.OnPgError = staysOpen
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "token-janitor"
	}
	return config, nil
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
