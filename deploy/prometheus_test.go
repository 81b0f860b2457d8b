package deploy_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

func TestMain(m *testing.M) { pgtemp.Main(m) }

// The real Prometheus, by scrape.yaml, and two real janitors on one real database: every
// rule and every query of the dashboard gets an answer.
func TestRealPrometheusScrapesRealJanitors(t *testing.T) {
	t.Parallel()
	program := pgtemp.Require(t, "prometheus")
	binary := build(t)
	database := migrationstest.Head(t)
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), `
		WITH owner AS (INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'a@example.org') RETURNING id)
		INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, revoked_at)
		SELECT gen_random_uuid(), owner.id, n::text, now() + CASE WHEN n % 2 = 0 THEN interval '-1 day' ELSE '1 day' END,
		       n % 4 = 1, CASE WHEN n % 4 = 1 THEN now() - interval '2 days' END
		  FROM owner, generate_series(1, 4000) AS n`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `VACUUM refresh_tokens`); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())

	var janitors []string
	for range 2 {
		janitors = append(janitors, start(t, `msg=listening address=(\S+)`, binary, "--database-url", database, "--listen=127.0.0.1:0",
			"--schedule=@every 1s", "--schedule-jitter=0s", "--keep-revoked=24h", "--token-lifetime=168h"))
	}
	// Prometheus as it is shipped, in a hurry.
	dir := t.TempDir()
	for name, change := range map[string]*strings.Replacer{
		"prometheus/scrape.yaml": strings.NewReplacer("30s", "500ms", "_interval: 1m", "_interval: 1s", "[localhost:9856]", "['"+strings.Join(janitors, "', '")+"']"),
		"prometheus/rules.yaml":  strings.NewReplacer("interval: 1m", "interval: 1s", "[26h:5m]", "[1m:1s]"),
	} {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(change.Replace(read(t, name))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	api := "http://" + start(t, `msg="Listening on" address=(\S+)`, program, "--config.file="+filepath.Join(dir, "scrape.yaml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0") + "/api/v1/"

	t.Run("every rule is evaluated", func(t *testing.T) {
		t.Parallel()
		var rules struct {
			Groups []struct {
				Rules []struct{ Name, Type, Health, LastError string }
			}
		}
		soon(t, func() (why string) {
			if err := ask(t, api+"rules", &rules); err != nil {
				return err.Error()
			}
			n := 0
			for _, g := range rules.Groups {
				for _, r := range g.Rules {
					n++
					if r.Health != "ok" {
						why = fmt.Sprintf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
					}
					if r.Type == "recording" {
						if err := answers(t, api, r.Name); err != nil {
							why = err.Error()
						}
					}
				}
			}
			if n < 15 {
				why = fmt.Sprintf("%d rules", n)
			}
			return why
		})
	})
	t.Run("the runbook's queries are queries", func(t *testing.T) {
		t.Parallel()
		queries := regexp.MustCompile("`([^`\n]*\\{job=[^`\n]*)`").FindAllStringSubmatch(read(t, "../.github/RUNBOOK.md"), -1)
		if len(queries) < 10 {
			t.Errorf("%d queries", len(queries))
		}
		for _, query := range queries {
			soon(t, func() string {
				var data any
				if err := ask(t, api+"query?"+url.Values{"query": {query[1]}}.Encode(), &data); err != nil {
					return fmt.Sprintf("%s: %v", query[1], err)
				}
				return ""
			})
		}
	})
	board := dashboard(t)
	replace := strings.NewReplacer("$job", "token-janitor", "$instance", ".*", "$__rate_interval", "1m", "$__range", "1m")
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			t.Run(p.Title+" "+target.RefID, func(t *testing.T) {
				t.Parallel()
				soon(t, func() string {
					if err := answers(t, api, replace.Replace(target.Expr)); err != nil {
						return err.Error()
					}
					return ""
				})
			})
		}
	}
	t.Run("variables", func(t *testing.T) {
		t.Parallel()
		for _, v := range board.Templating.List {
			values := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Definition)
			if v.Type == "datasource" {
				continue
			}
			if values == nil {
				t.Errorf("variable %s: %q is not label_values(...)", v.Name, v.Definition)
				continue
			}
			soon(t, func() string {
				var found []string
				query := url.Values{"match[]": {replace.Replace(values[1])}}
				if err := ask(t, api+"label/"+values[2]+"/values?"+query.Encode(), &found); err != nil || len(found) == 0 {
					return fmt.Sprintf("variable %s: no values: %v", v.Name, err)
				}
				return ""
			})
		}
	})
	t.Run("names", func(t *testing.T) {
		t.Parallel()
		exported := names(t, janitors[0])
		queries := board.queries()
		for where, text := range map[string]string{
			"rules.yaml": read(t, "prometheus/rules.yaml"), "dashboard.json": queries, "RUNBOOK.md": read(t, "../.github/RUNBOOK.md"),
		} {
			for _, name := range metricName.FindAllString(text, -1) {
				if strings.HasPrefix(name, "job") || strings.HasPrefix(name, "instance") {
					if !strings.Contains(read(t, "prometheus/rules.yaml"), "record: "+name+"\n") {
						t.Errorf("%s uses %s, which no rule records", where, name)
					}
				} else if !slices.Contains(exported, name) {
					t.Errorf("%s uses %s, which is not exported", where, name)
				}
			}
		}
		for _, name := range exported {
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if strings.HasPrefix(name, "token_janitor_") && !strings.Contains(queries, base) {
				t.Errorf("the dashboard does not show %s", name)
			}
		}
	})
}

