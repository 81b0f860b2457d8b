package migrations

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/look.sql
var lookSQL string

//go:embed sql/obstacles.sql
var obstaclesSQL string

// Names are the tables that the janitor works with, named as in SQL: each may be schema-qualified.
type Names struct {
	Table        string // the table of tokens
	VersionTable string // Alembic's, "" = alembic_version
	Columns      Columns
}

// Columns are those of the table of tokens that the rules read, each spelt as the catalog has it. The zero value means
// those of [Head].
type Columns struct {
	Expires       string
	Revoked       string // a boolean, "" = none
	RevokedAt     string // "" = none
	TimestampZone string // of what is timestamp without time zone, "" = not given
	Epoch         string // what integers count from 1970: seconds, milliseconds, or "" = not given
}

func (c Columns) orHeads() Columns {
	if c.Expires == "" {
		return Columns{Expires: "expires_at", Revoked: "is_revoked", RevokedAt: "revoked_at"}
	}
	return c
}

// read are the columns there are.
func (c Columns) read() []string {
	return slices.DeleteFunc([]string{c.Expires, c.Revoked, c.RevokedAt}, func(name string) bool { return name == "" })
}

// found is what there is in a database.
type found struct {
	catalog

	names     Names
	tokensAs  name     // the table of tokens, as it was asked for
	versionAs name     // the version table, as it was asked for
	path      []string // schemas in which tables are looked for, in order

	versions  []string // the rows of the version table, in order
	stamp     string   // changes whenever the version table does
	problems  []Problem
	warnings  []Problem
	obstacles []obstacle // to making the table, where there is none
}

// name is a table's, taken apart.
type name struct {
	schema string // "" = none was given
	table  string
}

// obstacle is what keeps the revision from being applied until somebody mends it.
type obstacle struct {
	Problem
	IsRight bool // a privilege, which only who applies the revision needs
}

// catalog is what look.sql tells.
type catalog struct {
	Me              string
	Standby         bool
	ReadOnly        bool
	KnownSchemas    []string // of those in which a table was looked for
	TokensOID       uint32   // 0 = there is no such table
	TokensSchema    string
	UsersOID        uint32 // 0 = there is no table users
	UsersSchema     string
	UsersOwner      string
	VersionOID      uint32 // 0 = there is no version table
	VersionSchema   string
	VersionOwner    string
	VersionShaped   bool // it is a table with a column version_num, or is not there
	VersionReadable bool
	TokensAnywhere  []string // schemas that hold a table of that name
	TokensAlike     []string // where none was found: tables of that name in any schema and case, quoted
	Rivals          []string // other tables that look like a version table, quoted
	Referenced      bool     // a foreign key refers to the table of tokens, or to a partition of it
	Publications    bool     // the database has some
}

func (f *found) tokens() pgx.Identifier { return pgx.Identifier{f.TokensSchema, f.tokensAs.table} }

// target is where the table of tokens is to be made: in the schema that was asked for, else beside users, which the same
// chain of migrations made, wherever the version table is.
func (f *found) target() pgx.Identifier {
	return pgx.Identifier{cmp.Or(f.tokensAs.schema, f.UsersSchema), f.tokensAs.table}
}

// version is the version table, or where it is to be made: in the schema that was asked for, else beside users.
func (f *found) version() pgx.Identifier {
	return pgx.Identifier{cmp.Or(f.VersionSchema, f.versionAs.schema, f.UsersSchema), f.versionAs.table}
}

// revision is where the database stands, "" if it does not say, or stands at several.
func (f *found) revision() string {
	if len(f.versions) == 1 {
		return f.versions[0]
	}
	return ""
}

// at says it in words.
func (f *found) at() string {
	switch {
	case f.VersionOID == 0:
		return "there is no table " + f.names.VersionTable
	case len(f.versions) == 0:
		return f.names.VersionTable + " is empty"
	case len(f.versions) > 1:
		return fmt.Sprintf("%s holds several revisions, %q", f.names.VersionTable, f.versions)
	}
	return fmt.Sprintf("%s says %q", f.names.VersionTable, f.revision())
}

// same reports whether nothing that matters differs from another look.
func (f *found) same(other *found) bool {
	return other != nil && f.stamp == other.stamp && f.TokensOID == other.TokensOID &&
		f.UsersOID == other.UsersOID && f.VersionOID == other.VersionOID
}

// Beside is called in the transaction, REPEATABLE READ and read-only, in which the table of tokens is looked at, each
// time that there is one. Its error ends the look.
type Beside func(ctx context.Context, tx pgx.Tx, oid uint32, table pgx.Identifier) error

