package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hyphagraph/token-janitor/janitor"
)

// drawn is what a terminal gets to see of a run of these batches.
func drawn(t *testing.T, colours bool, batches ...janitor.Batch) string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "terminal"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b := &progressBar{out: out, colours: colours}
	for _, batch := range batches {
		b.draw(batch)
	}
	b.clear()
	b.clear()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestProgressBar(t *testing.T) {
	t.Parallel()
	expired := func(done, about int64) janitor.Batch {
		return janitor.Batch{Reason: janitor.Expired, Pass: janitor.Expired, Done: janitor.Counts{Expired: done}, About: about}
	}
	const green = "\x1b[32m"
	for _, c := range []struct {
		name     string
		colours  bool
		batches  []janitor.Batch
		has, not string
	}{
		{"nothing to do", true, nil, "", "expired"},
		{"over before a rate is known", true, []janitor.Batch{expired(10, 20)}, "", "rows/s"},
		{"half done", true, []janitor.Batch{expired(10, 40), expired(20, 40)}, " 50% [" + green, "revoked"},
		{"NO_COLOR", false, []janitor.Batch{expired(10, 40), expired(20, 40)}, "about 40 expired  50% [====", "\x1b[3"},
		{"an estimate that was too low", false, []janitor.Batch{expired(10, 15), expired(20, 15)}, "| expired (", "%"},
		{"no estimate", false, []janitor.Batch{expired(10, -1), expired(20, -1)}, "expired (", "about"},
		{"the second pass", false, []janitor.Batch{expired(10, 10), {Reason: janitor.Revoked, Pass: janitor.Revoked, Done: janitor.Counts{Expired: 10, Revoked: 1}, About: 8},
			{Reason: janitor.Revoked, Pass: janitor.Revoked, Done: janitor.Counts{Expired: 10, Revoked: 2}, About: 8}}, "about 8 revoked  25% [", "expired"},
	} {
		got := drawn(t, c.colours, c.batches...)
		if !strings.Contains(got, c.has) || strings.Contains(got, c.not) {
			t.Errorf("%s: %q; want %q and no %q", c.name, got, c.has, c.not)
		}
	}
}
