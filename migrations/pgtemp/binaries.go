package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// binVariable names a folder to use, and no other.
const binVariable = "TOKEN_JANITOR_TEST_PG_BIN"

// usualFolders is where packages put the server's programs, which are not on PATH on Debian and Red Hat.
var usualFolders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/local/pgsql/bin",
	"/usr/local/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// installation is a folder that holds initdb and postgres, which work.
type installation struct {
	dir     string
	version string // "15.18"
}

// find returns the programs to run a server of, fetched if there is no other way.
func find(ctx context.Context, cfg config, who *account) (installation, error) {
	if dir := os.Getenv(binVariable); dir != "" {
		bin, err := try(ctx, dir, who)
		if err != nil {
			return installation{}, fmt.Errorf("%s=%s: %w", binVariable, dir, err)
		}
		return bin, nil
	}
	var errs []error
	for _, dir := range cfg.installed() {
		bin, err := try(ctx, dir, who)
		if err == nil {
			return bin, nil
		}
		// A folder without the programs is no news; programs that do not work are.
		if !errors.Is(err, errNoPrograms) {
			errs = append(errs, err)
		}
	}
	if ctx.Err() != nil {
		return installation{}, fmt.Errorf("find a PostgreSQL server: %w", context.Cause(ctx))
	}
	dir, err := cfg.fetch.get(ctx)
	if err == nil {
		var bin installation
		if bin, err = try(ctx, dir, who); err == nil {
			return bin, nil
		}
	}
	return installation{}, fmt.Errorf("no PostgreSQL server found: looked for initdb and postgres on PATH, with pg_config --bindir, and in %s; "+
		"then tried to fetch PostgreSQL %s; install it (apt install postgresql, dnf install postgresql-server, brew install postgresql@18), "+
		"or set %s to the folder that has initdb and postgres: %w",
		strings.Join(usualFolders, ", "), cfg.fetch.version, binVariable, errors.Join(append(errs, err)...))
}

var errNoPrograms = errors.New("not a folder that holds initdb and postgres")

// try runs the programs of dir as who.
func try(ctx context.Context, dir string, who *account) (installation, error) {
	// The supervisor runs in another folder.
	dir, err := filepath.Abs(dir)
	if err != nil {
		return installation{}, err
	}
	for _, program := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, program)); err != nil || info.IsDir() {
			return installation{}, fmt.Errorf("%w: no %s in %s", errNoPrograms, program, dir)
		}
	}
	var version string
	for _, program := range []string{"initdb", "postgres"} {
		version, err = programVersion(ctx, filepath.Join(dir, program), who)
		if err != nil {
			return installation{}, err
		}
	}
	return installation{dir: dir, version: version}, nil
}

// programVersion is what one of PostgreSQL's programs says its version is, when run as who.
func programVersion(ctx context.Context, path string, who *account) (string, error) {
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = environment()
	cmd.Dir = "/"
	detach(cmd, who)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("run %s%s: %w %s", path, who.as(), err, strings.TrimSpace(string(out)))
	}
	// postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
	_, version, ok := strings.Cut(string(out), "(PostgreSQL) ")
	if fields := strings.Fields(version); ok && len(fields) > 0 && len(numbers(fields[0])) > 0 {
		return fields[0], nil
	}
	return "", fmt.Errorf("run %s --version: it says %q, which is not PostgreSQL's", path, out)
}

// installed lists the folders that may hold PostgreSQL's programs, the likeliest first.
func installed() []string {
	var dirs []string
	if path, err := exec.LookPath("initdb"); err == nil {
		// What is on PATH may be a link that the other programs beside it have not.
		if target, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	return append(dirs, expand("/", usualFolders)...)
}

// expand lists what the patterns match below root, newest version first within a pattern.
func expand(root string, patterns []string) []string {
	var dirs []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(filepath.Join(root, pattern)) // the only error is a bad pattern
		slices.SortStableFunc(found, func(a, b string) int { return slices.Compare(numbers(b), numbers(a)) })
		dirs = append(dirs, found...)
	}
	return dirs
}

// numbers lists the numbers in a path, so that 9.6 sorts before 15.
func numbers(path string) []int {
	var list []int
	for _, digits := range strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' }) {
		n, _ := strconv.Atoi(digits) // an absurdly long one counts as the largest
		list = append(list, n)
	}
	return list
}
