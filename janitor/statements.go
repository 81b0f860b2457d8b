package janitor

import (
	"embed"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/*.sql
var files embed.FS

// statements are the texts of one pass.
type statements struct {
	windowEdge, tieExtent, keyAfterTie  string
	overdue, dueRange, estimate, sample string
	countByIndex, countByBlock          string
	pick                                pickSQL
	window, tieByIndex, tieByBlock      regionSQL
	blocks, sweep                       regionSQL
}

// regionSQL are the statements on the rows of one kind of region.
type regionSQL struct {
	edge                string // finds where the region ends, in the same batch; "" = it is known
	delete, count, list string
	met                 string // asks whether rows due by the other rule were met; "" = nobody needs to know
}

// pickSQL are the statements on listed rows. lockListed, lockWaited and deleteLocked are executed by
// isolate.sql. The waited ones do not skip locked rows, but wait for lock_timeout.
type pickSQL struct{ deleteListed, deleteWaited, lockListed, lockWaited, deleteLocked string }

// pieces are the texts that take the place of psql's variables in a statement.
type pieces map[string]string

// statementsFor renders the statements of a pass by a rule that follows the index on key.
func statementsFor(table pgx.Identifier, cols columns, reason Reason, key column) statements {
	shared := cols.pieces(reason, key)
	shared["table"] = table.Sanitize()
	text := func(name string, own pieces) string { return render(name, shared, own) }
	region := func(where string) regionSQL {
		own := pieces{"region": text(where, nil)}
		return regionSQL{delete: text("delete", own), count: text("count", own), list: text("list", own)}
	}
	window := region("where_window")
	window.edge = text("window_edge", nil)
	sweep := region("where_blocks")
	sweep.delete = text("delete", pieces{
		"region": text("where_blocks", nil),
		"rule":   render("rule_sweep", nil, pieces{"expired": cols.rule(Expired), "revoked": cols.rule(Revoked)}),
	})
	sweep.met = statement("sweep_met")
	return statements{
		windowEdge:   window.edge,
		tieExtent:    text("tie_extent", nil),
		keyAfterTie:  text("key_after_tie", nil),
		overdue:      text("overdue", nil),
		dueRange:     text("due_range", nil),
		estimate:     text("estimate", nil),
		sample:       text("sample", nil),
		countByIndex: text("count_by_index", nil),
		countByBlock: text("count_by_block", nil),
		pick:         pickStatements(table, cols.rule(reason)),
		window:       window,
		tieByIndex:   region("where_tie_by_index"),
		tieByBlock:   region("where_tie_by_block"),
		blocks:       region("where_blocks"),
		sweep:        sweep,
	}
}

// pickStatements renders the statements on listed rows of a table, or of one partition.
func pickStatements(table pgx.Identifier, rule string) pickSQL {
	shared := pieces{"table": table.Sanitize(), "rule": rule}
	skipLocked, wait := pieces{"lock": "FOR UPDATE OF t SKIP LOCKED"}, pieces{"lock": ""}
	return pickSQL{
		deleteListed: render("delete_listed", shared, skipLocked),
		deleteWaited: render("delete_listed", shared, wait),
		lockListed:   executed.Replace(render("lock_listed", shared, skipLocked)),
		lockWaited:   executed.Replace(render("lock_listed", shared, wait)),
		deleteLocked: executed.Replace(render("delete_locked", shared, nil)),
	}
}

// executed gives a statement that isolate.sql executes its parameters: DO has none of its own.
var executed = strings.NewReplacer("@parts", "$1", "@places", "$2",
	"@expired_before", "current_setting('token_janitor.expired_before')",
	"@revoked_before", "current_setting('token_janitor.revoked_before')")

// statement is the text of a file that has no pieces.
func statement(name string) string { return render(name, nil, nil) }

// variable is a variable in psql's notation: :'floor' is a value, which pgx.NamedArgs writes
// @floor and sends as a parameter; :key is a piece of text. A cast, ::text, is neither.
var variable = regexp.MustCompile(`::|:'([a-z_]+)'|:([a-z_]+)`)

// part is a stretch of a statement's text, or what takes the place of a piece.
type part struct{ text, piece string }

// parsed are the files in their parts, by name.
var parsed = sync.OnceValue(func() map[string][]part {
	parsed := map[string][]part{}
	entries, err := files.ReadDir("sql")
	if err != nil {
		panic(fmt.Sprintf("embedded statements: %v", err))
	}
	for _, e := range entries {
		text, err := files.ReadFile("sql/" + e.Name())
		if err != nil {
			panic(fmt.Sprintf("embedded statement: %v", err))
		}
		parsed[strings.TrimSuffix(e.Name(), ".sql")] = parse(string(text))
	}
	return parsed
})

// parse reads a file for pgx. The files are written for psql.
func parse(file string) (parts []part) {
	var lines strings.Builder // without the comments, which would travel with every batch
	for line := range strings.Lines(file) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			lines.WriteString(line)
		}
	}
	code := strings.TrimSpace(lines.String())
	end := 0
	for _, at := range variable.FindAllStringSubmatchIndex(code, -1) {
		switch {
		case at[2] >= 0:
			parts = append(parts, part{text: code[end:at[0]] + "@" + code[at[2]:at[3]]})
		case at[4] >= 0:
			parts = append(parts, part{text: code[end:at[0]]}, part{piece: code[at[4]:at[5]]})
		default:
			parts = append(parts, part{text: code[end:at[1]]}) // a cast
		}
		end = at[1]
	}
	return append(parts, part{text: code[end:]})
}

// render is the text of a file, with pieces in their places. It panics on a misspelt name, of a file or
// of a piece, and on a piece of own that the file does not use: no run can mend that.
func render(name string, shared, own pieces) string {
	unused := maps.Clone(own)
	var rendered strings.Builder
	parts, known := parsed()[name]
	if !known {
		panic("there is no statement " + name)
	}
	for _, p := range parts {
		text := p.text
		if p.piece != "" {
			delete(unused, p.piece)
			var known bool
			if text, known = own[p.piece]; !known {
				text, known = shared[p.piece]
			}
			if !known {
				panic(fmt.Sprintf("statement %s: nothing to put in place of :%s", name, p.piece))
			}
		}
		rendered.WriteString(text)
	}
	for piece := range unused {
		panic(fmt.Sprintf("statement %s has no :%s", name, piece))
	}
	return rendered.String()
}
