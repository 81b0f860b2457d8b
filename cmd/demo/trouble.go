package main

import (
	"context"
	"sync"
)

// trouble is the first thing that went wrong, and ends all the rest. A context's cause would not do: what goes wrong
// while the last calls are finished counts as well.
type trouble struct {
	end context.CancelFunc

	mu  sync.Mutex
	err error
}

func (t *trouble) note(err error) {
	if err == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
	t.end()
}

func (t *trouble) first() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}
