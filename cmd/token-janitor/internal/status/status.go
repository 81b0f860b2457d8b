package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/migrations"
)

// Status is what the janitor reports of itself at one moment, as a page and as JSON.
type Status struct {
	State  string    `json:"state"` // starting, waiting, failed, paused, overdue, ok
	Line   string    `json:"line"`  // the same and why, in plain words
	At     time.Time `json:"at"`
	Ready  bool      `json:"ready"`
	Notice string    `json:"notice,omitempty"` // what is legal and yet hardly meant

	PausedSince *time.Time `json:"paused_since"` // null: the schedule is not paused
	NextRun     *time.Time `json:"next_run"`     // null: none is planned
	RevokedDone *time.Time `json:"revoked_done"` // when a run last began that looked at all revoked tokens; null: none has
	RevokedDue  *time.Time `json:"revoked_due"`  // when the next such run begins at the latest; null: each run looks
	Running     *Running   `json:"running"`      // null: between runs
	Overdue     *overdue   `json:"overdue"`      // null: no run has looked yet
	Space       *space     `json:"space"`        // null: no run has looked yet
	Schema      schema     `json:"schema"`
	Runs        []ended    `json:"runs"` // the latest first
	Settings    []Setting  `json:"settings"`
	Build       string     `json:"build"`
}

// Running is a run at work.
type Running struct {
	Began   time.Time      `json:"began"`
	Pass    janitor.Reason `json:"pass"` // empty: no batch has ended yet
	Deleted janitor.Counts `json:"deleted"`
	Due     *int64         `json:"about_due"`               // of the pass, when the run began; null: unknown
	ToGo    *float64       `json:"about_seconds_left"`      // of the pass; null: unknown
	Rate    float64        `json:"rows_per_second"`         // of the run so far
	Window  int64          `json:"batch_rows"`              // rows that the last batch was cut for
	Rested  rests          `json:"rested_seconds_by_cause"` // of the run so far
	Waits   janitor.Cause  `json:"waiting_for,omitempty"`   // what a throttle waits for now
}

// overdue is what the last run that looked left.
type overdue struct {
	At time.Time `json:"at"`
	OverdueByReason
}

// space is what the table took when a run last looked, by the server's own estimate.
type space struct {
	At       time.Time  `json:"at"`
	Live     *int64     `json:"live_rows"` // null: unknown
	Dead     *int64     `json:"dead_rows"` // null: unknown
	Table    int64      `json:"table_bytes"`
	Indexes  int64      `json:"index_bytes"`
	Vacuumed *time.Time `json:"vacuumed"`        // null: never, or unknown if it forgot
	Forgot   bool       `json:"statistics_lost"` // as in a crash; then live_rows is as of the last VACUUM or ANALYZE
}

// schema is what the last check of it found.
type schema struct {
	CheckedAt *time.Time `json:"checked_at"` // null: nobody has looked yet
	Revision  string     `json:"revision"`
	Verdict   string     `json:"verdict"`
	Problems  []Problem  `json:"problems"`
	Warnings  []Problem  `json:"warnings"` // what makes deletions slow
}

