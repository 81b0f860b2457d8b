package migrations

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Mode says whether the schema may be changed.
type Mode string

// The modes.
const (
	Upgrade Mode = "upgrade" // bring the database to Head where that is ours to do
	Check   Mode = "check"   // look, and write nothing
)

// State is where a database stands.
type State struct {
	Table    pgx.Identifier // the table of tokens, schema-qualified, spelt as the catalog has it
	Revision string         // what alembic_version says, "" if nothing
	AtHead   bool           // Revision is Head
	Ahead    bool           // Revision is one we do not know, or none, and the table is as the janitor needs it
	Upgraded bool           // this call brought the database to Head
	Warnings []Problem      // what the janitor can work with, but slowly; told beside a refusal as well
}

// Ensure brings the database to [Head], if mode allows and that is ours to do, and checks that the janitor can work with
// table, which is named as in SQL. While other sessions are at work on the schema it waits, until ctx ends but not for
// longer than half a minute.
//
// The error is a *[NotReadyError] while the API's own migration has still to come, a *[ContractError] if the table is
// not as the janitor needs it, and another one if a person has to decide; each says what was found and what mends it.
// State.Upgraded is true beside an error as well.
func Ensure(ctx context.Context, conn *pgx.Conn, table string, mode Mode) (State, error) {
	if mode != Upgrade && mode != Check {
		return State{}, fmt.Errorf("mode %q is neither %q nor %q", mode, Upgrade, Check)
	}
	var state State
	var watch quiet
	err := persist(ctx, func() error {
		f, err := look(ctx, conn, table)
		if err != nil {
			return err
		}
		state.Revision, state.Warnings = f.revision(), f.warnings // what was found is told beside a refusal as well
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
			if f, err = look(ctx, conn, table); err != nil {
				return err
			}
		}
		if err := f.fit(); err != nil {
			return err
		}
		state.Table, state.Revision, state.Warnings = f.tokens(), f.revision(), f.warnings
		state.AtHead = state.Revision == Head
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
	case len(f.versions) > 1:
		return refuse("%s has %d rows, %q: the API's chain has branched", "run alembic merge heads and alembic upgrade head, or delete the row that is wrong",
			f.version().Sanitize(), len(f.versions), f.versions)
	}
	return nil
}

// fit says whether the janitor can work with the table that is there.
func (f *found) fit() error {
	switch {
	case f.TokensOID == 0:
		return errChanged
	case f.revision() == parent:
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

// upgradable says whether to make the table, which is not there.
func (f *found) upgradable(mode Mode) error {
	revision := f.revision()
	elsewhere := ""
	if len(f.TokensAnywhere) > 0 {
		elsewhere = fmt.Sprintf(" (but in %q there is: --table %s; USAGE on the schema is needed)", f.TokensAnywhere,
			pgx.Identifier{f.TokensAnywhere[0], f.name}.Sanitize())
	}
	switch {
	case !f.VersionReadable:
		return refuse("there is no table %s%s and %s", "%s", f.table, elsewhere, f.problems[0].What, f.problems[0].Remedy)
	case f.name != base:
		return refuse("there is no table %s%s, and revision %s makes one named %s only", "correct --table, or create the table", f.table, elsewhere, Head, base)
	case f.qualifier != "" && len(f.KnownSchemas) == 0:
		return refuse("there is no schema %q", "correct --table, or CREATE SCHEMA %s", f.qualifier, pgx.Identifier{f.qualifier}.Sanitize())
	case revision == Head:
		return refuse("%s, but there is no table %s%s", "if the table was never made, run alembic stamp %s and then token-janitor migrate upgrade or alembic upgrade head",
			f.at(), f.table, elsewhere, parent)
	case elsewhere != "" && (f.UsersOwner == "" || revision == ""):
		return refuse("there is no table %s%s and %s", "correct --table or the role's search_path, or GRANT USAGE ON SCHEMA %[4]s TO %[5]s",
			f.table, elsewhere, f.at(), pgx.Identifier{f.TokensAnywhere[0]}.Sanitize(), pgx.Identifier{f.Me}.Sanitize())
	case f.UsersOwner == "":
		return &NotReadyError{
			Found:  "there is no table users, which refresh_tokens refers to, and " + f.at(),
			Remedy: "apply " + parent + " first: alembic upgrade " + parent + " (or alembic upgrade head)",
		}
	case f.VersionSchema == "" && len(f.VersionAnywhere) > 0:
		return refuse("there is no table %s, and alembic_version is in %q, which is not on the search_path", "ALTER ROLE %s SET search_path to hold both",
			f.table, f.VersionAnywhere, pgx.Identifier{f.Me}.Sanitize())
	case revision != "" && revision != parent:
		return refuse("%s, a revision this janitor does not know, and there is no table %s%s",
			"if it comes before %s, run alembic upgrade %[4]s; if it comes after %s, the table is gone or elsewhere: name it with --table, or run alembic stamp %[4]s and alembic upgrade head",
			f.at(), f.table, elsewhere, parent, Head)
	case mode == Check:
		return &NotReadyError{
			Found:  "the database is not up to date: " + f.at() + ", there is no table " + f.table + ", and checking makes none",
			Remedy: "run token-janitor migrate upgrade, or alembic upgrade " + Head,
		}
	}
	return nil
}
