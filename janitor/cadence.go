package janitor

import (
	"context"
	"errors"
	"time"
)

// revokedShare is the share of KeepRevoked by which a revoked token may go later than it could, where
// each revoked pass has to read every live row: by the default of a week, every seven hours.
const revokedShare = 24

// smallTable is how many heap blocks, of 64 tokens each or so, every run may read: some tens of milliseconds.
const smallTable = 1000

// cadence is how often the revoked pass is done.
type cadence struct {
	readsAll bool // it has no index and no end: it reads each live row, and there are many
	leftOut  bool // and is left to a later run
}

// planRevoked decides which index the revoked pass follows, and whether this run does it. Where an index
// leads with revoked_at, the pass costs what it deletes.
func (r *run) planRevoked(ctx context.Context, expired *pass, known facts) error {
	cutoffs, expires, revokedAt := r.clocks.cutoffs, r.columns.expires, r.columns.revokedAt
	if known.hasIndexByAge {
		byAge := r.newPass(Revoked, revokedAt, revokedAt.kind.earliest(), revokedAt.kind.cutoff(cutoffs.Revoked))
		err := byAge.requireIndex(ctx, byAge.cursor.at)
		if err == nil {
			return r.begin(ctx, byAge, known)
		}
		if _, unusable := errors.AsType[*planError](err); !unusable {
			return err
		}
	}
	r.cadence.readsAll = r.TokenLifetime == 0 && r.heap.total > r.tuning.smallTable
	if r.cadence.readsAll && r.mayLeaveOutRevoked() {
		r.cadence.leftOut = true
		return nil
	}
	// Without such an index it reads each live row once. A row that was revoked before the cutoff was
	// made before it, and expires within a token's life from then.
	until := expires.kind.forever()
	if r.TokenLifetime > 0 {
		until = expires.kind.beyond(cutoffs.Revoked.Add(r.TokenLifetime))
	}
	expired.companion = r.newPass(Revoked, expires, expires.kind.cutoff(cutoffs.Expired), until)
	return r.begin(ctx, expired.companion, known)
}

// mayLeaveOutRevoked reports whether it suffices that the next run does the revoked pass.
func (r *run) mayLeaveOutRevoked() bool {
	done, began := r.RevokedDone, r.batcher.began
	return !r.DryRun && !done.IsZero() && !began.Before(done) && // else a clock was set back
		r.NextRun.After(began) && !r.NextRun.After(done.Add(r.KeepRevoked/revokedShare))
}

// revokedDue is when the next revoked pass begins at the latest; zero = each run does it.
func (r *run) revokedDue(done time.Time) time.Time {
	if !r.cadence.readsAll || done.IsZero() {
		return time.Time{}
	}
	return done.Add(r.KeepRevoked / revokedShare)
}
