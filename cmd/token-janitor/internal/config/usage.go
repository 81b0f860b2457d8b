package config

import (
	"strings"
	"unicode/utf8"
)

// entry is a line of a usage text: a flag, a command or a code, and what it means.
type entry struct{ name, meaning string }

var exitCodes = []entry{
	{"0", "done, or another janitor was running already"},
	{"1", "failed"},
	{"2", "bad usage or configuration"},
	{"3", "overdue rows are left: at a budget, at a signal, to another janitor that took over, or rows that could not be deleted"},
}

var signals = []entry{
	{"SIGTERM, SIGINT, SIGHUP", "end after the batch in flight; a second one kills"},
	{"SIGUSR1", "run now"},
	{"SIGUSR2", "pause the schedule, or resume it"},
}

// usage is what --help prints on a terminal of that width; 0 = no line is broken.
func usage(settings []Setting, width int) string {
	p := page{width: width}
	p.text("token-janitor deletes refresh tokens that have expired, and revoked ones that are old, from the PostgreSQL of the API that it runs beside.")
	p.heading("usage")
	p.list([]entry{
		{"token-janitor [options]", "run as a daemon, on a schedule, with a status page and metrics"},
		{"token-janitor [options] --once", "do one run and exit"},
		{"token-janitor [options] COMMAND", "one of the commands below; options go first"},
	})
	p.out.WriteString("\n")
	p.text("Each option has the variable in brackets; the option wins over its variable. Durations are written 90s, 15m, 24h or 7d.")
	var options []entry
	for _, s := range settings {
		options = append(options, entry{s.synopsis(), s.explained()})
	}
	p.fit(options)
	grouped(settings, p.heading, func(s Setting) { p.entry(entry{s.synopsis(), s.explained()}) })
	p.heading("commands")
	p.list(commands)
	p.heading("exit codes")
	p.list(exitCodes)
	p.heading("signals")
	p.list(signals)
	return strings.TrimSuffix(p.out.String(), "\n")
}

// synopsis is the flag as it is written.
func (s Setting) synopsis() string { return strings.TrimSuffix(s.Flag+" "+s.placeholder(), " ") }

// explained is the meaning with the default and the variable.
func (s Setting) explained() string {
	explained := s.Meaning
	if off := s.Default == "0" || s.Default == "0s"; s.Default != "" && !(off && strings.Contains(s.Meaning, "; 0 = ")) {
		explained += " (default " + s.Default + ")"
	}
	return explained + " [" + s.Variable() + "]"
}

// page is a usage text in two columns.
type page struct {
	out    strings.Builder
	width  int  // 0 = without end
	column int  // where meanings begin
	below  bool // meanings stand below the names, for want of room beside them
}

// text is a paragraph.
func (p *page) text(paragraph string) {
	p.wrapped(paragraph, 0)
}

func (p *page) heading(name string) { p.out.WriteString("\n" + strings.ToUpper(name) + "\n") }

func (p *page) list(entries []entry) {
	p.fit(entries)
	for _, e := range entries {
		p.entry(e)
	}
}

// fit makes room for the names of entries.
func (p *page) fit(entries []entry) {
	const leastMeaning = 40
	p.column = 0
	for _, e := range entries {
		p.column = max(p.column, 2+utf8.RuneCountInString(e.name)+2)
	}
	if p.below = p.width > 0 && p.width < p.column+leastMeaning; p.below {
		p.column = 6
	}
}

func (p *page) entry(e entry) {
	p.out.WriteString("  " + e.name)
	if p.below {
		p.out.WriteString("\n" + strings.Repeat(" ", p.column))
	} else {
		p.out.WriteString(strings.Repeat(" ", p.column-2-utf8.RuneCountInString(e.name)))
	}
	p.wrapped(e.meaning, p.column)
}

// wrapped writes words from a column on, in lines that end before the width. A longer word keeps its line.
func (p *page) wrapped(words string, column int) {
	at := column
	for i, word := range strings.Fields(words) {
		long := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case p.width > 0 && at+1+long > p.width:
			p.out.WriteString("\n" + strings.Repeat(" ", column))
			at = column
		default:
			p.out.WriteString(" ")
			at++
		}
		p.out.WriteString(word)
		at += long
	}
	p.out.WriteString("\n")
}
