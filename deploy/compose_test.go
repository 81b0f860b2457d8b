package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// project is a compose file, as far as we use them. (Compose's own loader is a library as
// well, and heavy; what it would find beyond this is whether the images are there.)
type project struct {
	Name     string             `json:"name"`
	Services map[string]service `json:"services"`
}

type service struct {
	Build *struct {
		Context string `json:"context"`
		Target  string `json:"target"`
	} `json:"build"`
	Image       string            `json:"image"`
	PullPolicy  string            `json:"pull_policy"`
	Command     []string          `json:"command"`
	Environment map[string]string `json:"environment"`
	Volumes     []string          `json:"volumes"`
	Ports       []string          `json:"ports"`
	Healthcheck *struct {
		Test     []string `json:"test"`
		Interval string   `json:"interval"`
		Timeout  string   `json:"timeout"`
		Retries  int      `json:"retries"`
	} `json:"healthcheck"`
	DependsOn map[string]struct {
		Condition string `json:"condition"`
	} `json:"depends_on"`
	ReadOnly        bool     `json:"read_only"`
	CapDrop         []string `json:"cap_drop"`
	SecurityOpt     []string `json:"security_opt"`
	Restart         string   `json:"restart"`
	StopGracePeriod string   `json:"stop_grace_period"`
}

func composeFile(t *testing.T, name string) (p project) {
	t.Helper()
	decode(t, name, &p)
	return p
}

