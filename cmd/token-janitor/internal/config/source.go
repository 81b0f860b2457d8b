package config

import (
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
)

// Source is where the URL of the database comes from: the flag, a file or DATABASE_URL. Where
// it is none of them, the PG* of libpq say it all.
type Source struct {
	name   string // for errors
	url    string // "" = in the file, or nowhere
	file   string // "" = none
	getenv func(string) string
}

// String never shows the URL, which may hold a password.
func (s Source) String() string { return s.name }

// GoString is String, for %#v would show the URL.
func (s Source) GoString() string { return s.name }

// newSource is the first of them that is given.
func newSource(flag, file string, getenv func(string) string) (Source, error) {
	url, err := CleanDatabaseURL(flag)
	if err != nil {
		return Source{}, fmt.Errorf("--database-url: %w", err)
	}
	if url != "" {
		return Source{"--database-url", url, "", getenv}, nil
	}
	if file != "" {
		return Source{"--database-url-file", "", file, getenv}, nil
	}
	if url, err = CleanDatabaseURL(getenv("DATABASE_URL")); err != nil {
		return Source{}, fmt.Errorf("DATABASE_URL: %w", err)
	}
	return Source{"DATABASE_URL", url, "", getenv}, nil
}

// Given says whether anybody said where the database is, if only by libpq's variables.
func (s Source) Given() bool {
	given := s.url != "" || s.file != ""
	for _, name := range []string{"PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE"} {
		given = given || s.getenv(name) != ""
	}
	return given
}

// ConnConfig is where to connect to. It reads anew what may have changed since: the file of
// the URL, a service file, passwords and certificates.
func (s Source) ConnConfig() (*pgx.ConnConfig, error) {
	url, err := s.read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	config, err := connConfig(url, s.getenv)
	switch {
	case err != nil && url == "":
		return nil, fmt.Errorf("libpq's PG* variables: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return config, nil
}

// read is the URL, "" when the PG* say it all.
func (s Source) read() (string, error) {
	if s.file == "" {
		return s.url, nil
	}
	content, err := os.ReadFile(s.file)
	if err != nil {
		return "", err
	}
	url, err := CleanDatabaseURL(string(content))
	if err == nil && url == "" {
		err = fmt.Errorf("%s is empty", s.file)
	}
	return url, err
}

// connConfig reads a database URL into what pgx takes.
func connConfig(url string, getenv func(string) string) (*pgx.ConnConfig, error) {
	database, err := ParseDatabaseURL(url, getenv)
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
