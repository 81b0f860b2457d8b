package migrations_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// A token and what a DELETE of it must leave: $due expired, $live lives, and old is kept for --keep-revoked.
const tokens = `CREATE TABLE refresh_tokens (id int PRIMARY KEY, name text, expires_at timestamptz, is_revoked boolean, revoked_at timestamptz);
	CREATE INDEX ON refresh_tokens (expires_at);
	INSERT INTO refresh_tokens VALUES (1, 'due', now() - interval '1 day', false, NULL), (2, 'live', now() + interval '1 day', false, NULL),
		(3, 'revoked', now() + interval '1 day', true, now()), (4, 'other', now() + interval '1 day', false, NULL);`

// A foreign key by which the DELETE of one token deletes others, or makes them due or useless, is refused by name in
// each mode; what is told to mend it does, and then the DELETE leaves all others as they were.
func TestForeignKeysThatHarmOtherTokens(t *testing.T) {
	t.Parallel()
	const parents = "ALTER TABLE refresh_tokens ADD parent_id int; UPDATE refresh_tokens SET parent_id = 1 WHERE id IN (2, 3);"
	const self = "FOREIGN KEY (parent_id) REFERENCES refresh_tokens"
	for _, c := range []struct {
		name  string
		sql   string
		what  [][]string // of each problem, in order, what it names
		mend  []string   // of each problem, what its remedy has
		stays bool       // mended, a token that others refer to stays
		since int        // the server's version
		until int        // the same, 0 = any
	}{
		{name: "within the table", sql: tokens + parents + "ALTER TABLE refresh_tokens ADD CONSTRAINT family " + self + " ON DELETE CASCADE",
			what: [][]string{{"deletes other tokens", "family of public.refresh_tokens (ON DELETE CASCADE)"}},
			mend: []string{"ALTER TABLE public.refresh_tokens DROP CONSTRAINT family, ADD CONSTRAINT family FOREIGN KEY (parent_id) REFERENCES public.refresh_tokens (id) ON DELETE SET NULL NOT VALID; ALTER TABLE public.refresh_tokens VALIDATE CONSTRAINT family"}},
		{name: "all that a key can be", sql: tokens + parents + `ALTER TABLE refresh_tokens ADD CONSTRAINT "Fam; ily" ` + self + " MATCH FULL ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED NOT VALID",
			what: [][]string{{`"Fam; ily"`}},
			mend: []string{"MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED NOT VALID"}},
		{name: "no NULL", sql: tokens + parents + "UPDATE refresh_tokens SET parent_id = id WHERE parent_id IS NULL; ALTER TABLE refresh_tokens ALTER parent_id SET NOT NULL, ADD CONSTRAINT family " + self + " ON DELETE CASCADE",
			what: [][]string{{"family"}}, mend: []string{"ALTER COLUMN parent_id DROP NOT NULL; ALTER TABLE"}},
		{name: "NULL that may not be", sql: tokens + parents + "UPDATE refresh_tokens SET parent_id = id WHERE parent_id IS NULL; ALTER TABLE refresh_tokens ALTER parent_id SET NOT NULL, ADD CONSTRAINT family " + self + " ON DELETE SET NULL",
			what: [][]string{{"family", "parent_id", "may not be"}}, mend: []string{"ALTER COLUMN parent_id DROP NOT NULL"}},
		{name: "through a second table", sql: tokens + `CREATE TABLE families (id int PRIMARY KEY, root int CONSTRAINT root REFERENCES refresh_tokens ON DELETE CASCADE);
			INSERT INTO families VALUES (7, 1); ALTER TABLE refresh_tokens ADD family int CONSTRAINT member REFERENCES families ON DELETE CASCADE; UPDATE refresh_tokens SET family = 7`,
			what: [][]string{{"deletes other tokens", "root of public.families", "then", "member of public.refresh_tokens"}},
			mend: []string{"ALTER TABLE public.families DROP CONSTRAINT root, ADD CONSTRAINT root FOREIGN KEY (root) REFERENCES public.refresh_tokens (id) ON DELETE SET NULL"}},
		{name: "the second link, where the first may not be NULL", sql: tokens + `CREATE TABLE families (id int PRIMARY KEY, root int NOT NULL CONSTRAINT root REFERENCES refresh_tokens ON DELETE CASCADE);
			INSERT INTO families VALUES (7, 1); ALTER TABLE refresh_tokens ADD family int CONSTRAINT member REFERENCES families ON DELETE CASCADE; UPDATE refresh_tokens SET family = 7`,
			what: [][]string{{"root", "member"}}, mend: []string{"DROP CONSTRAINT member"}},
		{name: "through two tables and another schema", sql: tokens + `CREATE SCHEMA "Au th"; CREATE TABLE "Au th".devices (id int PRIMARY KEY, token int CONSTRAINT device_token REFERENCES refresh_tokens ON DELETE CASCADE);
			CREATE TABLE sessions (id int PRIMARY KEY, device int CONSTRAINT session_device REFERENCES "Au th".devices ON DELETE CASCADE);
			INSERT INTO "Au th".devices VALUES (5, 1); INSERT INTO sessions VALUES (6, 5);
			ALTER TABLE refresh_tokens ADD session int CONSTRAINT token_session REFERENCES sessions ON DELETE CASCADE; UPDATE refresh_tokens SET session = 6`,
			what: [][]string{{`device_token of "Au th".devices`, "session_device of public.sessions", "token_session of public.refresh_tokens"}},
			mend: []string{`ALTER TABLE "Au th".devices DROP CONSTRAINT device_token`}},
		{name: "two ways back", sql: tokens + parents + `CREATE TABLE a (id int PRIMARY KEY, t int CONSTRAINT a_t REFERENCES refresh_tokens ON DELETE CASCADE, a int CONSTRAINT a_a REFERENCES a ON DELETE CASCADE);
			CREATE TABLE b (id int PRIMARY KEY, a int CONSTRAINT b_a REFERENCES a ON DELETE CASCADE); INSERT INTO a VALUES (5, 1); INSERT INTO b VALUES (6, 5);
			ALTER TABLE refresh_tokens ADD CONSTRAINT family ` + self + ` ON DELETE CASCADE, ADD a int CONSTRAINT t_a REFERENCES a ON DELETE CASCADE, ADD b int CONSTRAINT t_b REFERENCES b ON DELETE CASCADE;
			UPDATE refresh_tokens SET a = 5, b = 6 WHERE id = 4`,
			what: [][]string{{"family"}, {"a_t", "t_a"}, {"a_t", "b_a", "t_b"}}, mend: []string{"family", "a_t", "a_t"}},
		{name: "composite", sql: tokens + parents + `ALTER TABLE refresh_tokens ADD user_id int DEFAULT 1 NOT NULL, ADD UNIQUE (user_id, id);
			ALTER TABLE refresh_tokens ADD CONSTRAINT family FOREIGN KEY (user_id, parent_id) REFERENCES refresh_tokens (user_id, id) ON DELETE CASCADE`,
			what: [][]string{{"family"}}, mend: []string{"(user_id, parent_id) REFERENCES public.refresh_tokens (user_id, id) ON DELETE SET NULL (parent_id)"}, since: 15},
		{name: "composite, where NULL takes all of its columns", sql: tokens + parents + `ALTER TABLE refresh_tokens ADD user_id int DEFAULT 1 NOT NULL, ADD UNIQUE (user_id, id);
			ALTER TABLE refresh_tokens ADD CONSTRAINT family FOREIGN KEY (user_id, parent_id) REFERENCES refresh_tokens (user_id, id) ON DELETE CASCADE`,
			what: [][]string{{"family"}}, mend: []string{"/* a token stays for as long as a row refers to it */"}, stays: true, until: 14},
		{name: "composite, and NULL takes the user along", sql: tokens + parents + `CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1); ALTER TABLE refresh_tokens ADD user_id int DEFAULT 1 REFERENCES users, ADD UNIQUE (user_id, id);
			ALTER TABLE refresh_tokens ADD CONSTRAINT family FOREIGN KEY (user_id, parent_id) REFERENCES refresh_tokens (user_id, id) ON DELETE SET NULL`,
			what: [][]string{{"family", "sets user_id of other tokens to NULL"}}, mend: []string{"ON DELETE SET NULL (parent_id)"}, since: 15},
		{name: "partitioned", sql: `CREATE TABLE refresh_tokens (id int, name text, expires_at timestamptz, is_revoked boolean, revoked_at timestamptz, parent_id int, parent_expires_at timestamptz, PRIMARY KEY (id, expires_at)) PARTITION BY RANGE (expires_at);
			CREATE INDEX ON refresh_tokens (expires_at); CREATE TABLE past PARTITION OF refresh_tokens FOR VALUES FROM (MINVALUE) TO ('2020-01-01'); CREATE TABLE present PARTITION OF refresh_tokens DEFAULT;
			ALTER TABLE refresh_tokens ADD CONSTRAINT family FOREIGN KEY (parent_id, parent_expires_at) REFERENCES refresh_tokens ON DELETE CASCADE;
			INSERT INTO refresh_tokens VALUES (1, 'due', '2019-01-01', false); INSERT INTO refresh_tokens VALUES (2, 'live', now() + interval '1 day', false, NULL, 1, '2019-01-01')`,
			what: [][]string{{"family of public.refresh_tokens"}}, mend: []string{"ON DELETE SET NULL"}},
		{name: "a partition alone", sql: `CREATE TABLE tokens (id int PRIMARY KEY, name text, expires_at timestamptz, is_revoked boolean, revoked_at timestamptz, parent_id int) PARTITION BY RANGE (id);
			CREATE TABLE refresh_tokens PARTITION OF tokens FOR VALUES FROM (1) TO (10); CREATE TABLE others PARTITION OF tokens DEFAULT; CREATE INDEX ON refresh_tokens (expires_at);
			ALTER TABLE tokens ADD CONSTRAINT family FOREIGN KEY (parent_id) REFERENCES tokens ON DELETE CASCADE;
			INSERT INTO tokens VALUES (1, 'due', '2019-01-01', false); INSERT INTO tokens VALUES (2, 'live', now() + interval '1 day', false, NULL, 1), (11, 'elsewhere', now() + interval '1 day', false, NULL, 1)`,
			what: [][]string{{"family of public.tokens"}}, mend: []string{"ALTER TABLE public.tokens DROP CONSTRAINT family"}},
		{name: "from a neighbour of a partition", sql: `CREATE TABLE tokens (id int PRIMARY KEY, name text, expires_at timestamptz, is_revoked boolean, revoked_at timestamptz, parent_id int) PARTITION BY RANGE (id);
			CREATE TABLE refresh_tokens PARTITION OF tokens FOR VALUES FROM (1) TO (10); CREATE TABLE others PARTITION OF tokens DEFAULT; CREATE INDEX ON refresh_tokens (expires_at);
			ALTER TABLE others ADD CONSTRAINT family FOREIGN KEY (parent_id) REFERENCES refresh_tokens ON DELETE CASCADE;
			INSERT INTO tokens VALUES (1, 'due', '2019-01-01', false); INSERT INTO tokens VALUES (11, 'elsewhere', now() + interval '1 day', false, NULL, 1)`,
			what: [][]string{{"family of public.others"}}, mend: []string{"ALTER TABLE public.others DROP CONSTRAINT family"}},
		{name: "by way of a partitioned table", sql: tokens + `CREATE TABLE events (id int, token int CONSTRAINT event_token REFERENCES refresh_tokens ON DELETE CASCADE, PRIMARY KEY (id)) PARTITION BY HASH (id);
			CREATE TABLE e0 PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE e1 PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 1);
			INSERT INTO events VALUES (8, 1), (9, 1); ALTER TABLE refresh_tokens ADD event int CONSTRAINT token_event REFERENCES events ON DELETE CASCADE; UPDATE refresh_tokens SET event = id + 6 WHERE id IN (2, 3)`,
			what: [][]string{{"event_token of public.events", "token_event"}}, mend: []string{"ALTER TABLE public.events DROP CONSTRAINT event_token"}},
		{name: "a column of the rules", sql: tokens + `CREATE TABLE states (is_revoked boolean PRIMARY KEY, token int CONSTRAINT state_token REFERENCES refresh_tokens ON DELETE CASCADE); INSERT INTO states VALUES (true, 1), (false, NULL);
			ALTER TABLE refresh_tokens ADD CONSTRAINT state FOREIGN KEY (is_revoked) REFERENCES states ON DELETE SET NULL`,
			what: [][]string{{"sets is_revoked of other tokens to NULL", "state_token", "state"}}, mend: []string{"state_token"}},
		{name: "a column that one of the rules is made of", sql: tokens + `ALTER TABLE refresh_tokens DROP is_revoked, ADD parent_id int CONSTRAINT family REFERENCES refresh_tokens ON DELETE SET NULL; ALTER TABLE refresh_tokens ADD is_revoked boolean GENERATED ALWAYS AS (parent_id IS NULL) STORED;
			UPDATE refresh_tokens SET parent_id = 1 WHERE id = 2`,
			what: [][]string{{"sets parent_id of other tokens to NULL, which the rules read"}}, mend: []string{"family"}, stays: true},
		{name: "a default", sql: tokens + "ALTER TABLE refresh_tokens ADD parent_id int DEFAULT 4 CONSTRAINT family REFERENCES refresh_tokens ON DELETE SET DEFAULT; UPDATE refresh_tokens SET parent_id = 1 WHERE id IN (2, 3)",
			what: [][]string{{"sets parent_id of other tokens to what it is by default", "ON DELETE SET DEFAULT"}}, mend: []string{"SET NULL"}},
		{name: "by ON UPDATE", sql: tokens + `CREATE TABLE states (head int UNIQUE CONSTRAINT state_head REFERENCES refresh_tokens ON DELETE SET NULL); INSERT INTO states VALUES (1);
			ALTER TABLE refresh_tokens ADD head int NOT NULL DEFAULT 1 CONSTRAINT token_head REFERENCES states (head) ON UPDATE CASCADE`,
			what: [][]string{{"sets head of other tokens to NULL, which it may not be", "state_head of public.states (ON DELETE SET NULL), then", "token_head of public.refresh_tokens (ON UPDATE CASCADE)"}},
			mend: []string{"FOREIGN KEY (head) REFERENCES public.states (head) NOT VALID"}, stays: true},
		{name: "by ON UPDATE of a generated column", sql: tokens + `CREATE TABLE states (token int CONSTRAINT state_token REFERENCES refresh_tokens ON DELETE SET NULL,
				until timestamptz GENERATED ALWAYS AS (CASE WHEN token IS NULL THEN to_timestamp(0) ELSE to_timestamp(4e9) END) STORED UNIQUE); INSERT INTO states VALUES (1);
			UPDATE refresh_tokens SET expires_at = to_timestamp(4e9) WHERE name <> 'due'; ALTER TABLE refresh_tokens ADD CONSTRAINT token_until FOREIGN KEY (expires_at) REFERENCES states (until) ON UPDATE CASCADE NOT VALID`,
			what: [][]string{{"sets expires_at of other tokens to what another column comes to", "state_token of public.states (ON DELETE SET NULL), then", "token_until of public.refresh_tokens (ON UPDATE CASCADE)"}},
			mend: []string{"FOREIGN KEY (expires_at) REFERENCES public.states (until) NOT VALID"}, stays: true},
		{name: "by two generated columns", sql: tokens + `CREATE TABLE a (token int CONSTRAINT a_token REFERENCES refresh_tokens ON DELETE SET NULL, g int GENERATED ALWAYS AS (coalesce(token, 0)) STORED UNIQUE);
			CREATE TABLE b (g int CONSTRAINT b_g REFERENCES a (g) ON UPDATE CASCADE, h int GENERATED ALWAYS AS (g + 1) STORED UNIQUE); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);
			ALTER TABLE refresh_tokens ADD h int DEFAULT 2 CONSTRAINT token_h REFERENCES b (h) ON UPDATE SET DEFAULT`,
			what: [][]string{{"sets h of other tokens", "a_token", "b_g", "token_h of public.refresh_tokens (ON UPDATE SET DEFAULT)"}}, mend: []string{"DROP CONSTRAINT b_g"}, stays: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			database := pgtemp.Empty(t)
			conn := connect(t, database)
			if v := ask[int](t, conn, "SELECT current_setting('server_version_num')::int / 10000"); v < c.since || c.until > 0 && v > c.until {
				t.Skipf("is not for PostgreSQL %d", v)
			}
			run(t, conn, c.sql)
			const others = "SELECT string_agg(k::text, ' ' ORDER BY k::text) FROM (SELECT name, is_revoked, expires_at, revoked_at FROM %s WHERE name <> 'due') AS k"
			table := "refresh_tokens"
			if ask[bool](t, conn, "SELECT to_regclass('tokens') IS NOT NULL") {
				table = "tokens"
			}
			before := ask[string](t, conn, strings.ReplaceAll(others, "%s", table))

			var contract *migrations.ContractError
			for _, mode := range []migrations.Mode{migrations.Upgrade, migrations.Check} {
				_, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, mode)
				if !errors.As(err, &contract) {
					t.Fatalf("%s: got %v", mode, err)
				}
				if mode == migrations.Check {
					t.Log(err)
				}
			}
			if len(contract.Problems) != len(c.what) {
				t.Fatalf("got %d problems, want %d: %v", len(contract.Problems), len(c.what), contract)
			}
			for i, p := range contract.Problems {
				for _, what := range c.what[i] {
					if !strings.Contains(p.What, what) {
						t.Errorf("problem %d is %q, want %q in it", i, p.What, what)
					}
				}
				if !strings.Contains(p.Remedy, c.mend[i]) {
					t.Errorf("remedy %d is %q, want %q in it", i, p.Remedy, c.mend[i])
				}
				run(t, conn, p.Remedy)
			}
			if _, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Check); err != nil {
				t.Fatalf("mended, still: %v", err)
			}

			_, err := conn.Exec(t.Context(), "DELETE FROM refresh_tokens WHERE name = 'due'")
			var answer *pgconn.PgError
			if c.stays != (errors.As(err, &answer) && answer.Code == "23503") || err != nil && !c.stays {
				t.Errorf("the DELETE says %v", err)
			}
			if after := ask[string](t, conn, strings.ReplaceAll(others, "%s", table)); after != before {
				t.Errorf("others are %s, were %s", after, before)
			}
		})
	}
}

