package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
)

// noColumn, in place of a column's name, means that the table has no such column.
const noColumn = "none"

// longestName is how many bytes of a name PostgreSQL keeps.
const longestName = 63

// meansInUse matches booleans that say the opposite of revoked.
var meansInUse = regexp.MustCompile(`(?i)^(is_?)?(active|enabled|valid)$`)

// parseColumns reads the names of the columns. They are taken as they are written: the catalogue spells them
// without quotes, in their own case.
func (f Flags) parseColumns() (janitor.Columns, error) {
	given := map[string]string{} // by name
	for _, column := range []struct{ flag, name string }{
		{"--expires-column", f.ExpiresColumn}, {"--revoked-column", f.RevokedColumn}, {"--revoked-at-column", f.RevokedAtColumn},
	} {
		switch name := column.name; {
		case name == noColumn && column.flag == "--expires-column":
			return janitor.Columns{}, errors.New("--expires-column: a column is required; if all rows live equally long, " +
				"give the time of creation, and that lifetime as --keep-expired")
		case name == noColumn:
		case name == "" || len(name) > longestName || strings.ContainsRune(name, 0):
			return janitor.Columns{}, fmt.Errorf("%s: %q is no column's name: want 1 to %d bytes, as the catalogue spells it", column.flag, text.Clip(name), longestName)
		case given[name] != "":
			return janitor.Columns{}, fmt.Errorf("%s: %q is given as %s already; where the table has no other, give %s", column.flag, name, given[name], noColumn)
		case column.flag == "--revoked-column" && meansInUse.MatchString(name):
			return janitor.Columns{}, fmt.Errorf("%s: %q is true where a token is in use, the opposite of revoked, and cannot be mapped; "+
				"give --revoked-column none --revoked-at-column none, so that rows are deleted when they expire", column.flag, name)
		default:
			given[name] = column.flag
		}
	}
	orNone := func(name string) string {
		if name == noColumn {
			return ""
		}
		return name
	}
	return janitor.Columns{Expires: f.ExpiresColumn, Revoked: orNone(f.RevokedColumn), RevokedAt: orNone(f.RevokedAtColumn)}, nil
}

// RevokedStays is how long a revoked row stays that has not expired: for ever, where there is no rule for it.
func (c Config) RevokedStays() time.Duration {
	if c.Columns.RevokedAt == "" {
		return math.MaxInt64
	}
	return c.KeepRevoked
}

// parseZone reads the name of a time zone; nil = none is given.
func parseZone(name string) (*time.Location, error) {
	if name == "" {
		return nil, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("%q is not the name of a time zone, such as UTC or Europe/Berlin", text.Clip(name))
	}
	return zone, nil
}
