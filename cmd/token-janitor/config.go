package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ardanlabs/conf/v3"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

const prefix = "TOKEN_JANITOR"

// config is everything that can be set. A flag's name is its field's, in kebab case;
// its variable is TOKEN_JANITOR_ and the same in capitals. (conf splits tags at
// commas and takes what is in quotes for a type: the help texts do without.)
type config struct {
	conf.Version
	Args conf.Args

	DatabaseURL     string `conf:"mask,help:libpq URL or DSN; the form of SQLAlchemy too. Not given: DATABASE_URL; then the PG* of libpq"`
	DatabaseURLFile string `conf:"help:file that holds the URL; read at every connect"`

	Once   bool   `conf:"help:do one run and exit"`
	DryRun bool   `conf:"help:count what would be deleted and delete nothing (implies --once)"`
	Output string `conf:"default:text,help:summary of --once on stdout: text or json"`

	Schedule       string        `conf:"default:@every 15m,help:cron expression of five fields or @every DURATION; may begin with CRON_TZ=ZONE"`
	ScheduleJitter time.Duration `conf:"default:30s,help:each tick starts at random within this"`
	RunOnStart     bool          `conf:"default:true,help:a run right after boot"`

	KeepExpired   time.Duration `conf:"default:1h,help:how long an expired token stays"`
	KeepRevoked   time.Duration `conf:"default:168h,help:how long a revoked token stays (counted from revoked_at)"`
	TokenLifetime time.Duration `conf:"default:0s,help:longest life the API gives a token; bounds the search for revoked ones; 0 = unknown"`
	MaxClockSkew  time.Duration `conf:"default:1m,help:a run refuses when the clocks of server and janitor differ by more"`

	BatchMaxRows     int           `conf:"default:100000,help:rows of the largest batch"`
	BatchGoal        time.Duration `conf:"default:50ms,help:how long a batch should take; its size adapts"`
	Load             float64       `conf:"default:0.5,help:share of the time at work; in (0 to 1]"`
	MaxRate          int           `conf:"default:20000,help:rows deleted per second; 0 = no limit"`
	MaxRows          int64         `conf:"default:0,help:rows deleted in one run; 0 = no limit"`
	MaxRunTime       time.Duration `conf:"default:0s,help:duration of one run; 0 = no limit"`
	MaxReplicaLag    time.Duration `conf:"default:0s,help:wait while a standby is further behind than this; 0 = do not look"`
	MaxWALRetained   text.ByteSize `conf:"default:0,help:wait while slots or the archive keep back more WAL than this (such as 2GB); 0 = do not look"`
	YieldToVacuum    bool          `conf:"help:wait while a vacuum is at work on the table"`
	YieldToLockWaits bool          `conf:"help:wait while a session at the table waits for a lock"`
	LockTimeout      time.Duration `conf:"default:100ms,help:longest wait for a lock"`
	StatementTimeout time.Duration `conf:"default:5s,help:longest statement"`
	ConnectTimeout   time.Duration `conf:"default:30s,help:how long --once and migrate wait for database and schema; the daemon waits for ever"`

	Migrate      string `conf:"default:upgrade,help:at boot upgrade the schema or only check it: upgrade or check"`
	Table        string `conf:"default:refresh_tokens,help:the table; may be schema-qualified"`
	VersionTable string `conf:"default:alembic_version,help:version table of Alembic (version_table in env.py); may be schema-qualified"`
	Yes          bool   `conf:"help:with migrate downgrade only: do drop the table"`

	Listen          string        `conf:"default::9856,help:address of status page and metrics"`
	WebConfigFile   string        `conf:"help:TLS and basic auth of the address; see exporter-toolkit"`
	LogLevel        string        `conf:"default:info,help:debug or info or warn or error"`
	LogFormat       string        `conf:"default:text,help:text or json"`
	ShutdownTimeout time.Duration `conf:"default:10s,help:how long a signal waits for the batch in flight"`
}

// choices are the values of flags that take one of a few words.
var choices = map[string][]string{
	"output":     {"text", "json"},
	"migrate":    {"upgrade", "check"},
	"log-level":  {"debug", "info", "warn", "error"},
	"log-format": {"text", "json"},
}

// asked is what --help, --version and the commands that only print do print.
type asked string

func (a asked) Error() string { return string(a) }

// configure reads flags, environment and defaults, in that order of precedence.
func configure() (config, error) {
	var cfg config
	cfg.Build, cfg.Desc = build().Version, describe(build())
	fields := settable(&cfg)
	args, positional, err := tidyFlags(os.Args[1:], fields)
	if err != nil {
		return cfg, err
	}
	if text := printed(positional, cfg.inForce()); text != "" {
		return cfg, asked(text)
	}
	if err := tidyEnv(fields); err != nil {
		return cfg, err
	}
	os.Args = slices.Concat(os.Args[:1], args, []string{"--"}, positional) // conf reads it
	help, err := conf.ParseWithOptions(prefix, &cfg, conf.WithStrictFlags())
	switch {
	case errors.Is(err, conf.ErrHelpWanted):
		return cfg, asked(help + listCommands() + afterwords)
	case errors.Is(err, conf.ErrVersionWanted):
		return cfg, asked("token-janitor " + describe(build()))
	case err != nil:
		return cfg, err
	}
	return cfg, cfg.check()
}

