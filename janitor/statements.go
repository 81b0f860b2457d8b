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
	countByIndex                        string
	pick                                pickSQL
	window, tieByIndex                  regionSQL
	blocks                              blockSQL
}

// regionSQL are the statements on the rows of one kind of region.
type regionSQL struct {
	delete, count, list string
}

// blockSQL are the statements on heap blocks, of the table or of a partition.
type blockSQL struct {
	tied, due, both regionSQL
	count           string
}

// blockRows are the rows that are cleared in heap blocks.
type blockRows string

const (
	tiedRows  blockRows = "of one key"
	dueRows   blockRows = "due by the rule of the pass"
	bothRules blockRows = "due by that rule, and those due by the other are noted"
)

func (b blockSQL) of(rows blockRows) regionSQL {
	switch rows {
	case tiedRows:
		return b.tied
	case dueRows:
		return b.due
	}
	return b.both
}

// pickSQL are the statements on listed rows. lockListed, lockWaited and deleteLocked are executed by
// isolate.sql. The waited ones do not skip locked rows, but wait for lock_timeout.
type pickSQL struct{ deleteListed, deleteWaited, lockListed, lockWaited, deleteLocked, stillDue string }

// pieces are the texts that take the place of psql's variables in a statement.
type pieces map[string]string

// statementsFor renders the statements of a pass by a rule that follows the index on key.
func statementsFor(table pgx.Identifier, cols columns, reason Reason, key column) statements {
	shared := cols.pieces(reason, key)
	shared["table"] = table.Sanitize()
	text := func(name string) string { return render(name, shared, nil) }
	return statements{
		windowEdge:   text("window_edge"),
		tieExtent:    text("tie_extent"),
		keyAfterTie:  text("key_after_tie"),
		overdue:      text("overdue"),
		dueRange:     text("due_range"),
		estimate:     text("estimate"),
		sample:       text("sample"),
		countByIndex: text("count_by_index"),
		pick:         pickStatements(table, cols.rule(reason)),
		window:       regionStatements("where_window", shared),
		tieByIndex:   regionStatements("where_tie_by_index", shared),
		blocks:       blockStatements(table, "true", cols, reason, key),
	}
}

func regionStatements(where string, shared pieces) regionSQL {
	own := pieces{"region": render(where, shared, nil)}
	return regionSQL{delete: render("delete", shared, own), count: render("count", shared, own), list: render("list", shared, own)}
}

// blockStatements renders those on heap blocks of the table, or of one partition, with a condition that it is that one.
func blockStatements(table pgx.Identifier, ofPart string, cols columns, reason Reason, key column) blockSQL {
	shared := cols.pieces(reason, key)
	shared["table"], shared["of_part"] = table.Sanitize(), ofPart
	rules := pieces{"expired": cols.rule(Expired), "revoked": cols.rule(Revoked)}
	both := regionStatements("where_blocks", shared)
	both.delete = render("delete", shared, pieces{"region": render("where_blocks", shared, nil), "rule": render("rule_sweep", nil, rules)})
	return blockSQL{
		tied:  regionStatements("where_tie_by_block", shared),
		due:   regionStatements("where_blocks", shared),
		both:  both,
		count: render("count_by_block", shared, rules),
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
		stillDue:     render("still_due", shared, nil),
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
