package janitor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// readClocks reads the server's clock once for the whole run, compares it with ours
// and fixes the cutoffs from the earlier of the two: a clock in the future would make
// tokens due that are still of use.
func (r *run) readClocks(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), r.StatementTimeout+answerGrace)
	defer stop()
	before := time.Now()
	var server time.Time
	var oid *int64
	err := r.conn.QueryRow(ctx, statement("clock"), pgx.NamedArgs{"qualified": r.Table.Sanitize()}).Scan(&server, &oid)
	after := time.Now()
	switch {
	case err != nil:
		return fmt.Errorf("read the server's clock: %w", err)
	case oid == nil:
		return fmt.Errorf("table %s is not there (any more)", r.Table.Sanitize())
	}
	r.oid = *oid
	// The server read its clock somewhere within the round trip: what lies between
	// our two readings is no skew.
	switch {
	case server.After(after):
		r.result.ClockSkew = server.Sub(after)
	case server.Before(before):
		r.result.ClockSkew = server.Sub(before)
	}
	now := before
	if server.Before(now) {
		now = server
	}
	// PostgreSQL counts in microseconds: a finer cutoff would differ from the one
	// that the server compares with.
	now = now.UTC().Truncate(time.Microsecond)
	r.result.Cutoffs = Cutoffs{Expired: now.Add(-r.KeepExpired), Revoked: now.Add(-r.KeepRevoked)}
	r.expiredBefore = timestamp(r.result.Cutoffs.Expired)
	r.revokedBefore = timestamp(r.result.Cutoffs.Revoked)
	if r.result.ClockSkew.Abs() > r.MaxClockSkew {
		r.result.StopReason = StopClockSkew
		return fmt.Errorf("the server's clock is %s ours by %s, more than the %s allowed: set both by NTP, or raise --max-clock-skew",
			aheadOrBehind(r.result.ClockSkew), r.result.ClockSkew.Abs().Round(time.Millisecond), r.MaxClockSkew)
	}
	return nil
}

func aheadOrBehind(skew time.Duration) string {
	if skew > 0 {
		return "ahead of"
	}
	return "behind"
}

// timestamp is t as PostgreSQL writes it in ISO style and UTC.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999+00") }
