// Package pgtemp starts throwaway PostgreSQL servers: what net/http/httptest is to net/http. A test asks for a
// database with [Empty]; a program that wants a server of its own calls [Start].
//
// The server is a real one, found on this machine or fetched (see [Start]). It runs under a small shell process
// that ends it and removes its files as soon as the process that started it is gone, by whatever way it went.
package pgtemp

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed supervise.sh
var supervise string

const (
	// A start takes about a second; a loaded two-core machine with a slow disk has been seen to take ten.
	startLimit = time.Minute
	// PostgreSQL itself kills its children five seconds into an immediate shutdown.
	stopLimit = 20 * time.Second
	// How often a starting server is tried, and how long one try may take: what has the port may not talk to us.
	readyInterval = 10 * time.Millisecond
	pingLimit     = time.Second
	// The port is free when it is chosen and may be taken by another before the server binds it, about a second
	// later: any outgoing connection on the machine draws from the same range.
	portAttempts = 3
)

var errPortTaken = errors.New("port was taken by another process")

// Server is a running PostgreSQL server. Its methods may be called from several goroutines.
type Server struct {
	bin  installation
	port int
	dir  string

	cmd      *exec.Cmd
	lifeline *os.File // closing it ends the server
	said     *os.File // what the supervisor says; ends when everything is gone

	stop    sync.Once
	stopErr error
}

