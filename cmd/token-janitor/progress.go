package main

import (
	"maps"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
)

// progress is how far a run has come, by what its batches and rests told.
type progress struct {
	began  time.Time
	heard  bool          // of a batch
	batch  janitor.Batch // the last one
	pass   time.Time     // when the pass that it belongs to began
	rested map[janitor.Cause]time.Duration
	waits  janitor.Cause // what a throttle waits for since the last batch; "" = none does
}

func newProgress(began time.Time) *progress {
	return &progress{began: began, rested: map[janitor.Cause]time.Duration{}}
}

func (p *progress) hearBatch(b janitor.Batch, now time.Time) {
	if !p.heard || b.Pass != p.batch.Pass {
		p.pass = now.Add(-b.Took)
	}
	p.heard, p.batch, p.waits = true, b, ""
}

func (p *progress) hearRest(r janitor.Rest) {
	p.rested[r.Cause] += r.For
	if r.Cause != janitor.ForLoad && r.Cause != janitor.ForRate {
		p.waits = r.Cause
	}
}

func (p *progress) clone() *progress {
	if p == nil {
		return nil
	}
	c := *p
	c.rested = maps.Clone(p.rested)
	return &c
}

// rate is in rows a second of the run so far.
func (p *progress) rate(now time.Time) float64 {
	if took := now.Sub(p.began).Seconds(); took > 0 {
		return float64(p.batch.Done.Total()) / took
	}
	return 0
}

// toGo is about how many rows are left of the pass that is under way, and for how long,
// going on as it has. The engine's estimate of its rows is all there is to tell: nothing
// is known when there is none or when it turned out too low.
func (p *progress) toGo(now time.Time) (rows int64, left time.Duration, known bool) {
	done := p.batch.Done.Of(p.batch.Pass)
	rows = p.batch.About - done
	if !p.heard || done <= 0 || rows <= 0 {
		return 0, 0, false
	}
	return rows, text.Seconds(now.Sub(p.pass).Seconds() * float64(rows) / float64(done)), true
}

// tellEvery is how often a run at work writes a line: one of hours is seen to get on, and
// one of the usual length stays at the line that it ends with.
const tellEvery = 30 * time.Second

// hearBatch takes in a batch as it ends, on the run's own goroutine.
func (s *service) hearBatch(b janitor.Batch) {
	p := s.history.hearBatch(b)
	s.worked += b.Took
	if !s.DryRun { // what is only counted is not deleted
		s.metrics.Batch(b)
		rows, left, known := p.toGo(time.Now())
		s.metrics.Progress(b.Done.Total(), rows, left, known)
	}
	if s.onBatch != nil {
		s.onBatch(b)
	}
	s.tell(p)
}

func (s *service) hearRest(r janitor.Rest) {
	s.metrics.Rest(r)
	s.tell(s.history.hearRest(r))
}

// tell logs how far the run has come, if it is time. Where a bar is drawn that tells it.
func (s *service) tell(p *progress) {
	now, last := time.Now(), p.began
	if s.told.After(last) {
		last = s.told
	}
	if s.onBatch != nil || now.Sub(last) < tellEvery {
		return
	}
	s.told = now
	done := "deleted_"
	if s.DryRun {
		done = "would_delete_"
	}
	attrs := []any{done + "expired", p.batch.Done.Expired, done + "revoked", p.batch.Done.Revoked, "rows_per_second", int64(p.rate(now))}
	if p.heard {
		attrs = append(attrs, "pass", p.batch.Pass)
	}
	if rows, left, known := p.toGo(now); known {
		attrs = append(attrs, "about_left", rows, "eta", left.Round(time.Second))
	}
	if p.waits != "" {
		attrs = append(attrs, "waits_for", p.waits)
	}
	s.log.Info("at work", attrs...)
}
