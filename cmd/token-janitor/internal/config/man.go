package config

import (
	"fmt"
	"reflect"
	"strings"
)

// man is the manual page, in roff, of what Flags declares.
func man(settings []Setting, version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `.TH TOKEN\-JANITOR 1 "" "token\-janitor %s" ""
.SH NAME
token\-janitor \- delete refresh tokens that expired, and revoked ones that are old
.SH SYNOPSIS
.B token\-janitor
.RI [ flags ]
.RI [ command ]
.SH DESCRIPTION
Runs beside an API and shares its PostgreSQL. At boot it makes sure that the schema is at head; then, on a schedule, it
walks the index on the column of expiry and deletes tokens that expired, and revoked ones that are old, and serves a status
page and metrics. Flags go before the command.
.SH COMMANDS
`, roff(version))
	for _, c := range commands {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(c[0]), roff(c[1]))
	}
	b.WriteString(".SH OPTIONS\nEach has a variable, TOKEN_JANITOR_ and the flag in capitals with _ for \\-; the flag wins.\n")
	for _, s := range settings {
		value := " " + `\fIvalue\fR`
		if s.kind.Kind() == reflect.Bool {
			value = ""
		}
		fallback := ""
		if s.Default != "" {
			fallback = " (default " + s.Default + ")"
		}
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fR%s\n%s%s\n", roff(s.Flag), value, roff(s.Meaning), roff(fallback))
	}
	for section := range strings.SplitSeq(strings.Trim(afterwords, "\n"), "\n\n") {
		heading, text, _ := strings.Cut(section, "\n")
		fmt.Fprintf(&b, ".SH %s\n.nf\n%s\n.fi\n", heading, roff(text))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// roff is text as it stands.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
