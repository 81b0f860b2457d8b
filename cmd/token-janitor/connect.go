package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
	text, from := c.DatabaseURL, "--database-url"
	switch {
	case text != "":
	case c.DatabaseURLFile != "":
		from = "--database-url-file"
		content, err := os.ReadFile(c.DatabaseURLFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", from, err)
		}
		if text = strings.TrimSpace(string(content)); text == "" {
			return nil, fmt.Errorf("%s: %s is empty", from, c.DatabaseURLFile)
		}
	default:
		text, from = os.Getenv("DATABASE_URL"), "DATABASE_URL"
	}
	config, err := parseDatabaseURL(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return config, nil
}

// sqlalchemy is the URL form of the API's own driver: postgresql+asyncpg://...
var sqlalchemy = regexp.MustCompile(`^(?i)(postgres(?:ql)?)\+[a-z0-9_]+://`)

// foreign are query parameters that Python's drivers take for themselves. The server
// would refuse them as settings that it does not know.
var foreign = []string{
	"async_fallback", "command_timeout", "max_cacheable_statement_size", "max_cached_statement_lifetime",
	"prepare_threshold", "prepared_statement_cache_size", "prepared_statement_name_func", "statement_cache_size", "timeout",
}

// parseDatabaseURL reads a libpq URL or DSN, or SQLAlchemy's form of it. Its errors
// hold nothing of the text, which may be a secret in any part that is misspelt.
func parseDatabaseURL(text string) (*pgx.ConnConfig, error) {
	if strings.ContainsRune(text, 0) {
		return nil, errors.New("the database URL holds a zero byte")
	}
	if sqlalchemy.MatchString(text) {
		text = sqlalchemy.ReplaceAllString(text, "$1://")
		text = dropParameters(text)
	}
	if scheme, _, isURL := strings.Cut(text, "://"); isURL && !strings.Contains(scheme, "=") {
		switch strings.ToLower(scheme) {
		case "postgres", "postgresql":
			text = strings.ToLower(scheme) + text[len(scheme):]
		default:
			return nil, errors.New("the database URL begins with neither postgres:// nor postgresql:// (nor SQLAlchemy's postgresql+DRIVER://)")
		}
		if cutPassword(text) {
			return nil, errors.New("the database URL has an @ behind its host: in a user or password write / as %2F, ? as %3F and @ as %40")
		}
		text = sslmode(text)
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("the database URL cannot be read: %s", blame(err))
	}
	// Unnamed statements only: a pooler in transaction mode lends each transaction
	// another server connection, where no statement of ours is prepared.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	config.OnPgError = staysOpen
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectFor
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "token-janitor"
	}
	return config, nil
}

// connectFor is how long one server of a URL without connect_timeout gets to answer: a
// busy one takes a second, and one that never does must be told of.
const connectFor = 10 * time.Second

// cutPassword says whether a / or ? in a password ends the URL's host too early. Its
// tail would count as the name of the database, which errors show.
func cutPassword(text string) bool {
	_, rest, _ := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if n := strings.Count(rest[:end], "@"); n > 0 {
		return n > 1 // the host begins behind the first
	}
	name, _, _ := strings.Cut(rest[end:], "=") // a value of a parameter may hold an @
	return strings.Contains(name, "@")
}

// blame says what is wrong with a database URL in words of our own: those of the
// parsers quote the part that they stumble over, which may be the password.
func blame(err error) string {
	text := err.Error()
	for _, known := range []struct{ sign, words string }{
		{"invalid port", "the port is not a number (in a password write / as %2F)"},
		{"percent-encoded token", "a % in it begins no escape (in a password write % as %25)"},
		{"unexpected spaces", "it holds a space (write %20)"},
		{"IPv6", "an IPv6 address in it is not [ADDRESS]"},
		{"sslmode is invalid", "sslmode is none of disable, allow, prefer, require, verify-ca, verify-full"},
		{"target_session_attrs", "target_session_attrs is not one that libpq knows"},
		{"unable to read CA file", "the file of sslrootcert cannot be read"},
		{"unable to load cert", "the files of sslcert and sslkey cannot be read"},
		{"unable to read sslkey", "the file of sslkey cannot be read"},
		{"both \"sslcert\" and \"sslkey\"", "sslcert and sslkey go together"},
		{"connect_timeout", "connect_timeout is not a number of seconds"},
		{"service", "the service is not in the service file"},
	} {
		if strings.Contains(text, known.sign) {
			return known.words
		}
	}
	return "want postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=..., or host=... user=... dbname=..."
}

// dropParameters takes out what Python's drivers keep for themselves.
func dropParameters(text string) string {
	return editQuery(text, func(q url.Values) {
		for _, name := range foreign {
			q.Del(name)
		}
	})
}

// sslmode turns asyncpg's ssl= into libpq's sslmode=.
func sslmode(text string) string {
	return editQuery(text, func(q url.Values) {
		if !q.Has("ssl") {
			return
		}
		mode := strings.ToLower(q.Get("ssl"))
		switch mode {
		case "true", "1", "on":
			mode = "require"
		case "false", "0", "off":
			mode = "disable"
		}
		q.Del("ssl")
		if !q.Has("sslmode") {
			q.Set("sslmode", mode)
		}
	})
}

// editQuery changes the query of a URL and leaves the rest, which url.Parse may not
// take, as it is.
func editQuery(text string, edit func(url.Values)) string {
	head, query, has := strings.Cut(text, "?")
	values, err := url.ParseQuery(query)
	if !has || err != nil {
		return text
	}
	edit(values)
	if len(values) == 0 {
		return head
	}
	return head + "?" + values.Encode()
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
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return true // the network's word
	}
	switch refused.Code {
	case "57P03", "57P01", "57P02", "57P05", "53300", "53400": // starting, stopping, no connection left
		return true
	}
	return strings.HasPrefix(refused.Code, "08") // a proxy may send none at all
}
