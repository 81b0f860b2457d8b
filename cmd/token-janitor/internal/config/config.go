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
)

const prefix = "TOKEN_JANITOR"

// Flags is everything that can be set, as it was given. A flag's name is its field's, in kebab case;
// its variable is TOKEN_JANITOR_ and the same in capitals. (conf splits tags at
// commas and takes what is in quotes for a type: the help texts do without.)
type Flags struct {
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

	ExpiresColumn   string `conf:"default:expires_at,help:the column that says when a row expires (as the catalogue spells it)"`
	RevokedColumn   string `conf:"default:is_revoked,help:the boolean that is true when a row is revoked (not one that means the opposite such as active); none = there is none"`
	RevokedAtColumn string `conf:"default:revoked_at,help:the column that says when a row was revoked; none = there is none: then rows only expire"`
	TimestampZone   string `conf:"help:time zone of columns that are timestamp without time zone; such as UTC or Europe/Berlin"`
	Epoch           string `conf:"help:what columns that are integers count from 1970: seconds or milliseconds; 0 and below never expire"`

	Yes bool `conf:"help:with migrate downgrade only: do drop the table"`

	Listen          string        `conf:"default::9856,help:address of status page and metrics"`
	WebConfigFile   string        `conf:"help:TLS and basic auth of the address; see exporter-toolkit"`
	LogLevel        string        `conf:"default:info,help:debug or info or warn or error"`
	LogFormat       string        `conf:"default:text,help:text or json"`
	ShutdownTimeout time.Duration `conf:"default:10s,help:how long a signal waits for the batch in flight"`
}

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
		usage, err := conf.UsageInfo(prefix, &f)
		if err != nil {
			return Config{}, err
		}
		return Config{}, Printed(usage + listCommands() + afterwords)
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

const afterwords = `
EXIT CODES
  0 done (or another janitor is at work)  1 failed
  2 bad usage or configuration            3 overdue rows are left

SIGNALS
  SIGTERM SIGINT SIGHUP  end after the batch in flight; a second one kills
  SIGUSR1                a run now
  SIGUSR2                pause the schedule, or resume it`
