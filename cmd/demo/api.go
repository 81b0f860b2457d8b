package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	apiConnections = 8                // an API process keeps about as many
	apiPatience    = 10 * time.Second // a call that takes longer has failed
)

// session is an open one: its live token and the token's place in the ledger.
type session struct {
	token
	place int
}

// api is the simulated API: logins, refreshes and logouts at a steady rate. It does not wait for a call to end before
// the next one begins, as users do not either, and counts a call's time from the moment that it was due.
type api struct {
	url   string
	rate  int
	users []uuid
	book  *ledger       // nil: nobody checks
	life  time.Duration // of a token

	mu        sync.Mutex
	open      []session
	latencies []time.Duration // of all calls, eight bytes each
}

// serve works until ctx ends, then ends the calls in flight. It notes what fails.
func (a *api) serve(ctx context.Context, wrong *trouble) {
	calling := context.WithoutCancel(ctx)
	due := make(chan time.Time)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(due)
	for range apiConnections {
		conn, err := pgx.Connect(ctx, a.url)
		if err != nil {
			if ctx.Err() == nil {
				wrong.note(fmt.Errorf("connect the API: %w", err))
			}
			return
		}
		workers.Go(func() {
			defer conn.Close(calling)
			for at := range due {
				if err := a.call(calling, conn); err != nil {
					wrong.note(fmt.Errorf("a call of the API failed: %w", err))
				}
				a.mu.Lock()
				a.latencies = append(a.latencies, time.Since(at))
				a.mu.Unlock()
			}
		})
	}
	for at := time.Now(); ; {
		// Users come at random, so that calls also come in twos and threes.
		at = at.Add(time.Duration(rand.ExpFloat64() * float64(time.Second) / float64(a.rate)))
		select {
		case <-time.After(time.Until(at)):
		case <-ctx.Done():
			return
		}
		select {
		case due <- at:
		case <-ctx.Done():
			return
		}
	}
}

// calls is how many calls there were.
func (a *api) calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.latencies)
}

// took returns how long the calls took, from one to before another, shortest first.
func (a *api) took(from, to int) []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	sorted := slices.Clone(a.latencies[from:to])
	slices.Sort(sorted)
	return sorted
}

// call does one operation: of twenty, seventeen refreshes, two logins and a logout.
func (a *api) call(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, apiPatience)
	defer cancel()
	what := rand.IntN(20)
	s, ok := a.take()
	switch {
	case !ok:
		return a.login(ctx, conn)
	case what < 2:
		a.put(s)
		return a.login(ctx, conn)
	case what < 3:
		return a.logout(ctx, conn, s)
	default:
		return a.refresh(ctx, conn, s)
	}
}

// take takes a session that nobody else uses meanwhile, at random, and drops those that
// would end in the middle of a call.
func (a *api) take() (s session, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for last := len(a.open) - 1; last >= 0; last-- {
		i := rand.IntN(last + 1)
		s, a.open[i] = a.open[i], a.open[last]
		a.open = a.open[:last]
		if time.Until(s.expires) > apiPatience {
			return s, true
		}
	}
	return session{}, false
}

func (a *api) put(s session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = append(a.open, s)
}

const (
	insertToken = `INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at) VALUES ($1, $2, $3, $4)`
	selectToken = `SELECT id, is_revoked FROM refresh_tokens WHERE token_hash = $1`
	revokeToken = `UPDATE refresh_tokens SET is_revoked = true, revoked_at = $2 WHERE id = $1`
)

func (a *api) login(ctx context.Context, conn *pgx.Conn) error {
	now := time.Now()
	t := newToken(a.users[rand.IntN(len(a.users))], now, now.Add(a.life))
	if _, err := conn.Exec(ctx, insertToken, t.id, t.user, t.hash, t.expires); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	a.put(session{t, a.enter(t, now)})
	return nil
}

func (a *api) refresh(ctx context.Context, conn *pgx.Conn, s session) error {
	now := time.Now()
	successor := newToken(s.user, now, s.expires)
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := revoke(ctx, tx, s.token, now); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertToken, successor.id, successor.user, successor.hash, successor.expires)
		return err
	})
	if err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	a.revoked(s, now)
	a.put(session{successor, a.enter(successor, now)})
	return nil
}

func (a *api) logout(ctx context.Context, conn *pgx.Conn, s session) error {
	now := time.Now()
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return revoke(ctx, tx, s.token, now) })
	if err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	a.revoked(s, now)
	return nil
}

// enter and revoked tell the ledger, if there is one.
func (a *api) enter(t token, now time.Time) (place int) {
	if a.book == nil {
		return -1
	}
	return a.book.enter(t, now)
}

func (a *api) revoked(s session, now time.Time) {
	if a.book != nil {
		a.book.revoke(s.place, now)
	}
}

// revoke finds a token by what its user shows and revokes it.
func revoke(ctx context.Context, tx pgx.Tx, t token, now time.Time) error {
	var id uuid
	var revoked bool
	err := tx.QueryRow(ctx, selectToken, t.hash).Scan(&id, &revoked)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("live token %s is LOST: its user is logged out", t.id)
	case err != nil:
		return err
	case revoked || id != t.id:
		return fmt.Errorf("live token %s is not what it was", t.id)
	}
	_, err = tx.Exec(ctx, revokeToken, id, now)
	return err
}
