package janitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// throttlePause is how often a throttle checks: a second more or less is nothing to a standby or
// a vacuum, and a check that often is nothing to the server.
const throttlePause = time.Second

// throttle checks, between batches, what else keeps the server busy.
type throttle struct {
	checked time.Time
	cause   Cause // as of then
	written []written
}

// written is the end of the WAL at a time.
type written struct {
	at  time.Time
	lsn int64
}

// check returns what the run has to wait for now, or "".
func (t *throttle) check(ctx context.Context, session *session, s Settings) (Cause, error) {
	wanted := s.MaxReplicaLag > 0 || s.YieldToVacuum || s.MaxWALRetained > 0 || s.YieldToLockWaits
	if !wanted || time.Since(t.checked) < throttlePause {
		return t.cause, nil
	}
	var now struct {
		maySeeLag, lagUnknown, vacuum, lockWaits bool
		written, walRetained                     int64
		replayed                                 *int64
		lag                                      float64
	}
	err := session.exchange(ctx, query{statement("throttle"), pgx.NamedArgs{"oid": session.oid}, into(
		&now.maySeeLag, &now.written, &now.replayed, &now.lag, &now.lagUnknown, &now.vacuum, &now.walRetained, &now.lockWaits)})
	if err != nil {
		return "", fmt.Errorf("check what else keeps the server busy: %w", err)
	}
	if s.MaxReplicaLag > 0 && !now.maySeeLag {
		return "", errors.New("--max-replica-lag: this role may not see how far the standbys are: GRANT pg_read_all_stats to it")
	}
	t.checked = time.Now()
	t.written = append(t.written, written{t.checked, now.written})
	switch {
	case s.MaxReplicaLag > 0 && (now.lagUnknown || now.lag > s.MaxReplicaLag.Seconds() || t.lag(now.replayed) > s.MaxReplicaLag):
		t.cause = ForReplicaLag
	case s.MaxWALRetained > 0 && now.walRetained > s.MaxWALRetained:
		t.cause = ForWAL
	case s.YieldToVacuum && now.vacuum:
		t.cause = ForVacuum
	case s.YieldToLockWaits && now.lockWaits:
		t.cause = ForLockWaits
	default:
		t.cause = ""
	}
	return t.cause, nil
}

// lag is for how long the slowest standby has not replayed what was written, as far as this run
// saw it: since the WAL was first seen farther than the standby is. The server's own replay_lag
// also covers the time before the run, but stands still while a standby's replay does.
func (t *throttle) lag(replayed *int64) time.Duration {
	if replayed == nil {
		return 0 // no standby
	}
	for len(t.written) > 0 && t.written[0].lsn <= *replayed {
		t.written = t.written[1:]
	}
	if len(t.written) == 0 {
		return 0
	}
	return time.Since(t.written[0].at)
}
