package migrations_test

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// bouncer is database's URL through a PgBouncer in transaction mode, which shares two sessions among all who come.
func bouncer(t *testing.T, database string) string {
	t.Helper()
	program := pgtemp.Require(t, "pgbouncer")
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	config := filepath.Join(t.TempDir(), "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=%s port=%s user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n",
		u.Hostname(), u.Port(), port)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{config}
	if os.Getuid() == 0 {
		args = []string{"-u", "nobody", config} // it does not run as root
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	log := bufio.NewScanner(stderr)
	var told []string
	for log.Scan() {
		told = append(told, log.Text())
		if strings.Contains(log.Text(), "process up") {
			go func() {
				for log.Scan() { // so that it can write on
				}
			}()
			u.Host = fmt.Sprintf("127.0.0.1:%d", port)
			return u.String()
		}
	}
	t.Fatalf("pgbouncer does not start:\n%s", strings.Join(told, "\n"))
	return ""
}

func TestThroughPgBouncer(t *testing.T) {
	t.Parallel()
	database := bouncer(t, atParent(t))
	if n := await(t, boots(t, database, 4)); n != 1 {
		t.Errorf("%d janitors upgraded, want one", n)
	}
	// Nothing of ours stays behind in a session that somebody else gets next.
	conn := connect(t, database)
	for _, c := range []struct{ setting, want string }{
		{"search_path", `"$user", public`}, {"lock_timeout", "0"}, {"role", "none"},
	} {
		var got string
		if err := conn.QueryRow(t.Context(), "SHOW "+c.setting, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != c.want {
			t.Errorf("%s is left at %q, %v", c.setting, got, err)
		}
	}
	if _, err := migrations.Downgrade(t.Context(), conn, "refresh_tokens"); err != nil {
		t.Error(err)
	}
}
