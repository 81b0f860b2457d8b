package text

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestOneLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "plain": "plain", "two\nlines": "two lines", "a\x1b[2Jb": "a [2Jb", "a\u202eb": "a b", "a\u2028b": "a b",
		"\x00": " ", "\u00e9": "\u00e9", "a\xffb": "a\ufffdb",
	} {
		if got := OneLine(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := OneLine(strings.Repeat("x", 1<<20)); len(got) != LongestLine || !strings.HasSuffix(got, "x...") {
		t.Errorf("a text of a megabyte is %d bytes", len(got))
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	x := strings.Repeat("x", 80)
	for in, want := range map[string]string{
		"": "", x: x, x + "x": x[:77] + "...",
		strings.Repeat("\u00e9", 41): strings.Repeat("\u00e9", 38) + "...", // not through a letter
	} {
		if got := Clip(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestOneLineError(t *testing.T) {
	t.Parallel()
	if OneLineError(nil) != nil {
		t.Error("no error became one")
	}
	err := OneLineError(errors.Join(fs.ErrNotExist, fs.ErrClosed))
	if want := "file does not exist file already closed"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("what it was is lost")
	}
}

func TestCapitalize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "well": "Well", "Well": "Well", "1": "1"} {
		if got := Capitalize(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
