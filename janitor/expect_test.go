package janitor

import (
	"strings"
	"testing"
)

// expect is what a run has to come to. What is not named is zero.
type expect struct {
	stop    StopReason // and the Outcome that goes with it
	deleted Counts
	would   Counts // of a dry run
	left    Left
}

// of checks a run that ended without an error, and returns its result.
func (want expect) of(t testing.TB, run string, got Result) Result {
	t.Helper()
	if got.StopReason != want.stop {
		t.Errorf("%s: stopped by %s, want %s", run, got.StopReason, want.stop)
	}
	if outcome := want.outcome(); got.Outcome != outcome {
		t.Errorf("%s: outcome %s, want %s", run, got.Outcome, outcome)
	}
	if got.Deleted != want.deleted {
		t.Errorf("%s: deleted %+v, want %+v", run, got.Deleted, want.deleted)
	}
	if got.Would != want.would {
		t.Errorf("%s: would delete %+v, want %+v", run, got.Would, want.would)
	}
	if got.Left != want.left {
		t.Errorf("%s: left %+v, want %+v", run, got.Left, want.left)
	}
	return got
}

func (want expect) outcome() Outcome {
	switch want.stop {
	case StopDrained:
		return Drained
	case StopOther:
		return Skipped
	case StopClockSkew, StopConnection, StopError:
		return Failed
	}
	return Partial
}

// failed fails the test unless a run ended with an error that says so.
func failed(t testing.TB, run string, got Result, err error, stop StopReason, says string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", run)
	} else if !strings.Contains(err.Error(), says) {
		t.Errorf("%s: the error is %q, and does not say %q", run, err, says)
	}
	if got.Outcome != Failed {
		t.Errorf("%s: outcome %s, want %s", run, got.Outcome, Failed)
	}
	if got.StopReason != stop {
		t.Errorf("%s: stopped by %s, want %s", run, got.StopReason, stop)
	}
}
