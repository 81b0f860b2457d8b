// Package metrics turns what a janitor's runs did into a Prometheus exposition:
// values in, exposition out. It reads no clock and measures nothing itself.
package metrics

import (
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hyphagraph/token-janitor/janitor"
)

// Build is what the running program was built from.
type Build struct {
	Version   string // of the module, such as v1.2.0
	GoVersion string // such as go1.26.0
	Revision  string // of the version control system
}

// Metrics holds every metric of one janitor. All methods may be called at any
// time and from any goroutine; the runs that are told must not overlap.
type Metrics struct {
	registry  *prometheus.Registry
	build     prometheus.Gauge
	userAgent string // of a push

	deleted, batches, rested, left *prometheus.CounterVec
	timedOut                       prometheus.Counter
	batchDuration, runDuration     prometheus.Histogram
	batchRows                      prometheus.Gauge

	gone, remaining, eta prometheus.Gauge

	runs, stops                   *prometheus.CounterVec
	lastRun, lastSuccess, nextRun prometheus.Gauge
	succeeded                     float64 // the value of lastSuccess
	revokedPass                   prometheus.Gauge
	ticksSkipped                  prometheus.Counter
	paused                        prometheus.Gauge

	overdue, oldest, keep    *prometheus.GaugeVec
	tokenLifetime, clockSkew prometheus.Gauge

	liveRows, deadRows, lastVacuum prometheus.Gauge
	tableSize                      *prometheus.GaugeVec

	schemaAtHead, schemaWarnings prometheus.Gauge
	schema                       *schemaInfo
	schemaSeen                   atomic.Bool // whether any check of the schema got an answer
	clockSeen, tableSeen         atomic.Bool // whether any run compared the clocks, and looked at what the table takes

	mu    sync.Mutex
	heard heard // of the run in progress, guarded by mu
}

