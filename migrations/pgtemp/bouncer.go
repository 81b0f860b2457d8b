package pgtemp

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
)

// Bouncer starts a PgBouncer of the test's own before the server of a database's URL and returns the URL that leads
// through it. In mode "transaction" it shares two sessions among all who come. Settings are lines for its pgbouncer.ini
// that hold in place of ours. It goes with the test.
func Bouncer(t testing.TB, database, mode string, settings ...string) string {
	t.Helper()
	program := Require(t, "pgbouncer")
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
	size := 2
	if mode == "session" {
		size = 20
	}
	config := filepath.Join(t.TempDir(), "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=%s port=%s user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\npool_mode = %s\ndefault_pool_size = %d\n",
		u.Hostname(), u.Port(), port, mode, size) + strings.Join(settings, "\n") + "\n"
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
