package text

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	t.Parallel()
	known := map[string]int{"keep-expired": 0, "keep-revoked": 0, "once": 0}
	for name, want := range map[string]string{
		"keep-expird": " (did you mean --keep-expired?)", "onec": " (did you mean --once?)", "onc": " (did you mean --once?)",
		"": "", "x": "", "kept-revoked": " (did you mean --keep-revoked?)", strings.Repeat("keep", 1000): "",
	} {
		if got := Suggest(name, known, "--"); got != want {
			t.Errorf("%.20q: got %q, want %q", name, got, want)
		}
	}
}
