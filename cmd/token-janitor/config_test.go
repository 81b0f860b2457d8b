package main

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// TestEveryFlagAndVariable holds kebab to conf's own names: each flag, and each
// variable, arrives in its field, and a flag goes before a variable. It is not
// parallel, for conf reads the process's arguments.
func TestEveryFlagAndVariable(t *testing.T) {
	args := os.Args
	defer func() { os.Args = args }()
	t.Setenv("DATABASE_URL", "")
	words := map[string]string{
		"database-url": "postgres://u@db/app", "database-url-file": "url.txt", "output": "json", "schedule": "@every 77s",
		"migrate": "check", "table": "app.tokens", "version-table": "app.revisions", "listen": ":7777", "log-level": "debug", "log-format": "json",
	}
	var defaults config
	for name, field := range settable(&defaults) {
		value, other := words[name], "surely refused"
		switch field.Interface().(type) {
		case time.Duration:
			value = "1m17s"
		case int, int64, text.ByteSize:
			value = "77"
		case float64:
			value = "0.77"
		case bool:
			value, other = fmt.Sprint(name != "run-on-start"), fmt.Sprint(name == "run-on-start")
		}
		if name == "web-config-file" { // a file that can be read
			value = t.TempDir() + "/web.yml"
			write(t, value, "{}")
		}
		var command []string
		if name == "yes" { // it goes with that command only
			command = []string{"migrate", "downgrade"}
		}
		variable := prefix + "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		t.Run(name, func(t *testing.T) {
			os.Args = append([]string{"token-janitor", "--" + name, value}, command...)
			arrives(t, name, value)
			os.Args = append([]string{"token-janitor", "-" + name + "=" + value}, command...)
			arrives(t, name, value)

			os.Args = append([]string{"token-janitor"}, command...)
			t.Setenv(variable, value)
			arrives(t, name, value)
			t.Setenv(variable, "")
			os.Args = []string{"token-janitor"}
			if _, err := configure(); err != nil {
				t.Errorf("an empty %s: %v", variable, err)
			}
			if field.Kind() == reflect.Bool {
				t.Setenv(variable, other)
				os.Args = append([]string{"token-janitor", "--" + name + "=" + value}, command...)
				arrives(t, name, value)
			}
		})
		delete(words, name)
	}
	if len(words) > 0 {
		t.Errorf("no such flags: %v", words)
	}
}

func arrives(t *testing.T, name, value string) {
	t.Helper()
	cfg, err := configure()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if got := fmt.Sprint(settable(&cfg)[name].Interface()); got != value {
		t.Errorf("--%s %s arrives as %q", name, value, got)
	}
}

func TestTidyFlags(t *testing.T) {
	t.Parallel()
	fields := settable(new(config))
	for _, c := range []struct {
		name, args       string
		flags, positonal string
	}{
		{"nothing", "", "", ""},
		{"one dash, two words", "-keep-expired 2h", "--keep-expired=2h", ""},
		{"a bool takes no word that is not true or false", "--once migrate current", "--once=true", "migrate current"},
		{"a bool in two words", "--run-on-start false --once", "--run-on-start=false --once=true", ""},
		{"a value with = in it", "--database-url=host=db", "--database-url=host=db", ""},
		{"a value that begins with a dash", "--keep-expired -1h", "--keep-expired=-1h", ""},
		{"help goes before all", "--keep-expired=1h --help --nonsense", "--help", ""},
	} {
		flags, positional, err := tidyFlags(strings.Fields(c.args), fields)
		if err != nil || !slices.Equal(flags, strings.Fields(c.flags)) || !slices.Equal(positional, strings.Fields(c.positonal)) {
			t.Errorf("%s: got %q, %q, %v", c.name, flags, positional, err)
		}
	}
}
