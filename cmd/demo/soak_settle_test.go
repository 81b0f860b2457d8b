package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// watch checks the ledger round and round until ctx ends.
func (s *soak) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		began := time.Now()
		conn, err := watcher(ctx, s.url)
		if err == nil {
			err = s.book.watch(ctx, conn)
			_ = conn.Close(context.WithoutCancel(ctx))
		}
		if err != nil && ctx.Err() == nil && !(s.down.since(began) && !errors.Is(err, errLost)) {
			return err
		}
	}
	return nil
}

// settle looks at what is left when all have gone, and says in one line what it came to.
func (s *soak) settle(ctx context.Context, conn *pgx.Conn, took time.Duration) (figures string, err error) {
	if _, err := s.book.checkAll(ctx, conn); err != nil {
		return "", err
	}
	var sum tally
	for _, p := range s.posts {
		sum.add(p.tally)
	}
	byDaemons := sum.deleted
	last, err := s.clean(ctx, conn)
	if err != nil {
		return "", err
	}
	sum.deleted += last
	stayed, err := s.book.checkAll(ctx, conn)
	if err != nil {
		return "", err
	}
	if err := s.noDeadlocks(ctx); err != nil {
		return "", err
	}

	var left int64
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM refresh_tokens`).Scan(&left); err != nil {
		return "", err
	}
	gone := s.book.entered + s.backlogged.Load() - s.cascaded.Load() - left
	doubt := s.doubtful.Load()
	calls := s.api.took(0, s.api.calls())
	figures = fmt.Sprintf("soak.seed %d: %s, %s operations (%.0f a second, p50 %s, p99 %s, %d excused), %s, %s rows deleted in %s runs (%d failed by a fault), "+
		"the last one %s; %s gone, up to %s in doubt; live tokens lost: 0 of %s checks, %s stay; at most %.0f goroutines and %.1f MB",
		s.seed, took.Round(time.Second), thousands(int64(len(calls))), float64(len(calls))/took.Seconds(), millis(quantile(calls, 0.5)), millis(quantile(calls, 0.99)), s.excused.Load(),
		s.faultsByKind(), thousands(sum.deleted), thousands(sum.runs), sum.failed,
		thousands(last), thousands(gone), thousands(doubt+sum.uncertain), thousands(s.book.standing().checked), thousands(stayed), sum.goroutines, sum.memory/(1<<20))
	switch {
	case sum.deleted > gone+doubt, sum.deleted+sum.uncertain < gone-doubt:
		return "", fmt.Errorf("the counts are not true: %s", figures)
	case byDaemons == 0:
		return "", fmt.Errorf("the daemons did nothing: %s", figures)
	}
	return figures, nil
}

func (t *tally) add(other tally) {
	t.runs += other.runs
	t.failed += other.failed
	t.deleted += other.deleted
	t.uncertain += other.uncertain
	t.goroutines = max(t.goroutines, other.goroutines)
	t.memory = max(t.memory, other.memory)
}

// clean lets a janitor do one last run, which leaves nothing that is due, and returns how many rows it deleted.
func (s *soak) clean(ctx context.Context, conn *pgx.Conn) (deleted int64, err error) {
	cmd := exec.CommandContext(ctx, s.binary, "--once", "--output=json", "--load=1", "--max-rate=0", "--database-url="+s.url,
		"--keep-expired="+brisk.expired.String(), "--keep-revoked="+brisk.revoked.String())
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("do the last run: %w\n%s", err, out)
	}
	var told struct {
		Outcome string
		Deleted struct{ Expired, Revoked int64 }
		Cutoffs struct{ Expired, Revoked time.Time }
	}
	if err := json.Unmarshal(out, &told); err != nil {
		return 0, fmt.Errorf("read the last run's summary: %w", err)
	}
	if told.Outcome != "drained" {
		return 0, fmt.Errorf("the last run is not through: %s", out)
	}
	var due int64
	err = conn.QueryRow(ctx, `SELECT count(*) FROM refresh_tokens WHERE expires_at < $1 OR is_revoked AND revoked_at < $2`,
		told.Cutoffs.Expired, told.Cutoffs.Revoked).Scan(&due)
	if err != nil {
		return 0, fmt.Errorf("count what is due: %w", err)
	}
	if due > 0 {
		return 0, fmt.Errorf("%d tokens are due after the last run", due)
	}
	return told.Deleted.Expired + told.Deleted.Revoked, nil
}

// noDeadlocks looks whether the server has seen one. The API would have failed over it; a janitor gives way unseen.
func (s *soak) noDeadlocks(ctx context.Context) error {
	return s.connected(ctx, func(conn *pgx.Conn) error {
		var n int64
		if err := conn.QueryRow(ctx, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("there were %d deadlocks", n)
		}
		return nil
	})
}

// connected does something over a connection of its own.
func (s *soak) connected(ctx context.Context, do func(*pgx.Conn) error) error {
	ctx = context.WithoutCancel(ctx)
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return do(conn)
}

func (s *soak) exec(ctx context.Context, sql string) error {
	return s.connected(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(context.WithoutCancel(ctx), sql)
		return err
	})
}

func (s *soak) count(fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[fault]++
}

func (s *soak) faultsByKind() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	var kinds []string
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		total += s.faults[name]
		kinds = append(kinds, fmt.Sprintf("%s %d", name, s.faults[name]))
	}
	return fmt.Sprintf("%d faults (%s)", total, strings.Join(kinds, ", "))
}

// downtime is when the server was last down.
type downtime struct {
	mu    sync.Mutex
	now   bool
	until time.Time
}

func (d *downtime) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = true
}

func (d *downtime) end() {
	// The pooler goes on to say that it cannot log in until it tries again.
	const aftermath = time.Second
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now, d.until = false, time.Now().Add(aftermath)
}

// since reports whether the server was down at some time since.
func (d *downtime) since(t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now || t.Before(d.until)
}