// look sees what there is, in one moment.
func look(ctx context.Context, conn *pgx.Conn, names Names, beside ...Beside) (*found, error) {
	if err := requirePostgres(ctx, conn); err != nil {
		return nil, err
	}
	var f *found
	err := inTransaction(ctx, conn, reading, func(tx pgx.Tx, path []string) (err error) {
		f, err = lookIn(ctx, tx, path, names)
		for _, read := range beside {
			if err == nil && f.TokensOID != 0 {
				err = read(ctx, tx, f.TokensOID, f.tokens())
			}
		}
		return err
	})
	return f, err
}

func lookIn(ctx context.Context, tx pgx.Tx, path []string, names Names) (*found, error) {
	names.VersionTable = cmp.Or(names.VersionTable, "alembic_version")
	f := &found{names: names, path: path}
	var err error
	if f.tokensAs, err = parseName(ctx, tx, "--table", names.Table); err != nil {
		return nil, err
	}
	if f.versionAs, err = parseName(ctx, tx, "--version-table", names.VersionTable); err != nil {
		return nil, err
	}
	tokensPath := f.path
	if schema := f.tokensAs.schema; schema != "" {
		tokensPath = []string{schema}
		f.path = append(tokensPath[:1:1], slices.DeleteFunc(slices.Clone(path), func(s string) bool { return s == schema })...)
	}
	lasting := slices.DeleteFunc(slices.Clone(f.path), func(s string) bool { return strings.HasPrefix(s, "pg_temp_") })
	versionPath := lasting
	if f.versionAs.schema != "" {
		versionPath = []string{f.versionAs.schema}
	}
	rows, err := tx.Query(ctx, lookSQL, pgx.QueryExecModeExec, f.tokensAs.table, tokensPath, lasting, f.versionAs.table, versionPath)
	if err == nil {
		f.catalog, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[catalog])
	}
	if err != nil {
		return nil, fmt.Errorf("look at the schema: %w", err)
	}
	if err := f.readVersions(ctx, tx); err != nil {
		return nil, err
	}
	switch {
	case f.TokensOID != 0:
		if f.problems, f.warnings, err = problems(ctx, tx, f.catalog, names.Columns.orHeads()); err != nil {
			return nil, err
		}
	case f.UsersOID != 0:
		if err := f.readObstacles(ctx, tx); err != nil {
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

// parseName takes a table's name apart as the server does: case is folded, quotes count.
func parseName(ctx context.Context, tx pgx.Tx, flag, text string) (name, error) {
	var parts []string
	err := tx.QueryRow(ctx, "SELECT parse_ident($1::text)::name[]", pgx.QueryExecModeExec, text).Scan(&parts)
	switch {
	case strings.HasPrefix(code(err), "22"): // data exception
		return name{}, refuse("%q is not the name of a table", "give %s as in SQL, for instance refresh_tokens or auth.refresh_tokens", text, flag)
	case err != nil:
		return name{}, fmt.Errorf("take table name apart: %w", err)
	case len(parts) > 2:
		return name{}, refuse("%q has more parts than a schema and a name", "give %s as in SQL, for instance auth.refresh_tokens", text, flag)
	case len(parts) == 2:
		return name{schema: parts[0], table: parts[1]}, nil
	}
	return name{table: parts[0]}, nil
}

func (f *found) readObstacles(ctx context.Context, tx pgx.Tx) error {
	version := f.version()
	rows, err := tx.Query(ctx, obstaclesSQL, pgx.QueryExecModeExec, f.target()[0], f.UsersOID, f.VersionOID, version[0], version[1], f.actor())
	if err == nil {
		f.obstacles, err = pgx.CollectRows(rows, pgx.RowToStructByName[obstacle])
	}
	if err != nil {
		return fmt.Errorf("look for what is in the way of %s: %w", Head, err)
	}
	return nil
}

func (f *found) readVersions(ctx context.Context, tx pgx.Tx) error {
	if f.VersionOID == 0 || !f.VersionReadable || !f.VersionShaped {
		return nil
	}
	// xmin tells a row that was changed and changed back from one that nobody touched.
	rows, err := tx.Query(ctx, "SELECT version_num::text, xmin::text FROM "+f.version().Sanitize()+" ORDER BY 1", pgx.QueryExecModeExec)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.version().Sanitize(), err)
	}
	var version, xmin string
	_, err = pgx.ForEachRow(rows, []any{&version, &xmin}, func() error {
		f.versions = append(f.versions, version)
		f.stamp += version + "@" + xmin + " "
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", f.version().Sanitize(), err)
	}
	return nil
}

// Current returns the rows of the version table, as `alembic current` shows them: none if there is no such table. It looks
// in the schema that is named, else in that of the table of tokens, then along the search_path.
func Current(ctx context.Context, conn *pgx.Conn, names Names) ([]string, error) {
	f, err := look(ctx, conn, names)
	switch {
	case err != nil:
		return nil, err
	case !f.VersionReadable:
		return nil, refuse("%s", "%s", f.problems[len(f.problems)-1].What, f.problems[len(f.problems)-1].Remedy)
	case !f.VersionShaped:
		return nil, f.misshaped()
	}
	return f.versions, nil
}
