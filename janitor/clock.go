package janitor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// readClocks reads the server's clock and ours, once for the whole run.
func (r *run) readClocks(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), r.StatementTimeout+answerGrace)
	defer stop()
	var server int64 // microseconds
	var oid *int64
	before := time.Now()
	err := r.conn.QueryRow(ctx, statement("clock"), pgx.NamedArgs{"qualified": r.Table.Sanitize()}).Scan(&server, &oid)
	after := time.Now()
	switch {
	case err != nil:
		return fmt.Errorf("read the server's clock: %w", err)
	case oid == nil:
		return fmt.Errorf("table %s is not there (any more)", r.Table.Sanitize())
	}
	r.oid = *oid
	return r.fixCutoffs(before, time.UnixMicro(server), after)
}

// fixCutoffs takes the earlier of the two clocks, for a clock in the future would make
// tokens due that are still of use, and refuses where they differ too much. The server
// read its clock within the round trip that began before and ended after: what lies
// between the two is no skew.
func (r *run) fixCutoffs(before, server, after time.Time) error {
	now := before
	switch {
	case server.After(after):
		r.result.ClockSkew = server.Sub(after)
	case server.Before(before):
		r.result.ClockSkew = server.Sub(before)
		now = server
	}
	// PostgreSQL counts in microseconds: a finer cutoff would be another one there.
	now = now.UTC().Truncate(time.Microsecond)
	r.result.Cutoffs = Cutoffs{Expired: now.Add(-r.KeepExpired), Revoked: now.Add(-r.KeepRevoked)}
	r.expiredBefore = timestamp(r.result.Cutoffs.Expired)
	r.revokedBefore = timestamp(r.result.Cutoffs.Revoked)
	if skew := r.result.ClockSkew; skew.Abs() > r.MaxClockSkew {
		r.result.StopReason = StopClockSkew
		than := "ahead of"
		if skew < 0 {
			than = "behind"
		}
		return fmt.Errorf("the server's clock is %s ours by %s, and only %s is allowed: set both by NTP, or raise --max-clock-skew",
			than, skew.Abs().Round(time.Millisecond), r.MaxClockSkew)
	}
	return nil
}

// timestamp is t as PostgreSQL writes it in ISO style and UTC.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999+00") }
