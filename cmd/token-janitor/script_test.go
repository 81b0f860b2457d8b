package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// TestMain makes the test binary do what token-janitor does when it is called by that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "token-janitor" {
		main()
	}
	pgtemp.Main(m)
}

// secret is the password in each script's database URL, which the server does not ask
// for. No command, log line or page may ever show it.
const secret = "s3cret-hunter2"

// patience is far beyond what any wait of a script takes, and far below go test's own.
const patience = 20 * time.Second

// TestScripts runs testdata/script/*.txtar. Beside testscript's own commands they have:
//
//	database empty|users|head|tokens   a database of the script's own, in DATABASE_URL; tokens: with the crowd of tokens.sql
//	speaks LOCALE                      has the server speak another language in that database
//	sql STATEMENT|FILE.sql             does it and prints the rows
//	until STATEMENT ANSWER             asks again until that is the answer
//	hold STATEMENT, release            does it in a transaction that stays open until then
//	exits CODE PROGRAM ARGS...         runs it and wants that exit code
//	daemon ARGS...                     starts token-janitor; $ADDR is where it listens
//	once ARGS...                       starts token-janitor --once in the background
//	log REGEXP                         waits until a line of the daemon's log matches
//	signal TERM|INT|HUP|USR1|USR2      sends it to the one that was started
//	ends STATUS                        waits until it ends, and wants that status; stderr is its log
//	http STATUS URL REGEXP...          asks again until status and body are these, and prints the body
//	certificate                        makes cert.pem, which http trusts, and key.pem
func TestScripts(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "token-janitor")); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:             filepath.Join("testdata", "script"),
		ContinueOnError: true, // the next usage trap is told as well
		Setup: func(env *testscript.Env) error {
			s := &stage{tb: env.T().(testing.TB)}
			env.Values[stageKey{}] = s
			env.Defer(s.clear)
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("SECRET", secret)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector's second at each exit adds up
			env.Setenv("PGHOST", "127.0.0.1")         // not a socket that this machine may have
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"database":    onStage((*stage).database),
			"speaks":      onStage((*stage).speaks),
			"sql":         onStage((*stage).sql),
			"until":       onStage((*stage).until),
			"hold":        onStage((*stage).hold),
			"release":     onStage((*stage).release),
			"exits":       onStage((*stage).exits),
			"daemon":      onStage((*stage).startDaemon),
			"once":        onStage((*stage).startOnce),
			"log":         onStage((*stage).logged),
			"signal":      onStage((*stage).signal),
			"ends":        onStage((*stage).ends),
			"http":        onStage((*stage).http),
			"certificate": onStage((*stage).certificate),
		},
	})
}

// stage is what a script has beside its files.
type stage struct {
	tb     testing.TB
	held   []*pgx.Conn
	daemon *daemonProcess
}

type stageKey struct{}

// onStage makes a command of a method; the number of its arguments is looked at there.
func onStage(do func(*stage, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("a command that cannot be negated")
		}
		if err := do(ts.Value(stageKey{}).(*stage), ts, args); err != nil {
			ts.Fatalf("%v", err)
		}
	}
}

func (s *stage) clear() {
	_ = s.release(nil, nil)
	if s.daemon != nil {
		s.daemon.kill()
	}
}

//go:embed testdata/tokens.sql
var tokensSQL string

func (s *stage) database(ts *testscript.TestScript, args []string) error {
	create := map[string]func(testing.TB) string{
		"empty": pgtemp.Empty, "users": migrationstest.Head, "head": migrationstest.Head, "tokens": migrationstest.Head,
	}[args[0]]
	if create == nil {
		return fmt.Errorf("no database is called %q", args[0])
	}
	u, err := url.Parse(create(s.tb))
	if err != nil {
		return err
	}
	u.User = url.UserPassword(u.User.Username(), secret)
	ts.Setenv("DATABASE_URL", u.String())
	ts.Setenv("HOSTPORT", u.Host)
	ts.Setenv("DATABASE", strings.TrimPrefix(u.Path, "/"))
	switch args[0] {
	case "users":
		return s.sql(ts, []string{migrations.History()[0].Down})
	case "tokens":
		return s.sql(ts, []string{tokensSQL})
	}
	return nil
}

func (s *stage) speaks(ts *testscript.TestScript, args []string) error {
	pgtemp.Speak(s.tb, ts.Getenv("DATABASE_URL"), args[0])
	return nil
}

func (s *stage) sql(ts *testscript.TestScript, args []string) error {
	statement := args[0]
	if strings.HasSuffix(statement, ".sql") {
		statement = ts.ReadFile(statement)
	}
	conn, err := pgx.Connect(s.tb.Context(), ts.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	text, err := answers(s.tb.Context(), conn, statement)
	fmt.Fprint(ts.Stdout(), text)
	return err
}

// answers are the rows of a statement, as psql -At shows them.
func answers(ctx context.Context, conn *pgx.Conn, statement string) (string, error) {
	results, err := conn.PgConn().Exec(ctx, statement).ReadAll()
	var b strings.Builder
	for _, r := range results {
		for _, row := range r.Rows {
			for i, value := range row {
				if i > 0 {
					b.WriteByte('|')
				}
				b.Write(value)
			}
			b.WriteByte('\n')
		}
	}
	return b.String(), err
}

func (s *stage) until(ts *testscript.TestScript, args []string) error {
	conn, err := pgx.Connect(s.tb.Context(), ts.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	return again(s.tb.Context(), func() error {
		text, err := answers(s.tb.Context(), conn, args[0])
		if err == nil && strings.TrimSuffix(text, "\n") != args[1] {
			err = fmt.Errorf("the answer is %q", text)
		}
		return err
	})
}

// again tries until it goes well or patience ends.
func again(ctx context.Context, try func() error) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	pulse := time.NewTicker(20 * time.Millisecond)
	defer pulse.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-pulse.C:
		case <-ctx.Done():
			return fmt.Errorf("in vain: %w", err)
		}
	}
}

func (s *stage) hold(ts *testscript.TestScript, args []string) error {
	conn, err := pgx.Connect(s.tb.Context(), ts.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	s.held = append(s.held, conn)
	_, err = answers(s.tb.Context(), conn, "BEGIN; "+args[0])
	return err
}

func (s *stage) release(*testscript.TestScript, []string) error {
	for _, conn := range s.held {
		conn.Close(context.Background())
	}
	s.held = nil
	return nil
}

func (s *stage) exits(ts *testscript.TestScript, args []string) error {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	err = ts.Exec(args[1], args[2:]...)
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if strings.Contains(stdout+stderr, secret) {
		return errors.New("the password is in the output")
	}
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		return err
	}
	switch {
	case got != want:
		return fmt.Errorf("exit code %d, want %d", got, want)
	case got == exitUsage && (stdout != "" || strings.Count(stderr, "\n") != 1):
		return errors.New("wrong usage is told in one line on stderr and nothing else")
	}
	return nil
}
