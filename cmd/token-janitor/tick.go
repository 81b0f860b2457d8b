package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/config"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/status"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/metrics"
	"github.com/hyphagraph/token-janitor/migrations"
)

// service is the janitor at work: as a daemon, or once.
type service struct {
	config.Config
	log       *slog.Logger
	metrics   *metrics.Metrics
	history   status.History
	onBatch   func(janitor.Batch) // gets a run's batches, beside the metrics
	beforeLog func()              // before the line of a run

	summarized bool // a summary tells what the line of a run would, on the same screen

	// One tick at a time has these.
	next    next
	told    told
	effects janitor.Effects // as the last check of the schema found them

	worked time.Duration // what the batches took, of all runs
}

// next is what one run leaves for the next.
type next struct {
	floors      map[janitor.Reason]string
	window      int       // the rows that it found right for a batch; 0 = none did
	revokedDone time.Time // when a run last began that read all revoked tokens
	began       time.Time // when a run last began at the start and not at the floors
}

// told is what the log was last told, so that it is not told again.
type told struct {
	waitedFor string               // what boot waits for
	warnings  []migrations.Problem // of the schema
	progress  time.Time            // when a run at work last wrote a line
}

func newService(cfg config.Config) *service {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, options)
	if cfg.LogFormat == "json" {
		handler = slog.NewJSONHandler(os.Stderr, options)
	}
	s := &service{Config: cfg, log: slog.New(handler), metrics: metrics.New(build())}
	s.metrics.Keep(cfg.KeepExpired, cfg.RevokedStays())
	s.metrics.TokenLifetime(cfg.TokenLifetime)
	if cfg.TokenLifetime > cfg.RevokedStays() {
		s.log.Warn("--keep-revoked is below --token-lifetime: a replay of a token that was revoked longer ago than that is no longer recognised",
			"keep_revoked", cfg.KeepRevoked, "token_lifetime", cfg.TokenLifetime)
	}
	if fault, value := zoneFault(); fault != "" && len(cfg.Args) == 0 { // no command has times to tell
		s.log.Warn(fault+": the times of this log, and of a --schedule without CRON_TZ, are in UTC", "value", text.Clip(value))
	}
	return s
}

// startAgain is how long the floors of the last run are trusted. A row appears below them only by hand,
// so one run a day begins at the start: each run of a nightly schedule, jitter or not.
const startAgain = 23 * time.Hour

// tick does one run: connect, check the schema, run. What became of it goes to metrics,
// history and log. Its error is the run's, and has been logged.
func (s *service) tick(ctx context.Context, attempt func(context.Context) (janitor.Result, migrations.State, error)) (janitor.Result, migrations.State, error) {
	began := time.Now()
	s.history.Begin()
	res, state, err := attempt(ctx)
	if res.Outcome == "" { // it did not get as far as a run
		res = janitor.Result{
			Outcome: janitor.Failed, StopReason: janitor.StopError, DryRun: s.DryRun,
			Began: began, Duration: time.Since(began),
		}
		if ctx.Err() != nil {
			res.Outcome, res.StopReason, err = janitor.Partial, janitor.StopCancelled, nil
		}
	}
	s.metrics.Run(res)
	s.history.Add(res, err)
	s.report(res, err)
	return res, state, err
}

// attempt is a tick up to its result, which is empty if there was no run. It only
// checks the schema: someone who downgrades it while the daemon runs does so on purpose.
func (s *service) attempt(ctx context.Context) (res janitor.Result, state migrations.State, err error) {
	err = s.connected(ctx, func(conn *pgx.Conn) error {
		if state, err = s.ensure(ctx, conn, migrations.Check); err != nil {
			return err
		}
		res, err = s.run(ctx, conn, state.Table)
		return err
	})
	return res, state, err
}

// first is the attempt of a process that does no other: it boots, and runs over the same
// connection, for as long as ctx lasts: boot's own time-out ends with the boot.
func (s *service) first(ctx context.Context) (res janitor.Result, state migrations.State, err error) {
	var ran error
	state, err = s.bootOnce(ctx, s.mode(), func(conn *pgx.Conn, state migrations.State) {
		res, ran = s.run(ctx, conn, state.Table)
	})
	if ran != nil {
		err = text.OneLineError(ran)
	}
	return res, state, err
}

// run has the engine do its work.
func (s *service) run(ctx context.Context, conn *pgx.Conn, table pgx.Identifier) (janitor.Result, error) {
	settings := s.settings(table)
	if time.Since(s.next.began) > startAgain {
		s.next.floors, s.next.began = nil, time.Now()
	}
	settings.Effects, settings.Floors, settings.Window = s.effects, s.next.floors, s.next.window
	settings.RevokedDone, settings.NextRun = s.next.revokedDone, s.history.View().Next
	res, err := janitor.Run(ctx, conn, settings)
	res.Refusal = text.OneLine(res.Refusal)
	s.next.window, s.next.revokedDone = cmp.Or(res.Window, s.next.window), res.RevokedDone
	if len(res.Floors) > 0 {
		s.next.floors = res.Floors
	}
	return res, err
}

// connected does something over a connection of its own. A panic in it is an error: it
// must end neither the daemon nor its schedule.
func (s *service) connected(ctx context.Context, do func(*pgx.Conn) error) (err error) {
	defer func() { err = text.OneLineError(err) }()
	conn, err := connect(ctx, s.Database)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			s.log.Error("panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
		// ctx may have ended by now: saying goodbye gets a moment of its own.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer stop()
		_ = conn.Close(ctx)
	}()
	return do(conn)
}