// exposed is the port that the image says it listens on.
func exposed(t *testing.T) int32 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^EXPOSE (\d+)$`).FindStringSubmatch(read(t, "../Dockerfile"))
	if m == nil {
		t.Fatal("the Dockerfile exposes no port")
	}
	port, err := strconv.ParseInt(m[1], 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return int32(port)
}

func TestImage(t *testing.T) {
	t.Parallel()
	text := read(t, "../Dockerfile")
	if !strings.HasSuffix(text[:strings.LastIndex(text, "\nFROM ")+1], "ENTRYPOINT [\"/demo\"]\n\n") || !strings.Contains(text, "\nFROM scratch AS demo\n") {
		t.Error("the janitor is not the last target of the Dockerfile, behind the demo")
	}
	for _, line := range []string{
		"CGO_ENABLED=0", "\nFROM scratch\n", "\nUSER 65532:65532\n",
		"\n    CMD [\"/token-janitor\", \"healthcheck\"]\n", "\nENTRYPOINT [\"/token-janitor\"]\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the Dockerfile lacks %q", line)
		}
	}
}

func TestComposeFilesHoldTogether(t *testing.T) {
	t.Parallel()
	for name, others := range map[string][]string{
		"compose.yaml":         nil,
		"compose.janitor.yaml": {"api", "db"}, // HyphaGraph's own
	} {
		p := composeFile(t, name)
		for called, s := range p.Services {
			for other, on := range s.DependsOn {
				there := p.Services[other]
				switch {
				case slices.Contains(others, other):
				case there.Image == "":
					t.Errorf("%s: %s depends on %s, which is not there", name, called, other)
				case on.Condition == "service_healthy" && there.Healthcheck == nil:
					t.Errorf("%s: %s waits for the health of %s, which has no check", name, called, other)
				}
			}
			for _, v := range s.Volumes {
				file, _, _ := strings.Cut(v, ":")
				if _, err := os.Stat(file); err != nil || !strings.HasSuffix(v, ":ro") {
					t.Errorf("%s: %s has the volume %s: %v", name, called, v, err)
				}
			}
			for _, port := range s.Ports {
				if !strings.HasPrefix(port, "127.0.0.1:") {
					t.Errorf("%s: %s is open to all at %s", name, called, port)
				}
			}
		}
		j := p.Services["janitor"]
		port := strconv.Itoa(int(exposed(t)))
		if want := []string{"127.0.0.1:" + port + ":" + port}; !slices.Equal(j.Ports, want) {
			t.Errorf("%s: the janitor is at %q, want %q", name, j.Ports, want)
		}
		if !j.ReadOnly || !slices.Equal(j.CapDrop, []string{"ALL"}) || j.StopGracePeriod != "20s" {
			t.Errorf("%s: the janitor is not confined, or killed before it may end", name)
		}
	}
	if p := composeFile(t, "compose.janitor.yaml"); len(p.Services) != 1 || p.Name != "" {
		t.Error("compose.janitor.yaml adds more than the janitor to the project")
	}
}

func composeLaunches(t *testing.T) map[string]launch {
	t.Helper()
	const theirs = "postgresql+asyncpg://ada:secret@db:5432/app?ssl=disable" // as HyphaGraph's .env has it
	launches := map[string]launch{}
	for _, name := range []string{"compose.yaml", "compose.janitor.yaml"} {
		j := composeFile(t, name).Services["janitor"]
		var env []string
		for k, v := range j.Environment {
			v = strings.ReplaceAll(v, "${DATABASE_URL:?is not in .env}", theirs)
			if strings.Contains(v, "$") {
				t.Errorf("%s: %s=%s is not resolved", name, k, v)
			}
			if k == "DATABASE_URL" {
				v = strings.Replace(v, "@db:5432/", "@127.0.0.1:1/", 1)
			}
			env = append(env, k+"="+v)
		}
		launches[name] = launch{j.Command, env}
	}
	return launches
}

func TestComposeScrapesTheJanitor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for from, to := range map[string]string{"compose.prometheus.yaml": "prometheus.yml", "prometheus/rules.yaml": "rules.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, to), []byte(read(t, from)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output(t, nil, pgtemp.Require(t, "promtool"), "check", "config", filepath.Join(dir, "prometheus.yml"))
	target := "targets: [janitor:" + strconv.Itoa(int(exposed(t))) + "]"
	for file, line := range map[string]string{
		"compose.prometheus.yaml": target,
		"prometheus/scrape.yaml":  "- job_name: token-janitor",
	} {
		if !strings.Contains(read(t, file), line) {
			t.Errorf("%s lacks %q", file, line)
		}
	}
	if !strings.Contains(read(t, "compose.prometheus.yaml"), "- job_name: token-janitor\n") {
		t.Error("compose calls the job another name than scrape.yaml")
	}
}

func TestComposeProvisionsGrafana(t *testing.T) {
	t.Parallel()
	for file, line := range map[string]string{
		"grafana/datasource.yaml": "url: http://prometheus:9090\n",
		"grafana/dashboards.yaml": "path: /var/lib/grafana/dashboards\n",
		"compose.yaml":            "- ./grafana/dashboard.json:/var/lib/grafana/dashboards/",
	} {
		if !strings.Contains(read(t, file), line) {
			t.Errorf("%s lacks %q", file, line)
		}
	}
}

// The database and the API of compose.yaml, on a server of the test's: what the janitor
// must leave is there after it.
func TestComposeJanitorBesideItsAPI(t *testing.T) {
	t.Parallel()
	psql := pgtemp.Require(t, "psql")
	database := pgtemp.Empty(t)
	sql := func(args ...string) string {
		return output(t, nil, psql, append([]string{database, "-XqAt", "-v", "ON_ERROR_STOP=1"}, args...)...)
	}
	sql("-f", "compose.db.sql")
	p := composeFile(t, "compose.yaml")
	binary := build(t)
	var env []string
	for k, v := range p.Services["janitor"].Environment {
		if k == "DATABASE_URL" {
			v = database
		}
		env = append(env, k+"="+v)
	}
	output(t, env, binary, "migrate", "upgrade")

	// The API as it is there, faster and for a shorter time.
	args := []string{"run", "../cmd/demo"}
	for _, arg := range p.Services["api"].Command {
		if _, theirs, ok := strings.Cut(arg, "--api-only="); ok {
			if !strings.HasPrefix(theirs, "postgresql://hyphagraph:hyphagraph@db:5432/") {
				t.Errorf("the API's database is %s", theirs)
			}
			arg = "--api-only=" + database
		}
		args = append(args, arg)
	}
	output(t, nil, "go", append(args, "--rate=1000", "--for=3s")...)
	if some := sql("-c", "SELECT count(*) FILTER (WHERE is_revoked) > 10 AND count(*) FILTER (WHERE NOT is_revoked) > 10 FROM refresh_tokens"); some != "t\n" {
		t.Fatal("the API did not log users in and out")
	}

	// A minute and more passes for every second token.
	sql("-c", "UPDATE refresh_tokens SET expires_at = expires_at - interval '3 minutes 10 seconds' WHERE get_byte(uuid_send(id), 15) % 2 = 0")
	const survivors = "SELECT count(*), md5(string_agg(id::text, ',' ORDER BY id)) FROM refresh_tokens WHERE get_byte(uuid_send(id), 15) % 2 = 1"
	stay := sql("-c", survivors)
	output(t, env, binary, "--once")
	if got := sql("-c", survivors); got != stay {
		t.Errorf("survivors are %s, want %s", got, stay)
	}
	if gone := sql("-c", "SELECT count(*) FROM refresh_tokens WHERE get_byte(uuid_send(id), 15) % 2 = 0"); gone != "0\n" {
		t.Errorf("%s tokens that expired over a minute ago are left", strings.TrimSpace(gone))
	}
}
