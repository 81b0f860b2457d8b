package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
)

// redraw is as often as an eye follows.
const redraw = 200 * time.Millisecond

// progressBar is what a terminal shows while a run works: one bar a pass.
type progressBar struct {
	out     *os.File
	colours bool
	reason  janitor.Reason
	shown   *progressbar.ProgressBar // nil = nothing is
}

// draw shows how far the pass has come. The estimate of its rows may be too low or
// missing: then nothing is known of its end, and a wheel turns instead.
func (b *progressBar) draw(batch janitor.Batch) {
	done, most := batch.Done.Of(batch.Pass), batch.About
	if most <= done {
		most = -1
	}
	switch {
	case b.shown == nil || b.reason != batch.Pass:
		b.clear()
		b.reason, b.shown = batch.Pass, b.start(b.title(batch.Pass, most), most)
		b.shown.StartWithoutRender() // a rate needs a second batch, and a run of one no bar
		return
	case b.shown.GetMax64() != most:
		progressbar.OptionSetDescription(b.title(batch.Pass, most))(b.shown) // Describe would draw it, with the old end
		b.shown.ChangeMax64(most)
	}
	_ = b.shown.Set64(done) // a terminal that went away is no reason to stop
}

// clear takes the bar away, so that the next line stands in its place.
func (b *progressBar) clear() {
	if b.shown != nil {
		_ = b.shown.Clear()
		b.shown = nil
	}
}

// title says what the bar counts, and that its end is an estimate.
func (b *progressBar) title(pass janitor.Reason, most int64) string {
	name := string(pass)
	if b.colours {
		name = "[cyan]" + name + "[reset]"
	}
	if most < 0 {
		return name
	}
	return "about " + text.Thousands(most) + " " + name
}

func (b *progressBar) start(title string, most int64) *progressbar.ProgressBar {
	theme := progressbar.ThemeASCII
	if b.colours {
		theme.Saucer, theme.SaucerHead = "[green]=[reset]", "[green]>[reset]"
	}
	return progressbar.NewOptions64(most,
		progressbar.OptionSetWriter(b.out),
		progressbar.OptionSetDescription(title),
		progressbar.OptionEnableColorCodes(b.colours),
		progressbar.OptionSetTheme(theme),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetMaxDetailRow(0),
		progressbar.OptionThrottle(redraw),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("rows"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetSpinnerChangeInterval(0), // else a goroutine turns the wheel and outlives it
	)
}

// watched reports whether somebody sees what is written there, on a terminal that can
// take a line back.
func watched(out *os.File) bool {
	return term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"
}

// columns is the width of a terminal, 0 where there is none.
func columns(out *os.File) int {
	width, _, err := term.GetSize(int(out.Fd()))
	if err != nil {
		return 0
	}
	return width
}
