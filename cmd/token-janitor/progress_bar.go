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

// progressBar is what a terminal shows while a run works: one bar a pass, in one line.
type progressBar struct {
	out     *os.File
	colours bool
	dryRun  bool
	width   int // of the terminal, in columns; 0 = unknown
	reason  janitor.Reason
	began   time.Time
	first   int64                    // rows of the first batch, before which nothing was timed
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
		b.reason, b.began, b.first = batch.Pass, time.Now(), done
		b.shown = b.start(b.title(done, most), most)
		b.shown.StartWithoutRender() // how long it takes needs a second batch, and a run of one no bar
		return
	case b.shown.GetMax64() != most:
		b.shown.ChangeMax64(most)
	}
	progressbar.OptionSetDescription(b.title(done, most))(b.shown) // Describe would draw it, with the old count
	_ = b.shown.Set64(done)                                        // a terminal that went away is no reason to stop
	_ = b.shown.RenderBlank()                                      // where the percentage is the same
}

// clear takes the bar away, so that the next line stands in its place.
func (b *progressBar) clear() {
	if b.shown != nil {
		_ = b.shown.Clear()
		b.shown = nil
	}
}

// What stands beside a title: the percentage and the least bar, or the wheel; and the rate.
const besideTitle, besideRate = len(" 100% [==========] "), len("(2000000 rows/s)")

// title says how far it has come and how long it will take yet, and that its end is an estimate. Where the terminal has no
// room for that, it is the name of the pass: a line that is broken cannot be taken back.
func (b *progressBar) title(done, most int64) string {
	name := string(b.reason)
	before, after := text.Thousands(done)+" ", ""
	if most > 0 {
		before += "of about " + text.Thousands(most) + " "
		if timed := done - b.first; timed > 0 {
			after = ", " + text.Humanize(text.Seconds(time.Since(b.began).Seconds()*float64(most-done)/float64(timed))) + " left"
		}
	}
	if b.width > 0 && len(before+name+after)+besideTitle > b.width {
		before, after = "", ""
	}
	if b.colours {
		name = "[cyan]" + name + "[reset]"
	}
	return before + name + after
}

func (b *progressBar) start(title string, most int64) *progressbar.ProgressBar {
	theme := progressbar.ThemeASCII
	if b.colours {
		theme.Saucer, theme.SaucerHead = "[green]=[reset]", "[green]>[reset]"
	}
	const longest = len("100,000,000 of about 100,000,000 expired, 60 minutes left")
	options := []progressbar.Option{
		progressbar.OptionSetWriter(b.out),
		progressbar.OptionSetDescription(title),
		progressbar.OptionEnableColorCodes(b.colours),
		progressbar.OptionSetTheme(theme),
		progressbar.OptionSetMaxDetailRow(0),
		progressbar.OptionThrottle(redraw),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetSpinnerChangeInterval(0), // else a goroutine turns the wheel and outlives it
	}
	room := max(0, b.width-longest-besideTitle)
	if !b.dryRun && room >= besideRate { // it counts faster than a run deletes
		room -= besideRate
		options = append(options, progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"))
	}
	return progressbar.NewOptions64(most, append(options, progressbar.OptionSetWidth(10+min(20, room)))...)
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
