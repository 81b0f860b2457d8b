// Package text writes values for people: numbers, durations and sizes, and texts from elsewhere on one line.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// LongestLine bounds, in bytes, what is told in one piece and comes from elsewhere: a trigger may raise megabytes. All
// that a check of the schema can find amiss fits; receivers of logs cut lines at 8 KB and more.
const LongestLine = 4 << 10

// OneLine keeps a text on the one line it is promised: without what a terminal takes for a command, or shows as another
// text than it is, and not without end.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, clipTo(LongestLine, s))
}

// Clip keeps a hostile value from filling a terminal.
func Clip(s string) string { return clipTo(80, s) }

func clipTo(n int, s string) string {
	if len(s) <= n {
		return s
	}
	const more = "..."
	n -= len(more)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + more
}

// lineError is an error that is told in one line, and is otherwise what it was.
type lineError struct{ error }

func (e lineError) Error() string { return OneLine(e.error.Error()) }

func (e lineError) Unwrap() error { return e.error }

// OneLineError is err for logs and pages: what a database says is no text of ours.
func OneLineError(err error) error {
	if err == nil {
		return nil
	}
	return lineError{err}
}

// Capitalize is s with a capital to begin with.
func Capitalize(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
