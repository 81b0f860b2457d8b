package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestDatabaseURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, url string
		want      string // user:password@host:port/database tls
	}{
		{"plain", "postgres://u:p@db:5433/app?sslmode=disable", "u:p@db:5433/app plain"},
		{"other scheme", "postgresql://u:p@db/app?sslmode=disable", "u:p@db:5432/app plain"},
		{"capitals", "POSTGRESQL://u:p@db/app?sslmode=disable", "u:p@db:5432/app plain"},
		{"asyncpg", "postgresql+asyncpg://u:p@db/app?ssl=disable", "u:p@db:5432/app plain"},
		{"asyncpg, ssl=require", "postgresql+asyncpg://u:p@db/app?ssl=require", "u:p@db:5432/app tls"},
		{"asyncpg, ssl=true", "postgresql+asyncpg://u:p@db/app?ssl=true", "u:p@db:5432/app tls"},
		{"asyncpg, ssl=0", "postgresql+asyncpg://u:p@db/app?ssl=0", "u:p@db:5432/app plain"},
		{"sslmode stands over ssl", "postgresql+asyncpg://u:p@db/app?ssl=require&sslmode=disable", "u:p@db:5432/app plain"},
		{"asyncpg in capitals", "Postgres+AsyncPG://u:p@db/app?ssl=disable", "u:p@db:5432/app plain"},
		{"psycopg2", "postgresql+psycopg2://u:p@db/app?sslmode=disable", "u:p@db:5432/app plain"},
		{"default sslmode is prefer", "postgresql+psycopg://u:p@db/app", "u:p@db:5432/app tls, else plain"},
		{"Python's own parameters", "postgresql+asyncpg://u:p@db/app?ssl=disable&prepared_statement_cache_size=0&timeout=3", "u:p@db:5432/app plain"},
		{"a plus in a database is none of SQLAlchemy's blanks", "postgresql+asyncpg://u:p+p@db/a+b%20c?ssl=disable", "u:p+p@db:5432/a+b%20c plain"},
		{"escapes", "postgres://u%40x:p%2F%3A%23%25@db/my%20app?sslmode=disable", "u@x:p/:#%@db:5432/my app plain"},
		{"plus is no blank", "postgres://u:p+p@db/app?sslmode=disable", "u:p+p@db:5432/app plain"},
		{"IPv6", "postgres://u:p@[::1]:5433/app?sslmode=disable", "u:p@::1:5433/app plain"},
		{"several hosts", "postgres://u:p@a:1,b:2/app?sslmode=disable", "u:p@a:1/app plain, b:2 plain"},
		{"the primary among several", "postgres://u:p@a,b/app?sslmode=disable&target_session_attrs=read-write", "u:p@a:5432/app plain, b:5432 plain"},
		{"unix socket", "postgres://u:p@/app?host=/run/postgresql&port=5432", "u:p@/run/postgresql:5432/app plain"},
		{"unix socket of SQLAlchemy", "postgresql+asyncpg://u:p@/app?host=/run/postgresql&port=5432", "u:p@/run/postgresql:5432/app plain"},
		{"DSN", "host=db port=5433 user=u password='p p' dbname=app sslmode=disable", "u:p p@db:5433/app plain"},
		{"DSN with a URL in its password", "host=db user=u password=a://b dbname=app sslmode=disable", "u:a://b@db:5432/app plain"},
	} {
		config, err := connConfig(c.url, os.Getenv)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		tls := map[bool]string{true: "plain", false: "tls"}
		got := fmt.Sprintf("%s:%s@%s:%d/%s %s", config.User, config.Password, config.Host, config.Port, config.Database, tls[config.TLSConfig == nil])
		for _, f := range config.Fallbacks {
			if f.Host == config.Host {
				got += ", else " + tls[f.TLSConfig == nil]
			} else {
				got += fmt.Sprintf(", %s:%d %s", f.Host, f.Port, tls[f.TLSConfig == nil])
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if len(config.RuntimeParams) != 1 || config.RuntimeParams["application_name"] != "token-janitor" {
			t.Errorf("%s: the server gets the settings %v", c.name, config.RuntimeParams)
		}
	}
	named, err := connConfig("postgres://u@db/app?application_name=ours", os.Getenv)
	if err != nil || named.RuntimeParams["application_name"] != "ours" {
		t.Errorf("got %v, %v, want the name that was given", named, err)
	}
}

func TestDatabaseURLRefused(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"mysql://u:p@db/app":                                             "begins with neither postgres://",
		"jdbc:postgresql://db/app":                                       "begins with neither postgres://",
		"://db":                                                          "begins with neither postgres://",
		"postgres://u:p@db:port/app":                                     "the port is not a number",
		"postgres://u:p/p@db/app":                                        "password write / as %2F",
		"postgres://u:p@p@db/app":                                        "@ as %40",
		"postgres://u:p p@db/app":                                        "it holds a space",
		"postgres://u:p@[::1/app":                                        "IPv6",
		"postgres://u:p%zz@db/app":                                       "begins no escape",
		"postgres://u:p@db/app?sslmode=yes":                              "sslmode is not one of",
		"postgresql+asyncpg://u:p@db/app?ssl=yes":                        "sslmode is not one of",
		"postgres://u:p@db/app?target_session_attrs=any-one":             "target_session_attrs",
		"postgres://u:p@db/app?connect_timeout=soon":                     "connect_timeout is not a number",
		"postgres://u:p@db/app?sslrootcert=/no/such&sslmode=verify-full": "sslrootcert cannot be read",
		"postgres://u:p@db/app?sslcert=/no/such":                         "sslcert and sslkey go together",
		"app":                                                            "want postgres://",
		"host=db password='open":                                         "quote that does not end",
		"postgres://u\x00@db/app":                                        "zero byte",
	} {
		if _, err := connConfig(url, os.Getenv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", url, err, want)
		}
	}
}

