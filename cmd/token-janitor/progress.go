package main

import (
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/status"
	"github.com/hyphagraph/token-janitor/janitor"
)

// reportEvery is how often a run at work writes a line: one of hours is seen to get on, and
// one of the usual length stays at the line that it ends with.
const reportEvery = 30 * time.Second

// recordBatch takes in a batch as it ends, on the run's own goroutine.
func (s *service) recordBatch(b janitor.Batch) {
	p := s.history.RecordBatch(b)
	s.worked += b.Took
	if !s.DryRun { // what is only counted is not deleted
		s.metrics.Batch(b)
		rows, left, known := p.Remaining(time.Now())
		s.metrics.Progress(b.Done.Total(), rows, left, known)
	}
	if s.onBatch != nil {
		s.onBatch(b)
	}
	s.reportProgress(p)
}

func (s *service) recordRest(r janitor.Rest) {
	s.metrics.Rest(r)
	s.reportProgress(s.history.RecordRest(r))
}

// reportProgress logs how far the run has come, if it is time. Where a bar is drawn it is seen there.
func (s *service) reportProgress(p *status.Progress) {
	now, last := time.Now(), p.Began
	if s.told.progress.After(last) {
		last = s.told.progress
	}
	if s.onBatch != nil || now.Sub(last) < reportEvery {
		return
	}
	s.told.progress = now
	done := "deleted_"
	if s.DryRun {
		done = "would_delete_"
	}
	attrs := []any{done + "expired", p.Batch.Done.Expired, done + "revoked", p.Batch.Done.Revoked, "rows_per_second", int64(p.Rate(now))}
	if p.AnyBatch {
		attrs = append(attrs, "pass", p.Batch.Pass)
	}
	if rows, left, known := p.Remaining(now); known {
		attrs = append(attrs, "about_left", rows, "eta", left.Round(time.Second))
	}
	if p.WaitsFor != "" {
		attrs = append(attrs, "waits_for", p.WaitsFor)
	}
	s.log.Info("running", attrs...)
}
