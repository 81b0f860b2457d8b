package main

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

func TestAPIAlone(t *testing.T) {
	t.Parallel()
	database := migrationstest.Head(t)
	d := start(t, "--api-only", database, "--rate", "500", "--for", "1s", "--lifetime", "1m")
	d.end()
	d.said(0, d.stdout.String(), "1,000 users, 500 calls a second, tokens that live 1m0s")

	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var live, revoked, strange int64
	err = conn.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE NOT is_revoked), count(*) FILTER (WHERE is_revoked),
		count(*) FILTER (WHERE expires_at > now() + interval '1 minute') FROM refresh_tokens`).Scan(&live, &revoked, &strange)
	if err != nil || live < 5 || revoked < 10 || strange > 0 {
		t.Errorf("%d live tokens, %d revoked, %d that live too long: %v", live, revoked, strange, err)
	}
}

func TestAPIAloneWithoutATable(t *testing.T) {
	t.Parallel()
	d := start(t, "--api-only", pgtemp.Empty(t))
	d.end()
	d.said(1, d.stderr.String(), `demo: find users: ERROR: relation "users" does not exist`)
}

// A session that is over is none, so that nobody takes its token for lost when it is gone.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	over, open := session{token: token{id: newUUID(), expires: time.Now()}}, session{token: token{id: newUUID(), expires: time.Now().Add(time.Hour)}}
	a, u := &api{}, &user{open: []session{over, over, open, over}}
	if s, ok := a.spend(u, time.Now()); !ok || s.id != open.id {
		t.Errorf("took %v, %t, want the one that is open", s, ok)
	}
	if s, ok := a.spend(u, time.Now()); ok {
		t.Errorf("took %v, which is over", s)
	}
}
