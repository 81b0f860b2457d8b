package migrations

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed sql/look.sql
var lookSQL string

// found is what there is in a database.
type found struct {
	catalog

	table     string   // as it was asked for
	qualifier string   // the schema it was asked for in, "" = none
	name      string   // the bare name of the table
	path      []string // schemas in which tables are looked for, in order

	versions []string // the rows of alembic_version
	stamp    string   // changes whenever alembic_version does
	problems []Problem
	warnings []Problem
}

// catalog is what look.sql tells.
type catalog struct {
	Me              string
	Standby         bool
	ReadOnly        bool
	KnownSchemas    []string // of those in which the table was looked for
	TokensOID       uint32   // 0 = there is no such table
	TokensSchema    string
	UsersOwner      string // "" = there is no table users
	VersionSchema   string // "" = there is no table alembic_version
	VersionOwner    string
	VersionReadable bool
	TokensAnywhere  []string // schemas that hold a table of that name
	VersionAnywhere []string
}

func (f *found) tokens() pgx.Identifier { return pgx.Identifier{f.TokensSchema, f.name} }

func (f *found) version() pgx.Identifier { return pgx.Identifier{f.VersionSchema, "alembic_version"} }

// revision is where the database stands, "" if it does not say.
func (f *found) revision() string {
	if len(f.versions) == 1 {
		return f.versions[0]
	}
	return ""
}

// at says it in words.
func (f *found) at() string {
	switch {
	case f.VersionSchema == "":
		return "there is no table alembic_version"
	case len(f.versions) == 0:
		return "alembic_version is empty"
	}
	return fmt.Sprintf("alembic_version says %q", f.revision())
}

// same reports whether nothing that matters differs from another look.
func (f *found) same(other *found) bool {
	return other != nil && f.stamp == other.stamp && f.TokensOID == other.TokensOID &&
		f.UsersOwner == other.UsersOwner && f.VersionSchema == other.VersionSchema
}

// look sees what there is, in one moment.
func look(ctx context.Context, conn *pgx.Conn, table string) (*found, error) {
	var f *found
	err := inTransaction(ctx, conn, reading, func(tx pgx.Tx, path []string) (err error) {
		f, err = lookIn(ctx, tx, path, table)
		return err
	})
	return f, err
}

func lookIn(ctx context.Context, tx pgx.Tx, path []string, table string) (*found, error) {
	f := &found{table: table, path: path}
	if err := f.parse(ctx, tx); err != nil {
		return nil, err
	}
	schemas := f.path
	if f.qualifier != "" {
		schemas = []string{f.qualifier}
		f.path = append(schemas[:1:1], slices.DeleteFunc(path, func(s string) bool { return s == f.qualifier })...)
	}
	rows, err := tx.Query(ctx, lookSQL, pgx.QueryExecModeExec, f.name, schemas, f.path)
	if err == nil {
		f.catalog, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[catalog])
	}
	if err != nil {
		return nil, fmt.Errorf("look at the schema: %w", err)
	}
	if err := f.readVersions(ctx, tx); err != nil {
		return nil, err
	}
	if f.TokensOID != 0 {
		if f.problems, f.warnings, err = problems(ctx, tx, f.TokensOID); err != nil {
			return nil, err
		}
	}
	if !f.VersionReadable {
		f.problems = append(f.problems, Problem{
			What: fmt.Sprintf("%s may not read %s", f.Me, f.version().Sanitize()),
			Remedy: fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT ON %s TO %[2]s", pgx.Identifier{f.VersionSchema}.Sanitize(),
				pgx.Identifier{f.Me}.Sanitize(), f.version().Sanitize()),
		})
	}
	return f, nil
}

// parse takes the table's name apart as the server does: case is folded, quotes count.
func (f *found) parse(ctx context.Context, tx pgx.Tx) error {
	var parts []string
	err := tx.QueryRow(ctx, "SELECT parse_ident($1::text)::name[]", pgx.QueryExecModeExec, f.table).Scan(&parts)
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &answer) && strings.HasPrefix(answer.Code, "22"): // data exception
		return refuse("%q is not the name of a table", "give --table as in SQL, for instance refresh_tokens or auth.refresh_tokens", f.table)
	case err != nil:
		return fmt.Errorf("take table name apart: %w", err)
	case len(parts) > 2:
		return refuse("%q has more parts than a schema and a name", "give --table as in SQL, for instance auth.refresh_tokens", f.table)
	}
	f.name = parts[len(parts)-1]
	if len(parts) == 2 {
		f.qualifier = parts[0]
	}
	return nil
}

func (f *found) readVersions(ctx context.Context, tx pgx.Tx) error {
	if f.VersionSchema == "" || !f.VersionReadable {
		return nil
	}
	// xmin tells a row that was changed and changed back from one that nobody touched.
	rows, err := tx.Query(ctx, "SELECT version_num::text, xmin::text FROM "+f.version().Sanitize()+" ORDER BY 1", pgx.QueryExecModeExec)
	if err != nil {
		return fmt.Errorf("read alembic_version: %w", err)
	}
	var version, xmin string
	_, err = pgx.ForEachRow(rows, []any{&version, &xmin}, func() error {
		f.versions = append(f.versions, version)
		f.stamp += version + "@" + xmin + " "
		return nil
	})
	if err != nil {
		return fmt.Errorf("read alembic_version: %w", err)
	}
	return nil
}

// Current returns the rows of alembic_version, as `alembic current` shows them: none if there is no such table. It looks
// in table's own schema if that is named, then along the search_path.
func Current(ctx context.Context, conn *pgx.Conn, table string) ([]string, error) {
	f, err := look(ctx, conn, table)
	if err != nil {
		return nil, err
	}
	if !f.VersionReadable {
		return nil, refuse("%s", "%s", f.problems[len(f.problems)-1].What, f.problems[len(f.problems)-1].Remedy)
	}
	return f.versions, nil
}
