package janitor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// clocks is the time of a run, by two clocks.
type clocks struct {
	cutoffs Cutoffs
	skew    time.Duration // the server's clock less ours, as far as a round trip can tell
}

// ClockSkewError says that the server's clock and ours differ by more than Settings.MaxClockSkew.
type ClockSkewError struct {
	Skew    time.Duration // the server's clock less ours
	Allowed time.Duration
}

func (e *ClockSkewError) Error() string {
	than := "ahead of"
	if e.Skew < 0 {
		than = "behind"
	}
	return fmt.Sprintf("the server's clock is %s ours by %s, and only %s is allowed: set both by NTP, or raise --max-clock-skew",
		than, e.Skew.Abs().Round(time.Millisecond), e.Allowed)
}

// readClocks reads the server's clock and ours, once for the whole run, and finds the table.
func (r *run) readClocks(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), r.StatementTimeout+answerGrace)
	defer stop()
	var server int64 // microseconds
	var oid *int64
	var idleSeconds float64
	before := time.Now()
	err := r.session.conn.QueryRow(ctx, statement("clock"), pgx.NamedArgs{"qualified": r.Table.Sanitize()}).Scan(&server, &oid, &idleSeconds, &r.session.hasCitus)
	after := time.Now()
	switch {
	case err != nil:
		return fmt.Errorf("read the server's clock: %w", err)
	case oid == nil:
		return fmt.Errorf("table %s is not there (any more)", r.Table.Sanitize())
	}
	r.session.oid = *oid
	if idle := time.Duration(idleSeconds * float64(time.Second)); idle > 0 {
		r.batcher.wakeAfter = min(r.batcher.wakeAfter, idle/2)
	}
	return r.setClocks(before, time.UnixMicro(server), after)
}

// setClocks sets the cutoffs by the earlier of the two clocks, for a clock in the future would make
// tokens due that are still of use. It returns a *ClockSkewError where they differ too much. The
// server read its clock within the round trip that began before and ended after: a difference
// within that is no skew.
func (r *run) setClocks(before, server, after time.Time) error {
	now := before
	r.clocks.skew = 0
	switch {
	case server.After(after):
		r.clocks.skew = server.Sub(after)
	case server.Before(before):
		r.clocks.skew = server.Sub(before)
		now = server
	}
	// PostgreSQL counts in microseconds: a finer cutoff would be another one there.
	now = now.UTC().Truncate(time.Microsecond)
	r.clocks.cutoffs = Cutoffs{Expired: now.Add(-r.KeepExpired)}
	if r.columns.revoked != "" {
		r.clocks.cutoffs.Revoked = now.Add(-r.KeepRevoked)
	}
	if r.clocks.skew.Abs() > r.MaxClockSkew {
		return &ClockSkewError{Skew: r.clocks.skew, Allowed: r.MaxClockSkew}
	}
	return nil
}

// timestamp is t as PostgreSQL writes it in ISO style and UTC.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999+00") }
