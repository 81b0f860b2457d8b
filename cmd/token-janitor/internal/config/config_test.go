package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// TestEveryFlagAndVariable: each flag, and each variable, arrives in its field, and a flag goes
// before a variable.
func TestEveryFlagAndVariable(t *testing.T) {
	t.Parallel()
	words := map[string]string{
		"database-url": "postgres://u@db/app", "database-url-file": "url.txt", "output": "json", "schedule": "@every 77s",
		"migrate": "check", "table": "app.tokens", "version-table": "app.revisions", "listen": ":7777",
		"expires-column": "expiresAt", "revoked-column": "none", "revoked-at-column": "used at", "timestamp-zone": "Europe/Berlin", "epoch": "milliseconds", "log-level": "debug", "log-format": "json",
	}
	for name, field := range new(Flags).settable() {
		value, other := words[name], "surely refused"
		switch field.Interface().(type) {
		case time.Duration:
			value = "1m17s"
		case int, int64:
			value = "77"
		case text.ByteSize:
			value = "77B"
		case float64:
			value = "0.77"
		case bool:
			value, other = fmt.Sprint(name != "run-on-start"), fmt.Sprint(name == "run-on-start")
		}
		if name == "web-config-file" { // a file that can be read
			value = t.TempDir() + "/web.yml"
			if err := os.WriteFile(value, []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var command []string
		if name == "yes" { // it goes with that command only
			command = []string{"migrate", "downgrade"}
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrives(t, name, value, nil, append([]string{"--" + name, value}, command...)...)
			arrives(t, name, value, nil, append([]string{"-" + name + "=" + value}, command...)...)
			arrives(t, name, value, []string{variable(name) + "=" + value}, command...)
			if _, err := Parse(Program{Environ: []string{variable(name) + "="}}); err != nil {
				t.Errorf("an empty %s: %v", variable(name), err)
			}
			if field.Kind() == reflect.Bool {
				arrives(t, name, value, []string{variable(name) + "=" + other}, append([]string{"--" + name + "=" + value}, command...)...)
			}
		})
		delete(words, name)
	}
	if len(words) > 0 {
		t.Errorf("no such flags: %v", words)
	}
}

func arrives(t *testing.T, name, value string, environ []string, args ...string) {
	t.Helper()
	cfg, err := Parse(Program{Args: args, Environ: environ})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if got := fmt.Sprint(cfg.settable()[name].Interface()); got != value {
		t.Errorf("--%s %s arrives as %q", name, value, got)
	}
}

// TestTypedValues: what is more than a number or a word is parsed when Parse returns.
func TestTypedValues(t *testing.T) {
	t.Parallel()
	cfg, err := Parse(Program{
		Args:    []string{"--schedule=CRON_TZ=UTC 0 3 * * *", "--log-level=warn", `--table="a.b".c`},
		Environ: []string{"DATABASE_URL=postgres://ada:sesame@db:7/app?sslmode=disable"},
	})
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if got, want := cfg.Schedule.Next(from), from.Add(3*time.Hour); !got.Equal(want) {
		t.Errorf("next run at %s, want %s", got, want)
	}
	if cfg.LogLevel != slog.LevelWarn {
		t.Errorf("level %s, want warn", cfg.LogLevel)
	}
	if want := TableName(`"a.b".c`); cfg.Table != want {
		t.Errorf("table %s, want %s", cfg.Table, want)
	}
	if want := TableName("alembic_version"); cfg.VersionTable != want {
		t.Errorf("version table %s, want %s", cfg.VersionTable, want)
	}
	where, err := cfg.Database.ConnConfig()
	if err != nil {
		t.Fatal(err)
	}
	if where.Host != "db" || where.Port != 7 || where.Password != "sesame" {
		t.Errorf("connects to %s:%d with the password %q", where.Host, where.Port, where.Password)
	}
	if got := fmt.Sprintf("%v %+v %#v", cfg.Database, cfg.Database, cfg.Database); got != "DATABASE_URL DATABASE_URL DATABASE_URL" {
		t.Errorf("the source prints as %s", got)
	}
}

// TestSource: the flag goes before the file, the file before DATABASE_URL; and the file is read
// at each connect.
func TestSource(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "url")
	environ := []string{"DATABASE_URL=postgres://u@environment/app"}
	for _, c := range []struct {
		name, content string
		args          []string
		host, fault   string
	}{
		{"flag", "", []string{"--database-url=postgres://u@flag/app"}, "flag", ""},
		{"environment", "", nil, "environment", ""},
		{"file", "postgres://u@file/app\n", []string{"--database-url-file=" + file}, "file", ""},
		{"file that changed", "postgres://u@changed/app", []string{"--database-url-file=" + file}, "changed", ""},
		{"empty file", " \n", []string{"--database-url-file=" + file}, "", "--database-url-file: " + file + " is empty"},
	} {
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Parse(Program{Args: c.args, Environ: environ})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		where, err := cfg.Database.ConnConfig()
		if c.fault != "" {
			if err == nil || err.Error() != c.fault {
				t.Errorf("%s: got %v, want %s", c.name, err, c.fault)
			}
			continue
		}
		if err != nil || where.Host != c.host {
			t.Errorf("%s: got %v, %v; want %s", c.name, where, err, c.host)
		}
	}
}

func TestReadArgs(t *testing.T) {
	t.Parallel()
	fields := new(Flags).settable()
	for _, c := range []struct {
		name, args        string
		flags, positional string
		wanted            string
	}{
		{"nothing", "", "", "", ""},
		{"one dash, two words", "-keep-expired 2h", "--keep-expired=2h0m0s", "", ""},
		{"a bool takes no word that is not true or false", "--once migrate current", "--once=true", "migrate current", ""},
		{"a bool in two words", "--run-on-start false --once", "--run-on-start=false --once=true", "", ""},
		{"a value with = in it", "--database-url=host=db", "--database-url=host=db", "", ""},
		{"a value that begins with a dash", "--keep-expired -1h", "--keep-expired=-1h0m0s", "", ""},
		{"help goes before all", "--keep-expired=1h --help --nonsense", "", "", "help"},
	} {
		got, err := readArgs(strings.Fields(c.args), fields)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var flags []string
		for _, f := range got.flags {
			flags = append(flags, fmt.Sprintf("--%s=%v", f.name, f.value))
		}
		if !slices.Equal(flags, strings.Fields(c.flags)) {
			t.Errorf("%s: flags %q, want %q", c.name, flags, c.flags)
		}
		if !slices.Equal(got.positional, strings.Fields(c.positional)) {
			t.Errorf("%s: arguments %q, want %q", c.name, got.positional, c.positional)
		}
		if got.wanted != c.wanted {
			t.Errorf("%s: wanted is %q, want %q", c.name, got.wanted, c.wanted)
		}
	}
}
