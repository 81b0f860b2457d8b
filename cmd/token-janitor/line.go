package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestLine bounds, in bytes, what is told in one piece and comes from elsewhere: a trigger may raise megabytes. All
// that a check of the schema can find amiss fits; receivers of logs cut lines at 8 KB and more.
const longestLine = 4 << 10

// oneLine keeps a text on the one line it is promised: without what a terminal takes for a command, or shows as another
// text than it is, and not without end.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, clipTo(longestLine, s))
}

// clip keeps a hostile value from filling a terminal.
func clip(s string) string { return clipTo(80, s) }

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

// plainError is an error that is told in one line, and is otherwise what it was.
type plainError struct{ error }

func (e plainError) Error() string { return oneLine(e.error.Error()) }

func (e plainError) Unwrap() error { return e.error }

// plainly is err for logs and pages: what a database says is no text of ours.
func plainly(err error) error {
	if err == nil {
		return nil
	}
	return plainError{err}
}
