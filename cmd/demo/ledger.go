package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// keep is how long the janitor is told to keep tokens. The ledger reckons with the same.
type keep struct{ expired, revoked time.Duration }

// shown is what the demo keeps. The default for revoked ones, 168h, is as long as a token of its API lives: all would
// expire before they have been revoked for so long, and there would be nothing to see.
var shown = keep{expired: time.Hour, revoked: 72 * time.Hour}

// until is the time before which nobody may delete the token.
func (k keep) until(t token) time.Time {
	end := t.expires.Add(k.expired)
	if old := t.at.Add(k.revoked); t.revoked && !t.at.IsZero() && old.Before(end) {
		return old
	}
	return end
}

// ledger knows of every token whether it must be in the table. It is written from what the API asked for and was
// told is committed, never from the table. What lets a token go is noted before the database hears of it, and what
// keeps one after it has answered: so it never asks for more than must be, also when an answer is lost.
// Its methods may be called from several goroutines.
type ledger struct {
	keep keep

	mu        sync.Mutex
	entries   []*entry // of tokens that must stay, or had to a moment ago
	forgotten map[uuid]bool
	entered   int64
	due       int64 // tokens that may go
	next      int   // where the check goes on
	checked   int64
}

// entry is a token that nobody may delete before its time.
type entry struct {
	id, user uuid
	until    time.Time
	due      bool // it is among those that may go
}

// standing is where a ledger stands.
type standing struct{ due, stay, checked int64 }

func (l *ledger) standing() standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return standing{due: l.due, stay: int64(len(l.entries)), checked: l.checked}
}

// enter adds a token that is committed. A nil ledger, which nobody checks, keeps none.
func (l *ledger) enter(t token, now time.Time) *entry {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entered++
	e := &entry{id: t.id, user: t.user, until: l.keep.until(t)}
	if e.due = e.until.Before(now); e.due {
		l.due++
	} else {
		l.entries = append(l.entries, e)
	}
	return e
}

// revoke notes that a token is about to be revoked.
func (l *ledger) revoke(e *entry, at time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if end := at.Add(l.keep.revoked); end.Before(e.until) {
		e.until = end
	}
}

// prolong notes that a token, which is not revoked, has got another end.
func (l *ledger) prolong(e *entry, t token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.until = l.keep.until(t)
	if e.due {
		e.due = false
		l.due--
		l.entries = append(l.entries, e)
	}
}

// forget notes that a user is about to be deleted, with all their tokens.
func (l *ledger) forget(user uuid) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.forgotten == nil {
		l.forgotten = map[uuid]bool{}
	}
	l.forgotten[user] = true
}

// stays reports whether a token must be in the table now.
func (l *ledger) stays(e *entry) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.must(e, time.Now())
}

func (l *ledger) must(e *entry, now time.Time) bool {
	return !e.until.Before(now) && !l.forgotten[e.user]
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
	asked := map[uuid]*entry{}
	for now := time.Now(); l.next < len(l.entries) && len(ids) < checkRows; {
		e := l.entries[l.next]
		if !l.must(e, now) {
			e.due = true
			l.due++
			last := len(l.entries) - 1
			l.entries[l.next], l.entries[last] = l.entries[last], nil
			l.entries = l.entries[:last]
			continue
		}
		ids = append(ids, e.id)
		asked[e.id] = e
		l.next++
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
	for _, id := range gone {
		// What came due while the query ran may have gone by right.
		if l.stays(asked[id]) {
			return end, l.lost(asked[id])
		}
	}
	l.mu.Lock()
	l.checked += int64(len(ids))
	l.mu.Unlock()
	return end, nil
}

// errLost is what must not be: a token is gone that is still of use.
var errLost = errors.New("LOST")

// lost says that a token is gone that must stay.
func (l *ledger) lost(e *entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Errorf("token %s is %w: it had to stay until %s and is not in the table", e.id, errLost, e.until.UTC().Format(time.RFC3339Nano))
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
