//go:build unix

package pgtemp

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestVariableNamesTheFolderAndNoOther(t *testing.T) {
	works := Shared(t).BinDir()
	half := t.TempDir()
	if err := os.Symlink(filepath.Join(works, "initdb"), filepath.Join(half, "initdb")); err != nil {
		t.Fatal(err)
	}
	broken, stranger := programs(t, "exit 7"), programs(t, "echo 'mysqld 8.0'")
	closed := programs(t, "echo 'postgres (PostgreSQL) 1.0'")
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	who, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dir string
		want      []string
		onlyRoot  bool
	}{
		{"missing", "/no/such/folder", []string{"not a folder that holds initdb and postgres: no initdb in /no/such/folder"}, false},
		{"half", half, []string{"no postgres in " + half}, false},
		{"broken", broken, []string{"run " + broken + "/initdb", "exit status 7"}, false},
		{"not PostgreSQL", stranger, []string{`it says "mysqld 8.0\n", which is not PostgreSQL's`}, false},
		{"closed to the server's user", closed, []string{"run " + closed + "/initdb as user ", "permission denied"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.onlyRoot && who == nil {
				t.Skip("the server runs as this user")
			}
			t.Setenv(binVariable, c.dir)
			_, err := Start(t.Context())
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range append(c.want, "TOKEN_JANITOR_TEST_PG_BIN="+c.dir+": ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to say %q", err, want)
				}
			}
		})
	}

	t.Run("relative", func(t *testing.T) {
		t.Chdir(filepath.Dir(works))
		t.Setenv(binVariable, filepath.Base(works))
		bin, err := find(t.Context(), defaults(), who)
		if err != nil || bin.dir != works {
			t.Errorf("found %s, %v, want %s", bin.dir, err, works)
		}
	})
}

func TestFoldersThatDoNotWorkArePassedOver(t *testing.T) {
	works := Shared(t).BinDir()
	t.Setenv(binVariable, "")
	who, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	cfg := defaults()
	broken := programs(t, "exit 7")
	cfg.installed = func() []string { return []string{"/no/such/folder", broken, works} }
	bin, err := find(t.Context(), cfg, who)
	if err != nil {
		t.Fatal(err)
	}
	if bin.dir != works {
		t.Errorf("found %s, want %s", bin.dir, works)
	}
}

func TestNothingToStartAndNothingToFetch(t *testing.T) {
	keepTidy(t)
	t.Setenv(binVariable, "")
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	broken := programs(t, "exit 7")
	_, err := Start(t.Context(), func(c *config) {
		c.installed = func() []string { return []string{broken} }
		c.fetch.repository, c.fetch.cache = gone.URL, t.TempDir()
	})
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{
		"no PostgreSQL server found", "on PATH", "pg_config --bindir", "/usr/lib/postgresql/*/bin",
		"apt install postgresql", "set TOKEN_JANITOR_TEST_PG_BIN",
		"run " + broken + "/initdb", "unable to connect to " + gone.URL,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to say %q", err, want)
		}
	}
}

func TestNewestVersionFirst(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, dir := range []string{"a/9.6/bin", "a/15/bin", "a/18/bin", "a/9/bin", "b/99/bin", "c/bin"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, dir := range expand(root, []string{"/a/*/bin", "/c/bin", "/none/bin", "/b/*/bin"}) {
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rel)
	}
	want := []string{"a/18/bin", "a/15/bin", "a/9.6/bin", "a/9/bin", "c/bin", "b/99/bin"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFirstOrdinaryAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, passwd string
		want         *account
	}{
		{"empty", "", nil},
		{"only root", "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n", nil},
		{"after root and rubbish", "root:x:0:0:\n\n# comment\n+::::\nneg:x:-2:-2:\nbob:x:1000:100:Bob:/home/bob:/bin/sh\neve:x:1001:100:\n", &account{"bob", 1000, 100}},
	} {
		got := firstOrdinary(c.passwd)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRequire(t *testing.T) {
	tools := t.TempDir()
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	script := func(name, body string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(tools, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script("peer", "")
	script("pgbench", "echo 'pgbench (PostgreSQL) 8.4'")
	server := programs(t, `echo "postgres (PostgreSQL) 77.1"`)
	for _, c := range []struct {
		name, program, require, bin string
		want                        outcome
	}{
		{"there", "peer", "1", "", outcome{path: filepath.Join(tools, "peer")}},
		{"not there", "no-such-peer", "", "", outcome{skip: "no-such-peer is not on PATH (apt install no-such-peer)"}},
		{"not there but required", "no-such-peer", "1", "", outcome{fatal: "no-such-peer is not on PATH (apt install no-such-peer)"}},
		{"older than the server", "pgbench", "", server, outcome{skip: "pgbench of PostgreSQL 77 or newer is not on PATH (apt install postgresql-contrib)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(requireVariable, c.require)
			if c.bin != "" {
				t.Setenv(binVariable, c.bin)
			}
			if got := require(t, c.program); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// outcome is what Require does to a test.
type outcome struct{ path, skip, fatal string }

type observed struct {
	testing.TB
	got *outcome
}

func (o observed) Skip(args ...any)         { o.got.skip = fmt.Sprint(args...); runtime.Goexit() }
func (o observed) Fatal(args ...any)        { o.got.fatal = fmt.Sprint(args...); runtime.Goexit() }
func (o observed) Context() context.Context { return context.Background() }

func require(t *testing.T, program string) outcome {
	var got outcome
	done := make(chan struct{})
	go func() {
		defer close(done)
		got.path = Require(observed{t, &got}, program)
	}()
	<-done
	return got
}

// programs makes a folder with an initdb and a postgres that are shell scripts.
func programs(t *testing.T, script string) string {
	t.Helper()
	dir := openDir(t)
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