// New makes the metrics, every label value present at 0, on a registry of their
// own, beside the Go runtime's and the process's.
func New(b Build) *Metrics {
	m := &Metrics{
		registry:  prometheus.NewRegistry(),
		userAgent: "token-janitor/" + b.Version,

		deleted: counters("tokens_deleted_total", "reason",
			"Tokens deleted. Dry runs do not count."),
		batches: counters("batches_total", "reason",
			"Batches done. Dry runs do not count."),
		rested: counters("rested_seconds_total", "cause",
			"Time rested between batches, by what asked for it. Dry runs do not count."),
		left: counters("tokens_left_total", "cause",
			"Times that a run left a token that is due to a later run, because its row was locked, referenced by another table, refused by a trigger or rule, or slow: deleting it alone takes longer than a statement may. Dry runs do not count."),
		timedOut: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "batches_timed_out_total",
			Help: "Batches that the server ended because they took longer than a statement may; they were tried again with fewer rows. Dry runs do not count.",
		}),
		// A batch aims at --batch-goal, 50ms, and ends by --statement-timeout, 5s:
		// the bounds are dense around the one and go past the other.
		batchDuration: histogram("batch_duration_seconds",
			"Time that one batch took, a round trip.",
			.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10),
		batchRows: gauge("batch_rows",
			"Rows that a batch is cut for now."),

		gone: gauge("run_progress_rows",
			"Tokens that the current run has deleted so far. 0 between runs."),
		remaining: gauge("run_remaining_rows",
			"About how many tokens are left of the pass under way, by an estimate. 0 between runs, NaN = unknown."),
		eta: gauge("run_eta_seconds",
			"About how long the pass under way will take yet, going on as it has. 0 between runs, NaN = unknown."),

		runs: counters("runs_total", "outcome",
			"Runs ended, dry runs as well. skipped = another janitor was running; partial = tokens that are due are left."),
		stops: counters("run_stops_total", "reason",
			"Runs ended, dry runs as well, by what ended them: drained, or why not."),
		// Nothing to do takes some milliseconds, the default schedule comes every
		// 15 minutes, and a first backlog of 100 million rows at the default
		// 20,000 a second takes an hour and a half.
		runDuration: histogram("run_duration_seconds",
			"Time that one run took. Skipped runs do not count.",
			.01, .05, .25, 1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 21600),
		lastRun: gauge("last_run_timestamp_seconds",
			"When the last run ended, whatever its outcome. 0 = never."),
		lastSuccess: gauge(lastSuccess,
			"When the last run ended that was drained or partial, and no dry run. 0 = never."),
		nextRun: gauge("next_run_timestamp_seconds",
			"When the next run is due. 0 = none is planned."),
		revokedPass: gauge("revoked_pass_timestamp_seconds",
			"When a run last began that looked at all revoked tokens and left none that was locked. Without an index on revoked_at, a daemon does so as rarely as a 24th of --keep-revoked allows. 0 = none has."),
		ticksSkipped: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "ticks_skipped_total",
			Help: "Scheduled runs that were skipped, because this janitor's last run had not ended or the schedule was paused.",
		}),
		paused: gauge("paused",
			"Whether the schedule is paused."),

		overdue: gauges("overdue_tokens", "reason",
			"Tokens due and still there when the last run ended: at least so many, for it looks at 100000 rows at most to count them. 0 before the first run, NaN when the last run could not look."),
		oldest: gauges("oldest_overdue_seconds", "reason",
			"How long the oldest of the overdue tokens that were looked at has been due, 0 = none. 0 before the first run, NaN when the last run could not look."),
		keep: gauges("keep_seconds", "reason",
			"How long a token stays that is expired or revoked."),
		tokenLifetime: gauge("token_lifetime_seconds",
			"The longest life that the API gives a token. 0 = unknown."),
		clockSkew: gauge("clock_skew_seconds",
			"The database's clock less this process's, when a run last compared them."),

		liveRows: gauge("table_live_rows",
			"Rows of the table, by the server's estimate, when a run last looked. 0 = none has, NaN = the server has lost its statistics."),
		deadRows: gauge("table_dead_rows",
			"Rows deleted or updated and not yet vacuumed, by the server's estimate, when a run last looked. 0 = none has, NaN = the server has lost its statistics, as in a crash, and no vacuum came since."),
		lastVacuum: gauge("table_last_vacuum_timestamp_seconds",
			"When the last vacuum of the table ended, by hand or automatic, when a run last looked. 0 = never, or none has, NaN = the server has lost its statistics."),
		tableSize: gauges("table_size_bytes", "part",
			"What the table takes on the disk, and what its indexes do, when a run last looked. 0 = none has."),

		schemaAtHead: gauge("schema_at_head",
			"Whether the table was as this janitor needs it when last checked, at its head revision, at a later one, or at none."),
		schemaWarnings: gauge("schema_warnings",
			"What the last check of the schema found that makes deletions slow, such as a foreign key without an index. 0 = nothing, or not checked yet."),
		schema: newSchemaInfo(),

		heard: newHeard(),
	}

	for _, r := range janitor.Reasons {
		m.deleted.WithLabelValues(string(r))
		m.batches.WithLabelValues(string(r))
		m.overdue.WithLabelValues(string(r))
		m.oldest.WithLabelValues(string(r))
		m.keep.WithLabelValues(string(r))
	}
	for _, c := range janitor.Causes {
		m.rested.WithLabelValues(string(c))
	}
	for _, o := range janitor.Outcomes {
		m.runs.WithLabelValues(string(o))
	}
	for _, r := range janitor.StopReasons {
		m.stops.WithLabelValues(string(r))
	}
	for _, part := range []string{heap, indexes} {
		m.tableSize.WithLabelValues(part)
	}
	for _, cause := range []string{locked, referenced, refused, slow} {
		m.left.WithLabelValues(cause)
	}

	m.build = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info",
		Help: "Always 1; the labels say what this janitor was built from.",
		ConstLabels: prometheus.Labels{
			"version": b.Version, "goversion": b.GoVersion, "revision": b.Revision,
		},
	})
	m.build.Set(1)

	m.registry.MustRegister(m.ofRuns()...)
	m.registry.MustRegister(m.ofTable()...)
	m.registry.MustRegister(
		m.lastSuccess, m.schemaAtHead, m.schemaWarnings, m.schema, m.clockSkew,
		m.gone, m.remaining, m.eta, m.revokedPass, m.ticksSkipped, m.paused,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// ofRuns are the metrics that a single run has as well as a daemon.
func (m *Metrics) ofRuns() []prometheus.Collector {
	return []prometheus.Collector{
		m.deleted, m.batches, m.timedOut, m.rested, m.left, m.batchDuration, m.batchRows,
		m.runs, m.stops, m.runDuration, m.lastRun, m.nextRun,
		m.overdue, m.oldest, m.keep, m.tokenLifetime, m.build,
	}
}

// ofTable are the metrics of what the table takes.
func (m *Metrics) ofTable() []prometheus.Collector {
	return []prometheus.Collector{m.liveRows, m.deadRows, m.lastVacuum, m.tableSize}
}

// Handler serves the metrics, as OpenMetrics to those who ask for it.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// TickSkipped counts a tick that came while the last run was still at work, or the
// schedule paused.
func (m *Metrics) TickSkipped() { m.ticksSkipped.Inc() }

// Paused tells whether the schedule is paused.
func (m *Metrics) Paused(paused bool) {
	v := 0.0
	if paused {
		v = 1
	}
	m.paused.Set(v)
}

// NextRun tells when the next run is due; the zero time says that none is.
func (m *Metrics) NextRun(t time.Time) { m.nextRun.Set(unix(t)) }

// Keep tells how long tokens stay that are expired, and that are revoked. The longest duration there is says for
// ever: of revoked ones, where they go only when they expire.
func (m *Metrics) Keep(expired, revoked time.Duration) {
	for reason, d := range map[janitor.Reason]time.Duration{janitor.Expired: expired, janitor.Revoked: revoked} {
		seconds := d.Seconds()
		if d == math.MaxInt64 {
			seconds = math.Inf(1)
		}
		m.keep.WithLabelValues(string(reason)).Set(seconds)
	}
}

// TokenLifetime tells the longest life that the API gives a token; 0 says that it is
// unknown. Where Keep's revoked is below it, reuse detection is cut short.
func (m *Metrics) TokenLifetime(d time.Duration) { m.tokenLifetime.Set(d.Seconds()) }

// Schema tells what a check found: the revision that the database is at, "" if it
// has none, whether that is the head that this janitor knows, and how many warnings there are.
func (m *Metrics) Schema(atHead bool, revision string, warnings int) {
	m.schemaWarnings.Set(float64(warnings))
	v := 0.0
	if atHead {
		v = 1
	}
	m.schemaAtHead.Set(v)
	m.schemaSeen.Store(true)
	m.schema.revision.Store(&revision)
}

// schemaInfo is a collector of its own because a gauge vector cannot change a
// label's value in one step: a scrape in between would see two revisions or none.
type schemaInfo struct {
	desc     *prometheus.Desc
	revision atomic.Pointer[string]
}

func newSchemaInfo() *schemaInfo {
	s := &schemaInfo{desc: prometheus.NewDesc(namespace+"_schema_info",
		"Always 1; the label is the schema's revision when last checked, empty = none or not checked yet.",
		[]string{"revision"}, nil)}
	s.revision.Store(new(string))
	return s
}

func (s *schemaInfo) Describe(ch chan<- *prometheus.Desc) { ch <- s.desc }

// Collect must not panic on a revision from a SQL_ASCII database, which need not
// be UTF-8.
func (s *schemaInfo) Collect(ch chan<- prometheus.Metric) {
	revision := strings.ToValidUTF8(*s.revision.Load(), "\uFFFD")
	ch <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, 1, revision)
}

const namespace = "token_janitor"

func counters(name, label, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(
		prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
}

func gauges(name, label, help string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(
		prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(
		prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

func histogram(name, help string, bounds ...float64) prometheus.Histogram {
	return prometheus.NewHistogram(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: bounds})
}
