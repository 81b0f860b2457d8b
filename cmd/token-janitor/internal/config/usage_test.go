package config

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestEveryFlagHasAGroup: a flag is found by what it is for.
func TestEveryFlagHasAGroup(t *testing.T) {
	t.Parallel()
	settings := new(Flags).InForce()
	begun := map[string]bool{}
	grouped(settings, func(group string) {
		if begun[group] {
			t.Errorf("group %q is begun twice", group)
		}
		begun[group] = true
	}, func(s Setting) {
		if s.Group == "" {
			t.Errorf("%s stands above the first group of Flags", s.Flag)
		}
	})
	if len(settings) != len(new(Flags).settable()) {
		t.Errorf("%d settings of %d flags", len(settings), len(new(Flags).settable()))
	}
	if want := "what to delete,how gently,when,connection,schema,output,server"; len(begun) != strings.Count(want, ",")+1 {
		t.Errorf("groups %v, want %s", begun, want)
	}
}

// TestUsage: one line an option, with its variable, in its group; and a terminal's width breaks lines and changes no
// word of it.
func TestUsage(t *testing.T) {
	t.Parallel()
	settings := new(Flags).InForce()
	whole := usage(settings, 0)
	for _, s := range settings {
		line := regexp.MustCompile(`(?m)^  ` + s.Flag + `[ A-Za-z|]* {2,}\S.*\[` + s.Variable() + `\]$`)
		if n := len(line.FindAllString(whole, -1)); n != 1 {
			t.Errorf("%s has %d lines that end with [%s], want one", s.Flag, n, s.Variable())
		}
		if n := strings.Count(whole, "\n"+strings.ToUpper(s.Group)+"\n"); n != 1 {
			t.Errorf("%d headings for %q, want one", n, s.Group)
		}
	}
	for _, width := range []int{20, 60, 80, 200} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Parallel()
			narrow := usage(settings, width)
			for line := range strings.Lines(narrow) {
				line = strings.TrimSuffix(line, "\n")
				if utf8.RuneCountInString(line) > width && len(strings.Fields(line)) > 1 && width > 20 {
					t.Errorf("longer than %d: %s", width, line)
				}
			}
			if got, want := strings.Fields(narrow), strings.Fields(whole); strings.Join(got, " ") != strings.Join(want, " ") {
				t.Error("other words than without a width")
			}
		})
	}
	if n := strings.Count(usage(settings, 200), "\n"); n != strings.Count(whole, "\n") {
		t.Errorf("%d lines in 200 columns, %d without end: an option takes more than one", n, strings.Count(whole, "\n"))
	}
}

// TestManHasTheGroups: the manual page is in the same groups.
func TestManHasTheGroups(t *testing.T) {
	t.Parallel()
	page := man(new(Flags).InForce(), "1.2.3")
	for _, want := range []string{".SS What to delete\n.TP\n\\fB\\-\\-keep\\-expired\\fR \\fIDURATION\\fR\n", ".SS Server\n", ".SH EXIT STATUS\n.TP\n.B 0\n", "[TOKEN_JANITOR_LISTEN]\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("the manual page lacks %q", want)
		}
	}
}

// TestDays: every duration may be written in days.
func TestDays(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]time.Duration{"7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0} {
		cfg, err := Parse(Program{Args: []string{"--keep-revoked=" + written}, Environ: []string{"TOKEN_JANITOR_TOKEN_LIFETIME=" + written}})
		if err != nil || cfg.KeepRevoked != want || cfg.TokenLifetime != want {
			t.Errorf("%s: got %s and %s, %v; want %s", written, cfg.KeepRevoked, cfg.TokenLifetime, err, want)
		}
	}
	for _, written := range []string{"d", "1.5d", "7days", "999999999d", "9999999d"} {
		if _, err := Parse(Program{Args: []string{"--keep-revoked=" + written}}); err == nil {
			t.Errorf("%s is taken", written)
		}
	}
}
