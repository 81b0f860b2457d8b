package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// alone is how long the API works before the janitor comes, to have something to compare with.
const alone = 2500 * time.Millisecond

// silence is how long a step may take before it says why.
const silence = 1500 * time.Millisecond

// stage is all that a show needs.
type stage struct {
	options
	out    io.Writer
	dir    string // of the janitor's binary
	binary string
	server *pgtemp.Server
	url    string // of the database
	book   ledger
	watch  *pgx.Conn // that the ledger is checked over
	api    api
	daemon *daemon
}

const prologue = `token-janitor demo: a throwaway PostgreSQL, a simulated API, and the real janitor beside it

What happens: the database gets %s refresh tokens, most of them overdue. An API logs users in and out,
first alone, then beside the janitor, which deletes what is overdue. A ledger of the demo's own knows every
token that must stay.
What to watch: the backlog shrinks, the API is as fast as before, and no token that must stay is lost.

`

// show sets the stage, lets API and janitor work until ctx ends or for as long as asked, and says what came of it.
// Its error is what must not have happened.
func show(ctx context.Context, opts options, out io.Writer) (err error) {
	fmt.Fprintf(out, prologue, thousands(opts.tokens))
	s := stage{options: opts, out: out}
	defer func() { err = errors.Join(err, s.clear()) }()
	err = s.set(ctx)
	switch {
	case err == nil:
		err = s.play(ctx)
	case ctx.Err() != nil: // what was under way failed over that
		err = nil
		fmt.Fprintln(out)
	}
	if err == nil && s.daemon == nil {
		fmt.Fprint(out, "\nStopped before the janitor began.\n")
	}
	return err
}

// set builds the janitor, and starts and fills the database.
func (s *stage) set(ctx context.Context) error {
	err := s.step("building token-janitor", "up to a minute the first time", func() (_ string, err error) {
		s.dir, s.binary, err = buildDaemon(ctx)
		return "", err
	})
	if err != nil {
		return err
	}
	err = s.step("starting PostgreSQL", "it is fetched first where none is installed", func() (_ string, err error) {
		if s.server, err = pgtemp.Start(ctx, pgtemp.Durable()); err != nil {
			return "", err
		}
		const database = "hyphagraph"
		s.url = s.server.URL(database)
		return "version " + s.server.Version(), s.server.Create(ctx, database)
	})
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = s.step("making the schema", "", func() (string, error) {
		state, err := migrationstest.Apply(ctx, conn)
		return "schema at " + state.Revision, err
	})
	if err != nil {
		return err
	}
	s.book.keep = shown
	s.api = api{url: s.url, rate: s.rate, mix: daily, life: func() time.Duration { return s.lifetime }, book: &s.book}
	err = s.step("loading "+thousands(s.tokens)+" tokens", "", func() (_ string, err error) {
		if s.api.idle, err = loadUsers(ctx, conn); err != nil {
			return "", err
		}
		if err = loadBacklog(ctx, conn, s.tokens, s.api.idle, &s.book); err != nil {
			return "", err
		}
		now := s.book.standing()
		return thousands(now.due) + " are overdue, " + thousands(now.stay) + " must stay", nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\n  database  %s\n", s.url)
	s.watch, err = watcher(ctx, s.url)
	return err
}

// step says what is being done, does it, and says how long it took and what came of it. What takes long says so.
func (s *stage) step(doing, long string, do func() (string, error)) error {
	fmt.Fprintf(s.out, "  %-26s", doing)
	begun := time.Now()
	slow := time.AfterFunc(silence, func() {
		if long != "" {
			fmt.Fprintf(s.out, "  (%s)\n  %-26s", long, "")
		}
	})
	outcome, err := do()
	slow.Stop()
	if err != nil {
		fmt.Fprintln(s.out)
		return err
	}
	fmt.Fprintln(s.out, strings.TrimRight(fmt.Sprintf("%7s   %s", brief(time.Since(begun)), outcome), " "))
	return nil
}

// clear leaves nothing behind.
func (s *stage) clear() error {
	var errs []error
	if s.daemon != nil {
		select {
		case <-s.daemon.done: // how it ended has been told
		default:
			errs = append(errs, s.daemon.stop())
		}
	}
	if s.watch != nil {
		_ = s.watch.Close(context.Background()) // the server goes next
	}
	if s.server != nil {
		errs = append(errs, s.server.Stop())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// play lets the API work, alone at first and then beside the janitor, and checks all that they leave.
func (s *stage) play(ctx context.Context) error {
	after := context.WithoutCancel(ctx)
	working, end := context.WithCancel(ctx)
	wrong := &trouble{end: end}
	var workers sync.WaitGroup
	finish := func() { end(); workers.Wait() }
	defer finish()
	workers.Go(func() { s.api.serve(working, wrong) })
	workers.Go(func() { wrong.note(s.book.watch(working, s.watch)) })

	r := report{stage: s, began: time.Now()}
	r.last = r.began
	s.act(working, &r, wrong)

	// The API first, then the janitor: after that the table is still.
	finish()
	if s.daemon == nil || wrong.first() != nil {
		return wrong.first()
	}
	if err := s.daemon.stop(); err != nil {
		return err
	}
	if err := r.news(); err != nil {
		return err
	}
	stayed, err := s.book.checkAll(after, s.watch)
	if err != nil {
		return err
	}
	r.summary(stayed)
	return nil
}

// act reports every second, and brings on the janitor when it is time, until ctx or the time asked for ends.
func (s *stage) act(ctx context.Context, r *report, wrong *trouble) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	entrance := time.After(alone)
	var over <-chan time.Time
	var died <-chan struct{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-over:
			return
		case <-died:
			wrong.note(s.daemon.failure())
		case <-entrance:
			daemon, err := startDaemon(ctx, s.binary, s.url, shown, "--listen="+s.listen, "--schedule=@every 10s", "--schedule-jitter=0s")
			if err != nil {
				if ctx.Err() == nil {
					wrong.note(err)
				}
				continue
			}
			s.daemon, died = daemon, daemon.done
			// It runs and needs its file no more: so nothing stays even if this process is killed.
			wrong.note(os.RemoveAll(s.dir))
			r.enter()
			if s.during > 0 {
				over = time.After(s.during)
			}
		case <-second.C:
			wrong.note(r.line(ctx))
		}
	}
}
