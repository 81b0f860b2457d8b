package status

import (
	"maps"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
)

// Progress is how far a run has come, by what its batches and rests reported.
type Progress struct {
	Began    time.Time
	AnyBatch bool          // has ended
	Batch    janitor.Batch // the last one
	WaitsFor janitor.Cause // what a throttle waits for since the last batch; "" = none does

	pass   time.Time // when the pass that the batch belongs to began
	rested map[janitor.Cause]time.Duration
}

func newProgress(began time.Time) *Progress {
	return &Progress{Began: began, rested: map[janitor.Cause]time.Duration{}}
}

func (p *Progress) recordBatch(b janitor.Batch, now time.Time) {
	if !p.AnyBatch || b.Pass != p.Batch.Pass {
		p.pass = now.Add(-b.Took)
	}
	p.AnyBatch, p.Batch, p.WaitsFor = true, b, ""
}

func (p *Progress) recordRest(r janitor.Rest) {
	p.rested[r.Cause] += r.For
	if r.Cause != janitor.ForLoad && r.Cause != janitor.ForRate {
		p.WaitsFor = r.Cause
	}
}

func (p *Progress) clone() *Progress {
	if p == nil {
		return nil
	}
	c := *p
	c.rested = maps.Clone(p.rested)
	return &c
}

// Rate is in rows a second of the run so far.
func (p *Progress) Rate(now time.Time) float64 {
	if took := now.Sub(p.Began).Seconds(); took > 0 {
		return float64(p.Batch.Done.Total()) / took
	}
	return 0
}

// Remaining is about how many rows are left of the pass that is under way, and for how long,
// going on as it has. The engine's estimate of its rows is all there is to tell: nothing
// is known when there is none or when it turned out too low.
func (p *Progress) Remaining(now time.Time) (rows int64, left time.Duration, known bool) {
	done := p.Batch.Done.Of(p.Batch.Pass)
	rows = p.Batch.About - done
	if !p.AnyBatch || done <= 0 || rows <= 0 {
		return 0, 0, false
	}
	return rows, text.Seconds(now.Sub(p.pass).Seconds() * float64(rows) / float64(done)), true
}
