package janitor

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Settings say which tokens are due, how gently they go and when a run stops.
type Settings struct {
	// Table is the table of refresh tokens, schema-qualified as the schema check
	// found it, so that no search_path can put another in its place.
	Table pgx.Identifier

	// Columns are those that the rules read. TimestampZone and Epoch say how to read columns that do not say it
	// themselves: timestamp without time zone, and integers, of which 0 and below never expire.
	Columns       Columns
	TimestampZone *time.Location // nil = there is no such column
	Epoch         Epoch          // "" = there is no such column

	// Effects is what acted on a DELETE when the table was checked: the run ends where it is no longer so. Zero = the run
	// finds out when it begins.
	Effects Effects

	KeepExpired   time.Duration // how long a token stays after Columns.Expires
	KeepRevoked   time.Duration // how long a revoked token stays after Columns.RevokedAt
	TokenLifetime time.Duration // the longest life the API gives a token; 0 = unknown
	MaxClockSkew  time.Duration // a run refuses when the two clocks differ by more

	BatchMaxRows int           // the largest window, in rows
	BatchGoal    time.Duration // how long one window should take
	Load         float64       // share of the time at work, in (0,1]
	MaxRate      int           // rows a second; 0 = no limit

	MaxRows    int64         // rows one run may delete; 0 = no limit
	MaxRunTime time.Duration // how long one run may take; 0 = no limit

	LockTimeout      time.Duration // longest wait for one lock
	StatementTimeout time.Duration // longest statement

	// Floors, from the Result of an earlier run, lets this one begin where nothing was
	// left to do below, if it takes too long to see that this is still so: the index
	// holds an entry for every row that is deleted and not yet vacuumed. Then the run counts at
	// its end what lies below, and is unverified if that takes too long as well: leave Floors
	// empty now and then.
	Floors map[Reason]string

	// RevokedDone, from the Result of an earlier run, and NextRun, when the next one begins at the
	// latest, let this one leave out a revoked pass that would read every live row: it is often enough
	// if it begins a 24th of KeepRevoked after the last one. Zero = unknown, and the pass is done.
	RevokedDone, NextRun time.Time

	// Window, from the Result of an earlier run, is what this one begins with, in rows; 0 = few, for
	// nobody knows yet what a row costs.
	Window int

	DryRun bool // count what would go, delete nothing

	// Each of these makes the run wait, between two batches, while something else
	// keeps the server busy; the zero value asks for none of it.
	MaxReplicaLag    time.Duration // the slowest standby has not replayed what was written this long ago
	MaxWALRetained   int64         // bytes of WAL kept back by a slot, or waiting for the archive
	YieldToVacuum    bool          // a vacuum (or an index build) is at work on the table
	YieldToLockWaits bool          // a session that is at the table waits for a lock

	// Reconnect makes a connection as the one that Run is given, to go on with where a pooler has ended that for the
	// length of a statement. Run closes it. nil = the run ends then.
	Reconnect func(context.Context) (*pgx.Conn, error)

	// OnBatch and OnRest, if set, hear of every batch and every rest as it ends (of a
	// long one each second), on Run's own goroutine: a slow listener slows the run.
	OnBatch func(Batch)
	OnRest  func(Rest)
}

// Batch is what one batch did and where the run stands after it.
type Batch struct {
	Reason Reason        // of these rows
	Pass   Reason        // under way: a sweep by expiry deletes revoked ones as well
	Rows   int64         // rows deleted, or counted by a dry run
	Window int           // rows the window was cut for
	Took   time.Duration // the round trip; a batch of families that deletes by both rules is told once for each, with all of it
	Done   Counts        // the run's total so far
	About  int64         // rows due in this pass from its beginning, by the planner's estimate or, later, a sample; -1 = unknown
}

// Rest is a pause between two batches and what asked for it.
type Rest struct {
	Cause Cause
	For   time.Duration
}

// Reason is the rule that makes a token due.
type Reason string

// The two rules.
const (
	Expired Reason = "expired" // it expired longer ago than KeepExpired
	Revoked Reason = "revoked" // not yet so expired, but revoked longer ago than KeepRevoked
)

// Reasons lists both, in the order in which a run takes them.
var Reasons = [...]Reason{Expired, Revoked}

// Cause is what asks for a rest.
type Cause string

// The causes of a rest.
const (
	ForLoad       Cause = "load"         // Settings.Load
	ForRate       Cause = "rate"         // Settings.MaxRate
	ForReplicaLag Cause = "replica_lag"  // Settings.MaxReplicaLag
	ForWAL        Cause = "wal_retained" // Settings.MaxWALRetained
	ForVacuum     Cause = "vacuum"       // Settings.YieldToVacuum
	ForLockWaits  Cause = "lock_waits"   // Settings.YieldToLockWaits
)

// Causes lists them all.
var Causes = [...]Cause{ForLoad, ForRate, ForReplicaLag, ForWAL, ForVacuum, ForLockWaits}
