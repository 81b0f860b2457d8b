package migrations_test

import (
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// A foreign key without an index is warned of by name, and no longer once the index is made as told.
func TestForeignKeysWithoutIndex(t *testing.T) {
	t.Parallel()
	const sessions = "CREATE TABLE sessions (id int PRIMARY KEY, at int, token int CONSTRAINT of_token REFERENCES refresh_tokens);"
	for _, c := range []struct {
		name, sql string
		what      []string // of each warning, in order; none = an index is there
		mend      string
	}{
		{name: "no key", sql: "CREATE TABLE sessions (token int)"},
		{name: "none", sql: sessions, what: []string{"foreign key of_token of public.sessions (token) has no index"}, mend: "CREATE INDEX CONCURRENTLY ON public.sessions (token)"},
		{name: "a btree", sql: sessions + "CREATE INDEX ON sessions (token, at)"},
		{name: "a hash", sql: sessions + "CREATE INDEX ON sessions USING hash (token)"},
		{name: "only what refers", sql: sessions + "CREATE INDEX ON sessions (token) WHERE token IS NOT NULL"},
		{name: "only some of it", sql: sessions + "CREATE INDEX ON sessions (token) WHERE token IS NOT NULL AND at > 0", what: []string{"of_token"}},
		{name: "another column first", sql: sessions + "CREATE INDEX ON sessions (at, token)", what: []string{"of_token"}},
		{name: "covered, not led", sql: sessions + "CREATE INDEX ON sessions (at) INCLUDE (token)", what: []string{"of_token"}},
		{name: "brin", sql: sessions + "CREATE INDEX ON sessions USING brin (token)", what: []string{"of_token"}},
		{name: "an expression", sql: sessions + "CREATE INDEX ON sessions ((token + 0))", what: []string{"of_token"}},
		{name: "not valid", sql: sessions + "CREATE INDEX a ON sessions (token); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a'::regclass", what: []string{"of_token"}},
		{name: "within the table", sql: "ALTER TABLE refresh_tokens ADD parent_id int CONSTRAINT parent REFERENCES refresh_tokens ON DELETE SET NULL", what: []string{"parent of public.refresh_tokens (parent_id)"}},
		{name: "composite, in any order", sql: `ALTER TABLE refresh_tokens ADD u int, ADD UNIQUE (u, id); CREATE TABLE s ("T o" int, u int, at int, CONSTRAINT c FOREIGN KEY (u, "T o") REFERENCES refresh_tokens (u, id)); CREATE INDEX ON s ("T o", u, at) WHERE "T o" IS NOT NULL AND u IS NOT NULL`},
		{name: "composite, one of two", sql: `ALTER TABLE refresh_tokens ADD u int, ADD UNIQUE (u, id); CREATE TABLE s (t int, u int, at int, CONSTRAINT c FOREIGN KEY (u, t) REFERENCES refresh_tokens (u, id)); CREATE INDEX ON s (u, at, t)`, what: []string{"c of public.s (u, t)"}, mend: "(u, t)"},
		{name: "further along", sql: "CREATE TABLE a (id int PRIMARY KEY, t int CONSTRAINT a_t REFERENCES refresh_tokens ON DELETE CASCADE); CREATE INDEX ON a (t); CREATE TABLE b (id int PRIMARY KEY, a int CONSTRAINT b_a REFERENCES a ON DELETE CASCADE); CREATE TABLE c (b int CONSTRAINT c_b REFERENCES b)",
			what: []string{"b_a of public.b (a)", "c_b of public.c (b)"}},
		{name: "behind one that stays", sql: "CREATE TABLE a (id int PRIMARY KEY, t int REFERENCES refresh_tokens ON DELETE SET NULL); CREATE INDEX ON a (t); CREATE TABLE b (a int REFERENCES a ON DELETE CASCADE)"},
		{name: "partitions", sql: "CREATE TABLE s (t int CONSTRAINT s_t REFERENCES refresh_tokens, at int) PARTITION BY HASH (t); CREATE TABLE s0 (at int, t int); ALTER TABLE s ATTACH PARTITION s0 FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE s1 PARTITION OF s FOR VALUES WITH (MODULUS 2, REMAINDER 1); CREATE INDEX ON s0 (t)",
			what: []string{"s_t of public.s (t) has no index on 1 of its partitions"}, mend: "CREATE INDEX ON public.s (t) /* it blocks writes"},
		{name: "partitions, each with its own", sql: "CREATE TABLE s (t int CONSTRAINT s_t REFERENCES refresh_tokens, at int) PARTITION BY HASH (t); CREATE TABLE s0 (at int, t int); ALTER TABLE s ATTACH PARTITION s0 FOR VALUES WITH (MODULUS 1, REMAINDER 0); CREATE INDEX ON s0 (t)"},
		{name: "a disabled trigger", sql: sessions + "ALTER TABLE refresh_tokens DISABLE TRIGGER ALL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtemp.Empty(t))
			run(t, conn, strings.Split(tokens, "INSERT")[0]+c.sql)
			state, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Check)
			if err != nil {
				t.Fatal(err)
			}
			if len(state.Warnings) != len(c.what) {
				t.Fatalf("got %+v, want %q", state.Warnings, c.what)
			}
			for i, w := range state.Warnings {
				if !strings.Contains(w.What, c.what[i]) || !strings.Contains(w.Remedy, c.mend) {
					t.Errorf("got %+v, want %q, %q", w, c.what[i], c.mend)
				}
				statement, _, _ := strings.Cut(w.Remedy, "; ")
				run(t, conn, statement)
			}
			if state, err = migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Check); err != nil || state.Warnings != nil {
				t.Errorf("mended, still: %+v, %v", state.Warnings, err)
			}
		})
	}
}
