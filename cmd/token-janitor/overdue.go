package main

import (
	"fmt"
	"math"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
)

// overdueByReason is what a run that looked left.
type overdueByReason struct {
	Expired late `json:"expired"`
	Revoked late `json:"revoked"`
}

// late is what is overdue for one reason.
type late struct {
	Rows    int64   `json:"rows"`
	Oldest  float64 `json:"oldest_seconds"`
	AtLeast bool    `json:"at_least"` // rows is a lower bound, and of revoked ones so is oldest

	older bool // there may be an older one
}

// overdueOf is nil for a run that could not look.
func overdueOf(res janitor.Result) *overdueByReason {
	expired, revoked := res.Overdue[janitor.Expired], res.Overdue[janitor.Revoked]
	if !expired.Known || !revoked.Known {
		return nil
	}
	return &overdueByReason{
		Expired: late{Rows: expired.Rows, Oldest: expired.Oldest.Seconds(), AtLeast: expired.AtLeast}, // they are counted from the oldest on
		Revoked: late{Rows: revoked.Rows, Oldest: revoked.Oldest.Seconds(), AtLeast: revoked.AtLeast, older: revoked.AtLeast},
	}
}

func (o overdueByReason) total() int64 { return o.Expired.Rows + o.Revoked.Rows }

func (o overdueByReason) atLeast() bool { return o.Expired.AtLeast || o.Revoked.AtLeast }

// oldest is what has been overdue for longest.
func (o overdueByReason) oldest() late {
	return late{Rows: o.total(), Oldest: max(o.Expired.Oldest, o.Revoked.Oldest), older: o.Revoked.older}
}

// none says that no overdue row was seen. It may be nil: nobody looked.
func (o *overdueByReason) none() bool { return o == nil || o.total() == 0 }

// String is for the summary of --once.
func (o *overdueByReason) String() string {
	if o == nil {
		return "unknown"
	}
	return fmt.Sprintf("%s expired, %s revoked", o.Expired.Count(), o.Revoked.Count())
}

// Count is how many there are, as far as is known.
func (l late) Count() string {
	if l.Rows == 0 && l.AtLeast {
		return "unknown"
	}
	return text.AtLeast(l.Rows, l.AtLeast)
}

// For is for how long the oldest has been due.
func (l late) For() string {
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
