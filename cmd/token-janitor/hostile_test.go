package main

import (
	"context"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// plain fails the test unless line is a line that a terminal and a log take as one, and no long one.
func plain(t *testing.T, what, line string) {
	t.Helper()
	if len(line) > 3*text.LongestLine || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%.40q is told in %d bytes: %.200q", what, len(line), line)
	}
}

// TestHostileFlagOfTheProgram: what the system lets through to the program itself.
func TestHostileFlagOfTheProgram(t *testing.T) {
	t.Parallel()
	path := program(t)
	for _, arg := range []string{"--table=\x1b[2J\n", "--log-level=\u009b2J", "--web-config-file=/none\nlevel=INFO msg=forged", "--\n", "\xff", "--table=" + strings.Repeat("x ", 60_000)} {
		stdout, stderr, code := output(t, path, "DATABASE_URL=postgres://127.0.0.1:1/none", arg)
		if code != exitUsage || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%.40q: exit code %d, %q, %q", arg, code, stdout, stderr)
		}
		plain(t, arg, strings.TrimSuffix(stderr, "\n"))
	}
}

// TestHostileTableNames: whatever --table says, it names one table or none.
func TestHostileTableNames(t *testing.T) {
	t.Parallel()
	url := migrationstest.Head(t)
	conn, path := dial(t, url), program(t)
	live := backlog(t, conn, 30)
	// A table that has such a name is worked on as any other.
	names := []string{`"quote""d"`, `"semi;colon"`, `"do.t"`, `public."täble 🗝"`, "\"new\nline\"", `"sp ace"`, `"-- "`, `"%s"`, `"$1"`, `":key"`, `"'; DROP TABLE canary; --"`, `tokens2`}
	setUp := `CREATE TABLE canary AS SELECT 1 AS sings; `
	for _, name := range names {
		setUp += `CREATE TABLE ` + name + ` (LIKE refresh_tokens INCLUDING ALL); INSERT INTO ` + name + ` SELECT * FROM refresh_tokens; `
	}
	if _, err := conn.Exec(t.Context(), setUp, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		stdout, stderr, code := output(t, path, "DATABASE_URL="+url, "--once", "--table="+name)
		var n int64
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM `+name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if code != exitDone || n != live {
			t.Errorf("%s: exit code %d, %d rows of the %d that live\n%s%s", name, code, n, live, stdout, stderr)
		}
	}
	for _, name := range []string{
		`refresh_tokens; DROP TABLE canary`, `refresh_tokens WHERE true; --`, `refresh_tokens"; DROP TABLE canary; --`, `"refresh_tokens"" ; DROP TABLE canary; --"`,
		`canary`, `"Refresh_Tokens"`, `refresh_tokens,canary`, `(refresh_tokens)`, `a.b.c`, `"a"."b"."c"`, `.`, `..`, `"`, `""`, `pg_catalog.pg_class`, `information_schema.tables`,
		`refresh_tokens'||'`, "refresh_tokens\n", "refresh\x01tokens", `$1`, `:key`, `%s`, `'refresh_tokens'`, "\u202esnekot", `"` + strings.Repeat("x", 100_000) + `"`,
	} {
		stdout, stderr, code := output(t, path, "DATABASE_URL="+url, "--once", "--connect-timeout=100ms", "--table="+name)
		if code != exitFailed && code != exitUsage {
			t.Errorf("%.40q: exit code %d\n%s%s", name, code, stdout, stderr)
		}
		for line := range strings.Lines(stdout + stderr) {
			plain(t, name, strings.TrimSuffix(line, "\n"))
		}
	}
	var canaries int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM canary`).Scan(&canaries); err != nil || canaries != 1 {
		t.Errorf("the canary is dead: %d, %v", canaries, err)
	}
	if n := count(t, conn, "true"); n != live+30 {
		t.Errorf("%d rows in refresh_tokens, which nobody named; want all %d", n, live+30)
	}
}

// nasty is a text that a database may hold and that a log line, a page or a metric may come to show.
const nasty = "x\n\x1b[31mtime=2026-01-01T00:00:00Z level=INFO msg=forged\r\u009b2J\u202e<script>alert(1)</script>'\""

// nastyName is the same in the 63 bytes that a name has.
const nastyName = "x\n\x1b[31mtime=2026\r\u009b2J\u202e<script>alert(1)</script>'\""

// TestHostileDatabase: what comes from the database breaks no line of the log, no page and no metric.
func TestHostileDatabase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, setUp, want string }{
		{"error of a trigger", `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', :nasty; END $$;
			CREATE TRIGGER no BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION no()`, "outcome=partial"},
		{"a long error of a trigger", `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', repeat(:nasty, 20000); END $$;
			CREATE TRIGGER no BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION no()`, "outcome=partial"},
		{"an error that ends the run", `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', repeat(:nasty, 20000) USING ERRCODE = '53100'; END $$;
			CREATE TRIGGER no BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION no()`, "outcome=failed"},
		{"notices", `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', :nasty; RAISE WARNING '%', :nasty; RETURN OLD; END $$;
			CREATE TRIGGER no BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION no()`, "outcome=drained"},
		{"name of a trigger and of a constraint", `CREATE TABLE other (id uuid CONSTRAINT :"nasty" REFERENCES refresh_tokens); INSERT INTO other SELECT id FROM refresh_tokens`, "outcome=partial"},
		{"revision", `ALTER TABLE alembic_version ALTER version_num TYPE text; UPDATE alembic_version SET version_num = :nasty`, "outcome=drained"},
		{"revisions", `ALTER TABLE alembic_version ALTER version_num TYPE text; INSERT INTO alembic_version VALUES (:nasty)`, "outcome=drained"},
		{"revisions without the table", `ALTER TABLE alembic_version ALTER version_num TYPE text; INSERT INTO alembic_version VALUES (:nasty); DROP TABLE refresh_tokens`, "alembic upgrade heads"},
		{"version table", `ALTER TABLE alembic_version RENAME TO :"nasty"; DROP TABLE refresh_tokens`, "--version-table "},
		{"revision without the table", `ALTER TABLE alembic_version ALTER version_num TYPE text; UPDATE alembic_version SET version_num = :nasty; DROP TABLE refresh_tokens`, "revision this janitor does not know"},
		{"schema", `CREATE SCHEMA :"nasty"; ALTER TABLE refresh_tokens SET SCHEMA :"nasty"`, "but there is "},
		{"index", `DROP INDEX ix_refresh_tokens_expires_at; CREATE INDEX :"nasty" ON refresh_tokens (expires_at) WHERE false`, "no index leads with expires_at"},
		{"type of a column", `CREATE DOMAIN :"nasty" AS timestamptz; ALTER TABLE refresh_tokens ALTER revoked_at TYPE :"nasty"`, "revoked_at"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := migrationstest.Head(t)
			conn := dial(t, url)
			backlog(t, conn, 30)
			_, err := conn.Exec(t.Context(), strings.NewReplacer(
				":nasty", "'"+strings.ReplaceAll(nasty, "'", "''")+"'", `:"nasty"`, pgx.Identifier{nastyName}.Sanitize(),
			).Replace(c.setUp), pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				t.Fatal(err)
			}
			path := program(t)
			for _, args := range [][]string{{"--once", "--connect-timeout=100ms"}, {"--dry-run", "--connect-timeout=100ms"}, {"--once", "--output=json", "--log-format=json", "--connect-timeout=100ms"}, {"migrate", "current"}} {
				stdout, stderr, _ := output(t, path, "DATABASE_URL="+url, args...)
				for line := range strings.Lines(stdout + stderr) {
					plain(t, c.name, strings.TrimSuffix(line, "\n"))
				}
				if strings.Contains(stdout+stderr, "\ntime=2026-01-01") {
					t.Errorf("a line is forged:\n%s%s", stdout, stderr)
				}
			}
			d := start(t, "", url)
			d.hears(t, c.want, 1)
			_, html := d.get(t, "/")
			if strings.Contains(html, "<script>alert") || len(html) > 200_000 {
				t.Errorf("the page, %d bytes:\n%.10000s", len(html), html)
			}
			for _, page := range []string{"/readyz", "/metrics", "/status.json"} {
				_, text := d.get(t, page)
				for line := range strings.Lines(text) {
					if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' }) || strings.HasPrefix(line, "\x1b") {
						t.Errorf("%s: %q", page, line)
					}
				}
				if len(text) > 200_000 {
					t.Errorf("%s has %d bytes", page, len(text))
				}
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			for line := range strings.Lines(d.log.String()) {
				plain(t, c.name, strings.TrimSuffix(line, "\n"))
			}
		})
	}
}

// TestRevisionInNoEncoding: in a database without an encoding a text may be no text.
func TestRevisionInNoEncoding(t *testing.T) {
	t.Parallel()
	s := pgtemp.Shared(t)
	const name = "revision_in_no_encoding"
	admin := dial(t, s.URL("postgres"))
	if _, err := admin.Exec(t.Context(), `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Drop(context.Background(), name) })
	url := s.URL(name)
	conn := dial(t, url)
	if _, err := conn.Exec(t.Context(), migrationstest.Users+`;`+migrations.History()[0].Up+`; UPDATE alembic_version SET version_num = E'005_\xff\xfe'`, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	live := backlog(t, conn, 30)
	d := start(t, "", url)
	d.hears(t, "outcome=drained", 1)
	d.page(t, 200, "/metrics", "token_janitor_schema_info{revision=")
	if n := count(t, conn, "true"); n != live {
		t.Errorf("%d rows, want the %d that live", n, live)
	}
}
