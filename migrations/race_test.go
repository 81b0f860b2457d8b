package migrations_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// How an env.py may hold its transactions: one for all revisions, one for each, and one for each under an asyncio
// engine's style of connection.
var transactions = map[string][]string{
	"one":             nil,
	"each":            {"per_migration=1"},
	"each, 2.0 style": {"per_migration=1", "future=1"},
}

// boot is what a janitor does at its start: it tries again for as long as the schema is not ready.
func boot(ctx context.Context, database string, mode migrations.Mode) (migrations.State, error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return migrations.State{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		state, err := migrations.Ensure(ctx, conn, migrations.Names{Table: "refresh_tokens"}, mode)
		var notReady *migrations.NotReadyError
		if !errors.As(err, &notReady) || ctx.Err() != nil {
			return state, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond): // as often as a daemon never would, but not all the time
		}
	}
}

type booted struct {
	state migrations.State
	err   error
}

// boots starts n janitors and returns where each reports.
func boots(t *testing.T, database string, n int, mode migrations.Mode) <-chan booted {
	done := make(chan booted, n)
	for range n {
		go func() {
			state, err := boot(t.Context(), database, mode)
			done <- booted{state, err}
		}()
	}
	return done
}

func await(t *testing.T, done <-chan booted) (upgrades int) {
	t.Helper()
	for range cap(done) {
		b := <-done
		if b.err != nil {
			t.Errorf("a janitor failed: %v", b.err)
		} else if !b.state.AtHead {
			t.Errorf("a janitor is not at head: %+v", b.state)
		}
		if b.state.Upgraded {
			upgrades++
		}
	}
	return upgrades
}

// start runs Alembic beside the test; the returned function awaits its end, which must be a good one.
func (a api) start(t *testing.T, args ...string) (await func()) {
	t.Helper()
	cmd := a.command(t.Context(), args...)
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := cmd.Wait(); err != nil {
			t.Errorf("alembic failed: %v\n%s", err, out)
		}
	}
}

// Alembic stands still in the middle of a migration, for longer than any pause of ours: no janitor may take the step
// for it, or Alembic would find it done. All cases wait at once, for waiting is most of it.
func TestSlowAlembic(t *testing.T) {
	pgtemp.Large(t)
	t.Parallel()
	type slow struct {
		name, database string
		api            api
		test           *pgx.Conn
		alembic        func()
		janitors       <-chan booted
	}
	var cases []*slow
	for name, settings := range transactions {
		for _, gate := range []string{"003", "004-begin", "004-table", "004-end"} {
			c := &slow{name: name + "/" + gate, database: pgtemp.Empty(t)}
			c.api = newAPI(t, c.database, "alembic", append(settings[:len(settings):len(settings)], "gate="+gate)...)
			c.test = connect(t, c.database)
			run(t, c.test, "SELECT pg_advisory_lock(7)")
			c.alembic = c.api.start(t, "upgrade", "head")
			cases = append(cases, c)
		}
	}
	for _, c := range cases {
		until(t, c.test, `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 7
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`)
	}

	// Longer than the schema has to have been quiet for.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var early sync.WaitGroup
	for _, c := range cases {
		early.Go(func() {
			if state, err := boot(ctx, c.database, migrations.Upgrade); err == nil || state.Upgraded {
				t.Errorf("%s: a janitor came first: %+v", c.name, state)
			}
		})
	}
	early.Wait()

	for _, c := range cases {
		c.janitors = boots(t, c.database, 2, migrations.Upgrade)
		run(t, c.test, "SELECT pg_advisory_unlock(7)")
	}
	for _, c := range cases {
		c.alembic()
		if n := await(t, c.janitors); n != 0 {
			t.Errorf("%s: %d janitors upgraded", c.name, n)
		}
		if got := ask[string](t, c.test, "SELECT version_num FROM alembic_version"); got != migrations.Head {
			t.Errorf("%s: alembic_version says %s", c.name, got)
		}
	}
}

// All start at once: a fresh database, and one that an earlier release of the API left at 003.
func TestRace(t *testing.T) {
	t.Parallel()
	rounds := 1
	if pgtemp.Required() {
		rounds = 2
	}
	for name, settings := range transactions {
		for _, from := range []string{"nothing", "003"} {
			for round := range rounds {
				t.Run(fmt.Sprintf("%s/%s/%d", name, from, round), func(t *testing.T) {
					t.Parallel()
					database := pgtemp.Empty(t)
					if from == "003" {
						database = atParent(t)
					}
					api := newAPI(t, database, "alembic", settings...)
					alembic := api.start(t, "upgrade", "head")
					janitors := boots(t, database, 3, migrations.Upgrade)
					alembic()
					if n := await(t, janitors); n > 1 {
						t.Errorf("%d janitors upgraded", n)
					}
					if got, want := dump(t, database, "refresh_tokens"), headDump(t); got != want {
						t.Errorf("the table is\n%s\nwant\n%s", got, want)
					}
				})
			}
		}
	}
}

// A transaction of the API's keeps everybody from adding a foreign key to users.
func TestEverybodyWaitsForUsers(t *testing.T) {
	t.Parallel()
	database := atParent(t)
	test := connect(t, database)
	run(t, test, "BEGIN; INSERT INTO users VALUES (gen_random_uuid(), 'a@example.org')")
	janitors := boots(t, database, 3, migrations.Upgrade)
	alembic := newAPI(t, database, "alembic").start(t, "upgrade", "head")
	watcher := connect(t, database)
	until(t, watcher, "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'users'::regclass AND NOT granted)")
	run(t, test, "COMMIT")
	alembic()
	await(t, janitors)
}

// Without Alembic: many janitors of a fleet find a database that needs all, the version table included.
func TestJanitorsRace(t *testing.T) {
	t.Parallel()
	database := pgtemp.Empty(t)
	run(t, connect(t, database), usersSQL)
	if n := await(t, boots(t, database, 6, migrations.Stamp)); n != 1 {
		t.Errorf("%d janitors upgraded, want one", n)
	}
}
