package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
)

func TestUntil(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		name  string
		token token
		want  time.Time
	}{
		{"live", token{expires: now}, now.Add(time.Hour)},
		{"revoked", token{expires: now.Add(100 * time.Hour), revoked: true, at: now}, now.Add(72 * time.Hour)},
		{"revoked shortly before the end", token{expires: now.Add(time.Hour), revoked: true, at: now}, now.Add(2 * time.Hour)},
		{"revoked, nobody knows when", token{expires: now.Add(100 * time.Hour), revoked: true}, now.Add(101 * time.Hour)},
	} {
		if got := shown.until(c.token); !got.Equal(c.want) {
			t.Errorf("%s: stays until %s, want %s", c.name, got, c.want)
		}
	}
}

// hall is a database with a user and what it takes to put tokens into it.
type hall struct {
	url  string
	conn *pgx.Conn
	user uuid
	book ledger
}

func newHall(t *testing.T) *hall {
	t.Helper()
	h := &hall{url: migrationstest.Head(t), user: newUUID(), book: ledger{keep: shown}}
	conn, err := watcher(t.Context(), h.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	h.conn = conn
	if _, err := conn.Exec(t.Context(), "INSERT INTO users (id, email) VALUES ($1, 'ann@example.org')", h.user); err != nil {
		t.Fatal(err)
	}
	return h
}

// add puts a token that expires at a time into the table and the ledger.
func (h *hall) add(t *testing.T, expires time.Time) (token, *entry) {
	t.Helper()
	k := newToken(h.user, time.Now(), expires)
	if _, err := h.conn.Exec(t.Context(), insertToken, k.id, k.user, k.hash, k.expires); err != nil {
		t.Fatal(err)
	}
	return k, h.book.enter(k, time.Now())
}

func (h *hall) remove(t *testing.T, k token) {
	t.Helper()
	if _, err := h.conn.Exec(t.Context(), "DELETE FROM refresh_tokens WHERE id = $1", k.id); err != nil {
		t.Fatal(err)
	}
}

func (h *hall) check(t *testing.T) error {
	t.Helper()
	_, err := h.book.check(t.Context(), h.conn)
	return err
}

func TestLedgerMissesWhatMustStayAndNothingElse(t *testing.T) {
	t.Parallel()
	h, now := newHall(t), time.Now()
	h.add(t, now.Add(time.Hour)) // lives
	revoked, e := h.add(t, now.Add(100*time.Hour))
	h.book.revoke(e, now)
	due, _ := h.add(t, now.Add(-2*time.Hour))
	old, e := h.add(t, now.Add(100*time.Hour))
	h.book.revoke(e, now.Add(-73*time.Hour))
	h.remove(t, due)
	h.remove(t, old)
	if stayed, err := h.book.checkAll(t.Context(), h.conn); err != nil || stayed != 2 {
		t.Fatalf("all is well with 2, but it says %d, %v", stayed, err)
	}
	if at := h.book.standing(); at.due != 2 || at.stay != 2 {
		t.Errorf("%d are due and %d must stay, want 2 and 2", at.due, at.stay)
	}
	h.remove(t, revoked)
	if err := h.check(t); err == nil || !strings.Contains(err.Error(), revoked.id.String()) {
		t.Errorf("revoked token %s is gone, but it says %v", revoked.id, err)
	}
	h = newHall(t)
	live, _ := h.add(t, now.Add(time.Hour))
	h.remove(t, live)
	if err := h.check(t); err == nil || !strings.Contains(err.Error(), live.id.String()) {
		t.Errorf("live token %s is gone, but it says %v", live.id, err)
	}
}

// While the API adds tokens all the time, the check must still come back to the first ones.
func TestCheckGoesRound(t *testing.T) {
	t.Parallel()
	h, tomorrow := newHall(t), time.Now().Add(24*time.Hour)
	first, _ := h.add(t, tomorrow)
	if err := h.check(t); err != nil {
		t.Fatal(err)
	}
	h.add(t, tomorrow)
	h.remove(t, first)
	if err := h.check(t); err == nil {
		t.Error("the first token is gone and nobody saw")
	}
}
