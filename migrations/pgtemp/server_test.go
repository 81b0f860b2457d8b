//go:build unix

package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestServerIsAsDocumented(t *testing.T) {
	t.Parallel()
	s := Shared(t)
	conn := connect(t, s.URL("postgres"))
	for _, c := range []struct{ show, want string }{
		{"fsync", "off"},
		{"synchronous_commit", "off"},
		{"full_page_writes", "off"},
		{"max_connections", "200"},
		{"listen_addresses", "127.0.0.1"},
		{"unix_socket_directories", ""},
		{"server_encoding", "UTF8"},
		{"is_superuser", "on"},
		{"session_authorization", "postgres"},
	} {
		if got := show(t, conn, c.show); got != c.want {
			t.Errorf("%s is %q, want %q", c.show, got, c.want)
		}
	}
	if got, _, _ := strings.Cut(show(t, conn, "server_version"), " "); got != s.Version() {
		t.Errorf("the server is of version %s, Version says %s", got, s.Version())
	}
	if _, err := os.Stat(filepath.Join(s.BinDir(), "postgres")); err != nil {
		t.Errorf("BinDir: %v", err)
	}
}

func TestOptionsReachTheServer(t *testing.T) {
	t.Parallel()
	parent := openDir(t)
	awkward := "it's a \\ and a\nline # no comment"
	s := start(t, Durable(), In(parent), Setting("max_connections", "31"), Setting("pgtemp.awkward", awkward), Setting("port", "1"))
	conn := connect(t, s.URL("postgres"))
	for _, c := range []struct{ show, want string }{
		{"fsync", "on"},
		{"synchronous_commit", "on"},
		{"full_page_writes", "on"},
		{"max_connections", "31"},
		{"pgtemp.awkward", awkward},
	} {
		if got := show(t, conn, c.show); got != c.want {
			t.Errorf("%s is %q, want %q", c.show, got, c.want)
		}
	}
	if got := filepath.Dir(filepath.Dir(show(t, conn, "data_directory"))); got != parent {
		t.Errorf("the server's folder is in %s, want %s", got, parent)
	}
}

func TestFailedStartTellsWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		opt  Option
		is   error
		want string
	}{
		{"unknown setting", t.Context(), Setting("no_such_setting", "1"), nil, `unrecognized configuration parameter "no_such_setting"`},
		{"no folder", t.Context(), In("/no/such/folder"), nil, "no folder to write in among: /no/such/folder"},
		{"canceled", canceled, In(os.TempDir()), context.Canceled, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			parent := openDir(t)
			s, err := Start(c.ctx, In(parent), c.opt)
			if err == nil {
				s.Stop()
				t.Fatal("it started")
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %q, want %q", err, c.is)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want it to say %q", err, c.want)
			}
			checkEmpty(t, parent)
		})
	}
}

func TestPortTakenMeanwhile(t *testing.T) {
	Large(t)
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() }) // not defer: the parallel subtests run after this function
	other := Shared(t)
	for _, c := range []struct {
		name string
		addr net.Addr
	}{
		{"by a server that never answers", silent.Addr()},
		{"by a PostgreSQL that would answer in our stead", &net.TCPAddr{Port: other.port}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			taken := c.addr.(*net.TCPAddr).Port
			chosen := []int{taken}
			s := start(t, func(cfg *config) {
				cfg.port = func() (port int, err error) {
					if len(chosen) == 0 {
						return freePort()
					}
					port, chosen = chosen[0], chosen[1:]
					return port, nil
				}
			})
			if got := s.port; got == taken {
				t.Errorf("the server claims port %d", got)
			}
			if got, want := show(t, connect(t, s.URL("postgres")), "data_directory"), filepath.Join(s.dir, "data"); got != want {
				t.Errorf("the server at the URL has its data in %s, want %s", got, want)
			}
		})
	}
}

// Not parallel: it counts what the whole process holds.
func TestStopLeavesNothing(t *testing.T) {
	if _, err := freePort(); err != nil { // the runtime opens files of its own for the first connection
		t.Fatal(err)
	}
	files := openFiles(t)
	parent := openDir(t)
	s, err := Start(t.Context(), In(parent))
	if err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t) // a running server takes no goroutine
	conn := connect(t, s.URL("postgres"))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection outlived the server")
	}
	conn.Close(t.Context())
	if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port)); err == nil {
		c.Close()
		t.Error("something still listens on the server's port")
	}
	checkEmpty(t, parent)
	goleak.VerifyNone(t)
	if got := openFiles(t); got > files { // what an earlier test had open may be closed meanwhile
		t.Errorf("%d files open, %d before", got, files)
	}
}

func TestServerThatEndsByItselfIsClearedAway(t *testing.T) {
	Large(t)
	t.Parallel()
	parent := openDir(t)
	s := start(t, In(parent))
	if err := syscall.Kill(postmaster(t, s), syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("stop a server that has ended: %v", err)
	}
	checkEmpty(t, parent)
}

func start(t *testing.T, opts ...Option) *Server {
	t.Helper()
	s, err := Start(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func show(t *testing.T, conn *pgx.Conn, name string) string {
	t.Helper()
	var value string
	if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func postmaster(t *testing.T, s *Server) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	return numbers(string(text))[0]
}

// Where no folder lies in memory, or one without room, the next takes its place, and what df says of it is nobody's answer.
func TestNoRoomInMemory(t *testing.T) {
	for name, df := range map[string]string{
		"not there": "echo 'df: /dev/shm: No such file or directory' >&2; exit 1",
		"no room":   "echo Filesystem; echo shm 65536 0 65536 0% /dev/shm",
	} {
		t.Run(name, func(t *testing.T) {
			tools := openDir(t)
			if err := os.WriteFile(filepath.Join(tools, "df"), []byte("#!/bin/sh\n"+df+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
			s := start(t)
			if strings.HasPrefix(s.dir, "/dev/shm/") {
				t.Errorf("its files are in %s", s.dir)
			}
		})
	}
}

// openDir is a new folder that the server's user can write in; t.TempDir is closed to it.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgtemp-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %s", filepath.Join(dir, e.Name()))
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
