package status

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
)

// TestProgress: what is to go is told of the pass under way, by its own speed.
func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProgress(time.Now())
		if _, _, known := p.Remaining(time.Now()); known || p.running(time.Now()).Pass != "" {
			t.Error("it knows before it heard")
		}
		time.Sleep(10 * time.Second) // synctest's clock
		p.recordBatch(janitor.Batch{Reason: janitor.Expired, Pass: janitor.Expired, Done: janitor.Counts{Expired: 900}, About: 900}, time.Now())
		if _, _, known := p.Remaining(time.Now()); known {
			t.Error("it knows of more than was estimated")
		}
		p.recordBatch(janitor.Batch{Reason: janitor.Revoked, Pass: janitor.Revoked, Took: time.Second, Done: janitor.Counts{Expired: 900, Revoked: 50}, About: 200}, time.Now())
		time.Sleep(time.Second)
		if rows, left, known := p.Remaining(time.Now()); !known || rows != 150 || left != 6*time.Second {
			t.Errorf("%d rows and %s to go (%t), want 150 and 6s: 50 of 200 took 2s", rows, left, known)
		}
		p.recordRest(janitor.Rest{Cause: janitor.ForLoad, For: 2 * time.Second})
		p.recordRest(janitor.Rest{Cause: janitor.ForLoad, For: time.Second})
		if got := resting(p.running(time.Now()).Rested); got != "3s for --load" {
			t.Errorf("rested %q", got)
		}
	})
}
