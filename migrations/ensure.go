package migrations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Mode says how far the schema may be changed.
type Mode string

// The modes.
const (
	Check   Mode = "check"   // look, and write nothing
	Upgrade Mode = "upgrade" // bring the database to Head where the version table says that it is at the revision before
	Stamp   Mode = "stamp"   // as Upgrade, and also where there is no revision yet: only if a person asked for it
)

// ErrNoRevision is in a *[NotReadyError] of a database that has users and no revision. It may be somebody else's, so only
// [Stamp] writes there, and waiting does not help.
var ErrNoRevision = errors.New("the database has no revision")

// State is where a database stands.
type State struct {
	Table    pgx.Identifier // the table of tokens, schema-qualified, spelt as the catalog has it
	Revision string         // what the version table says, "" if nothing; several are separated by ", "
	AtHead   bool           // Revision is Head
	Ahead    bool           // Revision is one we do not know, or several, or none, and the table is as the janitor needs it
	Upgraded bool           // this call brought the database to Head
	Warnings []Problem      // what the janitor can work with, but slowly; told beside a refusal as well
}

// Ensure brings the database to [Head], if mode allows and that is ours to do, and checks that the janitor can work with
// the table of tokens. A table that is made is made beside users. While other sessions are at work on the schema it waits,
// until ctx ends but not for longer than half a minute.
//
// The error is a *[NotReadyError] while the API's own migration has still to come, a *[ContractError] if the table is
// not as the janitor needs it, and another one if a person has to decide; each says what was found and what mends it.
// State.Upgraded is true beside an error as well.
//
// Each of beside reads what has to be of the same moment as what was checked.
func Ensure(ctx context.Context, conn *pgx.Conn, names Names, mode Mode, beside ...Beside) (State, error) {
	if mode != Check && mode != Upgrade && mode != Stamp {
		return State{}, fmt.Errorf("mode %q is not one of %q, %q and %q", mode, Check, Upgrade, Stamp)
	}
	var state State
	var watch quiet
	err := persist(ctx, func() error {
		f, err := look(ctx, conn, names, beside...)
		if err != nil {
			return err
		}
		// What was found is told beside a refusal as well.
		state.Revision, state.Warnings = strings.Join(f.versions, ", "), f.warnings
		if err := f.usable(); err != nil {
			return err
		}
		if f.TokensOID == 0 {
			if err := f.upgradable(mode); err != nil {
				return err
			}
			if err := watch.check(ctx, conn, f); err != nil {
				return err
			}
			if err := upgrade(ctx, conn, f); err != nil {
				return err
			}
			state.Upgraded = true
			if f, err = look(ctx, conn, names, beside...); err != nil {
				return err
			}
		}
		if err := f.fit(); err != nil {
			return err
		}
		state.Table, state.Revision, state.Warnings = f.tokens(), strings.Join(f.versions, ", "), f.warnings
		state.AtHead = f.revision() == Head
		state.Ahead = !state.AtHead
		return nil
	})
	return state, err
}

// usable refuses databases that are no place to work, whatever they hold.
func (f *found) usable() error {
	switch {
	case f.Standby:
		return refuse("the server is a standby, which nothing can be deleted from", "connect to the primary (target_session_attrs=read-write)")
	case f.ReadOnly:
		return refuse("transactions of %s are read-only by default", "ALTER ROLE %[2]s SET default_transaction_read_only = off, or see who sets it for the database",
			f.Me, pgx.Identifier{f.Me}.Sanitize())
	case !f.VersionShaped:
		return f.misshaped()
	}
	for i, version := range f.versions {
		if i > 0 && version == f.versions[i-1] {
			return refuse("%[1]s holds the row %[2]q twice, which Alembic cannot work with",
				"DELETE FROM %[1]s a USING %[1]s b WHERE a.version_num = b.version_num AND a.ctid > b.ctid", f.version().Sanitize(), version)
		}
	}
	return nil
}

func (f *found) misshaped() error {
	return refuse("%s is not a table with a column version_num, as Alembic's version table is", "correct --version-table", f.version().Sanitize())
}

// fit says whether the janitor can work with the table that is there.
func (f *found) fit() error {
	switch {
	case f.TokensOID == 0:
		return errChanged
	case f.revision() == parent && f.tokensAs.table == base:
		// Alembic leaves it so for a moment where each statement commits for itself.
		return &NotReadyError{
			Found:  fmt.Sprintf("%s, the revision before %s, but there is a table %s already", f.at(), Head, f.tokens().Sanitize()),
			Remedy: "if no migration is under way and the table is the API's, run alembic stamp " + Head + "; if it is not, move it away",
		}
	case len(f.problems) > 0:
		return &ContractError{Table: f.tokens().Sanitize(), Problems: f.problems}
	}
	return nil
}

