package main

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// soakBriefly is how long TestSoak works in CI.
const soakBriefly = 20 * time.Second

var (
	soakFor  = flag.Duration("soak.for", soakBriefly, "how long TestSoak works")
	soakSeed = flag.Uint64("soak.seed", 0, "which faults TestSoak brings, and when; 0 = others each time")
	soakRate = flag.Int("soak.rate", 300, "calls of TestSoak's API a second")
	soakCalm = flag.Bool("soak.calm", false, "TestSoak brings no fault that ends processes or connections")
)

// soak is a server, an API that does everything, janitors, and what happens to them.
type soak struct {
	seed   uint64
	server *pgtemp.Server
	binary string // the janitor's
	url    string // of the database
	api    *api
	book   ledger
	posts  []*post
	wrong  *trouble

	down     downtime
	serving  sync.RWMutex // held by who stops the server, and shared by who needs it
	changing sync.Mutex   // held by who changes the table

	backlogged, cascaded, doubtful, excused atomic.Int64 // rows, rows, rows, calls

	mu     sync.Mutex
	faults map[string]int
}

// TestSoak lets the API, three janitors and faults at random loose on a server, for as long as asked. Meanwhile the
// ledger is checked round and round; in the end nothing that is due is left, and the janitors' counts are true.
//
//	go test ./cmd/demo -run TestSoak -v -timeout 0 -soak.for 30m -soak.rate 1000
func TestSoak(t *testing.T) {
	if *soakFor == soakBriefly {
		pgtemp.Large(t)
	}
	t.Parallel()
	s := &soak{seed: *soakSeed, faults: map[string]int{}, book: ledger{keep: brisk}}
	for s.seed == 0 {
		s.seed = rand.Uint64()
	}
	t.Logf("soak.seed %d", s.seed)
	s.set(t)
	figures, err := s.play(t.Context())
	if err != nil {
		t.Fatalf("soak.seed %d: %v", s.seed, err)
	}
	t.Log(figures)
}

// set makes all that it takes; all of it goes with the test.
func (s *soak) set(t *testing.T) {
	ctx := t.Context()
	dir, binary, err := buildDaemon(ctx)
	s.binary = binary
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	// What is committed has to outlast a crash of the server, though not one of the machine.
	s.server, err = pgtemp.Start(ctx, pgtemp.Setting("synchronous_commit", "on"), pgtemp.Setting("autovacuum_naptime", "10s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	s.url = s.server.URL("soak")
	if err := s.server.Create(ctx, "soak"); err != nil {
		t.Fatal(err)
	}
	// The pooler's own patience with a server that was down is longer than the API's.
	pooled := pgtemp.Bouncer(t, s.url, "transaction", "default_pool_size = 10", "server_login_retry = 0.1")
	s.api = &api{
		url: pooled + "&default_query_exec_mode=exec", rate: *soakRate, mix: s.everything(), life: briskLife, book: &s.book, excuse: s.excuse,
	}
	if err := s.connected(ctx, func(conn *pgx.Conn) (err error) {
		if _, err := migrationstest.Apply(ctx, conn); err != nil {
			return err
		}
		s.api.idle, err = loadUsers(ctx, conn)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	near, nearURL := through(t, s.url)
	far, farURL := through(t, s.url)
	s.posts = []*post{
		{binary: binary, url: pooled, lasting: true},
		{binary: binary, url: nearURL + "&application_name=" + direct, link: near},
		{binary: binary, url: farURL + "&application_name=" + direct, link: far, flags: []string{"--token-lifetime=1h"}},
	}
	for _, p := range s.posts {
		t.Cleanup(func() {
			if p.daemon != nil {
				_ = p.daemon.stop() // its end has been told, if it mattered
			}
		})
		if err := p.begin(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// play lets all of them work, then looks at what they leave.
func (s *soak) play(ctx context.Context) (figures string, err error) {
	working, end := context.WithCancel(ctx)
	defer end()
	s.wrong = &trouble{end: end}
	var workers sync.WaitGroup
	workers.Go(func() { s.api.serve(working, s.wrong) })
	workers.Go(func() { s.wrong.note(s.watch(working)) })
	for _, p := range s.posts {
		workers.Go(func() { s.wrong.note(p.watch(working)) })
	}
	striking, over := context.WithTimeout(working, *soakFor)
	defer over()
	began := time.Now()
	s.strike(striking)
	end()
	workers.Wait()
	took := time.Since(began)
	if err := s.wrong.first(); err != nil {
		return "", err
	}
	for _, p := range s.posts {
		if err := p.leave(ctx); err != nil {
			return "", err
		}
	}
	err = s.connected(ctx, func(conn *pgx.Conn) (err error) {
		figures, err = s.settle(ctx, conn, took)
		return err
	})
	return figures, err
}