// Problem is something amiss with the schema, and what mends it.
type Problem struct {
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// ended is a run that ended.
type ended struct {
	Began      time.Time          `json:"began"`
	Outcome    janitor.Outcome    `json:"outcome"`
	StopReason janitor.StopReason `json:"stop_reason"`
	Deleted    janitor.Counts     `json:"deleted"`
	Left       janitor.Left       `json:"rows_left"`
	TimedOut   int64              `json:"batches_timed_out"`
	Refusal    string             `json:"refusal,omitempty"`        // the server's words on a row that was refused
	Uncertain  int64              `json:"uncertain_rows,omitempty"` // at most so many went besides
	Overdue    *int64             `json:"overdue"`                  // null: it could not look
	AtLeast    bool               `json:"overdue_at_least"`         // overdue is a lower bound
	LeftOut    bool               `json:"revoked_left_out"`         // it looked at no revoked tokens: of them, overdue is as of revoked_done
	Duration   float64            `json:"duration_seconds"`
	Rested     rests              `json:"rested_seconds_by_cause"`
	Error      string             `json:"error,omitempty"`
}

// rests are seconds by cause; the causes that asked for none are left out.
type rests map[janitor.Cause]float64

func restsOf(m map[janitor.Cause]time.Duration) rests {
	r := rests{}
	for cause, d := range m {
		if d > 0 {
			r[cause] = d.Seconds()
		}
	}
	return r
}

// Program is what does not change while the janitor is up.
type Program struct {
	Settings []Setting
	Build    string
	Notice   string // what is legal and yet hardly meant, or ""
}

// Status is the view as people and machines read it.
func (v View) Status(now time.Time, p Program) Status {
	st := Status{
		At: now.UTC(), Ready: v.Unready() == "", Notice: p.Notice, PausedSince: known(v.Paused), NextRun: known(v.Next),
		Running: v.Running.running(now), Overdue: v.overdue(), Space: v.Space.space(), Schema: v.Schema.schema(),
		Settings: p.Settings, Build: p.Build, Runs: []ended{},
	}
	if len(v.Runs) > 0 {
		st.RevokedDone, st.RevokedDue = known(v.Runs[0].RevokedDone), known(v.Runs[0].RevokedDue)
	}
	for _, p := range v.Runs {
		st.Runs = append(st.Runs, p.ended())
	}
	if st.PausedSince != nil { // no run is due until it is resumed
		st.NextRun = nil
	}
	st.State, st.Line = v.state(now)
	return st
}

// Because is the line behind its first word, which says the state.
func (s Status) Because() string {
	_, because, _ := strings.Cut(s.Line, " ")
	return because
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (p *Progress) running(now time.Time) *Running {
	if p == nil {
		return nil
	}
	r := &Running{
		Began: p.Began.UTC(), Pass: p.Batch.Pass, Deleted: p.Batch.Done,
		Rate: p.Rate(now), Window: int64(p.Batch.Window), Rested: restsOf(p.rested), Waits: p.WaitsFor,
	}
	if about := p.Batch.About; p.AnyBatch && about >= p.Batch.Done.Of(p.Batch.Pass) {
		r.Due = &about
	}
	if _, left, ok := p.Remaining(now); ok {
		seconds := left.Seconds()
		r.ToGo = &seconds
	}
	return r
}

// overdue is as of the last run that could tell: one that leaves the work to another
// janitor does not look.
func (v View) overdue() *overdue {
	for _, p := range v.Runs {
		if found := OverdueOf(p.Result); found != nil {
			return &overdue{p.Began.Add(p.Duration).UTC(), *found}
		}
	}
	return nil
}

func (t taken) space() *space {
	if !t.Known {
		return nil
	}
	return &space{t.at.UTC(), rows(t.LiveRows), rows(t.DeadRows), t.TableBytes, t.IndexBytes, known(t.Vacuumed), t.Forgot}
}

// rows is nil if they are unknown.
func rows(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func (c checked) schema() schema {
	sc := schema{CheckedAt: known(c.at), Revision: c.state.Revision, Problems: Problems(c.problems), Warnings: Problems(c.state.Warnings)}
	switch {
	case c.at.IsZero():
		sc.Verdict = "not checked yet"
	case len(c.problems) > 0:
		sc.Verdict = "not as the janitor needs it"
	case c.state.AtHead:
		sc.Verdict = "at head, and the table is as the janitor needs it"
	case c.state.Revision == "":
		sc.Verdict = "no revision; the table is as the janitor needs it"
	default:
		sc.Verdict = "a revision that only the API knows (" + migrations.Head + " is the janitor's); the table is as the janitor needs it"
	}
	return sc
}

// Problems is never null.
func Problems(found []migrations.Problem) []Problem {
	all := make([]Problem, len(found))
	for i, p := range found {
		all[i] = Problem(p)
	}
	return all
}

func (p past) ended() ended {
	e := ended{
		Began: p.Began.UTC(), Outcome: p.Outcome, StopReason: p.StopReason, Deleted: p.Deleted, Left: p.Left, TimedOut: p.BatchesTimedOut, Refusal: p.Refusal, LeftOut: p.RevokedLeftOut, Uncertain: p.Uncertain,
		Duration: p.Duration.Seconds(), Rested: restsOf(p.Rested), Error: p.Error,
	}
	if found := OverdueOf(p.Result); found != nil {
		rows := found.total()
		e.Overdue, e.AtLeast = &rows, found.atLeast()
	}
	return e
}

// LeftOver is what a run left overdue, as far as is known.
func (e ended) LeftOver() string {
	if e.Overdue == nil {
		return "unknown"
	}
	return overdueRows{Rows: *e.Overdue, AtLeast: e.AtLeast}.Count()
}

// clause is a word and a clause about a run that ended, with what is overdue since.
func (p past) clause(now time.Time, o *overdue) (word, clause string) {
	ago := text.Humanize(now.Sub(p.Began.Add(p.Duration))) + " ago"
	tokens := "deleted " + text.Plural(p.Deleted.Total(), "token")
	switch p.Outcome {
	case janitor.Failed:
		word, clause = "failed", text.OneLine(p.Brief)+"; last run "+ago+" "+tokens
	case janitor.Skipped:
		word, clause = "ok", "last run "+ago+" left the work to another janitor"
	case janitor.Partial:
		word, clause = "overdue", "last run "+ago+" "+tokens+" and stopped: "+stopped[p.StopReason]
		if p.StopReason == janitor.StopCancelled {
			word = "ok"
		}
	default:
		if p.RevokedLeftOut {
			return "ok", "last success " + ago + ": " + tokens + "; nothing expired is overdue, and the revoked pass is next at " +
				p.RevokedDue.UTC().Format("15:04 UTC") + " at the latest"
		}
		return "ok", "last success " + ago + ": " + tokens + "; nothing is overdue"
	}
	if o != nil && o.total() > 0 {
		clause += "; " + o.String()
	}
	return word, clause
}

func (o *overdue) String() string {
	least := ""
	if o.atLeast() {
		least = "at least "
	}
	return fmt.Sprintf("%s%s overdue, the oldest for %s", least, text.Plural(o.total(), "token"), o.oldest().For())
}

// Setting is a flag and what is in force for it.
type Setting struct {
	Flag    string `json:"flag"`
	Value   string `json:"value"` // of a secret, only that there is one
	Default string `json:"default"`
	Meaning string `json:"meaning"`
}

// Table is the table that the janitor works on, as --table names it.
func (s Status) Table() string {
	for _, setting := range s.Settings {
		if setting.Flag == "--table" {
			return setting.Value
		}
	}
	return ""
}
