package migrations

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed sql/alembic_version.sql
var versionSQL string

// migrating is the advisory lock, "tjmigrat" in ASCII, under which janitors change the schema of a database one after
// the other; before there is a version table they have nothing else to meet at.
const migrating = 0x746a6d6967726174

// upgrade leads from parent, or from no revision at all, to Head.
func upgrade(ctx context.Context, conn *pgx.Conn, f *found) error {
	return change(ctx, conn, f, Head, func(tx pgx.Tx) error {
		if f.VersionOID == 0 {
			if _, err := tx.Exec(ctx, f.render(versionSQL), pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("create %s: %w", f.version().Sanitize(), err)
			}
		}
		if len(f.versions) == 0 {
			// So that the revision's own UPDATE finds what it finds after Alembic.
			if _, err := tx.Exec(ctx, "INSERT INTO "+f.version().Sanitize()+" (version_num) VALUES ($1)", pgx.QueryExecModeExec, parent); err != nil {
				return fmt.Errorf("stamp %s: %w", parent, err)
			}
		}
		if _, err := tx.Exec(ctx, f.render(headUp), pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("upgrade to %s: %w", Head, err)
		}
		return nil
	})
}

// Downgrade takes the one step from [Head] back to the revision before: the table of tokens goes. It refuses at any
// other revision, and waits as [Ensure] does. State.Table is the table that went.
func Downgrade(ctx context.Context, conn *pgx.Conn, names Names) (State, error) {
	var state State
	var watch quiet
	err := persist(ctx, func() error {
		f, err := look(ctx, conn, names)
		if err != nil {
			return err
		}
		if err := f.downgradable(); err != nil {
			return err
		}
		if err := watch.check(ctx, conn, f); err != nil {
			return err
		}
		state = State{Table: f.tokens(), Revision: parent}
		return change(ctx, conn, f, parent, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, f.render(headDown), pgx.QueryExecModeSimpleProtocol)
			var answer *pgconn.PgError
			if errors.As(err, &answer) && answer.Code == "2BP01" { // dependent objects still exist
				return refuse("%s is in use: %s", "drop what refers to it first", f.tokens().Sanitize(), oneLine.Replace(answer.Detail))
			}
			if err != nil {
				return fmt.Errorf("downgrade to %s: %w", parent, err)
			}
			return nil
		})
	})
	if err != nil {
		return State{}, err
	}
	return state, nil
}

func (f *found) downgradable() error {
	if err := f.usable(); err != nil {
		return err
	}
	switch revision := f.revision(); {
	case !f.VersionReadable:
		return refuse("%s", "%s", f.problems[len(f.problems)-1].What, f.problems[len(f.problems)-1].Remedy)
	case len(f.versions) > 1:
		return refuse("the API's chain is ahead: %s", "run alembic downgrade for the branches first: only %s alone can be downgraded here", f.at(), Head)
	case revision == "" || revision == parent:
		return refuse("%s: there is nothing to take back", "only %s can be downgraded here", f.at(), Head)
	case revision != Head:
		return refuse("the API's chain is ahead: %s", "run alembic downgrade %s first, if it comes after that", f.at(), Head)
	case f.tokensAs.table != base:
		return refuse("revision %s made a table named %s, not %s", "correct --table", Head, base, f.names.Table)
	case f.TokensOID == 0:
		return refuse("%s, but there is no table %s", "correct --table, or run alembic stamp %s", f.at(), f.names.Table, parent)
	case strings.HasPrefix(f.TokensSchema, "pg_temp_"):
		return refuse("%s is a temporary table", "name the schema of the real one: --table", f.tokens().Sanitize())
	}
	return nil
}

