package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// What the janitor is told to keep. The ledger reckons with the same.
const (
	keepExpired = time.Hour
	// The default, 168h, is as long as a token of this API lives: all would expire before they have been revoked for
	// so long, and there would be nothing to see.
	keepRevoked = 72 * time.Hour
)

// ledger knows of every token whether it must be in the table. It is written from what the API asked for and was
// told is committed, never from the table. Its methods may be called from several goroutines.
type ledger struct {
	mu      sync.Mutex
	entries []entry
	due     int64 // tokens that may go
	passed  int64 // those of them that are in entries, being due only since
	next    int   // where the check goes on
	checked int64
}

// entry is a token that nobody may delete before its time.
type entry struct {
	id    uuid
	until time.Time
	due   bool
}

// standing is where a ledger stands.
type standing struct{ due, stay, checked int64 }

func (l *ledger) standing() standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return standing{due: l.due, stay: int64(len(l.entries)) - l.passed, checked: l.checked}
}

// enter adds a token that is committed and returns its place.
func (l *ledger) enter(t token, now time.Time) (place int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.until().Before(now) {
		l.due++
		return -1
	}
	l.entries = append(l.entries, entry{id: t.id, until: t.until()})
	return len(l.entries) - 1
}

// revoke notes that a token is revoked.
func (l *ledger) revoke(place int, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if end := at.Add(keepRevoked); end.Before(l.entries[place].until) {
		l.entries[place].until = end
	}
}

const (
	checkRows     = 2_000                  // some milliseconds of look-ups, which the API does not feel
	checkInterval = 100 * time.Millisecond // between two checks, so that 20,000 a second are looked at
)

// watch checks the ledger round and round until ctx ends or a token is lost.
func (l *ledger) watch(ctx context.Context, conn *pgx.Conn) error {
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			// The end of ctx in the middle of a query would break the connection, which is needed again.
			if _, err := l.check(context.WithoutCancel(ctx), conn); err != nil {
				return err
			}
		}
	}
}

// checkAll checks every entry once and returns how many had to be there.
func (l *ledger) checkAll(ctx context.Context, conn *pgx.Conn) (int64, error) {
	l.mu.Lock()
	l.next = 0
	before := l.checked
	l.mu.Unlock()
	for {
		end, err := l.check(ctx, conn)
		if err != nil || end {
			return l.standing().checked - before, err
		}
	}
}

// missing are the ids that the table does not have.
const missing = `SELECT id FROM unnest($1::uuid[]) AS must (id)
WHERE NOT EXISTS (SELECT FROM refresh_tokens AS t WHERE t.id = must.id)`

// check looks whether the next entries that must be in the table are, and whether it came to the end. A token that
// is not is an error.
func (l *ledger) check(ctx context.Context, conn *pgx.Conn) (end bool, err error) {
	l.mu.Lock()
	var ids []uuid
	until := map[uuid]time.Time{}
	now := time.Now()
	for ; l.next < len(l.entries) && len(ids) < checkRows; l.next++ {
		e := &l.entries[l.next]
		switch {
		case e.due:
		case e.until.Before(now):
			e.due = true
			l.due++
			l.passed++
		default:
			ids = append(ids, e.id)
			until[e.id] = e.until
		}
	}
	if end = l.next == len(l.entries); end {
		l.next = 0
	}
	l.mu.Unlock()

	rows, err := conn.Query(ctx, missing, ids)
	if err != nil {
		return end, fmt.Errorf("check the ledger: %w", err)
	}
	gone, err := pgx.CollectRows(rows, pgx.RowTo[uuid])
	if err != nil {
		return end, fmt.Errorf("check the ledger: %w", err)
	}
	// What came due while the query ran may have gone by right.
	now = time.Now()
	for _, id := range gone {
		if until[id].After(now) {
			return end, fmt.Errorf("token %s is LOST: it had to stay until %s and is not in the table", id, until[id].UTC().Format(time.RFC3339))
		}
	}
	l.mu.Lock()
	l.checked += int64(len(ids))
	l.mu.Unlock()
	return end, nil
}

// watcher opens the connection that checks go over.
func watcher(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	// Whatever the statistics say of a table that was just filled: look each id up, and do not read the table.
	for _, plan := range []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin"} {
		config.RuntimeParams[plan] = "off"
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to check the ledger: %w", err)
	}
	return conn, nil
}
