package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// What the soak's janitors keep, and how long its tokens live: so short that all the time some expire, are revoked and
// come due, and longer than the ledger takes to look at each.
var brisk = keep{expired: 3 * time.Second, revoked: 6 * time.Second}

func briskLife() time.Duration { return 4*time.Second + rand.N(20*time.Second) }

// everything is what users of the soak do.
func (s *soak) everything() []share {
	return []share{
		{60, (*api).refresh}, {15, (*api).login}, {10, (*api).logout},
		{10, s.prolong}, {4, s.revokeAll}, {1, s.remove},
	}
}

// prolong gives the session that ends first, or has ended, a later end: a success counts, whoever else wants the row.
func (s *soak) prolong(a *api, ctx context.Context, conn *pgx.Conn, u *user) error {
	if len(u.open) == 0 {
		return a.login(ctx, conn, u)
	}
	slices.SortFunc(u.open, func(a, b session) int { return b.expires.Compare(a.expires) })
	last := len(u.open) - 1
	first, expires := &u.open[last], time.Now().Add(a.life())
	tag, err := conn.Exec(ctx, `UPDATE refresh_tokens SET expires_at = $2 WHERE id = $1`, first.id, expires)
	switch {
	case err != nil:
		return fmt.Errorf("prolong: %w", err)
	case tag.RowsAffected() == 1:
		first.expires = expires
		a.book.prolong(first.entry, first.token)
	case a.book.stays(first.entry):
		return fmt.Errorf("token %s is %w: it cannot be prolonged", first.id, errLost)
	default:
		u.open = u.open[:last]
	}
	return nil
}

// revokeAll ends all sessions of a user.
func (s *soak) revokeAll(a *api, ctx context.Context, conn *pgx.Conn, u *user) error {
	now := time.Now()
	for _, session := range u.open {
		a.book.revoke(session.entry, now)
	}
	u.open = nil
	_, err := conn.Exec(ctx, `UPDATE refresh_tokens SET is_revoked = true, revoked_at = $2 WHERE user_id = $1 AND NOT is_revoked`, u.id, now)
	if err != nil {
		return fmt.Errorf("revoke all: %w", err)
	}
	return nil
}

// takenByCascade counts the tokens that this transaction has deleted, and those before it on the same session.
const takenByCascade = `SELECT pg_stat_get_xact_tuples_deleted('refresh_tokens'::regclass)`

// remove deletes a user, whose tokens go by the cascade, and lets another come.
func (s *soak) remove(a *api, ctx context.Context, conn *pgx.Conn, u *user) error {
	old, successor := u.id, newUUID()
	if _, err := conn.Exec(ctx, `INSERT INTO users (id, email) VALUES ($1, $2)`, successor, successor.String()); err != nil {
		return fmt.Errorf("let a user come: %w", err)
	}
	u.id, u.open = successor, nil
	a.book.forget(old)
	var before, after int64
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, takenByCascade).Scan(&before); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM users WHERE id = $1`, old); err != nil {
			return err
		}
		return tx.QueryRow(ctx, takenByCascade).Scan(&after)
	})
	if err != nil {
		s.doubtful.Add(max(0, after-before))
		return fmt.Errorf("delete a user: %w", err)
	}
	s.cascaded.Add(after - before)
	return nil
}

// excuse says whether a call that began then lost its connection because the server was down meanwhile. What the call
// wrote is in doubt, a token at most.
func (s *soak) excuse(began time.Time) bool {
	if !s.down.since(began) {
		return false
	}
	s.excused.Add(1)
	s.doubtful.Add(1)
	return true
}
