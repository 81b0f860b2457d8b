package metrics

import (
	"math"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
)

// The causes for which a run leaves a token, as janitor.Left has them.
const (
	locked     = "locked"
	referenced = "referenced"
	refused    = "refused"
	slow       = "slow"
)

// The parts of janitor.Space.
const (
	heap    = "table"
	indexes = "indexes"
)

// heard is what the batches of the run in progress have told so far.
type heard struct {
	deleted map[janitor.Reason]int64
	batches map[janitor.Reason]int64
	rested  map[janitor.Cause]time.Duration
}

func newHeard() heard {
	return heard{
		deleted: map[janitor.Reason]int64{},
		batches: map[janitor.Reason]int64{},
		rested:  map[janitor.Cause]time.Duration{},
	}
}

// Batch counts a batch as it ends, so that a scrape in mid-run sees it move. It is
// for runs that delete: a dry run's batches must not be told, for nothing in them
// says that their rows are still there. What a batch tells Run does not count again.
func (m *Metrics) Batch(b janitor.Batch) {
	m.batchDuration.Observe(b.Took.Seconds())
	m.batchRows.Set(float64(b.Window))

	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleted.WithLabelValues(string(b.Reason)).Add(float64(b.Rows))
	m.heard.deleted[b.Reason] += b.Rows
	m.batches.WithLabelValues(string(b.Reason)).Inc()
	m.heard.batches[b.Reason]++
}

// Progress tells how far the run at work has come: the tokens that it deleted so far, and
// about how many are left of the pass under way and for how long, unless nobody knows. The
// run's end takes it back.
func (m *Metrics) Progress(gone, remaining int64, eta time.Duration, known bool) {
	m.gone.Set(float64(gone))
	if known {
		m.remaining.Set(float64(remaining))
		m.eta.Set(eta.Seconds())
	} else {
		m.remaining.Set(math.NaN())
		m.eta.Set(math.NaN())
	}
}

// Rest counts a rest as it ends, like [Metrics.Batch].
func (m *Metrics) Rest(r janitor.Rest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rested.WithLabelValues(string(r.Cause)).Add(r.For.Seconds())
	m.heard.rested[r.Cause] += r.For
}

// Run counts a run that has ended, whatever its outcome; r.Outcome, r.StopReason and
// r.Began must be set, also when the run never reached the database. What its batches have
// not told is added here, such as the rest that was cut short by the end of the run,
// so that the counters are the sum of all Results.
//
// A success is a run that was drained or partial. A skipped run is none, for
// another janitor did the work; neither is a dry run, for nobody did it, and a
// --dry-run forgotten in a manifest should alert.
//
// What is overdue becomes NaN when the run could not look, or left the revoked tokens out. The last value would
// stay for ever on a sidecar that always comes second, and 0 would be a lie; max()
// over a fleet passes over NaN. What the table takes stays as a run last found it: it does
// not change at a stroke.
func (m *Metrics) Run(r janitor.Result) {
	ended := unix(r.Began.Add(r.Duration))
	m.runs.WithLabelValues(string(r.Outcome)).Inc()
	m.stops.WithLabelValues(string(r.StopReason)).Inc()
	m.lastRun.Set(ended)
	m.Progress(0, 0, 0, true)
	if !r.DryRun && (r.Outcome == janitor.Drained || r.Outcome == janitor.Partial) {
		m.succeed(ended)
	}
	if !r.RevokedDone.IsZero() {
		m.revokedPass.Set(unix(r.RevokedDone))
	}
	if r.Outcome != janitor.Skipped { // with fifty sidecars, 49 of 50 would say some milliseconds
		m.runDuration.Observe(r.Duration.Seconds())
	}
	if r.Window > 0 {
		m.batchRows.Set(float64(r.Window))
	}
	if r.Outcome != janitor.Failed || r.ClockSkew != 0 { // else it may have failed before it looked
		m.clockSkew.Set(r.ClockSkew.Seconds())
		m.clockSeen.Store(true)
	}
	for _, reason := range janitor.Reasons {
		rows, oldest := math.NaN(), math.NaN()
		if o := r.Overdue[reason]; o.Known {
			rows, oldest = float64(o.Rows), age(o.Oldest)
		}
		m.overdue.WithLabelValues(string(reason)).Set(rows)
		m.oldest.WithLabelValues(string(reason)).Set(oldest)
	}
	if s := r.Space; s.Known {
		m.tableSeen.Store(true)
		m.liveRows.Set(orNaN(s.LiveRows))
		m.deadRows.Set(orNaN(s.DeadRows))
		m.lastVacuum.Set(unix(s.Vacuumed))
		if s.Forgot && s.Vacuumed.IsZero() {
			m.lastVacuum.Set(math.NaN())
		}
		m.tableSize.WithLabelValues(heap).Set(float64(s.TableBytes))
		m.tableSize.WithLabelValues(indexes).Set(float64(s.IndexBytes))
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	told := m.heard
	m.heard = newHeard()
	if r.DryRun {
		return
	}
	// A run that panicked has a Result that knows less than its batches told: never subtract.
	for _, reason := range janitor.Reasons {
		m.deleted.WithLabelValues(string(reason)).
			Add(float64(max(0, r.Deleted.Of(reason)-told.deleted[reason])))
		m.batches.WithLabelValues(string(reason)).
			Add(float64(max(0, r.Batches[reason]-told.batches[reason])))
	}
	for _, cause := range janitor.Causes {
		m.rested.WithLabelValues(string(cause)).
			Add(max(0, r.Rested[cause]-told.rested[cause]).Seconds())
	}
	m.left.WithLabelValues(locked).Add(float64(r.Left.Locked))
	m.left.WithLabelValues(referenced).Add(float64(r.Left.Referenced))
	m.left.WithLabelValues(refused).Add(float64(r.Left.Refused))
	m.left.WithLabelValues(slow).Add(float64(r.Left.Slow))
	m.timedOut.Add(float64(r.BatchesTimedOut))
}

// succeed records when the last success was, in seconds since 1970.
func (m *Metrics) succeed(at float64) {
	m.succeeded = at
	m.lastSuccess.Set(at)
}

// orNaN is a number of rows, of which -1 is unknown.
func orNaN(rows int64) float64 {
	if rows < 0 {
		return math.NaN()
	}
	return float64(rows)
}

// age is in seconds; the longest duration stands for a token that expired at
// -infinity.
func age(d time.Duration) float64 {
	if d == math.MaxInt64 {
		return math.Inf(1)
	}
	return d.Seconds()
}

// unix is t in seconds, 0 for the zero time. Microseconds, for a float64 holds no
// more of today's dates.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1e6
}
