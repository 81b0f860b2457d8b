package janitor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// throttlePause is how often a throttle looks: a second more or less is nothing to a
// standby or a vacuum, and a look that often is nothing to the server.
const throttlePause = time.Second

// throttle looks, between batches, at what else keeps the server busy.
type throttle struct {
	looked  time.Time
	cause   Cause // as of then
	written []written
}

// written says how far the WAL had come at a time.
type written struct {
	at  time.Time
	lsn int64
}

// throttled says what the run has to wait for now, or "".
func (r *run) throttled(ctx context.Context) (Cause, error) {
	asked := r.MaxReplicaLag > 0 || r.YieldToVacuum || r.MaxWALRetained > 0 || r.YieldToLockWaits
	if !asked || r.DryRun || time.Since(r.throttle.looked) < throttlePause {
		return r.throttle.cause, nil
	}
	var now struct {
		maySeeLag, lagUnknown, vacuum, lockWaits bool
		written, walRetained                     int64
		replayed                                 *int64
		lag                                      float64
	}
	err := r.exchange(ctx, query{statement("throttle"), map[string]any{"oid": r.oid}, into(
		&now.maySeeLag, &now.written, &now.replayed, &now.lag, &now.lagUnknown, &now.vacuum, &now.walRetained, &now.lockWaits)})
	if err != nil {
		return "", fmt.Errorf("look at what the server does besides: %w", err)
	}
	if r.MaxReplicaLag > 0 && !now.maySeeLag {
		return "", errors.New("--max-replica-lag: this role may not see how far the standbys are: GRANT pg_read_all_stats TO it")
	}
	r.throttle.looked = time.Now()
	r.throttle.written = append(r.throttle.written, written{r.throttle.looked, now.written})
	switch {
	case r.MaxReplicaLag > 0 && (now.lagUnknown || now.lag > r.MaxReplicaLag.Seconds() || r.throttle.lag(now.replayed) > r.MaxReplicaLag):
		r.throttle.cause = ForReplicaLag
	case r.MaxWALRetained > 0 && now.walRetained > r.MaxWALRetained:
		r.throttle.cause = ForWAL
	case r.YieldToVacuum && now.vacuum:
		r.throttle.cause = ForVacuum
	case r.YieldToLockWaits && now.lockWaits:
		r.throttle.cause = ForLockWaits
	default:
		r.throttle.cause = ""
	}
	return r.throttle.cause, nil
}

// lag is for how long the slowest standby has not replayed what was written, as this run
// saw it: from when the WAL had come farther than the standby is. The server's own
// replay_lag, which is from before the run as well, stands still while a standby's replay does.
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
