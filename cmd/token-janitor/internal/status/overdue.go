package status

import (
	"fmt"
	"math"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
)

// OverdueByReason is what a run that looked left.
type OverdueByReason struct {
	Expired overdueRows `json:"expired"`
	Revoked overdueRows `json:"revoked"`
}

// overdueRows are what is overdue for one reason.
type overdueRows struct {
	Rows    int64   `json:"rows"`
	Oldest  float64 `json:"oldest_seconds"`
	AtLeast bool    `json:"at_least"` // rows is a lower bound, and of revoked ones so is oldest

	older bool // there may be an older one
}

// OverdueOf is nil for a run that could not look.
func OverdueOf(res janitor.Result) *OverdueByReason {
	expired, revoked := res.Overdue[janitor.Expired], res.Overdue[janitor.Revoked]
	if !expired.Known || !revoked.Known {
		return nil
	}
	return &OverdueByReason{
		Expired: overdueRows{Rows: expired.Rows, Oldest: expired.Oldest.Seconds(), AtLeast: expired.AtLeast}, // they are counted from the oldest on
		Revoked: overdueRows{Rows: revoked.Rows, Oldest: revoked.Oldest.Seconds(), AtLeast: revoked.AtLeast, older: revoked.AtLeast},
	}
}

func (o OverdueByReason) total() int64 { return o.Expired.Rows + o.Revoked.Rows }

func (o OverdueByReason) atLeast() bool { return o.Expired.AtLeast || o.Revoked.AtLeast }

// oldest is what has been overdue for longest.
func (o OverdueByReason) oldest() overdueRows {
	return overdueRows{Rows: o.total(), Oldest: max(o.Expired.Oldest, o.Revoked.Oldest), older: o.Revoked.older}
}

// None says that no overdue row was seen. It may be nil: nobody looked.
func (o *OverdueByReason) None() bool { return o == nil || o.total() == 0 }

// String is for the summary of --once.
func (o *OverdueByReason) String() string {
	if o == nil {
		return "unknown"
	}
	said := fmt.Sprintf("%s expired, %s revoked", o.Expired.Count(), o.Revoked.Count())
	if o.total() > 0 {
		said += ", the oldest for " + o.oldest().For()
	}
	return said
}

// Count is how many there are, as far as is known.
func (l overdueRows) Count() string {
	if l.Rows == 0 && l.AtLeast {
		return "unknown"
	}
	return text.AtLeast(l.Rows, l.AtLeast)
}

// For is for how long the oldest has been due.
func (l overdueRows) For() string {
	switch d := text.Seconds(l.Oldest); {
	case l.Rows == 0 && l.AtLeast:
		return "unknown"
	case l.Rows == 0:
		return "none"
	case l.older && d != math.MaxInt64:
		return "at least " + text.Humanize(d)
	default:
		return text.Humanize(d)
	}
}

// WhyStopped says in plain words why a run ended before its work did.
func WhyStopped(reason janitor.StopReason) string { return stopped[reason] }

// stopped says in plain words why a run ended before its work did.
var stopped = map[janitor.StopReason]string{
	janitor.StopMaxRows:     "the budget of --max-rows is spent",
	janitor.StopMaxRunTime:  "the time of --max-run-time is up",
	janitor.StopCancelled:   "it was told to stop",
	janitor.StopLeft:        "other transactions, tables or triggers hold them",
	janitor.StopUnverified:  "rows moved while it read, and some may remain",
	janitor.StopOther:       "another janitor took over",
	janitor.StopTableLocked: "the table is locked, by DDL or maintenance",
}
