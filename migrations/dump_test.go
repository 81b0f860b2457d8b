package migrations_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// restricted are lines of newer pg_dumps that hold a random word.
var restricted = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`)

// pgDump must not be older than the server, so the one beside it comes first.
func pgDump(t testing.TB) string {
	path := filepath.Join(pgtemp.Shared(t).BinDir(), "pg_dump")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	return pgtemp.Require(t, "pg_dump")
}

var reference struct {
	once sync.Once
	dump string
}

// headDump is pg_dump's word on the table as real Alembic makes it.
func headDump(t testing.TB) string {
	t.Helper()
	reference.once.Do(func() {
		database := pgtemp.Empty(t)
		newAPI(t, database, "alembic").must(t, "upgrade", "head")
		reference.dump = dump(t, database, "refresh_tokens")
	})
	if reference.dump == "" {
		t.Skip("no dump of the table as Alembic makes it: the test that came here first says why")
	}
	return reference.dump
}

func TestTableIsAsAlembicMakesIt(t *testing.T) {
	t.Parallel()
	theirs := pgtemp.Empty(t)
	alembic := newAPI(t, theirs, "alembic")
	alembic.must(t, "upgrade", "003_add_users")
	before := dump(t, theirs)

	conn := connect(t, theirs)
	if state, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Upgrade); err != nil || !state.Upgraded {
		t.Fatalf("%+v, %v", state, err)
	}
	if got, want := dump(t, theirs, "refresh_tokens"), headDump(t); got != want {
		t.Errorf("we made\n%s\nAlembic makes\n%s", got, want)
	}
	if state, err := migrations.Downgrade(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}); err != nil || state.Revision != "003_add_users" {
		t.Fatalf("%+v, %v", state, err)
	}
	if after := dump(t, theirs); after != before {
		t.Errorf("downgraded, the database is\n%s\nit was\n%s", after, before)
	}

	// The version table as well, where there was none.
	ours := pgtemp.Empty(t)
	conn = connect(t, ours)
	run(t, conn, usersSQL)
	if _, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Stamp); err != nil {
		t.Fatal(err)
	}
	if got, want := dump(t, ours, "alembic_version"), dump(t, theirs, "alembic_version"); got != want {
		t.Errorf("we made\n%s\nAlembic makes\n%s", got, want)
	}
}

// Alembic goes on from where we left off, and we from where it did.
func TestAlembicAfterUs(t *testing.T) {
	t.Parallel()
	pgtemp.Large(t)
	database := pgtemp.Empty(t)
	ours := newAPI(t, database, "alembic")
	ahead := newAPI(t, database, "ahead")
	conn := connect(t, database)
	ensure := func(want migrations.State) {
		t.Helper()
		got, err := migrations.Ensure(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}, migrations.Upgrade)
		if err != nil {
			t.Fatal(err)
		}
		if got.Revision != want.Revision || got.Upgraded != want.Upgraded || got.Ahead != want.Ahead {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	current := func(a api, want string) {
		t.Helper()
		if got := a.must(t, "current"); got != want {
			t.Errorf("alembic current: %q, want %q", got, want)
		}
	}
	ours.must(t, "upgrade", "003_add_users")
	ensure(migrations.State{Revision: migrations.Head, Upgraded: true})
	current(ours, "004_add_refresh_tokens (head)")
	ours.must(t, "upgrade", "head")
	ahead.must(t, "upgrade", "head")
	current(ahead, "005_add_audit_logs (head)")
	ensure(migrations.State{Revision: "005_add_audit_logs", Ahead: true})
	if _, err := migrations.Downgrade(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}); err == nil {
		t.Error("downgraded under the API's feet")
	}
	ahead.must(t, "downgrade", "-1")
	ensure(migrations.State{Revision: migrations.Head})
	ours.must(t, "downgrade", "-1")
	current(ours, "003_add_users")
	ensure(migrations.State{Revision: migrations.Head, Upgraded: true})
	if _, err := migrations.Downgrade(t.Context(), conn, migrations.Names{Table: "refresh_tokens"}); err != nil {
		t.Fatal(err)
	}
	current(ours, "003_add_users")
	ours.must(t, "upgrade", "head")
	ensure(migrations.State{Revision: migrations.Head})
}

// dump is what pg_dump says of a database's schema, or of one table.
func dump(t testing.TB, database string, tables ...string) string {
	t.Helper()
	args := []string{"-s", "-d", database}
	for _, table := range tables {
		args = append(args, "-t", table)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), pgDump(t), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if strings.Contains(stderr.String(), "server version mismatch") {
		const older = "the pg_dump found is older than the server: install the server's own, beside postgres or first in PATH"
		if os.Getenv("TOKEN_JANITOR_TEST_REQUIRE") == "1" {
			t.Fatal(older)
		}
		t.Skip(older)
	}
	if err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, &stderr)
	}
	return restricted.ReplaceAllString(string(out), "")
}
