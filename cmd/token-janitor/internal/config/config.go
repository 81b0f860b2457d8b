package config

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ardanlabs/conf/v3"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/schedule"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/metrics"
)

const prefix = "TOKEN_JANITOR"

// Flags is everything that can be set, as it was given, and the one table of it: --help, the manual page,
// completions and REFERENCE.md are made of it. A flag's name is its field's, in kebab case; its variable is
// TOKEN_JANITOR_ and the same in capitals. A flag belongs to the group above it.
type Flags struct {
	conf.Version
	Args conf.Args

	_ group `group:"what to delete"`

	KeepExpired   time.Duration `conf:"default:1h,help:how long an expired token stays"`
	KeepRevoked   time.Duration `conf:"default:7d,help:how long a revoked token stays, counted from revoked_at"`
	TokenLifetime time.Duration `conf:"default:0s,help:longest life the API gives a token; bounds the search for revoked ones; 0 = unknown"`
	MaxClockSkew  time.Duration `conf:"default:1m,help:a run refuses when the clocks of server and janitor differ by more"`
	DryRun        bool          `conf:"help:count what would be deleted, delete nothing and leave the schema alone; implies --once"`

	_ group `group:"how gently"`

	BatchMaxRows     int           `conf:"default:100000,help:rows of the largest batch"`
	BatchGoal        time.Duration `conf:"default:50ms,help:how long a batch should take; its size adapts"`
	Load             float64       `conf:"default:0.5,help:share of the time that a run works; above 0 and at most 1"`
	MaxRate          int           `conf:"default:20000,help:rows deleted per second (20,000 are about 5 MB/s of WAL); 0 = no limit"`
	MaxRows          int64         `conf:"default:0,help:rows deleted in one run; 0 = no limit"`
	MaxRunTime       time.Duration `conf:"default:0s,help:duration of one run; 0 = no limit"`
	MaxReplicaLag    time.Duration `conf:"default:0s,help:wait while a standby is further behind than this (needs pg_read_all_stats); 0 = do not look"`
	MaxWALRetained   text.ByteSize `conf:"default:0,help:wait while slots or the archive keep back more WAL than this, such as 2GB; 0 = do not look"`
	YieldToVacuum    bool          `conf:"help:wait while a vacuum works on the table"`
	YieldToLockWaits bool          `conf:"help:wait while a session at the table waits for a lock"`
	LockTimeout      time.Duration `conf:"default:100ms,help:longest wait for a lock"`
	StatementTimeout time.Duration `conf:"default:5s,help:longest statement"`

	_ group `group:"when"`

	Once           bool          `conf:"help:do one run and exit"`
	Schedule       string        `conf:"default:@every 15m,help:cron expression of five fields or @every DURATION; may begin with CRON_TZ=ZONE; with --once, for its metrics only"`
	ScheduleJitter time.Duration `conf:"default:30s,help:each run on schedule starts at random within this; no longer than the schedule's interval"`
	RunOnStart     bool          `conf:"default:true,help:a run right after boot"`

	_ group `group:"connection"`

	DatabaseURL     string        `conf:"mask,help:libpq URL or DSN, or SQLAlchemy's URL; not given: DATABASE_URL, then libpq's PG*"`
	DatabaseURLFile string        `conf:"help:file that holds the URL; read at every connect, so a rotated password is picked up"`
	ConnectTimeout  time.Duration `conf:"default:30s,help:how long --once and migrate wait for database and schema; the daemon waits for ever"`

	_ group `group:"schema"`

	Migrate         string `conf:"default:upgrade,help:at boot upgrade the schema or only check it: upgrade or check"`
	Table           string `conf:"default:refresh_tokens,help:the table; may be schema-qualified"`
	VersionTable    string `conf:"default:alembic_version,help:version table of Alembic (version_table and version_table_schema in env.py); may be schema-qualified"`
	ExpiresColumn   string `conf:"default:expires_at,help:the column that says when a row expires, as the catalogue spells it"`
	RevokedColumn   string `conf:"default:is_revoked,help:the boolean that is true when a row is revoked, not one that means the opposite; none = there is none"`
	RevokedAtColumn string `conf:"default:revoked_at,help:the column that says when a row was revoked; none = there is none: then rows only expire"`
	TimestampZone   string `conf:"help:time zone of columns that are timestamp without time zone, such as UTC or Europe/Berlin"`
	Epoch           string `conf:"help:what columns that are integers count from 1970: seconds or milliseconds; 0 and below never expire"`
	Yes             bool   `conf:"help:with migrate downgrade only: do drop the table"`

	_ group `group:"output"`

	Output      string `conf:"default:text,help:summary of --once on stdout: text or json; logs go to stderr"`
	MetricsFile string `conf:"help:file for the metrics of --once, in the textfile collector's form (NAME.prom)"`
	PushURL     string `conf:"mask,help:Pushgateway for the metrics of --once: http://HOST:9091[/metrics/job/JOB/LABEL/VALUE]"`
	LogLevel    string `conf:"default:info,help:debug or info or warn or error"`
	LogFormat   string `conf:"default:text,help:text or json"`

	_ group `group:"server"`

	Listen          string        `conf:"default::9856,help:address of status page and metrics"`
	WebConfigFile   string        `conf:"help:TLS and basic auth of the address, in exporter-toolkit's form"`
	ShutdownTimeout time.Duration `conf:"default:10s,help:how long a signal waits for the batch in flight"`
}

