package migrations_test

import (
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// What version() returns, as each server's documentation and its users show it.
func TestServersAreRecognized(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version string
		dsql    bool
		want    string // "" = supported
	}{
		{version: "CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27 01:53:43, go1.19.10)", want: "row-level TTL"},
		{version: "CockroachDB OSS v20.2.19 (x86_64-unknown-linux-gnu, built 2022/02/09 15:44:30, go1.13.14)", want: "CockroachDB"},
		{version: "PostgreSQL 11.2-YB-2.18.0.1-b0 on x86_64-pc-linux-gnu, compiled by clang version 15.0.3, 64-bit", want: "YugabyteDB"},
		{version: "PostgreSQL 15.2-YB-2.25.0.0-b0 on aarch64-unknown-linux-gnu, compiled by clang version 17.0.6, 64-bit", want: "no ctid"},
		{version: "PostgreSQL 16", dsql: true, want: "Aurora DSQL"},
		{version: "PostgreSQL 16"},
		{version: "PostgreSQL 15.8 (Debian 15.8-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14) 12.2.0, 64-bit"},
		{version: "PostgreSQL 11.7 on x86_64-pc-linux-gnu, compiled by gcc (GCC) 4.9.3, 64-bit"}, // Aurora
	} {
		err := migrations.Supported(c.version, c.dsql)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q, %t: %v", c.version, c.dsql, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q, %t: got %v, want a refusal that says %q", c.version, c.dsql, err, c.want)
		}
	}
}

// A server that has what only Aurora DSQL has is refused before anything is read.
func TestDSQLIsRefusedByName(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtemp.Empty(t))
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA sys; CREATE VIEW sys.iam_pg_role_mappings AS SELECT 1 AS arn"); err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Check); err == nil || !strings.Contains(err.Error(), "Aurora DSQL") {
		t.Errorf("got %v, want a refusal that names the server", err)
	}
}
