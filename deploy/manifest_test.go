package deploy_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// update makes anew what is made of other files.
var update = flag.Bool("update", false, "make the files that are made of others")

// launch is how a manifest starts the janitor.
type launch struct {
	args, env []string
}

// unreachable is the database of all launches: nobody listens there.
const unreachable = "postgresql://ada:secret@127.0.0.1:1/app"

// A misspelt setting ends the janitor with exit code 2. Here it is given one run without
// a database: what comes of it is a failure and no complaint of a setting.
func TestBinaryTakesTheSettings(t *testing.T) {
	t.Parallel()
	binary := build(t)
	launches := kubernetesLaunches(t)
	maps.Copy(launches, composeLaunches(t))
	maps.Copy(launches, systemdLaunches(t))
	for name, l := range launches {
		run := exec.CommandContext(t.Context(), binary, append(l.args, "--once", "--connect-timeout=1ms")...)
		run.Env = l.env
		out, err := run.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "127.0.0.1:1") {
			t.Errorf("%s: token-janitor %q with %q: %v: %s", name, l.args, l.env, err, out)
		}
	}
	help := output(t, nil, binary, "--help")
	if listen := fmt.Sprintf(":%d", exposed(t)); !regexp.MustCompile(`--listen.*` + listen + `\b`).MatchString(help) {
		t.Errorf("the image exposes %s, which is not where the binary listens:\n%s", listen, help)
	}
}

// build compiles the binary that the manifests run.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "token-janitor")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../cmd/token-janitor").CombinedOutput()
	if err != nil {
		t.Fatalf("build token-janitor: %v\n%s", err, out)
	}
	return binary
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// decode reads YAML as Kubernetes does: strictly, an unknown field or one in the wrong case
// is an error. (sigs.k8s.io/yaml alone takes readOnlyRootFileSystem for the right one.)
func decode(t *testing.T, name string, into any) {
	t.Helper()
	text, err := yaml.YAMLToJSONStrict([]byte(read(t, name)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	amiss, err := json.UnmarshalStrict(text, into)
	if err := errors.Join(append(amiss, err)...); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// output runs a program and wants it to go well.
func output(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}