// group names the flags below it, up to the next group.
type group struct{}

// choices are the values of flags that take one of a few words.
var choices = map[string][]string{
	"epoch":      {string(janitor.Seconds), string(janitor.Milliseconds)},
	"output":     {"text", "json"},
	"migrate":    {"upgrade", "check"},
	"log-level":  {"debug", "info", "warn", "error"},
	"log-format": {"text", "json"},
}

// Config is what was given, checked, and parsed where it is more than a number or a word.
type Config struct {
	Flags
	Schedule     schedule.Schedule
	LogLevel     slog.Level
	Table        TableName
	VersionTable TableName
	Database     Source
	Gateway      *metrics.Gateway // nil: none

	Columns       janitor.Columns
	TimestampZone *time.Location // nil = not given
	Epoch         janitor.Epoch  // "" = not given
}

// Program is what a process is started with, and what it is.
type Program struct {
	Args        []string // without its own name
	Environ     []string // as os.Environ returns it
	Version     string
	Description string
	Width       int // of the terminal that --help is read on, in columns; 0 = none, then no line is broken
}

// Printed is what --help, --version and the commands that only print do print.
type Printed string

func (p Printed) Error() string { return string(p) }

// Parse reads flags, environment and defaults, in that order of precedence. Its error is
// a Printed if that is all that was wanted.
func Parse(p Program) (Config, error) {
	var f Flags
	f.Build, f.Desc = p.Version, p.Description
	fields := f.settable()
	args, err := readArgs(p.Args, fields)
	if err != nil {
		return Config{}, err
	}
	if text := printout(args.positional, f.InForce(), p.Version); text != "" {
		return Config{}, Printed(text)
	}
	environ, err := readEnviron(p.Environ, fields)
	if err != nil {
		return Config{}, err
	}
	switch args.wanted {
	case help:
		return Config{}, Printed(usage(f.InForce(), p.Width))
	case version:
		return Config{}, Printed("token-janitor " + p.Description)
	}
	if err := f.setDefaults(); err != nil {
		return Config{}, err
	}
	for _, given := range slices.Concat(environ, args.flags) { // flags win
		fields[given.name].Set(given.value)
	}
	f.Args = args.positional
	return f.check(getenv(p.Environ))
}

// getenv looks up a variable in an environment.
func getenv(environ []string) func(string) string {
	variables := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		variables[name] = value
	}
	return func(name string) string { return variables[name] }
}
