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
	retryInterval  = 50 * time.Millisecond
)

// user is somebody who does one thing at a time.
type user struct {
	id   uuid
	open []session
}

// session is an open one: its live token and the token's entry in the ledger.
type session struct {
	token
	entry *entry
}

// share is an operation and how often it comes, next to the others.
type share struct {
	of int
	do func(*api, context.Context, *pgx.Conn, *user) error
}

// daily is what users of the demo do: of twenty calls, seventeen are refreshes.
var daily = []share{{17, (*api).refresh}, {2, (*api).login}, {1, (*api).logout}}

// api is the simulated API: its users come at a steady rate. They do not wait for a call to end before the next one
// begins, and a call's time counts from the moment that it was due.
type api struct {
	url    string
	rate   int
	mix    []share
	life   func() time.Duration       // of a token, from the login: a refresh does not prolong it
	book   *ledger                    // nil: nobody checks
	excuse func(began time.Time) bool // whether a call may have lost its connection since; nil = it never may

	mu        sync.Mutex
	idle      []*user         // all but those who are being served
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
			defer func() { conn.Close(calling) }()
			for at := range due {
				began := time.Now()
				err := a.call(calling, conn)
				a.mu.Lock()
				a.latencies = append(a.latencies, time.Since(at))
				a.mu.Unlock()
				switch {
				case err == nil:
				case conn.IsClosed() && a.excuse != nil && a.excuse(began):
					conn = a.again(ctx, conn)
				default:
					wrong.note(fmt.Errorf("a call of the API failed: %w", err))
				}
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

// again connects again as soon as there is a server, unless ctx ends before.
func (a *api) again(ctx context.Context, conn *pgx.Conn) *pgx.Conn {
	for conn.IsClosed() {
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return conn
		}
		if next, err := pgx.Connect(ctx, a.url); err == nil {
			conn = next
		}
	}
	return conn
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

// call does an operation for a user, both at random.
func (a *api) call(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, apiPatience)
	defer cancel()
	u := a.take()
	defer a.give(u)
	total := 0
	for _, s := range a.mix {
		total += s.of
	}
	at := rand.IntN(total)
	for _, s := range a.mix {
		if at -= s.of; at < 0 {
			return s.do(a, ctx, conn, u)
		}
	}
	return nil
}

// take takes a user whom nobody else serves meanwhile, at random. There are more of them than connections.
func (a *api) take() *user {
	a.mu.Lock()
	defer a.mu.Unlock()
	return pluck(&a.idle)
}

func (a *api) give(u *user) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.idle = append(a.idle, u)
}

// pluck takes one out of some, at random.
func pluck[T any](some *[]T) T {
	s := *some
	i, last := rand.IntN(len(s)), len(s)-1
	one := s[i]
	s[i] = s[last]
	*some = s[:last]
	return one
}

const (
	insertToken = `INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at) VALUES ($1, $2, $3, $4)`
	selectToken = `SELECT id, is_revoked FROM refresh_tokens WHERE token_hash = $1`
	revokeToken = `UPDATE refresh_tokens SET is_revoked = true, revoked_at = $2 WHERE id = $1`
)

func (a *api) login(ctx context.Context, conn *pgx.Conn, u *user) error {
	now := time.Now()
	t := newToken(u.id, now, now.Add(a.life()))
	if _, err := conn.Exec(ctx, insertToken, t.id, t.user, t.hash, t.expires); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	u.open = append(u.open, session{t, a.book.enter(t, now)})
	return nil
}

// refresh revokes the token of a session and makes its successor. Who has no session logs in.
func (a *api) refresh(ctx context.Context, conn *pgx.Conn, u *user) error {
	now := time.Now()
	s, ok := a.spend(u, now)
	if !ok {
		return a.login(ctx, conn, u)
	}
	successor := newToken(s.user, now, s.expires)
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := a.revoke(ctx, tx, s, now); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertToken, successor.id, successor.user, successor.hash, successor.expires)
		return err
	})
	if errors.Is(err, errOver) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	u.open = append(u.open, session{successor, a.book.enter(successor, now)})
	return nil
}

func (a *api) logout(ctx context.Context, conn *pgx.Conn, u *user) error {
	now := time.Now()
	s, ok := a.spend(u, now)
	if !ok {
		return a.login(ctx, conn, u)
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return a.revoke(ctx, tx, s, now) })
	if err != nil && !errors.Is(err, errOver) {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// spend takes one of the user's sessions, at random, of those that have not expired. Whatever becomes of the call that
// its token is spent on, it counts as revoked.
func (a *api) spend(u *user, now time.Time) (s session, ok bool) {
	for len(u.open) > 0 {
		if s = pluck(&u.open); s.expires.After(now) {
			a.book.revoke(s.entry, now)
			return s, true
		}
	}
	return s, false
}

// errOver says that a call was so slow that its session came to its end, and may be gone.
var errOver = errors.New("the session is over")

// revoke finds a token by what its user shows and revokes it.
func (a *api) revoke(ctx context.Context, tx pgx.Tx, s session, now time.Time) error {
	var id uuid
	var revoked bool
	err := tx.QueryRow(ctx, selectToken, s.hash).Scan(&id, &revoked)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && !a.book.stays(s.entry):
		return errOver
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("live token %s is %w: its user is logged out", s.id, errLost)
	case err != nil:
		return err
	case revoked || id != s.id:
		return fmt.Errorf("live token %s is not what it was", s.id)
	}
	_, err = tx.Exec(ctx, revokeToken, id, now)
	return err
}
