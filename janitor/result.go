package janitor

import "time"

// Outcome is how a run ended, in one word.
type Outcome string

// The outcomes.
const (
	Drained Outcome = "drained" // nothing is left that was due when the run began; see RevokedLeftOut
	Partial Outcome = "partial" // rows that are due are left; StopReason says why
	Skipped Outcome = "skipped" // another janitor is at work on the table
	Failed  Outcome = "failed"  // an error ended the run; what it deleted before is deleted
)

// Outcomes lists them all.
var Outcomes = [...]Outcome{Drained, Partial, Skipped, Failed}

// StopReason is what ended a run.
type StopReason string

// The stop reasons.
const (
	StopDrained     StopReason = "drained"
	StopMaxRows     StopReason = "max_rows"
	StopMaxRunTime  StopReason = "max_run_time"
	StopCancelled   StopReason = "cancelled"  // the context ended, between two batches
	StopLeft        StopReason = "rows_left"  // all was read, but the rows of Left stay
	StopUnverified  StopReason = "unverified" // all was read, but rows moved meanwhile and some may remain
	StopOther       StopReason = "another_janitor"
	StopTableLocked StopReason = "table_locked" // the table, not rows of it, stayed locked (by DDL)
	StopClockSkew   StopReason = "clock_skew"
	StopConnection  StopReason = "connection_lost" // see Result.Uncertain
	StopError       StopReason = "error"
)

// StopReasons lists them all.
var StopReasons = [...]StopReason{
	StopDrained, StopMaxRows, StopMaxRunTime, StopCancelled, StopLeft, StopUnverified, StopOther, StopTableLocked, StopClockSkew, StopConnection, StopError,
}

// Counts holds a number of rows for each rule.
type Counts struct {
	Expired int64 `json:"expired"`
	Revoked int64 `json:"revoked"`
}

// Total is the sum over both rules.
func (c Counts) Total() int64 { return c.Expired + c.Revoked }

// Of is the count of one rule.
func (c Counts) Of(r Reason) int64 { return *c.of(r) }

func (c *Counts) of(r Reason) *int64 {
	if r == Revoked {
		return &c.Revoked
	}
	return &c.Expired
}

// Left counts due rows that a run had to leave behind, by what held them.
type Left struct {
	Locked     int64 `json:"locked"`     // another transaction holds the row
	Referenced int64 `json:"referenced"` // a foreign key, of another table or its own, still points at it
	Refused    int64 `json:"refused"`    // a trigger, a rule or another constraint keeps it
	Slow       int64 `json:"slow"`       // its deletion takes longer than Settings.StatementTimeout
}

// Total is the sum over all causes.
func (l Left) Total() int64 { return l.Locked + l.Referenced + l.Refused + l.Slow }

// Cutoffs are the instants that a run compared with, fixed when it began.
type Cutoffs struct {
	Expired time.Time `json:"expired"`          // what expired before this is due
	Revoked time.Time `json:"revoked,omitzero"` // what was revoked before this is due; zero = there is no such rule
}

// Overdue is what is due and still there when a run ends, for one rule.
type Overdue struct {
	Known  bool // false: the run could not look
	Rows   int64
	Oldest time.Duration // how long the oldest has been due; 0 = none

	// AtLeast says that Rows is a lower bound: the run read OverdueCap rows, and did not reach the last. So is Oldest
	// where the rows come in another order, as revoked ones may.
	AtLeast bool
}

// Result is the whole truth about one run, also beside an error: rows counted
// here are gone, for their transaction was committed and its answer arrived.
type Result struct {
	Outcome    Outcome
	StopReason StopReason
	DryRun     bool

	Deleted Counts           // rows this run deleted (0 in a dry run)
	Would   Counts           // rows a dry run found due (0 otherwise)
	Due     map[Reason]Range // of a dry run
	Left    Left
	Refusal string // what the server said of the first row of Left.Refused; "" if it said nothing

	// Uncertain is how many rows, at most, went beside Deleted: those of a batch whose
	// answer never came, as the connection was lost. Its commit may have gone through.
	Uncertain int64

	Batches         map[Reason]int64
	BatchesTimedOut int64 // ended by the server for their length, and tried again with fewer rows; not in Batches
	LongestBatch    time.Duration
	Window          int // rows a window was cut for at the end: for Settings.Window of the next run
	Began           time.Time
	Duration        time.Duration
	Rested          map[Cause]time.Duration

	// RevokedDone is when the last run began that read all revoked tokens and left none that was locked, this
	// one or, as Settings had it, an earlier one; zero = unknown. A run that left the revoked pass out, which
	// RevokedLeftOut says, knows nothing of them: Drained then speaks of the expired ones.
	RevokedDone    time.Time
	RevokedLeftOut bool
	RevokedDue     time.Time // before this the next revoked pass begins; zero = each run does it

	Cutoffs   Cutoffs
	ClockSkew time.Duration // the server's clock less ours, as far as a round trip can tell
	Overdue   map[Reason]Overdue
	Space     Space
	Floors    map[Reason]string // for Settings.Floors of the next run, in PostgreSQL's own words
}
