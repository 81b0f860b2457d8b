package janitor

import (
	"errors"
	"fmt"
)

// hopelessRows is how many rows may fail in a row, none of them kept on purpose, before it is the statement that
// fails and not the rows; hopelessFew of those that are slow, or say that the server can do no more.
const (
	hopelessRows = 5000
	hopelessFew  = 20
)

// failures are the rows that failed since one last went, kept by nothing that keeps rows on purpose.
type failures struct {
	deleted            int64 // by the run when the first of them failed
	rows, slow, server int
	first              error
}

// countLeft counts a row that stays because its statement failed.
func (p *picker) countLeft(t *tally, state, message string, err error) {
	switch {
	case isReferenced(state):
		t.left.Referenced++
		return
	case state == lockNotAvailable:
		t.left.Locked++
	case state == queryCanceled:
		t.left.Slow++
	default:
		t.left.Refused++
		if t.refusal == "" {
			t.refusal = message
		}
	}
	if state != lockNotAvailable && state != queryCanceled && keepsRow(state) {
		return
	}
	f := &p.failures
	if deleted := p.batcher.totals.deleted.Total(); f.first == nil || f.deleted != deleted {
		*f = failures{deleted: deleted}
		if f.first = err; err == nil {
			f.first = fmt.Errorf("%s (SQLSTATE %s)", message, state)
		}
		if state == lockNotAvailable {
			f.first = stopped(StopTableLocked) // or a table that the deletion of any row has to wait for
		}
	}
	f.rows++
	switch {
	case state == queryCanceled:
		f.slow++
	case isServerState(state):
		f.server++
	}
}

// hopeless returns the first of the failures if no row goes.
func (p *picker) hopeless() error {
	f := &p.failures
	if f.deleted == p.batcher.totals.deleted.Total() && (f.rows >= hopelessRows || f.slow >= hopelessFew || f.server >= hopelessFew) {
		return f.first
	}
	return nil
}

// everyRowFailed returns the first failure of a run that deleted nothing and kept rows for nothing that
// keeps rows on purpose. Locked and slow rows are counted as such.
func (r *run) everyRowFailed() error {
	if r.batcher.totals.deleted.Total() > 0 {
		return nil
	}
	for _, p := range r.passes {
		f := &p.deleter.picker.failures
		if f.first != nil && f.slow == 0 && !errors.Is(f.first, stopped(StopTableLocked)) {
			return fmt.Errorf("%s pass: no row can be deleted: %w", p.reason, f.first)
		}
	}
	return nil
}
