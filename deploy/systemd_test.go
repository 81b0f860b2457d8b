package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

var units = []string{"token-janitor.service", "token-janitor-once.service", "token-janitor-once.timer"}

// textfile is the drop-in that has a single run write a file.
const textfile = "token-janitor-once.textfile.conf"

// started is the binary as the units name it: systemd looks for it in /usr/local/bin, where people install it, and in
// /usr/bin, where packages do.
const started = "token-janitor"

func TestSystemdTakesTheUnits(t *testing.T) {
	t.Parallel()
	analyze := pgtemp.Require(t, "systemd-analyze")
	dir := t.TempDir()
	var paths []string
	for _, name := range units {
		path := filepath.Join(dir, name)
		text := strings.ReplaceAll(read(t, filepath.Join("systemd", name)), "ExecStart="+started, "ExecStart=/bin/true") // it looks whether that is there
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	// It warns of a setting that it does not know, and goes on.
	verify := func() {
		if said := output(t, nil, analyze, append([]string{"verify", "--man=no"}, paths...)...); strings.Contains(said, "token-janitor") {
			t.Error(said)
		}
	}
	verify()
	// In tenths. 1.2 is what is left to a service that speaks to a network and to sockets.
	for _, path := range paths[:2] {
		output(t, nil, analyze, "security", "--offline=true", "--threshold=12", path)
	}
	dropIn := filepath.Join(dir, "token-janitor-once.service.d")
	if err := os.Mkdir(dropIn, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dropIn, "textfile.conf"), []byte(read(t, "systemd/"+textfile)), 0o600); err != nil {
		t.Fatal(err)
	}
	verify()
}

func systemdLaunches(t *testing.T) map[string]launch {
	t.Helper()
	credentials := t.TempDir() // what LoadCredential makes
	if err := os.WriteFile(filepath.Join(credentials, "database-url"), []byte(unreachable+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	launches := map[string]launch{}
	for _, name := range units[:2] {
		var env []string
		for _, line := range settings(t, name, "Environment") {
			env = append(env, strings.ReplaceAll(line, "%d", credentials))
		}
		start := settings(t, name, "ExecStart")
		if len(start) != 1 || strings.Fields(start[0])[0] != started {
			t.Fatalf("%s starts %q", name, start)
		}
		launches[name] = launch{strings.Fields(start[0])[1:], env}
	}
	file := settings(t, textfile, "Environment")
	folder := settings(t, textfile, "ReadWritePaths")
	if len(file) != 1 || len(folder) != 1 || filepath.Dir(strings.TrimPrefix(file[0], "TOKEN_JANITOR_METRICS_FILE=")) != folder[0] {
		t.Fatalf("%s writes %q and may write in %q", textfile, file, folder)
	}
	once := launches[units[1]]
	launches[textfile] = launch{once.args, append(slices.Clone(once.env), strings.Replace(file[0], folder[0], t.TempDir(), 1))}
	return launches
}

func TestSystemdUnitsAreConfinedAlike(t *testing.T) {
	t.Parallel()
	var confined []string
	for _, name := range units[:2] {
		_, rest, ok := strings.Cut(read(t, filepath.Join("systemd", name)), "# What follows is the same in ")
		if !ok {
			t.Fatalf("%s lacks the part that both have", name)
		}
		_, rest, _ = strings.Cut(rest, "\n")
		rest, _, _ = strings.Cut(rest, "\n[Install]")
		confined = append(confined, strings.TrimSpace(rest))
	}
	if confined[0] != confined[1] {
		t.Errorf("%s has\n%s\n\n%s has\n%s", units[0], confined[0], units[1], confined[1])
	}
}

// settings are the values of a key in a unit.
func settings(t *testing.T, unit, key string) []string {
	t.Helper()
	var values []string
	for _, m := range regexp.MustCompile(`(?m)^`+key+`=(.*)$`).FindAllStringSubmatch(read(t, filepath.Join("systemd", unit)), -1) {
		values = append(values, m[1])
	}
	return values
}