// shellWord is a name as a shell takes it for one word that keeps its quotes.
func shellWord(name string) string {
	if strings.Contains(name, `"`) {
		return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	return name
}

// upgradable says whether to make the table, which is not there.
func (f *found) upgradable(mode Mode) error {
	revision := f.revision()
	elsewhere := ""
	if len(f.TokensAlike) > 0 {
		elsewhere = fmt.Sprintf(" (but there is %s: --table %s)", strings.Join(f.TokensAlike, " and "), shellWord(f.TokensAlike[0]))
	}
	rivals := ""
	if len(f.Rivals) > 0 {
		rivals = fmt.Sprintf(" (if the API's revision is in %s, give that as --version-table)", strings.Join(f.Rivals, " or "))
	}
	way := f.inTheWay(mode)
	if way != "" {
		way = "; what is in the way of " + Head + ": " + way
	}
	switch {
	case !f.VersionReadable:
		return refuse("there is no table %s%s and %s", "%s", f.names.Table, elsewhere, f.problems[0].What, f.problems[0].Remedy)
	case f.tokensAs.table != base:
		return refuse("there is no table %s%s, and revision %s makes one named %s only", "correct --table, or create the table", f.names.Table, elsewhere, Head, base)
	case f.names.Columns.orHeads() != (Columns{}).orHeads():
		return refuse("there is no table %s%s, and revision %s makes one with other columns", "correct --table, or create the table", f.names.Table, elsewhere, Head)
	case f.unknown(f.tokensAs.schema):
		return refuse("there is no schema %q", "correct --table, or CREATE SCHEMA %s", f.tokensAs.schema, pgx.Identifier{f.tokensAs.schema}.Sanitize())
	case f.unknown(f.versionAs.schema):
		return refuse("there is no schema %q", "correct --version-table", f.versionAs.schema)
	case len(f.versions) > 1:
		return refuse("%s, which are the heads of branches, and there is no table %s%s%s",
			"if the API's chain makes it, run alembic upgrade heads; if it is elsewhere, name it with --table", f.at(), f.names.Table, elsewhere, rivals)
	case revision == Head:
		return refuse("%s, but there is no table %s%s", "if the table was never made, run alembic stamp %s and then token-janitor migrate upgrade or alembic upgrade head",
			f.at(), f.names.Table, elsewhere, parent)
	case len(f.TokensAnywhere) > 0 && (f.UsersOID == 0 || revision == ""):
		return refuse("there is no table %s%s and %s", "correct --table or the role's search_path, or GRANT USAGE ON SCHEMA %[4]s TO %[5]s",
			f.names.Table, elsewhere, f.at(), pgx.Identifier{f.TokensAnywhere[0]}.Sanitize(), pgx.Identifier{f.Me}.Sanitize())
	case f.UsersOID == 0:
		return &NotReadyError{
			Found:  "there is no table refresh_tokens, and no table users, which it would refer to, and " + f.at() + rivals,
			Remedy: "if another table holds the tokens, name it with --table; if the API's migrations make it, apply " + parent + " first: alembic upgrade " + parent + " (or alembic upgrade head)",
		}
	case revision == "" && len(f.Rivals) > 0:
		return refuse("%s, but %s looks like a version table of Alembic's",
			"if it is the API's, give --version-table %[3]s, or ALTER TABLE %[3]s RENAME TO %[4]s if that was its name; if it is another program's, run the API's own alembic stamp %[5]s first",
			f.at(), strings.Join(f.Rivals, " and "), f.Rivals[0], pgx.Identifier{f.versionAs.table}.Sanitize(), parent)
	case revision != "" && revision != parent:
		return refuse("%s, a revision this janitor does not know, and there is no table %s%s%s",
			"if it comes before %s, run alembic upgrade %[5]s; if it comes after %s, the table is gone or elsewhere: name it with --table, or run alembic stamp %[5]s and alembic upgrade head",
			f.at(), f.names.Table, elsewhere, rivals, parent, Head)
	case revision == "" && mode != Stamp:
		return &NotReadyError{
			Found:  "there is a table users, but " + f.at() + ", so this may not be the API's database, and nothing is written there unasked" + way,
			Remedy: "if it is the API's, run token-janitor migrate upgrade, or alembic upgrade head",
			cause:  ErrNoRevision,
		}
	case way != "":
		return refuse("%s, there is no table %s, and it cannot be made%s", "nothing is changed", f.at(), f.names.Table, way)
	case mode == Check:
		return &NotReadyError{
			Found:  "the database is not up to date: " + f.at() + ", there is no table " + f.names.Table + ", and checking makes none",
			Remedy: "run token-janitor migrate upgrade, or alembic upgrade " + Head,
		}
	}
	return nil
}

// unknown reports whether a schema that was asked for is not there.
func (f *found) unknown(schema string) bool {
	return schema != "" && !slices.Contains(f.KnownSchemas, schema)
}

// inTheWay tells the obstacles that count in that mode, each with its remedy, "" if there are none.
func (f *found) inTheWay(mode Mode) string {
	var parts []string
	for _, o := range f.obstacles {
		if !o.IsRight || mode != Check {
			parts = append(parts, o.What+" (fix: "+o.Remedy+")")
		}
	}
	return oneLine.Replace(strings.Join(parts, "; "))
}
