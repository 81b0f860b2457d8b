package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// users is how many people log in to the API.
const users = 1_000

// loadUsers fills the table users.
func loadUsers(ctx context.Context, conn *pgx.Conn) ([]*user, error) {
	all := make([]*user, users)
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"users"}, []string{"id", "email"}, pgx.CopyFromSlice(users, func(i int) ([]any, error) {
		all[i] = &user{id: newUUID()}
		return []any{all[i].id, fmt.Sprintf("user%d@example.org", i)}, nil
	}))
	if err != nil {
		return nil, fmt.Errorf("load users: %w", err)
	}
	return all, nil
}

// loadBacklog fills the table with n tokens that a janitor should have looked after for months, enters them in the
// ledger, and gives the users the sessions that are open.
func loadBacklog(ctx context.Context, conn *pgx.Conn, n int, users []*user, book *ledger) error {
	now := time.Now()
	var rest []token // of the session being loaded
	var u *user      // whose it is
	columns := []string{"id", "user_id", "token_hash", "created_at", "expires_at", "is_revoked", "revoked_at"}
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"refresh_tokens"}, columns, pgx.CopyFromSlice(n, func(int) ([]any, error) {
		for len(rest) == 0 {
			u = users[rand.IntN(len(users))]
			rest = pastSession(u.id, now)
		}
		t := rest[0]
		rest = rest[1:]
		e := book.enter(t, now)
		if !t.revoked && t.expires.After(now.Add(time.Hour)) { // not one that expires in the middle of a call
			u.open = append(u.open, session{t, e})
		}
		var at any
		if !t.at.IsZero() {
			at = t.at
		}
		return []any{t.id, t.user, t.hash, t.created, t.expires, t.revoked, at}, nil
	}))
	if err != nil {
		return fmt.Errorf("load tokens: %w", err)
	}
	// The load's own debts, which are not the janitor's: statistics, and pages that are not on the disk yet.
	for _, sql := range []string{"ANALYZE refresh_tokens", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("settle the load: %w", err)
		}
	}
	return nil
}

// pastSession makes up a session: a login, refreshes every few hours that each revoke a token and make its
// successor with the same end, and maybe a logout.
func pastSession(user uuid, now time.Time) []token {
	expires := now
	switch p := rand.Float64(); {
	case p < 0.75: // long over
		expires = now.Add(-shown.expired - rand.N(90*24*time.Hour))
	case p < 0.80: // due within the next ten minutes, so that each run finds some more
		expires = now.Add(-shown.expired + rand.N(10*time.Minute))
	default: // at its height
		expires = now.Add(rand.N(lifetime))
	}
	// A revision of the API before revoked_at was written left such rows.
	undated := rand.Float64() < 0.01

	at := expires.Add(-lifetime)
	tokens := []token{newToken(user, at, expires)}
	for {
		at = at.Add(30*time.Minute + rand.N(9*time.Hour))
		last := &tokens[len(tokens)-1]
		if at.After(now) || at.After(expires) {
			return tokens
		}
		last.revoked = true
		if !undated {
			last.at = at
		}
		if rand.Float64() < 0.02 { // one session in two is still open at the end of its days
			return tokens
		}
		tokens = append(tokens, newToken(user, at, expires))
	}
}
