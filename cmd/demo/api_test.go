package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// serve lets an API work in a hall until something is wrong, or for a number of calls.
func (h *hall) serve(t *testing.T, a *api, calls int) error {
	t.Helper()
	a.url, a.rate, a.mix, a.book = h.url, 1000, daily, &h.book
	a.life = func() time.Duration { return lifetime }
	ctx, end := context.WithTimeout(t.Context(), limit)
	defer end()
	wrong := &trouble{end: end}
	done := make(chan struct{})
	go func() { defer close(done); a.serve(ctx, wrong) }()
	for tick := time.NewTicker(time.Millisecond); a.calls() < calls && ctx.Err() == nil; {
		<-tick.C
	}
	end()
	<-done
	return wrong.first()
}

// crowd is one user many times over: more than the API has connections.
func crowd(one user) []*user {
	all := make([]*user, 2*apiConnections)
	for i := range all {
		all[i] = &user{one.id, slices.Clone(one.open)}
	}
	return all
}

func TestAPIAndLedgerAgree(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	a := &api{idle: crowd(user{id: h.user})}
	if err := h.serve(t, a, 100); err != nil {
		t.Fatal(err)
	}
	stayed, err := h.book.checkAll(t.Context(), h.conn)
	if err != nil {
		t.Fatal(err)
	}
	var rows, live int64
	if err := h.conn.QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE NOT is_revoked) FROM refresh_tokens").Scan(&rows, &live); err != nil {
		t.Fatal(err)
	}
	var open int64
	for _, u := range a.idle {
		open += int64(len(u.open))
	}
	if rows != stayed || live != open {
		t.Errorf("%d rows, of them %d live; the ledger has %d, the API %d", rows, live, stayed, open)
	}
}

func TestCallThatFailsIsTold(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	stranger, gone := user{id: newUUID()}, newToken(h.user, time.Now(), time.Now().Add(lifetime))
	lost := session{gone, h.book.enter(gone, time.Now())}
	for _, c := range []struct {
		name string
		api  *api
		want string
	}{
		{"the database refuses", &api{idle: crowd(stranger)}, "a call of the API failed: log in: "},
		{"a live token is gone", &api{idle: crowd(user{id: h.user, open: []session{lost}})}, "live token " + gone.id.String() + " is LOST"},
		{"nobody answers", nil, "connect the API: "},
	} {
		a := c.api
		if a == nil {
			a, h = &api{idle: crowd(stranger)}, &hall{url: "postgres://127.0.0.1:1/none"}
		}
		if err := h.serve(t, a, 1e6); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: it says %v, want %q", c.name, err, c.want)
		}
	}
}
