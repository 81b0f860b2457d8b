package janitor

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Columns are the columns that the rules read, each named as the catalogue spells it. The zero value means
// HyphaGraph's: expires_at, is_revoked, revoked_at.
//
// Without RevokedAt there is no rule for revoked rows: they go when they expire. Without Revoked, a row is
// revoked when RevokedAt is not null.
type Columns struct {
	Expires   string // timestamptz, timestamp without time zone, integer or bigint
	Revoked   string // boolean; "" = none
	RevokedAt string // of the types of Expires; "" = none
}

// Epoch is the unit of integer columns, counted from 1970 in UTC.
type Epoch string

// The units.
const (
	Seconds      Epoch = "seconds"
	Milliseconds Epoch = "milliseconds"
)

// defaultColumns are HyphaGraph's.
func defaultColumns() Columns { return Columns{"expires_at", "is_revoked", "revoked_at"} }

// columns are the columns of a run, with their types.
type columns struct {
	expires   column
	revoked   string // the condition that a row is revoked; "" = there is no rule for revoked rows
	revokedAt column
}

// column is one that a rule compares with a cutoff.
type column struct {
	name string // as the catalogue spells it; "" = none
	kind kind
}

// kind is a type of a column, and how a time is told in it. A cutoff is converted to the type of its
// column, never the column to another type, so that the column's index serves.
type kind struct {
	sql  string         // the type of its keys: timestamptz, timestamp or bigint
	zone *time.Location // of timestamp
	unit time.Duration  // of bigint
}

func instants() kind { return kind{sql: "timestamptz"} }

// of returns the columns as timestamptz, which those of HyphaGraph are.
func (c Columns) of() columns {
	if c.Expires == "" {
		c = defaultColumns()
	}
	all := columns{expires: column{c.Expires, instants()}}
	if c.RevokedAt != "" {
		all.revokedAt = column{c.RevokedAt, instants()}
		if all.revoked = "true"; c.Revoked != "" {
			all.revoked = quoted(c.Revoked)
		}
	}
	return all
}

