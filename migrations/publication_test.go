package migrations_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// The server is the judge: whatever a publication stands in the way of is told, the DELETE works when it is mended as
// told, and what works as it stands is not refused.
func TestPublications(t *testing.T) {
	t.Parallel()
	const (
		keyed  = tokens
		bare   = "CREATE TABLE refresh_tokens (id int, name text, expires_at timestamptz, is_revoked boolean, revoked_at timestamptz); CREATE INDEX ON refresh_tokens (expires_at);"
		all    = "CREATE PUBLICATION p FOR ALL TABLES;"
		one    = "CREATE PUBLICATION p FOR TABLE refresh_tokens;"
		hashed = "CREATE TABLE refresh_tokens (id int PRIMARY KEY, name text, expires_at timestamptz, is_revoked boolean, revoked_at timestamptz) PARTITION BY HASH (id); CREATE INDEX ON refresh_tokens (expires_at); CREATE TABLE p0 (name text, id int NOT NULL, is_revoked boolean, revoked_at timestamptz, expires_at timestamptz); ALTER TABLE refresh_tokens ATTACH PARTITION p0 FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
	)
	for _, c := range []struct {
		name  string
		sql   string
		what  string // "" = it works
		mend  string
		since int // the server's version
	}{
		{name: "a primary key", sql: keyed + one},
		{name: "NOTHING", sql: keyed + one + "ALTER TABLE refresh_tokens REPLICA IDENTITY NOTHING", what: "public.refresh_tokens has no replica identity, and publication p publishes its deletes", mend: "ALTER TABLE public.refresh_tokens REPLICA IDENTITY DEFAULT"},
		{name: "NOTHING, inserts only", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens WITH (publish = 'insert, truncate'); ALTER TABLE refresh_tokens REPLICA IDENTITY NOTHING"},
		{name: "NOTHING, updates only", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens WITH (publish = 'insert, update'); ALTER TABLE refresh_tokens REPLICA IDENTITY NOTHING"},
		{name: "NOTHING, of another table", sql: keyed + "CREATE TABLE o (); CREATE PUBLICATION p FOR TABLE o; ALTER TABLE refresh_tokens REPLICA IDENTITY NOTHING"},
		{name: "NOTHING, unlogged", sql: strings.Replace(keyed, "CREATE TABLE", "CREATE UNLOGGED TABLE", 1) + all + "ALTER TABLE refresh_tokens REPLICA IDENTITY NOTHING"},
		{name: "no key, no publication", sql: bare},
		{name: "no key, all tables", sql: bare + all, what: "has no replica identity", mend: "REPLICA IDENTITY FULL"},
		{name: "no key, FULL", sql: bare + all + "ALTER TABLE refresh_tokens REPLICA IDENTITY FULL"},
		{name: "no key, another unique one", sql: bare + all + `ALTER TABLE refresh_tokens ALTER id SET NOT NULL; CREATE UNIQUE INDEX "A" ON refresh_tokens (id)`, what: "no replica identity", mend: `USING INDEX "A"`},
		{name: "a deferrable key", sql: bare + all + "ALTER TABLE refresh_tokens ADD PRIMARY KEY (id) DEFERRABLE", what: "no replica identity", mend: "FULL"},
		{name: "an index that is gone", sql: keyed + one + "CREATE UNIQUE INDEX a ON refresh_tokens (id); ALTER TABLE refresh_tokens REPLICA IDENTITY USING INDEX a; DROP INDEX a", what: "no replica identity", mend: "DEFAULT"},
		{name: "a schema", sql: bare + "CREATE PUBLICATION p FOR TABLES IN SCHEMA public", what: "no replica identity", mend: "FULL", since: 15},
		{name: "another schema", sql: bare + "CREATE SCHEMA s; CREATE PUBLICATION p FOR TABLES IN SCHEMA s", since: 15},
		{name: "a filter within the identity", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens WHERE (id > 0)", since: 15},
		{name: "a filter beyond it", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens WHERE (id > 0 AND NOT is_revoked AND name <> '{VAR :varno 1 :varattno 3}')", since: 15,
			what: "the row filter of publication p reads is_revoked, name, which the replica identity of public.refresh_tokens does not hold", mend: "REPLICA IDENTITY FULL"},
		{name: "a filter for inserts", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens WHERE (NOT is_revoked) WITH (publish = 'insert')", since: 15},
		{name: "a filter beside all tables", sql: keyed + all + "CREATE PUBLICATION q FOR TABLE refresh_tokens WHERE (NOT is_revoked)", since: 15, what: "publication q reads is_revoked", mend: "FULL"},
		{name: "a filter, FULL", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens WHERE (NOT is_revoked); ALTER TABLE refresh_tokens REPLICA IDENTITY FULL", since: 15},
		{name: "a filter, NOTHING", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens WHERE (id > 0); ALTER TABLE refresh_tokens REPLICA IDENTITY NOTHING", since: 15, what: "no replica identity", mend: "DEFAULT"},
		{name: "a column list with the key", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens (id, name)", since: 15},
		{name: "a column list without it", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens (name, is_revoked) WHERE (id > 0)", since: 15,
			what: "the column list of publication p leaves out id", mend: "ALTER PUBLICATION p DROP TABLE public.refresh_tokens; ALTER PUBLICATION p ADD TABLE public.refresh_tokens (name, is_revoked, id) WHERE ((id > 0))"},
		{name: "a column list and FULL", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens (id); ALTER TABLE refresh_tokens REPLICA IDENTITY FULL", since: 15, what: "replica identity of public.refresh_tokens is FULL", mend: "DEFAULT"},
		{name: "a column list and FULL, no key", sql: bare + "CREATE PUBLICATION p FOR TABLE refresh_tokens (id); ALTER TABLE refresh_tokens REPLICA IDENTITY FULL", since: 15, what: "is FULL", mend: "ADD TABLE public.refresh_tokens /* without its column list */"},
		{name: "a column list and a filter", sql: keyed + "CREATE PUBLICATION p FOR TABLE refresh_tokens (id, name) WHERE (NOT is_revoked)", since: 15, what: "reads is_revoked", mend: "ADD TABLE public.refresh_tokens (id, name) /* without its filter */"},
		{name: "partitions", sql: hashed + one},
		{name: "a partition with NOTHING", sql: hashed + one + "ALTER TABLE p0 REPLICA IDENTITY NOTHING", what: "public.p0 has no replica identity, and publication p", mend: "ALTER TABLE public.p0 REPLICA IDENTITY DEFAULT"},
		{name: "the parent with NOTHING", sql: hashed + one + "ALTER TABLE refresh_tokens REPLICA IDENTITY NOTHING"},
		{name: "a partition published alone", sql: hashed + "CREATE PUBLICATION p FOR TABLE p0; ALTER TABLE p0 REPLICA IDENTITY NOTHING", what: "public.p0 has no", mend: "DEFAULT"},
		{name: "partitions by a filter of the parent", sql: hashed + "CREATE PUBLICATION p FOR TABLE refresh_tokens WHERE (NOT is_revoked) WITH (publish_via_partition_root)", since: 15, what: "reads is_revoked, which the replica identity of public.p0", mend: "ALTER TABLE public.p0 REPLICA IDENTITY FULL"},
		{name: "partitions by a good filter of the parent", sql: hashed + "CREATE PUBLICATION p FOR TABLE refresh_tokens WHERE (id > 0) WITH (publish_via_partition_root)", since: 15},
		{name: "partitions by a list of the parent", sql: hashed + "CREATE PUBLICATION p FOR TABLE refresh_tokens (name) WITH (publish_via_partition_root)", since: 15, what: "leaves out id", mend: "ADD TABLE public.refresh_tokens (name, id)"},
		{name: "the filter of a partition, published as the parent", sql: hashed + "CREATE PUBLICATION p FOR TABLE refresh_tokens, p0 WHERE (NOT is_revoked) WITH (publish_via_partition_root)", since: 15},
		{name: "the filter of a partition", sql: hashed + "CREATE PUBLICATION p FOR TABLE p0 WHERE (NOT is_revoked)", since: 15, what: "reads is_revoked", mend: "ALTER TABLE public.p0 REPLICA IDENTITY FULL"},
		{name: "a partition in a schema that is published", sql: hashed + "CREATE SCHEMA s; ALTER TABLE p0 SET SCHEMA s; CREATE PUBLICATION p FOR TABLES IN SCHEMA s; ALTER TABLE s.p0 REPLICA IDENTITY NOTHING", since: 15, what: "s.p0 has no", mend: "ALTER TABLE s.p0"},
		{name: "what goes with a token", sql: keyed + "CREATE TABLE sessions (token int REFERENCES refresh_tokens ON DELETE CASCADE);" + all, what: "public.sessions has no replica identity, and publication p publishes its deletes: each DELETE fails", mend: "ALTER TABLE public.sessions REPLICA IDENTITY FULL"},
		{name: "what a token is taken from", sql: keyed + "CREATE TABLE sessions (token int REFERENCES refresh_tokens ON DELETE SET NULL);" + all, what: "publishes its updates", mend: "ALTER TABLE public.sessions REPLICA IDENTITY FULL"},
		{name: "what only refers to a token", sql: keyed + "CREATE TABLE sessions (token int REFERENCES refresh_tokens);" + all},
		{name: "other tokens, which are updated", sql: keyed + "ALTER TABLE refresh_tokens ADD parent_id int REFERENCES refresh_tokens ON DELETE SET NULL, REPLICA IDENTITY NOTHING; CREATE PUBLICATION p FOR TABLE refresh_tokens WITH (publish = 'update')", what: "publishes its updates", mend: "DEFAULT"},
		{name: "a generated column in the identity", sql: bare + "ALTER TABLE refresh_tokens ADD g int GENERATED ALWAYS AS (id + 1) STORED; ALTER TABLE refresh_tokens ALTER g SET NOT NULL; CREATE UNIQUE INDEX g ON refresh_tokens (g); ALTER TABLE refresh_tokens REPLICA IDENTITY USING INDEX g;" + all, since: 18,
			what: "holds a generated column that publication p does not publish", mend: "ALTER PUBLICATION p SET (publish_generated_columns = stored)"},
		{name: "a generated column, FULL", sql: keyed + "ALTER TABLE refresh_tokens ADD g int GENERATED ALWAYS AS (id + 1) STORED, REPLICA IDENTITY FULL;" + all, since: 18, what: "holds a generated column", mend: "= stored"},
		{name: "a virtual one, FULL", sql: keyed + "ALTER TABLE refresh_tokens ADD g int GENERATED ALWAYS AS (id + 1) VIRTUAL, REPLICA IDENTITY FULL;" + all, since: 18, what: "holds a generated column", mend: "REPLICA IDENTITY DEFAULT"},
		{name: "a generated column beside it", sql: keyed + "ALTER TABLE refresh_tokens ADD g int GENERATED ALWAYS AS (id + 1) STORED;" + all},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtemp.Empty(t))
			if ask[int](t, conn, "SELECT current_setting('server_version_num')::int / 10000") < c.since {
				t.Skipf("needs PostgreSQL %d", c.since)
			}
			run(t, conn, c.sql)
			const sql = "DELETE FROM refresh_tokens WHERE expires_at < now()"
			_, refused := conn.Exec(t.Context(), sql)
			if (refused != nil) != (c.what != "") {
				t.Errorf("the server says %v", refused)
			}
			_, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Check)
			var contract *migrations.ContractError
			if c.what == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &contract) {
				t.Fatalf("got %v, the server says %v", err, refused)
			}
			t.Log(err)
			if p := contract.Problems[0]; len(contract.Problems) > 1 || !strings.Contains(p.What, c.what) || !strings.Contains(p.Remedy, c.mend) {
				t.Errorf("got %+v", contract.Problems)
			}
			for range 2 { // what is mended may bring up another thing that was hidden
				for _, p := range contract.Problems {
					run(t, conn, p.Remedy)
				}
				_, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Check)
				if !errors.As(err, &contract) {
					break
				}
			}
			if _, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Check); err != nil {
				t.Errorf("mended, still: %v", err)
			}
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Errorf("mended, the server says %v", err)
			}
		})
	}
}
