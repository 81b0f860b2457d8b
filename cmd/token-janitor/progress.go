package main

import (
	"maps"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
)

// progress is how far a run has come, by what its batches and rests told.
type progress struct {
	began  time.Time
	heard  bool          // of a batch
	batch  janitor.Batch // the last one
	pass   time.Time     // when the pass that it belongs to began
	rested map[janitor.Cause]time.Duration
}

func newProgress(began time.Time) *progress {
	return &progress{began: began, rested: map[janitor.Cause]time.Duration{}}
}

func (p *progress) hearBatch(b janitor.Batch, now time.Time) {
	if !p.heard || b.Reason != p.batch.Reason {
		p.pass = now.Add(-b.Took)
	}
	p.heard, p.batch = true, b
}

func (p *progress) hearRest(r janitor.Rest) { p.rested[r.Cause] += r.For }

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

// toGo is how long the pass that is under way will take yet, going on as it has.
// The planner's estimate of its rows is all there is to tell: nothing is known when
// there is none or when it turned out too low.
func (p *progress) toGo(now time.Time) (left time.Duration, known bool) {
	done := p.batch.Done.Of(p.batch.Reason)
	if !p.heard || done <= 0 || p.batch.About <= done {
		return 0, false
	}
	return time.Duration(float64(now.Sub(p.pass)) * float64(p.batch.About-done) / float64(done)), true
}
