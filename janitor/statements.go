package janitor

import (
	"embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/*.sql
var files embed.FS

// statements are the texts of one pass. The files are written for psql, in its own
// notation: :key is a piece of text, which statementsFor puts in; :'floor' is a value,
// which goes to the server as a parameter.
type statements struct {
	path                      string
	edge, next, span, overdue string
	estimate, sample, met     string
	dueRange                  string
	take, takeWaiting         string
	free, freeWaiting, step   string // for isolate.sql, which executes them
	window, same, tie         placed
	blocks, swept             placed
}

// placed are the statements on the rows of one place: a window, one timestamp, a tie's blocks,
// or blocks, swept by one rule or for both.
type placed struct{ delete, count, list string }

// statementsFor writes the statements of a pass that walks the index on key by a rule.
func statementsFor(table pgx.Identifier, reason Reason, key string) statements {
	cut, aged, cutoff := "true", "expires_at", "@expired_before"
	if reason == Revoked {
		aged, cutoff = "revoked_at", "@revoked_before"
	}
	if key == "revoked_at" {
		cut = "is_revoked" // so that an index WHERE is_revoked serves
	}
	base := []string{
		":table", table.Sanitize(),
		// IS TRUE keeps the rule from the planner, which would else follow an index on one
		// of its columns where old statistics promise it few rows: the place alone leads.
		":rule", fragment("rule_"+string(reason)) + " IS TRUE",
		":key", key,
		":cutoff", cutoff,
		":cut", cut,
		":aged", aged,
	}
	text := func(name string, more ...string) string {
		return strings.NewReplacer(append(more, base...)...).Replace(statement(name))
	}
	at := func(place string) placed {
		where := strings.NewReplacer(base...).Replace(fragment(place))
		return placed{
			delete: text("delete", ":place", where),
			count:  text("count", ":place", where),
			list:   text("list", ":place", where),
		}
	}
	blocks := strings.NewReplacer(base...).Replace(fragment("in_blocks"))
	both := []string{":place", blocks, ":rule", strings.NewReplacer(":expired", fragment("rule_expired"), ":revoked", fragment("rule_revoked")).Replace(fragment("rule_swept")) + " IS TRUE"}
	swept := placed{delete: text("delete", both...), list: text("list", ":place", blocks)} // a dry run sweeps for one rule
	executed := strings.NewReplacer("@parts", "$1", "@places", "$2",
		"@expired_before", "current_setting('token_janitor.expired_before')",
		"@revoked_before", "current_setting('token_janitor.revoked_before')")
	skipLocked := []string{":lock", "FOR UPDATE OF t SKIP LOCKED"}
	wait := []string{":lock", ""}
	return statements{
		path:        text("path"),
		edge:        text("edge"),
		next:        text("next"),
		span:        text("span"),
		overdue:     text("overdue"),
		estimate:    text("estimate"),
		sample:      text("sample"),
		met:         text("met"),
		dueRange:    text("range"),
		take:        text("take", skipLocked...),
		takeWaiting: text("take", wait...),
		free:        executed.Replace(text("free", skipLocked...)),
		freeWaiting: executed.Replace(text("free", wait...)),
		step:        executed.Replace(text("step")),
		window:      at("in_window"),
		same:        at("in_key"),
		tie:         at("in_tie"),
		blocks:      at("in_blocks"),
		swept:       swept,
	}
}

// value is a value in psql's notation; pgx.NamedArgs has its own.
var value = regexp.MustCompile(`:'([a-z_]+)'`)

// statement is the text of a file, less its comments, which would otherwise travel
// with every batch.
func statement(name string) string {
	text, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(fmt.Sprintf("embedded statement: %v", err)) // a misspelt name: no run can mend it
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			kept = append(kept, line)
		}
	}
	return value.ReplaceAllString(strings.TrimSpace(strings.Join(kept, "")), "@$1")
}

// fragment is a predicate, in brackets.
func fragment(name string) string { return "(" + statement(name) + ")" }