// Start starts a server on a free port of 127.0.0.1, with the superuser "postgres" and no passwords. ctx bounds
// the start only; the server lives until [Server.Stop] or the end of this process.
//
// The server's programs are those in the folder that the environment variable TOKEN_JANITOR_TEST_PG_BIN names;
// without it, the first that work of PATH, pg_config and the usual folders of packages; else they are fetched
// once and kept in the user's cache folder. PostgreSQL refuses to run as root: for root, the server runs as
// another user of this machine.
//
// By default nothing is made durable, for the files go with the server; see [Durable]. The server writes its messages in
// English, unless the environment variable TOKEN_JANITOR_TEST_LC_MESSAGES names a locale of another language, such as
// de_DE.UTF-8.
//
// The variables with which libpq is told of a server (PGHOST, PGSERVICE, PGOPTIONS and so on) are taken out of this
// process's environment: they are meant for another server, and every client here would heed them.
func Start(ctx context.Context, opts ...Option) (*Server, error) {
	forget()
	cfg := defaults()
	for _, opt := range opts {
		opt(&cfg)
	}
	if cfg.parents == nil {
		// TMPDIR may be private to this user while the server runs as another.
		cfg.parents = []string{filepath.Clean(os.TempDir()), "/tmp"}
		if !cfg.durable { // in memory, files are made and removed in half the time
			cfg.parents = slices.Insert(cfg.parents, 0, "/dev/shm")
		}
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	bin, err := find(ctx, cfg, who)
	if err != nil {
		return nil, err
	}

	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for attempt := 1; ; attempt++ {
		s, err := launch(ctx, cfg, bin, who)
		if err == nil {
			if locale := os.Getenv(languageVariable); locale != "" {
				err = s.speak(ctx, locale)
			}
			if err != nil {
				return nil, errors.Join(fmt.Errorf("%s=%s: %w", languageVariable, os.Getenv(languageVariable), err), s.Stop())
			}
			return s, nil
		}
		if !errors.Is(err, errPortTaken) || attempt == portAttempts {
			return nil, fmt.Errorf("start PostgreSQL %s of %s: %w", bin.version, bin.dir, err)
		}
	}
}

func launch(ctx context.Context, cfg config, bin installation, who *account) (*Server, error) {
	port, err := cfg.port()
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	stdin, lifeline, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	said, stdout, err := os.Pipe()
	if err != nil {
		stdin.Close()
		lifeline.Close()
		return nil, err
	}

	args := append([]string{"-c", supervise, "supervise.sh", bin.dir, cfg.conf(port), cfg.primary, cfg.faker}, cfg.parents...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	cmd.Env = environment()
	// The current folder may be one that the other user cannot enter, and would be held busy.
	cmd.Dir = "/"
	detach(cmd, who)
	err = cmd.Start()
	// The supervisor has its own by now, and the end of what it says cannot be seen while ours is open.
	stdin.Close()
	stdout.Close()
	if err != nil {
		lifeline.Close()
		said.Close()
		return nil, fmt.Errorf("run /bin/sh%s: %w", who.as(), err)
	}

	s := &Server{bin: bin, port: port, cmd: cmd, lifeline: lifeline, said: said}
	if err := s.await(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// await returns when the server answers. Waiting for the supervisor to say something is also the pause between two
// tries, so a server that dies is noticed at once and no goroutine has to watch it.
func (s *Server) await(ctx context.Context) error {
	var said bytes.Buffer
	var lastErr error
	for {
		s.said.SetReadDeadline(time.Now().Add(readyInterval))
		_, err := said.ReadFrom(s.said)
		line, rest, whole := strings.Cut(said.String(), "\n")
		dir, named := strings.CutPrefix(line, "dir ")
		named = named && whole
		switch {
		case err == nil: // the supervisor is gone
			if !named {
				rest = said.String()
			}
			err := fmt.Errorf("the server ended while starting; the end of its log:\n%s", strings.TrimSpace(rest))
			if taken(s.port) { // the log may be in another language
				err = fmt.Errorf("%w: %w", errPortTaken, err)
			}
			return err
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("read from the supervisor: %w", err)
		}
		if named {
			s.dir = dir
			if lastErr = s.ping(ctx); lastErr == nil {
				return nil
			}
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("wait until the server answers: %w", context.Cause(ctx)), lastErr)
		}
	}
}

// ping connects and makes sure that it is this server that answers, not another that was faster to take the port.
func (s *Server) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var data string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&data); err != nil {
		return err
	}
	if want := filepath.Join(s.dir, "data"); data != want {
		return fmt.Errorf("port %d belongs to the server of %s, not of %s", s.port, data, want)
	}
	return nil
}

// Stop ends the server at once, without regard to its connections, and removes its files. Calls after the
// first return the same.
func (s *Server) Stop() error {
	s.stop.Do(func() { s.stopErr = s.end() })
	return s.stopErr
}

func (s *Server) end() error {
	s.lifeline.Close()
	defer s.said.Close()
	s.said.SetReadDeadline(time.Now().Add(stopLimit))
	_, err := new(bytes.Buffer).ReadFrom(s.said)
	if err != nil {
		err = fmt.Errorf("stop PostgreSQL at port %d: %w", s.port, err)
		kill(s.cmd)
	}
	// How the server ended is of no interest once it and its files are gone.
	s.cmd.Wait()
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// URL is the connection string for a database of this server, as superuser.
func (s *Server) URL(database string) string {
	return "postgres://postgres@127.0.0.1:" + strconv.Itoa(s.port) + "/" + url.PathEscape(database) + "?sslmode=disable"
}

// Version is the server's version as it tells it itself, such as "15.18" or "18beta1".
func (s *Server) Version() string { return s.bin.version }

// BinDir is the folder of the server's programs. psql and pg_dump may be there too, or not.
func (s *Server) BinDir() string { return s.bin.dir }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// taken reports whether another process has the port.
func taken(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return true
	}
	l.Close()
	return false
}

// forget takes libpq's variables out of the environment.
func forget() {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "PG") && !strings.Contains(name, "_") {
			_ = os.Unsetenv(name)
		}
	}
}

// environment is this process's, without what would change how a server is made or what it says.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "LC_") && !strings.HasPrefix(kv, "LANG") {
			env = append(env, kv)
		}
	}
	// With TZ set, initdb need not compare the machine's zone with every zone there is.
	return append(env, "LC_ALL=C", "TZ=UTC")
}
