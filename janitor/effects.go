package janitor

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// effects is what acts on a DELETE, of the table and of each of its partitions, as marks that change with it. Whether the
// janitor may delete from a table at all, how, and whether it sees all rows hangs on that, so no batch commits, and nothing
// that was read counts, after it has changed.
type effects struct {
	oid   int64           // of the table
	table pgx.NamedArgs   // the same, its name, and the columns that the rules read
	marks map[int64]int64 // by the oid of the table or the partition
	wait  bool            // triggers may wait for the commit, where no statement_timeout holds
}

func newEffects(oid int64, table pgx.Identifier, c Columns) effects {
	return effects{oid: oid, table: pgx.NamedArgs{"oid": oid, "table": table.Sanitize(), "columns": c.names()}}
}

// errEffectsChanged ends the run: the next one finds out anew what the table is.
var errEffectsChanged = errors.New("the table has changed during the run: its name, its columns, what inherits from it, triggers, foreign keys, rules or row security; the next run checks it first")

func (e *effects) query() query {
	text := render("effects", nil, pieces{"mark": statement("effects_mark")})
	return query{text, e.table, func(rows pgx.Rows) error {
		e.marks = map[int64]int64{}
		var relation, mark int64
		_, err := pgx.ForEachRow(rows, []any{&relation, &mark}, func() error {
			e.marks[relation] = mark
			return nil
		})
		return err
	}}
}

// unchanged is the query with which a batch ends that deletes from these parts of a table; none = from any. So ends what
// only reads: row security hides what is due, and says nothing.
func (e effects) unchanged(parts []heapPart) query {
	oids, marks := []int64{e.oid}, []int64{e.marks[e.oid]}
	add := func(relation int64) {
		if mark, known := e.marks[relation]; known && relation != e.oid {
			oids, marks = append(oids, relation), append(marks, mark)
		}
	}
	for _, part := range parts {
		add(part.oid)
	}
	if len(parts) == 0 {
		for relation := range e.marks {
			add(relation)
		}
	}
	text := render("effects_unchanged", nil, pieces{"mark": statement("effects_mark")})
	return query{text, with(e.table, "oids", oids, "marks", marks), into(new(bool))}
}

// effectsChanged reports whether a batch ended for effects_unchanged.sql. The word stands in the message in any language.
func effectsChanged(err error) bool {
	return sqlState(err) == invalidTextRepresentation && strings.Contains(serverMessage(err), `"token_janitor.effects"`)
}