const afterwords = `
EXIT CODES
  0 done (or another janitor is at work)  1 failed
  2 bad usage or configuration            3 overdue rows are left

SIGNALS
  SIGTERM SIGINT SIGHUP  end after the batch in flight; a second one kills
  SIGUSR1                a run now
  SIGUSR2                pause the schedule, or resume it`

// settable are the fields of a config by flag name.
func settable(cfg *config) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	v := reflect.ValueOf(cfg).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Tag.Get("conf") != "" {
			fields[kebab(f.Name)] = v.Field(i)
		}
	}
	return fields
}

var humps = regexp.MustCompile(`([a-z])([A-Z])|([A-Z])([A-Z][a-z])`)

func kebab(name string) string {
	return strings.ToLower(humps.ReplaceAllString(name, "$1$3-$2$4"))
}

// tidyFlags brings the flags into the one form that conf reads without surprises,
// --name=value, and refuses what conf would pass over: flags behind a positional
// argument, and values that it would take for something else.
func tidyFlags(args []string, fields map[string]reflect.Value) (flags, positional []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if len(arg) < 2 || arg[0] != '-' {
			positional = append(positional, arg)
			continue
		}
		name, value, given := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		switch name {
		case "help", "h", "version", "v":
			return []string{"--" + name}, nil, nil
		}
		if len(positional) > 0 {
			return nil, nil, fmt.Errorf("flag %q stands behind %q: flags go first%s", option(arg), word(positional[0]), turned(name, args, positional, fields))
		}
		field, known := fields[name]
		switch {
		case !known:
			return nil, nil, fmt.Errorf("unknown flag %q%s; --help lists them", option(arg), text.Suggest(name, fields, "--"))
		case given:
		case field.Kind() == reflect.Bool:
			value = "true"
			if len(args) > 0 && (args[0] == "true" || args[0] == "false") {
				value, args = args[0], args[1:]
			}
		case len(args) == 0:
			return nil, nil, fmt.Errorf("flag --%s wants a value", name)
		default:
			value, args = args[0], args[1:]
		}
		if err := convertible(field, value); err != nil {
			return nil, nil, fmt.Errorf("--%s: %w", name, err)
		}
		flags = append(flags, "--"+name+"="+value)
	}
	return flags, positional, command(positional)
}

// option is a flag as an error may show it: its value may be a secret that only the
// misspelt name kept from being known as one.
func option(arg string) string {
	name, _, _ := strings.Cut(arg, "=")
	return word(name)
}

// word is an argument as an error may show it: where a command is due a database's URL
// may stand.
func word(arg string) string {
	if strings.ContainsAny(arg, "@=") || strings.Contains(arg, "://") {
		return "..."
	}
	return text.Clip(arg)
}

// tidyEnv refuses variables of ours that we do not know, and lets an empty one count
// as not set, since compose files pass such on.
func tidyEnv(fields map[string]reflect.Value) error {
	known := map[string]reflect.Value{}
	for name, field := range fields {
		known[prefix+"_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = field
	}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		field, ok := known[name]
		switch {
		case !strings.HasPrefix(name, prefix+"_"):
		case strings.HasPrefix(name, prefix+"_TEST_"): // the tests' own
		case strings.HasPrefix(name, prefix+"_SERVICE_"), strings.HasPrefix(name, prefix+"_PORT"):
			// Kubernetes sets these in every pod beside a Service named token-janitor.
		case !ok:
			return fmt.Errorf("unknown variable %s%s; --help lists them", text.Clip(name), text.Suggest(name, known, ""))
		case value == "":
			_ = os.Unsetenv(name)
		default:
			if err := convertible(field, value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// convertible says in plain words what conf's error would not.
func convertible(field reflect.Value, value string) (err error) {
	allowed := ""
	switch field.Interface().(type) {
	case time.Duration:
		_, err = time.ParseDuration(value)
		allowed = "a duration such as 90s or 15m or 168h"
	case text.ByteSize:
		err = new(text.ByteSize).UnmarshalText([]byte(value))
		allowed = "a size such as 512MB or 2GB"
	case int, int64:
		_, err = strconv.ParseInt(value, 0, 64)
		allowed = "a whole number"
	case float64:
		_, err = strconv.ParseFloat(value, 64)
		allowed = "a number"
	case bool:
		_, err = strconv.ParseBool(value)
		allowed = "true or false"
	}
	if err != nil {
		return fmt.Errorf("%q is not %s", text.Clip(value), allowed)
	}
	return nil
}
