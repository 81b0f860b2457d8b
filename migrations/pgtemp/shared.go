package pgtemp

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// shared is the one server of a test binary: the tests of a package cannot hand it to each other.
var shared struct {
	start  sync.Once
	server *Server
	err    error

	databases atomic.Int64
}

// Main runs the tests of a package that uses [Shared], [Empty] or [From], stops the shared server and exits:
//
//	func TestMain(m *testing.M) { pgtemp.Main(m) }
//
// Without it the server ends with the test binary as well, but nobody hears of it if that goes wrong.
//
// Most tests wait for a server for longer than they compute, so twice as many run at a time as go test would run,
// unless its -parallel says how many.
func Main(m *testing.M) {
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtemp:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Shared returns the test binary's server, which the first call starts. If it does not start, every test that
// asks fails, with the same words.
func Shared(t testing.TB) *Server {
	t.Helper()
	// Not t.Context: the server outlives the test that happened to be first.
	shared.start.Do(func() { shared.server, shared.err = Start(context.Background()) })
	if shared.err != nil {
		t.Fatalf("pgtemp: %v", shared.err)
	}
	return shared.server
}

// Empty returns the URL of a new empty database on the shared server, which goes with the test.
func Empty(t testing.TB) string {
	t.Helper()
	return From(t, "template1")
}

// From returns the URL of a new database on the shared server that is a copy of template, to which nobody may be
// connected. It goes with the test.
func From(t testing.TB, template string) string {
	t.Helper()
	s := Shared(t)
	name := databaseName(t.Name(), shared.databases.Add(1))
	if err := s.Clone(t.Context(), name, template); err != nil {
		t.Fatalf("pgtemp: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Drop(context.Background(), name); err != nil {
			t.Errorf("pgtemp: %v", err)
		}
	})
	return s.URL(name)
}

// databaseName tells the test in the server's log and in pg_stat_activity; n makes it unique.
func databaseName(test string, n int64) string {
	slug := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(test))
	// PostgreSQL cuts names at 63 bytes; the number takes up to 20.
	return fmt.Sprintf("%.40s_%d", slug, n)
}
