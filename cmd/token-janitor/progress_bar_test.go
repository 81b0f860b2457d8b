package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyphagraph/token-janitor/janitor"
)

// drawn is what a terminal gets to see of a run of these batches, a quarter of an hour apart.
func drawn(t *testing.T, b progressBar, batches ...janitor.Batch) string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "terminal"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b.out = out
	synctest.Test(t, func(*testing.T) {
		for _, batch := range batches {
			b.draw(batch)
			time.Sleep(15 * time.Minute)
		}
		b.clear()
		b.clear()
	})
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func expired(done, about int64) janitor.Batch {
	return janitor.Batch{Reason: janitor.Expired, Pass: janitor.Expired, Done: janitor.Counts{Expired: done}, About: about}
}

func TestProgressBar(t *testing.T) {
	t.Parallel()
	revoked := func(done int64) janitor.Batch {
		return janitor.Batch{Reason: janitor.Revoked, Pass: janitor.Revoked, Done: janitor.Counts{Expired: 10, Revoked: done}, About: 8}
	}
	const green = "\x1b[32m"
	for _, c := range []struct {
		name     string
		bar      progressBar
		batches  []janitor.Batch
		has, not string
	}{
		{"nothing to do", progressBar{colours: true}, nil, "", "expired"},
		{"over before a rate is known", progressBar{colours: true}, []janitor.Batch{expired(10, 20)}, "", "expired"},
		{"half done", progressBar{colours: true}, []janitor.Batch{expired(10, 4000), expired(2000, 4000)}, " 50% [" + green, "revoked"},
		{"NO_COLOR", progressBar{}, []janitor.Batch{expired(10, 4000), expired(2000, 4000)}, "2,000 of about 4,000 expired, 15 minutes left  50% [====", "\x1b[3"},
		{"an estimate that was too low", progressBar{}, []janitor.Batch{expired(10, 15), expired(20, 15)}, "| 20 expired ", "%"},
		{"no estimate", progressBar{}, []janitor.Batch{expired(10, -1), expired(20, -1)}, "20 expired ", "about"},
		{"the second pass", progressBar{}, []janitor.Batch{expired(10, 10), revoked(1), revoked(2)}, "2 of about 8 revoked, 2 hours left  25% [", "expired"},
		{"a wide terminal", progressBar{width: 120}, []janitor.Batch{expired(10, 90000), expired(20000, 90000)}, "rows/s)", "\n"},
		{"a dry run", progressBar{width: 200, dryRun: true}, []janitor.Batch{expired(10, 40), expired(20, 40)}, "expired", "rows/s)"},
	} {
		got := drawn(t, c.bar, c.batches...)
		if !strings.Contains(got, c.has) || strings.Contains(got, c.not) {
			t.Errorf("%s: %q; want %q and no %q", c.name, got, c.has, c.not)
		}
	}
}

// A line that is longer than the terminal cannot be taken back: each redraw would leave it there.
func TestProgressBarFits(t *testing.T) {
	t.Parallel()
	for _, width := range []int{40, 60, 80, 100, 200} {
		for _, about := range []int64{40_000, 900_000_000, -1} {
			got := drawn(t, progressBar{width: width}, expired(10, about), expired(max(20_000, about-1), about))
			drawn := false
			for frame := range strings.SplitSeq(strings.NewReplacer("\x1b[0K", "", "\x1b[2K", "").Replace(got), "\r") {
				drawn = drawn || strings.Contains(frame, "expired")
				if len(strings.TrimSuffix(frame, " ")) >= width {
					t.Errorf("%d columns: %d, %q", width, len(frame), frame)
				}
			}
			if !drawn {
				t.Errorf("%d columns: %q", width, got)
			}
		}
	}
}
