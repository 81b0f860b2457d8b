package config

import (
	"fmt"
	"strings"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// man is the manual page, in roff, of what Flags declares.
func man(settings []Setting, version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `.TH TOKEN\-JANITOR 1 "" "token\-janitor %s" ""
.nh
.SH NAME
token\-janitor \- delete refresh tokens that have expired, and revoked ones that are old
.SH SYNOPSIS
.B token\-janitor
.RI [ options ]
.RI [ command ]
.SH DESCRIPTION
Runs beside an API and shares its PostgreSQL. At boot it makes sure that the schema is at head; then, on a schedule, it
walks the index on the column of expiry and deletes tokens that expired, and revoked ones that are old, and serves a status
page and metrics. Options go before the command.
.SH COMMANDS
`, roff(version))
	items(&b, commands)
	b.WriteString(".SH OPTIONS\nEach has a variable, in brackets; the option wins. Durations are written 90s, 15m, 24h or 7d.\n")
	grouped(settings, func(group string) { fmt.Fprintf(&b, ".SS %s\n", roff(text.Capitalize(group))) }, func(s Setting) {
		value := ""
		if of := s.placeholder(); of != "" {
			value = ` \fI` + of + `\fR`
		}
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fR%s\n%s\n", roff(s.Flag), value, roff(s.explained()))
	})
	b.WriteString(".SH EXIT STATUS\n")
	items(&b, exitCodes)
	b.WriteString(".SH SIGNALS\n")
	items(&b, signals)
	return strings.TrimSuffix(b.String(), "\n")
}

// items is a list of names with what they mean.
func items(b *strings.Builder, entries []entry) {
	for _, e := range entries {
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(e.name), roff(e.meaning))
	}
}

// roff is text as it stands.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
