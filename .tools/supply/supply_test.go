// Package supply builds what is shipped and looks into it.
package supply

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shipped builds the janitor by the Dockerfile's own line, in a folder that holds nothing but its sources.
func shipped(t *testing.T, env ...string) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^ *(go build .*) -o \S+ (\S+/token-janitor)$`).FindStringSubmatch(read(t, root+"/Dockerfile"))
	if line == nil {
		t.Fatal("the Dockerfile does not build the janitor")
	}
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(read(t, filepath.Join(root, name))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"cmd/token-janitor", "janitor", "metrics", "migrations"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(root, name))); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "built")
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", line[1]+" -buildvcs=false -o "+binary+" "+line[2])
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line[1], err, out)
	}
	return binary
}

// Whoever builds a commit gets what everybody gets: the second build knows nothing of the
// first, neither its folder nor its cache.
func TestSameBytesTwice(t *testing.T) {
	one, two := shipped(t), shipped(t, "GOCACHE="+t.TempDir())
	if read(t, one) != read(t, two) {
		t.Error("two builds of the same sources differ")
	}
}

// The bill of materials that DEPLOY.md has people make names each module that is in
// the binary, in its version, and no other.
func TestBillOfMaterials(t *testing.T) {
	_, command, _ := strings.Cut(read(t, root+"/.github/DEPLOY.md"), "\n    go tool ")
	command, _, _ = strings.Cut(command, " > ")
	args := append([]string{"tool"}, strings.Fields(command)...)
	binary := shipped(t)
	args[len(args)-1] = binary
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	var bill struct {
		BOMFormat  string
		Components []struct{ Type, Name, Version string }
	}
	if err := json.Unmarshal(out, &bill); err != nil || bill.BOMFormat != "CycloneDX" {
		t.Fatalf("%v: %.200s", err, out)
	}
	var told []string
	for _, c := range bill.Components {
		told = append(told, c.Type+" "+c.Name+" "+c.Version)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var are []string
	for _, d := range info.Deps {
		are = append(are, "library "+d.Path+" "+d.Version)
	}
	slices.Sort(told)
	slices.Sort(are)
	if len(are) < 10 || !slices.Equal(told, are) {
		t.Errorf("the bill lists\n%s\nthe binary holds\n%s", strings.Join(told, "\n"), strings.Join(are, "\n"))
	}
}