// change runs do, which leads from what was found to revision to, in one transaction, if nothing has changed since.
func change(ctx context.Context, conn *pgx.Conn, f *found, to string, do func(tx pgx.Tx) error) error {
	err := inTransaction(ctx, conn, writing, func(tx pgx.Tx, session []string) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1::bigint)", pgx.QueryExecModeExec, int64(migrating)); err != nil {
			return fmt.Errorf("take turns with other janitors: %w", err)
		}
		if err := f.setRole(ctx, tx); err != nil {
			return err
		}
		if f.VersionOID != 0 {
			// Alembic holds ACCESS SHARE on it from its first look to its commit: either it waits for us before that look, or we
			// do not get the lock and leave it alone.
			if _, err := tx.Exec(ctx, "LOCK TABLE "+f.version().Sanitize()+" IN ACCESS EXCLUSIVE MODE NOWAIT", pgx.QueryExecModeExec); err != nil {
				return fmt.Errorf("lock %s: %w", f.version().Sanitize(), err)
			}
		}
		now, err := lookIn(ctx, tx, session, f.names)
		if err != nil {
			return err
		}
		if !f.same(now) {
			return errChanged
		}
		if err := do(tx); err != nil {
			return err
		}
		return arrived(ctx, tx, f, to)
	})
	if code(err) == "42501" { // insufficient privilege
		return refuse("%s may not migrate (%s)", "let the API's own role do it (alembic upgrade %s) and run the janitor with --migrate=check, or GRANT %s TO %s",
			f.Me, err, Head, pgx.Identifier{f.owner()}.Sanitize(), pgx.Identifier{f.Me}.Sanitize())
	}
	return err
}

// arrived makes sure that what do changed is what was looked at, before it is committed.
func arrived(ctx context.Context, tx pgx.Tx, f *found, to string) error {
	after := &found{versionAs: f.versionAs, catalog: catalog{
		VersionOID: 1, VersionSchema: f.version()[0], VersionShaped: true, VersionReadable: true,
	}}
	if err := after.readVersions(ctx, tx); err != nil {
		return err
	}
	if !slices.Equal(after.versions, []string{to}) {
		return fmt.Errorf("%s holds %q after the step to %s: nothing is changed", after.version().Sanitize(), after.versions, to)
	}
	return nil
}

var (
	comments = regexp.MustCompile(`(?m)^--.*$`)
	tables   = regexp.MustCompile(`\b(?:refresh_tokens|users|alembic_version|alembic_version_pkc)\b`)
)

// render puts the tables that were found, or are to be made, in place of the names that stand in a revision, so that no
// search_path decides where it writes. Its comments go first: a name may hold a line break.
func (f *found) render(sql string) string {
	tokens := f.tokens()
	if f.TokensOID == 0 {
		tokens = f.target()
	}
	version := f.version()
	return tables.ReplaceAllStringFunc(comments.ReplaceAllString(sql, ""), func(name string) string {
		switch name {
		case base:
			return tokens.Sanitize()
		case "users":
			return pgx.Identifier{f.UsersSchema, name}.Sanitize()
		case "alembic_version":
			return version.Sanitize()
		}
		return pgx.Identifier{version[1] + "_pkc"}.Sanitize() // as Alembic names it
	})
}

// owner is the role that the API migrates with, as far as can be told.
func (f *found) owner() string {
	if f.VersionOwner != "" {
		return f.VersionOwner
	}
	return f.UsersOwner
}

// actor is the role that changes the schema: what is created has to be the API's, for a table that the janitor's role owned
// the API could not even read.
func (f *found) actor() string {
	if f.Me == f.VersionOwner || f.Me == f.UsersOwner {
		return f.Me
	}
	return f.owner()
}

// setRole acts as the actor until the commit.
func (f *found) setRole(ctx context.Context, tx pgx.Tx) error {
	if f.actor() == f.Me {
		return nil
	}
	if _, err := tx.Exec(ctx, "SET LOCAL ROLE "+pgx.Identifier{f.actor()}.Sanitize(), pgx.QueryExecModeExec); err != nil {
		return fmt.Errorf("act as %s, whose schema it is: %w", f.actor(), err)
	}
	return nil
}
