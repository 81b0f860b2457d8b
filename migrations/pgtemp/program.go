package pgtemp

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// requireVariable set to 1 turns a skip for want of a program into a failure, and has the large tests run: for CI.
const requireVariable = "TOKEN_JANITOR_TEST_REQUIRE"

// postgresPackages are Debian's packages of PostgreSQL's own programs.
var postgresPackages = map[string]string{
	"pg_basebackup": "postgresql-client",
	"pg_dump":       "postgresql-client",
	"pg_restore":    "postgresql-client",
	"pg_receivewal": "postgresql-client",
	"pgbench":       "postgresql-contrib",
	"psql":          "postgresql-client",
}

// peerPackages are Debian's packages of other programs, where they are not named as the program is.
var peerPackages = map[string]string{
	"promtool": "prometheus",
	"xz":       "xz-utils",
}

// Require returns the path of a program that a test compares with or talks to, such as alembic, promtool, pgbouncer
// or pg_dump. PostgreSQL's own are of the server's major version or a newer one, for an older pg_dump refuses to
// dump it. A test whose program is not there is skipped, with the name of the package to install, or fails if
// TOKEN_JANITOR_TEST_REQUIRE is 1.
func Require(t testing.TB, program string) string {
	t.Helper()
	path, err := locate(t.Context(), program)
	if err == nil {
		return path
	}
	if Required() {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// Large skips a test that keeps a core busy for long, or wants servers of its own, unless TOKEN_JANITOR_TEST_REQUIRE is 1, as it is in CI.
func Large(t testing.TB) {
	t.Helper()
	if !Required() {
		t.Skip("a large one, for CI: " + requireVariable + "=1")
	}
}

// Required reports whether TOKEN_JANITOR_TEST_REQUIRE is 1, as it is in CI: then no test is skipped or cut short.
func Required() bool { return os.Getenv(requireVariable) == "1" }

func locate(ctx context.Context, program string) (string, error) {
	// An ordinary user's PATH lacks the folder that Debian has pgbouncer in.
	dirs := append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin")
	pkg, ofPostgres := postgresPackages[program]
	if !ofPostgres {
		for _, dir := range dirs {
			if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
				return path, nil
			}
		}
		if pkg = peerPackages[program]; pkg == "" {
			pkg = program
		}
		return "", fmt.Errorf("%s is not on PATH (apt install %s)", program, pkg)
	}

	who, err := unprivileged()
	if err != nil {
		return "", err
	}
	server, err := find(ctx, defaults(), who)
	if err != nil {
		return "", err
	}
	if dirs = slices.Concat([]string{server.dir}, dirs, expand("/", usualFolders)); program == "pg_basebackup" {
		dirs = dirs[:1] // the server's own makes the standby
	}
	major := numbers(server.version)[0]
	for _, dir := range dirs {
		path, err := exec.LookPath(filepath.Join(dir, program))
		if err != nil {
			continue
		}
		version, err := programVersion(ctx, path, nil)
		if err == nil && numbers(version)[0] >= major {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s of PostgreSQL %d or newer is not on PATH (apt install %s)", program, major, pkg)
}
