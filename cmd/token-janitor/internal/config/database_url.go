package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// ParseDatabaseURL reads a libpq URL or its form of keywords and values, or SQLAlchemy's
// form of a URL. What is not given comes from a service file and from the PG* of the
// environment, as in libpq. Its errors show nothing of the text but the names of
// parameters: any other part may be a secret that is in the wrong place.
func ParseDatabaseURL(raw string, getenv func(string) string) (Database, error) {
	text, err := CleanDatabaseURL(raw)
	if err != nil {
		return Database{}, err
	}
	given, err := parse(text)
	if err != nil {
		return Database{}, unreadable(err)
	}
	if err := translate(given); err != nil {
		return Database{}, unreadable(err)
	}
	all, err := complete(given, getenv)
	if err != nil {
		return Database{}, unreadable(err)
	}
	d, err := all.database()
	if err != nil {
		return Database{}, unreadable(err)
	}
	return d, nil
}

// unreadable puts in front of an error what it is about.
func unreadable(err error) error {
	if strings.HasPrefix(err.Error(), "the database URL ") {
		return err
	}
	return fmt.Errorf("the database URL cannot be read: %w", err)
}

// parse takes the text apart, in whichever of the forms it is.
func parse(text string) (map[string]string, error) {
	if assignment.MatchString(text) {
		return nil, errors.New("the database URL begins with NAME=: give what follows the =")
	}
	scheme, rest, isURL := strings.Cut(text, "://")
	if !isURL || strings.Contains(scheme, "=") {
		return keywordValues(text)
	}
	for _, r := range rest {
		switch {
		case r == '\n' || r == '\r':
			return nil, errors.New("the database URL holds more than one line")
		case unicode.IsControl(r):
			return nil, errors.New("the database URL holds a control character")
		}
	}
	if end := rest[max(len(rest)-1, 0):]; end == `"` || end == `'` {
		return nil, errors.New("the database URL ends with a quote and does not begin with one (write \" as %22 and ' as %27)")
	}
	switch {
	case sqlalchemyScheme.MatchString(text):
		return sqlalchemyURL(rest)
	case strings.EqualFold(scheme, "postgres"), strings.EqualFold(scheme, "postgresql"):
		return libpqURI(rest)
	}
	return nil, errors.New("the database URL begins with neither postgres:// nor postgresql:// (nor SQLAlchemy's postgresql+DRIVER://)")
}

// socketFile is the file of a server's Unix socket, which asyncpg and pg8000 take where libpq
// takes its directory.
var socketFile = regexp.MustCompile(`^(/.*)/\.s\.PGSQL\.(\d+)$`)

// socketPort is a directory with the port behind it, as in host=/run/postgresql:5433.
var socketPort = regexp.MustCompile(`^(/.*):(\d+)$`)

// translate turns what only Python's drivers know into libpq's parameters.
func translate(given map[string]string) error {
	if name, ok := given["database"]; ok {
		delete(given, "database")
		given["dbname"] = name
	}
	if mode, ok := given["ssl"]; ok { // asyncpg's
		delete(given, "ssl")
		mode = strings.ReplaceAll(strings.ToLower(mode), "_", "-")
		switch mode {
		case "true", "1", "on":
			mode = "require"
		case "false", "0", "off":
			mode = "disable"
		}
		if _, ok := given["sslmode"]; !ok {
			given["sslmode"] = mode
		}
	}
	if path, ok := given["unix_sock"]; ok { // pg8000's
		if !socketFile.MatchString(path) {
			return errors.New("unix_sock is not a path that ends with /.s.PGSQL.PORT")
		}
		delete(given, "unix_sock")
		given["host"] = path
	}
	if direct, ok := given["direct_tls"]; ok { // asyncpg's
		delete(given, "direct_tls")
		if !slices.Contains([]string{"", "0", "false"}, strings.ToLower(direct)) {
			given["sslnegotiation"] = "direct"
		}
	}
	if text, ok := given["server_settings"]; ok { // asyncpg's
		delete(given, "server_settings")
		settings := map[string]string{}
		if json.Unmarshal([]byte(text), &settings) != nil {
			return errors.New("server_settings is not a JSON object of strings: give each setting as a parameter of its own")
		}
		maps.Copy(given, settings)
	}
	return nil
}
