package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// fault is something that happens to janitors, network or server. It ends by itself, soon after ctx does.
type fault struct {
	name   string
	of     int  // how often it comes, next to the others
	breaks bool // it ends processes or connections
	do     func(ctx context.Context, r *rand.Rand) error
}

func (s *soak) allFaults() []fault {
	return []fault{
		{"kill -9", 3, true, func(ctx context.Context, r *rand.Rand) error { return s.mortal(r).replace(ctx, true) }},
		{"SIGTERM", 2, true, func(ctx context.Context, r *rand.Rand) error { return s.mortal(r).replace(ctx, false) }},
		{"SIGUSR1", 2, false, s.runNow},
		{"SIGUSR2", 2, false, s.pauseSchedule},
		{"backend terminated", 2, true, s.terminate},
		{"network cut", 3, true, s.cut},
		{"network slow", 2, true, s.slow},
		{"network silent", 2, true, s.hush},
		{"smart stop", 1, true, s.stop(pgtemp.Smart)},
		{"fast stop", 1, true, s.stop(pgtemp.Fast)},
		{"immediate stop", 1, true, s.stop(pgtemp.Immediate)},
		{"column added", 2, false, s.addColumn},
		{"index made", 2, false, s.makeIndex},
		{"vacuum full", 1, false, s.vacuumFull},
		{"snapshot held", 2, false, s.holdSnapshot},
		{"rows held", 4, false, s.holdRows},
		{"backlog", 4, false, s.backlog},
	}
}

// faultsAtOnce is how many faults there may be: enough that one meets another, few enough that there is work between.
const faultsAtOnce = 4

// strike lets faults happen at random until ctx ends, and returns when all are over.
func (s *soak) strike(ctx context.Context) {
	r := rand.New(rand.NewPCG(s.seed, 0))
	var deck []fault
	for _, f := range s.allFaults() {
		for range f.of {
			if !f.breaks || !*soakCalm {
				deck = append(deck, f)
			}
		}
	}
	places := make(chan struct{}, faultsAtOnce)
	var all sync.WaitGroup
	defer all.Wait()
	for n := uint64(1); ; n++ {
		f := deck[r.IntN(len(deck))]
		select {
		case <-time.After(300*time.Millisecond + time.Duration(r.Int64N(int64(time.Second)))):
		case <-ctx.Done():
			return
		}
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			began := time.Now()
			err := f.do(ctx, rand.New(rand.NewPCG(s.seed, n)))
			switch {
			case err == nil:
			case s.down.since(began): // it needed the server
			default:
				s.wrong.note(fmt.Errorf("%s: %w", f.name, err))
			}
			s.count(f.name)
		})
	}
}

// mortal is a post whose janitor may be killed.
func (s *soak) mortal(r *rand.Rand) *post {
	for {
		if p := s.posts[r.IntN(len(s.posts))]; !p.lasting {
			return p
		}
	}
}

// wait waits for up to most, or until ctx ends.
func wait(ctx context.Context, r *rand.Rand, most time.Duration) {
	select {
	case <-time.After(time.Duration(r.Int64N(int64(most)))):
	case <-ctx.Done():
	}
}

func (s *soak) runNow(_ context.Context, r *rand.Rand) error {
	return s.posts[r.IntN(len(s.posts))].signal(syscall.SIGUSR1)
}

// pauseSchedule pauses a janitor, and resumes it unless it has a successor by then, who knows of no pause.
func (s *soak) pauseSchedule(ctx context.Context, r *rand.Rand) error {
	p := s.posts[r.IntN(len(s.posts))]
	p.pausing.Lock()
	defer p.pausing.Unlock()
	d := p.now()
	if err := p.signal(syscall.SIGUSR2); err != nil {
		return err
	}
	wait(ctx, r, 3*time.Second)
	if p.now() != d {
		return nil
	}
	return p.signal(syscall.SIGUSR2)
}

// direct is the application_name of janitors that do not go through the pooler, whose sessions are the API's as well.
const direct = "direct"

