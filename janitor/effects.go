package janitor

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// effects is what acts on a DELETE, of the table and of each of its partitions, as marks that change with it. Whether the
// janitor may delete from a table at all, and how, hangs on that, so no batch commits after it has changed.
type effects map[int64]int64

// errEffectsChanged ends the run: the next one finds out anew what the table is.
var errEffectsChanged = errors.New("the triggers, foreign keys, rules or row security of the table have changed during the run; the next run checks them first")

func (e *effects) query(oid int64) query {
	text := render("effects", nil, pieces{"mark": statement("effects_mark")})
	return query{text, pgx.NamedArgs{"oid": oid}, func(rows pgx.Rows) error {
		*e = effects{}
		var relation, mark int64
		_, err := pgx.ForEachRow(rows, []any{&relation, &mark}, func() error {
			(*e)[relation] = mark
			return nil
		})
		return err
	}}
}

// unchanged is the query with which a batch ends that deletes from these parts of a table; none = from any.
func (e effects) unchanged(oid int64, parts []heapPart) query {
	oids, marks := []int64{oid}, []int64{e[oid]}
	add := func(relation int64) {
		if mark, known := e[relation]; known && relation != oid {
			oids, marks = append(oids, relation), append(marks, mark)
		}
	}
	for _, part := range parts {
		add(part.oid)
	}
	if len(parts) == 0 {
		for relation := range e {
			add(relation)
		}
	}
	text := render("effects_unchanged", nil, pieces{"mark": statement("effects_mark")})
	return query{text, pgx.NamedArgs{"oid": oid, "oids": oids, "marks": marks}, into(new(bool))}
}

// effectsChanged reports whether a batch ended for effects_unchanged.sql. The word stands in the message in any language.
func effectsChanged(err error) bool {
	return sqlState(err) == invalidTextRepresentation && strings.Contains(serverMessage(err), `"token_janitor.effects"`)
}
