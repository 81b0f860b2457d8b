package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// longest is what Linux lets one argument or variable have, in bytes.
const longest = 128 << 10

// hostile are values that somebody may hope to get something by.
var hostile = []string{
	"'", `"`, `\`, "`id`", "$(id)", "%s%n%d", "' OR 1=1; --", `"; DROP TABLE canary; --`, "<script>alert(1)</script>",
	"one\ntwo", "one\r\ntwo", "\x1b[2J\x1b]0;title\a", "\u009b2J", "\u2028", "\u202egnp.exe", "\x7f", "\b\b\b", "\xff\xfe", "\u00a0",
	"\x00", "a\x00b", "../../../../etc/passwd", "http://127.0.0.1:1/", strings.Repeat("x", longest), strings.Repeat("\n", longest), strings.Repeat("é", longest/2),
}

// plain fails the test unless line is a line that a terminal and a log take as one, and no long one.
func plain(t *testing.T, what, line string) {
	t.Helper()
	if len(line) > 3*text.LongestLine || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%.40q is told in %d bytes: %.200q", what, len(line), line)
	}
}

// wordFlags are those that take any text.
func wordFlags() []string {
	var names []string
	for name, field := range new(Flags).settable() {
		if field.Interface() == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// reported is what is said of a command line and of one variable.
func reported(args []string, variable, value string) string {
	var environ []string
	if variable != "" {
		environ = []string{variable + "=" + value}
	}
	if _, err := Parse(Program{Args: args, Environ: environ}); err != nil {
		return text.OneLine(err.Error())
	}
	return ""
}

// TestHostileFlags: no flag, variable, command or name of any makes more than one plain line.
func TestHostileFlags(t *testing.T) {
	t.Parallel()
	refused := 0
	see := func(what, line string) {
		plain(t, what, line)
		if line != "" {
			refused++
		}
	}
	for _, value := range hostile {
		for name := range maps.Keys(new(Flags).settable()) {
			see("--"+name+"="+value, reported([]string{"--" + name + "=" + value}, "", ""))
			variable := variable(name)
			see(variable+"="+value, reported(nil, variable, value))
		}
		see(value, reported([]string{value}, "", ""))
		see("--"+value, reported([]string{"--" + value}, "", ""))
		see("migrate "+value, reported([]string{"migrate", value}, "", ""))
		see(value+" behind", reported([]string{"migrate", "upgrade", value}, "", ""))
		see(prefix+"_"+value, reported(nil, prefix+"_"+value, "x"))
		see("DATABASE_URL="+value, reported(nil, "DATABASE_URL", value))
		see("--schedule=CRON_TZ="+value, reported([]string{"--schedule=CRON_TZ=" + value + " @daily"}, "", ""))
		see("--schedule=@every "+value, reported([]string{"--schedule=@every " + value}, "", ""))
		see("--listen="+value+":1", reported([]string{"--listen=:" + value}, "", ""))
		see("sslmode="+value, reported([]string{"--database-url=postgres://u@db/app?sslmode=" + value}, "", ""))
	}
	if refused < 20*len(hostile) {
		t.Errorf("%d refused only", refused)
	}
}

func FuzzFlags(f *testing.F) {
	for i, value := range hostile {
		if len(value) < 1000 {
			f.Add(uint8(i), value)
		}
	}
	names := wordFlags()
	f.Fuzz(func(t *testing.T, which uint8, value string) {
		name := names[int(which)%len(names)]
		plain(t, name, reported([]string{"--" + name, value}, "", ""))
		plain(t, name, reported([]string{value, name}, "", ""))
	})
}
