package deploy_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// run is token-janitor --once: its exit code and all that it says.
func run(t *testing.T, binary string, args ...string) (int, string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, append([]string{"--once"}, args...)...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode(), string(out)
	case err != nil:
		t.Fatal(err)
	}
	return 0, string(out)
}

// gatewayHas are the samples of a gateway's page, by name and labels as it writes them.
func gatewayHas(t *testing.T, address, user, password string) map[string]string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(user, password)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %s", answer.Status, err, text)
	}
	samples := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok {
			samples[name+"}"] = value
		}
	}
	return samples
}

// A real Pushgateway with a password: each run takes the place of the one before, but a run that fails leaves the
// last success, and another group's runs leave this one's alone.
func TestRunsReachARealPushgateway(t *testing.T) {
	t.Parallel()
	const user, password, hash = "ada", "hunter2", "$2a$05$PuBVT8yRZ6neHYDlYYdABO60.5dwiqSbZT00vbbMlxyLYyZeExQym"
	program, binary, database := pgtemp.Require(t, "prometheus-pushgateway"), build(t), migrationstest.Head(t)
	config := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(config, []byte("basic_auth_users:\n  "+user+": "+hash+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := start(t, `msg="Listening on" address=(\S+)`, program, "--web.listen-address=127.0.0.1:0", "--web.config.file="+config,
		"--persistence.file=") // Debian's default would outlive the test
	to := "--push-url=http://" + user + ":" + password + "@" + address

	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `
		WITH owner AS (INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'a@example.org') RETURNING id)
		INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at)
		SELECT gen_random_uuid(), owner.id, n::text, now() + CASE WHEN n > 10 THEN interval '-1 day' ELSE '1 day' END
		  FROM owner, generate_series(1, 15) AS n`); err != nil {
		t.Fatal(err)
	}

	const key, shop = `{instance="",job="token-janitor"}`, `{instance="",job="shop",namespace="production"}`
	sample := func(metric, label, group string) string {
		if label != "" {
			group = strings.Replace(group, `job="token-janitor"`, `job="token-janitor",`+label, 1)
		}
		return "token_janitor_" + metric + group
	}
	if code, said := run(t, binary, "--database-url", database, to); code != 0 || strings.Contains(said, "WARN") {
		t.Fatalf("exit code %d: %s", code, said)
	}
	first := gatewayHas(t, address, user, password)
	for name, want := range map[string]string{
		sample("tokens_deleted_total", `reason="expired"`, key): "5",
		sample("runs_total", `outcome="drained"`, key):          "1",
		sample("schema_at_head", "", key):                       "1",
	} {
		if first[name] != want {
			t.Errorf("%s is %q, want %s", name, first[name], want)
		}
	}
	success := sample("last_success_timestamp_seconds", "", key)
	if first[success] == "" || first[`push_time_seconds`+key] == "" {
		t.Fatalf("no success or no push in %v", first)
	}
	for name := range first {
		if strings.HasPrefix(name, "token_janitor_paused") || strings.Contains(name, "process_start_time_seconds{") {
			t.Errorf("it pushes %s", name)
		}
	}

	// One fails: the database is not there.
	if code, said := run(t, binary, "--database-url", unreachable, "--connect-timeout=10ms", to); code != 1 || strings.Contains(said, password) {
		t.Errorf("exit code %d: %s", code, said)
	}
	second := gatewayHas(t, address, user, password)
	if second[sample("runs_total", `outcome="failed"`, key)] != "1" || second[sample("runs_total", `outcome="drained"`, key)] != "0" {
		t.Errorf("the run that failed is not told: %v", second)
	}
	if second[success] != first[success] || second[sample("schema_at_head", "", key)] != "1" {
		t.Errorf("the run that failed erased the last success or the schema: %v", second)
	}

	// Another group.
	if code, said := run(t, binary, "--database-url", database, to+"/metrics/job/shop/namespace/production"); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
	third := gatewayHas(t, address, user, password)
	if third["token_janitor_last_success_timestamp_seconds"+shop] == "" || third[success] != first[success] {
		t.Errorf("the groups are not apart: %v", third)
	}

	// A wrong password is a warning, which shows neither that nor the right one.
	code, said := run(t, binary, "--database-url", database, "--push-url=http://"+user+":wrong-"+password+"@"+address)
	if code != 0 || !strings.Contains(said, "level=WARN") || !strings.Contains(said, "401") || strings.Contains(said, password) {
		t.Errorf("exit code %d: %s", code, said)
	}
	var live int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM refresh_tokens WHERE expires_at > now()`).Scan(&live); err != nil || live != 10 {
		t.Errorf("%d live tokens are left (%v), want all 10", live, err)
	}
}

// The file of a run is what Prometheus's own tools take for metrics, of a run that went well and of one that failed.
func TestPromtoolTakesTheMetricsFile(t *testing.T) {
	t.Parallel()
	promtool, binary, database := pgtemp.Require(t, "promtool"), build(t), migrationstest.Head(t)
	for _, url := range []string{database, unreachable} {
		file := filepath.Join(t.TempDir(), "token-janitor.prom")
		_, said := run(t, binary, "--database-url", url, "--connect-timeout=10ms", "--metrics-file", file)
		if text := read(t, file); !strings.Contains(text, "token_janitor_runs_total{") {
			t.Fatalf("%s\n%s", said, text)
		}
		in, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		check.Stdin = in
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("promtool: %v: %s", err, out)
		}
	}
}
