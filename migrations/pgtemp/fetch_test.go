//go:build unix

package pgtemp

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestServerOfFetchedPrograms(t *testing.T) {
	bin := Shared(t).BinDir()
	repository := serve(t, jar(t, map[string]string{
		"bin/initdb": bin + "/initdb", "bin/postgres": bin + "/postgres", "bin/pg_ctl": bin + "/pg_ctl",
	}))
	keepTidy(t)
	t.Setenv(binVariable, "") // this is about what follows where nothing is installed
	cache := openDir(t)
	s := start(t, func(c *config) {
		c.installed = func() []string { return nil }
		c.fetch.repository, c.fetch.cache = repository.url, cache
	})
	if want := filepath.Join(cache, "postgresql-"+string(defaults().fetch.version), "bin"); s.BinDir() != want {
		t.Errorf("BinDir is %s, want %s", s.BinDir(), want)
	}
	connect(t, s.URL("postgres"))
	if got := repository.archives.Load(); got != 1 {
		t.Errorf("the archive was fetched %d times, want once", got)
	}
	checkCache(t, cache, true)
}

func TestFetchOnceForAll(t *testing.T) {
	keepTidy(t)
	repository := serve(t, jar(t, map[string]string{"bin/postgres": "/anywhere"}))
	from := source{version: "18.3.0", repository: repository.url, cache: t.TempDir()}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := from.get(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := repository.archives.Load(); got != 1 {
		t.Errorf("the archive was fetched %d times, want once", got)
	}
	checkCache(t, from.cache, true)
}

func TestFetchThatFails(t *testing.T) {
	keepTidy(t)
	whole := jar(t, map[string]string{"bin/postgres": "/anywhere"})
	var other bytes.Buffer
	if err := zip.NewWriter(&other).Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"not there", http.NotFound, "no version found matching 18.3.0"},
		{"cut short", answer(whole[:len(whole)/2], whole[:len(whole)/2]), "error fetching postgres: zip"},
		{"altered", answer(whole, []byte("something else")), "checksums do not match"},
		{"another archive", answer(other.Bytes(), other.Bytes()), "cannot find binary in archive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			from := source{version: "18.3.0", repository: server.URL, cache: t.TempDir()}
			_, err := from.get(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "fetch PostgreSQL 18.3.0: ") {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
			checkCache(t, from.cache, false)
		})
	}
}

func TestFetchCanceled(t *testing.T) {
	keepTidy(t)
	asked, release := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	defer server.Close()
	from := source{version: "18.3.0", repository: server.URL, cache: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := from.get(ctx)
		done <- err
	}()
	<-asked
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context canceled", err)
	}
	close(release)
	// The abandoned download holds the lock until it has cleared up.
	held, err := os.Open(filepath.Join(from.cache, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := lock(held); err != nil {
		t.Fatal(err)
	}
	checkCache(t, from.cache, false)
}

// keepTidy takes in the empty log file that the library leaves in the folder for temporary files.
func keepTidy(t *testing.T) { t.Setenv("TMPDIR", t.TempDir()) }

// repository is a Maven repository with one archive, whatever is asked for.
type repository struct {
	url      string
	archives atomic.Int64 // times the archive was fetched
}

func serve(t *testing.T, archive []byte) *repository {
	t.Helper()
	r := new(repository)
	whole := answer(archive, archive)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, ".jar") {
			r.archives.Add(1)
		}
		whole(w, req)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// answer serves an archive, and the checksum of another.
func answer(archive, summed []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			fmt.Fprintf(w, "%x", sha256.Sum256(summed))
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(archive))
	}
}

// jar packs links as the repository packs PostgreSQL: a tar.xz in a zip.
func jar(t *testing.T, links map[string]string) []byte {
	t.Helper()
	var tarred, packed, jarred bytes.Buffer
	tw := tar.NewWriter(&tarred)
	for name, target := range links {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	xz := exec.Command(Require(t, "xz"), "--stdout")
	xz.Stdin, xz.Stdout, xz.Stderr = &tarred, &packed, os.Stderr
	if err := xz.Run(); err != nil {
		t.Fatal(err)
	}
	zw := zip.NewWriter(&jarred)
	w, err := zw.Create("postgres-linux-x86_64.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(packed.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return jarred.Bytes()
}

// checkCache looks for anything but the lock and, if whole, one unpacked version.
func checkCache(t *testing.T, cache string, whole bool) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
		if depth := strings.Count(strings.TrimPrefix(path, cache), "/"); depth == 1 {
			got = append(got, d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "[lock]"
	if whole {
		want = "[lock postgresql-18.3.0]"
	}
	if fmt.Sprint(got) != want {
		t.Errorf("the cache holds %v, want %s", got, want)
	}
}
