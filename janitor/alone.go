package janitor

// snapshot is what the server knows of all sessions' transactions when a batch begins. Whoever writes has an xid.
type snapshot struct {
	next    int64 // one above the highest xid of those that have ended
	settled bool  // none with a lower one is under way
}

// alone is whether this run alone writes to the server: then no row moves behind a sweep or a cursor, and none has to be
// looked for there. Each batch that deletes rows takes one xid, so that another session's shows as a gap. A session
// that has yet to end its transaction has moved nothing that we could not see: where it has touched a due row, that
// row is locked.
type alone struct {
	last snapshot // when the last exchange began
	next int64    // what the next snapshot has, if so; 0 = somebody else writes, or nobody watches
}

// watch begins to watch, from the beginning of the last exchange; for a sweep, if that told where the heap ended.
func (a *alone) watch(measured bool) {
	if a.next = 0; measured && a.last.settled {
		a.next = a.last.next
	}
}

// note takes in a batch.
func (a *alone) note(deleted int64, err error) {
	switch {
	case err != nil || a.last.next != a.next:
		a.next = 0
	case deleted > 0:
		a.next++
	}
}

// still reports whether nobody else had written when the last exchange began.
func (a *alone) still() bool { return a.next != 0 && a.last.next == a.next }
