package status

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
)

var (
	//go:embed status.html
	statusHTML string
	//go:embed status.css
	statusCSS string
	//go:embed status.js
	statusJS string
)

const runbook = "https://github.com/hyphagraph/token-janitor/blob/main/.github/RUNBOOK.md"

// The page is one file: its style and script are inside, and its policy lets no other
// run, so that nothing the database says can.
var (
	statusPage = template.Must(template.New("status").Funcs(template.FuncMap{
		"thousands": text.Thousands,
		"plural":    text.Plural,
		"chart":     chart,
		"ago":       func(t time.Time) string { return text.Humanize(time.Since(t)) },
		"humanize":  func(s float64) string { return text.Humanize(text.Seconds(s)) },
		"took":      took,
		"capital":   text.Capitalize,
		"word":      Word,
		"runbook":   func() string { return runbook },
		"round":     func(f float64) int64 { return int64(f) },
		"resting":   resting,
		"causes":    causes,
		"why":       why,
		"asks":      func(c janitor.Cause) string { return asks[c] },
		"inBytes":   text.Bytes,
		"most":      func() int64 { return janitor.OverdueCap },
		"css":       func() template.CSS { return template.CSS(statusCSS) }, // #nosec G203 -- a file of ours, embedded
		"js":        func() template.JS { return template.JS(statusJS) },    // #nosec G203 -- a file of ours, embedded
	}).Parse(statusHTML))

	statusPolicy = fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		digest(statusCSS), digest(statusJS))
)

// WritePage writes the status page.
func (s Status) WritePage(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", statusPolicy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	return statusPage.Execute(w, s)
}

// WriteJSON writes the status for machines.
func (s Status) WriteJSON(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(s)
}

// digest is a source of a Content-Security-Policy: this text and no other.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// took is a duration in seconds, in a table.
func took(s float64) string { return text.Took(text.Seconds(s)) }

// asks says what asks for a rest.
var asks = map[janitor.Cause]string{
	janitor.ForLoad:       "for --load",
	janitor.ForRate:       "for --max-rate",
	janitor.ForReplicaLag: "for a standby that is behind (--max-replica-lag)",
	janitor.ForWAL:        "for WAL that is kept back (--max-wal-retained)",
	janitor.ForVacuum:     "for a vacuum (--yield-to-vacuum)",
	janitor.ForLockWaits:  "for sessions that wait for a lock (--yield-to-lock-waits)",
}

// resting says how long was rested, and why.
func resting(r rests) string {
	var parts []string
	for _, cause := range janitor.Causes {
		if s, ok := r[cause]; ok {
			parts = append(parts, took(s)+" "+asks[cause])
		}
	}
	if len(parts) == 0 {
		return "not at all"
	}
	return strings.Join(parts, ", ")
}

// causes is the same for a table.
func causes(r rests) string {
	var parts []string
	for _, cause := range janitor.Causes {
		if s, ok := r[cause]; ok {
			parts = append(parts, took(s)+" "+strings.ReplaceAll(string(cause), "_", " "))
		}
	}
	return strings.Join(parts, ", ")
}

// why says why a run stopped, what held the rows that it left, and what is in doubt.
func why(e ended) string {
	reason, known := stopped[e.StopReason]
	switch {
	case e.Error != "":
		reason = e.Error
	case e.Outcome == janitor.Skipped:
		reason = "another janitor is running"
	case known:
	case e.LeftOut:
		reason = "no expired one was left; the revoked pass is left to a later run"
	default:
		reason = "nothing was left to do"
	}
	if held := held(e); held != "" {
		reason += ": " + held
	}
	if e.TimedOut > 0 {
		reason += "; " + text.Plural(e.TimedOut, "time") + " a batch took longer than --statement-timeout"
	}
	if e.Uncertain > 0 {
		reason += "; up to " + text.Plural(e.Uncertain, "token") + " more may be gone, the answer was lost"
	}
	return reason
}

// held says what held the rows that a run left, and how many.
func held(e ended) string {
	held := Held(e.Left)
	if e.Refusal != "" {
		if held != "" {
			held += ", "
		}
		held += "the server says \u201c" + text.OneLine(e.Refusal) + "\u201d"
	}
	return held
}

// Held says what held rows, and how many.
func Held(left janitor.Left) string {
	var parts []string
	for _, cause := range []struct {
		rows int64
		what string
	}{
		{left.Locked, "locked"}, {left.Referenced, "referenced by another table"},
		{left.Refused, "refused by a trigger or rule"}, {left.Slow, "too slow for --statement-timeout"},
	} {
		if cause.rows > 0 {
			parts = append(parts, text.Thousands(cause.rows)+" "+cause.what)
		}
	}
	return strings.Join(parts, ", ")
}