// metricName is a metric's in a query or a text, of ours or of a recording rule.
var metricName = regexp.MustCompile(`\b((job|job_reason|job_cause|instance_reason):)?(token_janitor|process|go)_[a-z_]+(:[a-z0-9]+)?`)

// names are all that a janitor exports.
func names(t *testing.T, janitor string) []string {
	t.Helper()
	response, err := http.Get("http://" + janitor + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^[a-z_]+`).FindAllString(string(text), -1)
}

// start starts a server that tells its address in its log, and ends it with the test.
func start(t *testing.T, listening, program string, args ...string) (address string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	var text strings.Builder
	var read sync.WaitGroup
	read.Go(func() {
		defer close(told)
		pattern := regexp.MustCompile(listening)
		for lines := bufio.NewScanner(logs); lines.Scan(); {
			text.WriteString(lines.Text() + "\n")
			if m := pattern.FindStringSubmatch(lines.Text()); m != nil && len(told) == 0 {
				told <- m[1]
			}
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		read.Wait()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(program), text.String())
		}
	})
	select {
	case address, ok := <-told:
		if !ok {
			t.Fatalf("%s ended before it listened", program)
		}
		return address
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not listen", program)
	}
	return ""
}

// soon asks again until there is nothing amiss. Prometheus tells nobody that it has scraped.
func soon(t *testing.T, amiss func() string) {
	t.Helper()
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	for late := time.After(20 * time.Second); ; {
		why := amiss()
		if why == "" {
			return
		}
		select {
		case <-again.C:
		case <-late:
			t.Fatal(why)
		}
	}
}

// answers reports whether a query has a number for an answer.
func answers(t *testing.T, api, query string) error {
	t.Helper()
	var data struct {
		Result []struct{ Value [2]any }
	}
	if err := ask(t, api+"query?"+url.Values{"query": {query}}.Encode(), &data); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	for _, sample := range data.Result {
		text, _ := sample.Value[1].(string)
		if number, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(number) {
			return nil
		}
	}
	return fmt.Errorf("%s: no number among %d answers", query, len(data.Result))
}

// ask gets what Prometheus's API has to say.
func ask(t *testing.T, address string, into any) error {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: into}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("decode the answer, status %s: %w", response.Status, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("prometheus says: %s", answer.Error)
	}
	return nil
}