// names are the columns that there are.
func (c Columns) names() (names []string) {
	if c.Expires == "" {
		c = defaultColumns()
	}
	for _, name := range []string{c.Expires, c.Revoked, c.RevokedAt} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// readColumns finds the types of columns that are not HyphaGraph's.
func (r *run) readColumns(ctx context.Context) error {
	if r.columns == defaultColumns().of() && r.TimestampZone == nil && r.Epoch == "" {
		return nil
	}
	types := map[string]string{}
	queries := []query{r.typesQuery(types)}
	if r.TimestampZone != nil {
		queries = append(queries, query{statement("zone"), pgx.NamedArgs{"zone": r.TimestampZone.String()}, ignored})
	}
	if err := r.batcher.ask(ctx, queries...); sqlState(err) == invalidParameterValue {
		return fmt.Errorf("--timestamp-zone: %w", err)
	} else if err != nil {
		return fmt.Errorf("look at the columns of %s: %w", r.Table.Sanitize(), err)
	}
	return r.learnKinds(types)
}

// typesQuery finds the types of the table's columns, as format_type writes them.
func (r *run) typesQuery(types map[string]string) query {
	var name, typed string
	return query{statement("columns"), pgx.NamedArgs{"oid": r.session.oid}, func(rows pgx.Rows) error {
		clear(types)
		_, err := pgx.ForEachRow(rows, []any{&name, &typed}, func() error { types[name] = typed; return nil })
		return err
	}}
}

// learnKinds sets what kinds the columns are by their types.
func (r *run) learnKinds(types map[string]string) error {
	for _, c := range []*column{&r.columns.expires, &r.columns.revokedAt} {
		if c.name == "" {
			continue
		}
		var err error
		if c.kind, err = r.kindOf(types[c.name]); err != nil {
			return fmt.Errorf("column %s of %s %w", quoted(c.name), r.Table.Sanitize(), err)
		}
	}
	return nil
}

// kindOf is the kind of a column of a type, as format_type writes it.
func (r *run) kindOf(typed string) (kind, error) {
	units := map[Epoch]time.Duration{Seconds: time.Second, Milliseconds: time.Millisecond}
	switch {
	case typed == "":
		return kind{}, fmt.Errorf("is not there")
	case typed == "timestamp with time zone":
		return instants(), nil
	case typed == "timestamp without time zone" && r.TimestampZone != nil:
		return kind{sql: "timestamp", zone: r.TimestampZone}, nil
	case typed == "timestamp without time zone":
		return kind{}, fmt.Errorf("is %s: give its time zone, --timestamp-zone", typed)
	case typed == "integer" && r.Epoch == Milliseconds:
		return kind{}, fmt.Errorf("is %s, which cannot hold milliseconds since 1970: --epoch seconds", typed)
	case typed == "integer" || typed == "bigint":
		if units[r.Epoch] == 0 {
			return kind{}, fmt.Errorf("is %s: give its unit, --epoch %s or --epoch %s", typed, Seconds, Milliseconds)
		}
		return kind{sql: "bigint", unit: units[r.Epoch]}, nil
	}
	return kind{}, fmt.Errorf("is %s, not a timestamp, integer or bigint", typed)
}

// quoted is a name as SQL takes it. HyphaGraph's need no quotes.
func quoted(name string) string {
	if d := defaultColumns(); name == d.Expires || name == d.Revoked || name == d.RevokedAt {
		return name
	}
	return pgx.Identifier{name}.Sanitize()
}

func (c column) sql() string { return quoted(c.name) }

// earliest is the smallest key that may ever be due, and forever the largest that there is.
func (k kind) earliest() string {
	if k.unit > 0 {
		return strconv.FormatInt(plausibleFrom*int64(time.Second/k.unit), 10)
	}
	return earliest
}

func (k kind) forever() string {
	if k.unit > 0 {
		return strconv.FormatInt(math.MaxInt64, 10)
	}
	return forever
}

// cutoff is the key below which all rows are before t, as PostgreSQL writes it.
func (k kind) cutoff(t time.Time) string {
	switch {
	case k.unit > 0:
		n := t.UnixMicro() / k.unit.Microseconds()
		return strconv.FormatInt(n, 10)
	case k.zone != nil:
		return localBefore(t.In(k.zone)).Format("2006-01-02 15:04:05.999999")
	}
	return timestamp(t)
}

// beyond is a key above those of all rows before t.
func (k kind) beyond(t time.Time) string {
	if k.sql != instants().sql {
		t = t.Add(24 * time.Hour) // whatever a zone does to its clocks that day
	}
	return k.cutoff(t)
}

// localBefore is the latest time on the clocks of a zone, as UTC, before which every time is before t,
// however it is read: one in an hour that comes twice as the later of the two, and one in an hour that is
// skipped as if the clocks had not been put forward.
func localBefore(t time.Time) time.Time {
	_, offset := t.Zone()
	start, end := t.ZoneBounds()
	local := shifted(t, offset)
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		if skipped := seconds(offset - before); skipped > 0 && t.Sub(start) < skipped {
			local = shifted(t, before)
		}
	}
	if !end.IsZero() {
		_, after := end.Zone()
		if twice := seconds(offset - after); twice > 0 && end.Sub(t) < twice {
			local = shifted(end, after)
		}
	}
	return local
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func shifted(t time.Time, offset int) time.Time { return t.UTC().Add(seconds(offset)) }

// instant is the SQL of a value of the kind as timestamptz.
func (k kind) instant(value string) string {
	switch {
	case k.unit == time.Second:
		return "to_timestamp(" + value + ")"
	case k.unit > 0:
		return "to_timestamp(" + value + " / 1000.0)"
	case k.zone != nil:
		return "(" + value + " AT TIME ZONE '" + strings.ReplaceAll(k.zone.String(), "'", "''") + "')"
	}
	return value
}

// may reports whether a key that an earlier run left is of the kind.
func (k kind) may(key string) bool {
	_, err := strconv.ParseInt(key, 10, 64)
	return (err == nil) == (k.unit > 0)
}

// args are the cutoffs as the statements take them.
func (c columns) args(cutoffs Cutoffs) pgx.NamedArgs {
	args := pgx.NamedArgs{
		"expired_before": c.expires.kind.cutoff(cutoffs.Expired),
		"revoked_before": c.revokedAt.kind.cutoff(cutoffs.Revoked),
	}
	if c.expires.kind != instants() {
		args["expired_cutoff"] = timestamp(cutoffs.Expired)
	}
	if c.revokedAt.kind != instants() {
		args["revoked_cutoff"] = timestamp(cutoffs.Revoked)
	}
	return args
}

// rule is the condition that a row is due.
func (c columns) rule(reason Reason) string {
	if reason == Revoked && c.revoked == "" {
		return "false"
	}
	text := render("rule_"+string(reason), pieces{
		"expires": c.expires.sql(), "expires_type": c.expires.kind.sql,
		"revoked": c.revoked, "revoked_at": c.revokedAt.sql(), "revoked_at_type": c.revokedAt.kind.sql,
	}, nil)
	// 0 and below never expire. What lies before the year 2000 is in another unit, and may be of use.
	if c.expires.kind.unit > 0 {
		text += " AND " + c.expires.sql() + " >= " + c.expires.kind.earliest()
	}
	if reason == Revoked && c.revokedAt.kind.unit > 0 {
		text += " AND " + c.revokedAt.sql() + " >= " + c.revokedAt.kind.earliest()
	}
	return text
}

// ages is the column that a rule compares with its cutoff.
func (c columns) ages(reason Reason) column {
	if reason == Revoked {
		return c.revokedAt
	}
	return c.expires
}

// pieces are those of the statements of a pass by a rule that follows the index on key.
func (c columns) pieces(reason Reason, key column) pieces {
	aged := c.ages(reason)
	cutoff, infinite := "@"+string(reason)+"_before", aged.sql()+" = '-infinity'"
	if aged.kind != instants() {
		cutoff = "@" + string(reason) + "_cutoff"
	}
	if aged.kind.unit > 0 {
		infinite = "false"
	}
	read := []string{c.expires.sql()}
	if c.revoked != "" {
		if c.revoked != "true" {
			read = append(read, c.revoked)
		}
		read = append(read, c.revokedAt.sql())
	}
	p := pieces{
		"rule":     c.rule(reason),
		"key":      key.sql(),
		"key_type": key.kind.sql,
		"forever":  "'" + key.kind.forever() + "'",
		"partial":  "true",
		"infinite": infinite,
		"instant":  aged.kind.instant(aged.sql()),
		"cutoff":   cutoff,
		"read":     strings.Join(read, ", "),
		"oldest":   aged.kind.instant("min(" + aged.sql() + ")"),
		"newest":   aged.kind.instant("max(" + aged.sql() + ")"),
	}
	if key != c.expires {
		p["partial"] = c.revoked // so that an index of such rows alone serves
	}
	return p
}