func TestPasswordThatEndsTheHostIsRefused(t *testing.T) {
	t.Parallel()
	for url, refused := range map[string]bool{
		"postgres://u:12/34SEKRET@db/app":                         true,  // 12 would be the port, 34SEKRET@db/app the database
		"postgres://u:12?34SEKRET@db/app":                         false, // libpq looks for a / only
		"postgresql+asyncpg://u:12/SEKRET@db:5432/app?ssl=prefer": false, // SQLAlchemy reads all up to the @
		"postgresql+asyncpg://u:12@SEKRET@db:5432/app":            true,
		"postgresql+asyncpg://db:5432":                            false,
		"postgres://u:p%2Fw@db/app":                               false,
		"postgres://db:5432/app?user=u@tenant&password=x":         false,
		"postgres:///app?host=/run/postgresql&user=u@tenant":      false,
		"postgres://u:p@h1:1,h2:2/app?target_session_attrs=any":   false,
		"host=db user=u password=a@b/c@d dbname=app":              false,
	} {
		_, err := connConfig(url, os.Getenv)
		if (err != nil) != refused {
			t.Errorf("%s: %v, want refused: %v", url, err, refused)
		}
		if err != nil && strings.Contains(err.Error(), "SEKRET") {
			t.Errorf("shows the password: %v", err)
		}
	}
}

func TestConnectTimeoutByDefault(t *testing.T) {
	t.Parallel()
	got, err := connConfig("postgres://u@db/app?sslmode=disable", os.Getenv)
	if err != nil || got.ConnectTimeout != connectFor {
		t.Errorf("without connect_timeout: waits %v, error %v", got.ConnectTimeout, err)
	}
}

// A URL is never shown: here the secret stands anywhere in anything.
func FuzzDatabaseURL(f *testing.F) {
	const planted = "Zk7#q9"
	for _, s := range [][2]string{
		{"", ""}, {"postgres://u:", "@db/app"}, {"postgres://u:p", "%@db/app"}, {"postgres://u:p@db:", "/app"},
		{"postgresql+asyncpg://u:", "@db/app?ssl=x"}, {"postgres://", "/"}, {"postgres://u@db/app?", "=x"}, {"postgres://u@db/app?sslmode=", ""},
		{"host=db password=", " sslmode=x"}, {"password='", ""}, {"postgres+", "://"}, {"postgres://u@db/app?sslrootcert=", ""},
		{"postgres://u:p/", "@db/app"}, {"postgres://u:p?", "@db/app"}, {"postgres://u@[::1", "]/"}, {"postgres://u@db/app?service=", ""}, {"host=a port=", ""}, {"postgres://u@db/app?min_protocol_version=", ""},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		config, err := connConfig(before+planted+after, os.Getenv)
		if err == nil && config == nil {
			t.Error("neither a configuration nor an error")
		}
		if err != nil && strings.Contains(err.Error(), planted) {
			t.Errorf("the secret is in %q", err)
		}
		if err != nil && slices.Contains([]rune(err.Error()), '\n') {
			t.Errorf("more than a line: %q", err)
		}
	})
}
