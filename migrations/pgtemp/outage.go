package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Shutdown is a way to stop a server, as pg_ctl names them.
type Shutdown syscall.Signal

// The ways to stop a server.
const (
	Smart     = Shutdown(syscall.SIGTERM) // when all have gone who are connected
	Fast      = Shutdown(syscall.SIGINT)  // with their transactions rolled back
	Immediate = Shutdown(syscall.SIGQUIT) // as in a crash
)

// Down stops the server and keeps its files, until [Server.Up]. It returns when the server has ended.
func (s *Server) Down(ctx context.Context, how Shutdown) error {
	if err := os.WriteFile(s.down(), nil, 0o644); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	file := filepath.Join(s.dir, "data", "postmaster.pid")
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return fmt.Errorf("stop the server: %s: %w", file, err)
	}
	server, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	if err := server.Signal(syscall.Signal(how)); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	return s.until(ctx, "the server has ended", func() error {
		_, err := os.Stat(filepath.Join(s.dir, "ended"))
		return err
	})
}

// Up starts the server again that [Server.Down] stopped, and returns when it answers.
func (s *Server) Up(ctx context.Context) error {
	if err := os.Remove(s.down()); err != nil {
		return fmt.Errorf("start the server again: %w", err)
	}
	return s.until(ctx, "the server answers again", func() error { return s.ping(ctx) })
}

// Restart puts files into the server's data folder, in place of those that are there, and starts it anew. Such are
// pg_hba.conf, postgresql.auto.conf (which goes before postgresql.conf) and those of TLS. The superuser "postgres" has to
// be let in without TLS and without a password as before.
func (s *Server) Restart(ctx context.Context, files map[string]string) error {
	if err := s.Down(ctx, Fast); err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	owner, err := os.Stat(data)
	for name, content := range files {
		if err == nil {
			err = own(filepath.Join(data, name), content, owner)
		}
	}
	if err != nil {
		return fmt.Errorf("put files into the server's folder: %w", err)
	}
	return s.Up(ctx)
}

// down is the file that tells the supervisor to wait for a server that ended.
func (s *Server) down() string { return filepath.Join(s.dir, "down") }

func (s *Server) until(ctx context.Context, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	pulse := time.NewTicker(readyInterval)
	defer pulse.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-pulse.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, errors.Join(context.Cause(ctx), err))
		}
	}
}