func (s *soak) terminate(ctx context.Context, _ *rand.Rand) error {
	defer pardonAll(s.posts)()
	return s.exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '`+direct+`'`)
}

// linked is a post with a network.
func (s *soak) linked(r *rand.Rand) *post {
	for {
		if p := s.posts[r.IntN(len(s.posts))]; p.link != nil {
			return p
		}
	}
}

func (s *soak) cut(_ context.Context, r *rand.Rand) error {
	p := s.linked(r)
	defer p.pardon()()
	p.link.cut()
	return nil
}

func (s *soak) slow(ctx context.Context, r *rand.Rand) error {
	p := s.linked(r)
	defer p.pardon()()
	p.link.slow(time.Duration(r.Int64N(int64(200 * time.Millisecond))))
	defer p.link.slow(0)
	wait(ctx, r, 5*time.Second)
	return nil
}

func (s *soak) hush(ctx context.Context, r *rand.Rand) error {
	p := s.linked(r)
	defer p.pardon()()
	p.link.hush()
	defer p.link.heal()
	wait(ctx, r, 12*time.Second) // longer than a run waits for an answer
	return nil
}

// stop stops the server and starts it again.
func (s *soak) stop(how pgtemp.Shutdown) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, r *rand.Rand) error {
		s.serving.Lock()
		defer s.serving.Unlock()
		defer pardonAll(s.posts)()
		after := context.WithoutCancel(ctx)
		if err := s.noDeadlocks(after); err != nil { // before a crash takes the count with it
			return err
		}
		s.down.begin()
		defer s.down.end()
		if how == pgtemp.Smart { // the API never goes by itself: whoever waits for that loses patience
			patience, stop := context.WithTimeout(after, time.Second)
			defer stop()
			if err := s.server.Down(patience, how); err == nil || !errors.Is(err, context.DeadlineExceeded) {
				return errors.Join(err, s.server.Up(after))
			}
			how = pgtemp.Fast
		}
		if err := s.server.Down(after, how); err != nil {
			return err
		}
		wait(ctx, r, time.Second)
		return s.server.Up(after)
	}
}

// One change of the table at a time: two of them may deadlock with each other, whoever else is there.

func (s *soak) addColumn(ctx context.Context, r *rand.Rand) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	return s.connected(ctx, func(conn *pgx.Conn) error {
		after := context.WithoutCancel(ctx)
		return pgx.BeginFunc(after, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(after, `ALTER TABLE refresh_tokens DROP COLUMN IF EXISTS note, ADD COLUMN note text`)
			wait(ctx, r, time.Second)
			return err
		})
	})
}

func (s *soak) makeIndex(ctx context.Context, r *rand.Rand) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.exec(ctx, `DROP INDEX CONCURRENTLY IF EXISTS by_revocation`); err != nil {
		return err
	}
	if err := s.exec(ctx, `CREATE INDEX CONCURRENTLY by_revocation ON refresh_tokens (revoked_at) WHERE is_revoked`); err != nil {
		return err
	}
	wait(ctx, r, 10*time.Second) // janitors walk it meanwhile
	return s.exec(ctx, `DROP INDEX CONCURRENTLY IF EXISTS by_revocation`)
}

func (s *soak) vacuumFull(ctx context.Context, _ *rand.Rand) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	return s.exec(ctx, `VACUUM FULL refresh_tokens`)
}

// holdSnapshot keeps the server from cleaning anything up.
func (s *soak) holdSnapshot(ctx context.Context, r *rand.Rand) error {
	return s.connected(ctx, func(conn *pgx.Conn) error {
		after := context.WithoutCancel(ctx)
		return pgx.BeginTxFunc(after, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
			_, err := tx.Exec(after, `SELECT pg_current_snapshot()`)
			wait(ctx, r, 8*time.Second)
			return err
		})
	})
}

// holdRows locks all tokens of a user, those that are due as well.
func (s *soak) holdRows(ctx context.Context, r *rand.Rand) error {
	u := s.api.take()
	defer s.api.give(u)
	return s.connected(ctx, func(conn *pgx.Conn) error {
		after := context.WithoutCancel(ctx)
		return pgx.BeginFunc(after, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(after, `SELECT id FROM refresh_tokens WHERE user_id = $1 FOR UPDATE`, u.id)
			wait(ctx, r, 3*time.Second)
			return err
		})
	})
}

// backlog brings back what a janitor that was away for long would find: for each user, tokens of both kinds that are due.
func (s *soak) backlog(ctx context.Context, r *rand.Rand) error {
	s.serving.RLock()
	defer s.serving.RUnlock()
	return s.connected(ctx, func(conn *pgx.Conn) error {
		tag, err := conn.Exec(context.WithoutCancel(ctx), `
			INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, revoked_at)
			SELECT gen_random_uuid(), u.id, 'backlog ' || gen_random_uuid(),
			       now() + CASE WHEN i % 2 = 0 THEN interval '-1 hour' ELSE interval '1 hour' END, i % 2 = 1,
			       CASE WHEN i % 2 = 1 THEN now() - interval '1 hour' END
			  FROM (SELECT id FROM users FOR KEY SHARE) AS u, generate_series(1, $1::int) AS i`, 1+r.IntN(40))
		s.backlogged.Add(tag.RowsAffected())
		return err
	})
}