// ensure looks at the schema, or brings it to head.
func (s *service) ensure(ctx context.Context, conn *pgx.Conn, mode migrations.Mode) (migrations.State, error) {
	ctx, stop := context.WithTimeout(ctx, lookFor)
	defer stop()
	s.effects = janitor.Effects{}
	state, err := migrations.Ensure(ctx, conn, s.names(), mode, func(ctx context.Context, tx pgx.Tx, oid uint32, table pgx.Identifier) (err error) {
		s.effects, err = janitor.ReadEffects(ctx, tx, oid, table, s.Columns)
		return err
	})
	state.Revision = text.OneLine(state.Revision) // whatever it was, it is only shown from here on
	s.metrics.Schema(err == nil && (state.AtHead || state.Ahead), state.Revision, len(state.Warnings))
	for i, w := range state.Warnings {
		state.Warnings[i] = migrations.Problem{What: text.OneLine(w.What), Remedy: text.OneLine(w.Remedy)}
	}
	s.history.SchemaChecked(state, err)
	s.warn(state.Warnings)
	if state.Upgraded {
		s.log.Info("schema upgraded", "revision", state.Revision, "table", text.OneLine(state.Table.Sanitize()))
	}
	return state, err
}

// warn logs each warning of the schema that the last check did not have.
func (s *service) warn(warnings []migrations.Problem) {
	for _, w := range warnings {
		if !slices.Contains(s.told.warnings, w) {
			s.log.Warn("schema: "+w.What, "remedy", w.Remedy)
		}
	}
	s.told.warnings = warnings
}

// settings are the engine's.
func (s *service) settings(table pgx.Identifier) janitor.Settings {
	return janitor.Settings{
		Table:            table,
		Columns:          s.Columns,
		TimestampZone:    s.TimestampZone,
		Epoch:            s.Epoch,
		KeepExpired:      s.KeepExpired,
		KeepRevoked:      s.KeepRevoked,
		TokenLifetime:    s.TokenLifetime,
		MaxClockSkew:     s.MaxClockSkew,
		BatchMaxRows:     s.BatchMaxRows,
		BatchGoal:        s.BatchGoal,
		Load:             s.Load,
		MaxRate:          s.MaxRate,
		MaxRows:          s.MaxRows,
		MaxRunTime:       s.MaxRunTime,
		LockTimeout:      s.LockTimeout,
		StatementTimeout: s.StatementTimeout,
		MaxReplicaLag:    s.MaxReplicaLag,
		MaxWALRetained:   int64(s.MaxWALRetained),
		YieldToVacuum:    s.YieldToVacuum,
		YieldToLockWaits: s.YieldToLockWaits,
		DryRun:           s.DryRun,
		OnRest:           s.recordRest,
		OnBatch:          s.recordBatch,
		Reconnect:        func(ctx context.Context) (*pgx.Conn, error) { return connect(ctx, s.Database) },
	}
}

// report writes the one line that a run gets in the log.
func (s *service) report(res janitor.Result, err error) {
	if s.beforeLog != nil {
		s.beforeLog()
	}
	if s.summarized {
		return
	}
	level := slog.LevelInfo
	var attrs []any
	if err != nil { // what went wrong leads
		level, attrs = slog.LevelError, []any{"error", err}
	}
	attrs = append(attrs, "outcome", res.Outcome, "stop_reason", res.StopReason)
	if !res.Cutoffs.Expired.IsZero() { // it came to a run
		attrs = append(attrs, "deleted_expired", res.Deleted.Expired, "deleted_revoked", res.Deleted.Revoked,
			"batches", res.Batches[janitor.Expired]+res.Batches[janitor.Revoked], "longest_batch", res.LongestBatch.Round(time.Microsecond))
	}
	attrs = append(attrs, "duration", res.Duration.Round(time.Millisecond))
	if res.DryRun {
		attrs = append(attrs, "dry_run", true)
		if !res.Cutoffs.Expired.IsZero() {
			attrs = append(attrs, "would_delete_expired", res.Would.Expired, "would_delete_revoked", res.Would.Revoked)
		}
	}
	if res.Left.Total() > 0 {
		attrs = append(attrs, "left_locked", res.Left.Locked, "left_referenced", res.Left.Referenced, "left_refused", res.Left.Refused, "left_slow", res.Left.Slow)
	}
	if res.Refusal != "" {
		attrs = append(attrs, "refusal", res.Refusal)
	}
	if res.BatchesTimedOut > 0 {
		attrs = append(attrs, "batches_timed_out", res.BatchesTimedOut)
	}
	if res.Uncertain > 0 {
		attrs = append(attrs, "uncertain_rows", res.Uncertain)
	}
	for _, reason := range janitor.Reasons {
		if o := res.Overdue[reason]; o.Known && (o.Rows > 0 || o.AtLeast) {
			rows, oldest := "overdue_"+string(reason), "oldest_overdue_"+string(reason)
			if o.AtLeast {
				rows += "_at_least"
			}
			if o.AtLeast && reason == janitor.Revoked { // expired ones are counted from the oldest on
				oldest += "_at_least"
			}
			attrs = append(attrs, rows, o.Rows, oldest, o.Oldest.Round(time.Second))
		}
	}
	if res.RevokedLeftOut {
		attrs = append(attrs, "revoked_left_out", true, "revoked_due", res.RevokedDue.Format(time.RFC3339))
	}
	if view := s.history.View(); !view.Next.IsZero() && view.Paused.IsZero() && res.StopReason != janitor.StopCancelled {
		attrs = append(attrs, "next_run", view.Next.Format(time.RFC3339))
	}
	if res.Outcome == janitor.Partial && (s.Once || res.StopReason != janitor.StopCancelled) {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, "run", attrs...)
}