// Foreign keys that leave all other tokens as they are.
func TestForeignKeysThatHarmNone(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"NULL for the parent":          "ALTER TABLE refresh_tokens ADD parent_id int REFERENCES refresh_tokens ON DELETE SET NULL",
		"NULL by default":              "ALTER TABLE refresh_tokens ADD parent_id int DEFAULT NULL::int REFERENCES refresh_tokens ON DELETE SET DEFAULT",
		"no action":                    "ALTER TABLE refresh_tokens ADD parent_id int NOT NULL REFERENCES refresh_tokens DEFERRABLE, ADD replaced_by int REFERENCES refresh_tokens ON DELETE RESTRICT",
		"only ON UPDATE":               "ALTER TABLE refresh_tokens ADD parent_id int REFERENCES refresh_tokens ON UPDATE CASCADE",
		"to another table":             "CREATE TABLE users (id int PRIMARY KEY); ALTER TABLE refresh_tokens ADD user_id int DEFAULT 1 REFERENCES users ON DELETE CASCADE",
		"from another table":           "CREATE TABLE audits (token int REFERENCES refresh_tokens ON DELETE CASCADE)",
		"around others":                "CREATE TABLE a (id int PRIMARY KEY, b int, t int REFERENCES refresh_tokens ON DELETE CASCADE); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE); ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE CASCADE",
		"a chain that ends in between": "CREATE TABLE f (id int PRIMARY KEY, root int REFERENCES refresh_tokens ON DELETE SET NULL); ALTER TABLE refresh_tokens ADD f int REFERENCES f ON DELETE CASCADE",
		"a chain that refuses":         "CREATE TABLE f (id int PRIMARY KEY, root int REFERENCES refresh_tokens ON DELETE CASCADE); ALTER TABLE refresh_tokens ADD f int NOT NULL REFERENCES f",
		"a disabled trigger":           "ALTER TABLE refresh_tokens ADD parent_id int REFERENCES refresh_tokens ON DELETE CASCADE; ALTER TABLE refresh_tokens DISABLE TRIGGER ALL",
		"not enforced (PostgreSQL 18)": "DO $$ BEGIN IF current_setting('server_version_num')::int >= 180000 THEN EXECUTE 'ALTER TABLE refresh_tokens ADD parent_id int REFERENCES refresh_tokens ON DELETE CASCADE NOT ENFORCED'; END IF; END $$",
		"twenty tables, each to each":  "DO $$ BEGIN FOR i IN 1 .. 20 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, token int %s)', i, CASE WHEN i = 1 THEN 'REFERENCES refresh_tokens ON DELETE CASCADE' END); END LOOP; FOR i IN 1 .. 20 LOOP FOR j IN 1 .. 20 LOOP EXECUTE format('ALTER TABLE t%s ADD r%s int REFERENCES t%s ON DELETE CASCADE', i, j, j); END LOOP; END LOOP; END $$",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtemp.Empty(t))
			run(t, conn, strings.Split(tokens, "INSERT")[0]+sql)
			if _, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Check); err != nil {
				t.Error(err)
			}
		})
	}
}
