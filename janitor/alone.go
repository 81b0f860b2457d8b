package janitor

// snapshot is what the server knows of all sessions' transactions when a batch begins. Whoever writes has an xid.
type snapshot struct {
	next    int64 // one above the highest xid of those that have ended
	settled bool  // none with a lower one is under way
}

// alone is whether this run alone writes to the server: then no row moves behind a sweep, and none has to be
// counted after it. Each batch that deletes rows takes one xid, so that another session's shows as a gap. A session
// that has yet to end its transaction has moved nothing that we could not see: where it has touched a due row, that
// row is locked.
type alone struct {
	next int64 // what the next snapshot has, if so; 0 = somebody else writes
}

// watch begins with a snapshot.
func (a *alone) watch(s snapshot) {
	*a = alone{}
	if s.settled {
		a.next = s.next
	}
}

// note takes in a batch, that began with a snapshot.
func (a *alone) note(s snapshot, deleted int64, err error) {
	switch {
	case err != nil || s.next != a.next:
		a.next = 0
	case deleted > 0:
		a.next++
	}
}

// still reports whether nobody else has written up to a snapshot.
func (a *alone) still(s snapshot) bool { return a.next != 0 && s.next == a.next }
