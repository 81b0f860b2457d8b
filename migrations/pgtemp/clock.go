package pgtemp

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fakers are the places of libfaketime, which Debian has in a folder for each architecture. Not the one for programs
// of several threads: it takes a lock to tell the time, and PostgreSQL asks for the time in signal handlers.
const fakers = "/usr/lib/*/faketime/libfaketime.so.1"

// Faked gives the server a clock of its own, which [Server.SetClock] moves. The test is skipped without Debian's faketime,
// as by [Require].
//
// Where the clock is ahead, a lock_timeout or statement_timeout that ends while the server sleeps comes as much too late:
// libfaketime shows the true clock to a signal handler that interrupts epoll_wait.
func Faked(t testing.TB) Option {
	t.Helper()
	Require(t, "faketime")
	found, err := filepath.Glob(fakers)
	if err != nil || len(found) == 0 {
		t.Fatalf("faketime is there and %s is not (%v)", fakers, err)
	}
	return func(c *config) { c.faker = found[0] }
}

// SetClock moves the clock of a server that is [Faked], at once and for all its processes, to so long ahead of the true
// one, or behind it.
func (s *Server) SetClock(ahead time.Duration) error {
	file := filepath.Join(s.dir, "clock")
	// In one step: a process may read it at any moment.
	err := os.WriteFile(file+".new", fmt.Appendf(nil, "%+.6f\n", ahead.Seconds()), 0o644)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		return fmt.Errorf("set the server's clock: %w", err)
	}
	return nil
}
