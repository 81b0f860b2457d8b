package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/schedule"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
)

// longestTimeout is the longest that PostgreSQL takes.
const longestTimeout = math.MaxInt32 * time.Millisecond

// check refuses values that make no sense, and parses the others. Each error names the flag,
// the value and what is allowed.
func (f Flags) check(getenv func(string) string) (Config, error) {
	c := Config{Flags: f}
	for _, d := range []struct {
		flag string
		is   time.Duration
		min  time.Duration
	}{
		{"schedule-jitter", c.ScheduleJitter, 0},
		{"keep-expired", c.KeepExpired, 0},
		{"keep-revoked", c.KeepRevoked, 0},
		{"token-lifetime", c.TokenLifetime, 0},
		{"max-clock-skew", c.MaxClockSkew, time.Millisecond},
		{"batch-goal", c.BatchGoal, time.Millisecond},
		{"max-run-time", c.MaxRunTime, 0},
		{"max-replica-lag", c.MaxReplicaLag, 0},
		{"lock-timeout", c.LockTimeout, time.Millisecond},
		{"statement-timeout", c.StatementTimeout, time.Millisecond},
		{"connect-timeout", c.ConnectTimeout, time.Millisecond},
		{"shutdown-timeout", c.ShutdownTimeout, time.Millisecond},
	} {
		if d.is < d.min {
			return Config{}, fmt.Errorf("--%s: %s is below %s", d.flag, text.ShortDuration(d.is), text.ShortDuration(d.min))
		}
		if timeout := strings.HasSuffix(d.flag, "-timeout"); timeout && d.is > longestTimeout {
			return Config{}, fmt.Errorf("--%s: %s is above %s", d.flag, text.ShortDuration(d.is), text.ShortDuration(longestTimeout))
		}
	}
	given := map[string]string{"epoch": f.Epoch, "output": c.Output, "migrate": c.Migrate, "log-level": f.LogLevel, "log-format": c.LogFormat}
	for _, flag := range slices.Sorted(maps.Keys(choices)) {
		if !slices.Contains(choices[flag], given[flag]) && (flag != "epoch" || given[flag] != "") {
			return Config{}, fmt.Errorf("--%s: %q is not one of %s", flag, text.Clip(given[flag]), strings.Join(choices[flag], ", "))
		}
	}
	downgrades := slices.Equal(c.Args, []string{"migrate", "downgrade"})
	switch {
	case !(c.Load > 0 && c.Load <= 1): // also NaN
		return Config{}, fmt.Errorf("--load: %v is not above 0 and at most 1", c.Load)
	case c.MaxRate < 0:
		return Config{}, fmt.Errorf("--max-rate: %d is below 0", c.MaxRate)
	case c.MaxRows < 0:
		return Config{}, fmt.Errorf("--max-rows: %d is below 0", c.MaxRows)
	case c.BatchMaxRows < 1 || c.BatchMaxRows > math.MaxInt32:
		return Config{}, fmt.Errorf("--batch-max-rows: %d is not from 1 to %d", c.BatchMaxRows, math.MaxInt32)
	}
	var err error
	if c.Table, err = parseTableName(f.Table); err != nil {
		return Config{}, fmt.Errorf("--table: %w", err)
	}
	if c.VersionTable, err = parseTableName(f.VersionTable); err != nil {
		return Config{}, fmt.Errorf("--version-table: %w", err)
	}
	if c.Columns, err = f.parseColumns(); err != nil {
		return Config{}, err
	}
	if c.TimestampZone, err = parseZone(f.TimestampZone); err != nil {
		return Config{}, fmt.Errorf("--timestamp-zone: %w", err)
	}
	c.Epoch = janitor.Epoch(f.Epoch)
	switch {
	case c.DatabaseURL != "" && c.DatabaseURLFile != "":
		return Config{}, errors.New("--database-url and --database-url-file are both given: give one")
	case strings.Contains(c.DatabaseURLFile, "://"):
		return Config{}, errors.New("--database-url-file: it holds a URL; want the path of a file that does")
	case c.Yes && !downgrades:
		return Config{}, errors.New("--yes goes with migrate downgrade only: token-janitor --yes migrate downgrade")
	case c.Yes && c.DryRun:
		return Config{}, errors.New("--yes and --dry-run do not go together: give one")
	case len(c.Args) > 0 && c.DryRun && !downgrades: // least of all may migrate upgrade write then
		return Config{}, fmt.Errorf("--dry-run and %s do not go together: only a run can be dry, and migrate downgrade", strings.Join(c.Args, " "))
	case len(c.Args) > 0 && c.Once:
		return Config{}, fmt.Errorf("--once and %s do not go together: give one", c.Args[0])
	}
	if err := c.LogLevel.UnmarshalText([]byte(f.LogLevel)); err != nil { // it is one of choices
		return Config{}, fmt.Errorf("--log-level: %w", err)
	}
	_, port, err := net.SplitHostPort(c.Listen)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return Config{}, fmt.Errorf("--listen: %q is not HOST:PORT or :PORT", shown(c.Listen))
	}
	if c.DryRun {
		c.Once = true
	}
	if err := c.checkPublishing(); err != nil {
		return Config{}, err
	}
	if c.Schedule, err = schedule.Parse(f.Schedule); err != nil {
		return Config{}, fmt.Errorf("--schedule: %w", err)
	}
	// A tick that is later than the next would take its place, and the schedule not be what it says.
	if every := c.Schedule.Shortest(time.Now()); c.ScheduleJitter > every {
		return Config{}, fmt.Errorf("--schedule-jitter: %s is above the %s between two runs of --schedule: give less", text.ShortDuration(c.ScheduleJitter), text.ShortDuration(every))
	}
	if err := web.Validate(c.WebConfigFile); err != nil {
		return Config{}, fmt.Errorf("--web-config-file: %w", err)
	}
	if c.Database, err = newSource(f.DatabaseURL, f.DatabaseURLFile, getenv); err != nil {
		return Config{}, err
	}
	if f.DatabaseURLFile == "" { // a file may come later
		if _, err := c.Database.ConnConfig(); err != nil {
			return Config{}, err
		}
	}
	return c, nil
}

// TableName is a table's name as PostgreSQL writes it, with or without its schema.
type TableName string

func parseTableName(written string) (TableName, error) {
	if !tableName.MatchString(written) {
		return "", fmt.Errorf("%q is not a table name: want table, schema.table, or either in double quotes", text.Clip(written))
	}
	return TableName(written), nil
}

// tableName is how PostgreSQL writes a table's name, with or without its schema. What
// an unquoted part may hold is for the server to say.
var tableName = regexp.MustCompile(`^(?:"(?:[^"\x00]|"")+"|[^\s".;,()'\x00]+)(?:\.(?:"(?:[^"\x00]|"")+"|[^\s".;,()'\x00]+))?$`)
