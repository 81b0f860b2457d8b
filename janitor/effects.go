package janitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Effects is what acts on a DELETE, of the table, of each of its partitions and of each table that its foreign keys take
// it to, as marks that change with it. Whether the janitor may delete from a table at all, how, and whether it sees all rows
// hangs on that, so no batch commits, and nothing that was read counts, after it has changed.
type Effects struct {
	oid   int64         // of the table
	table pgx.NamedArgs // the same, its name, and the columns that the rules read
	marks []mark
	wait  bool // triggers may wait for the commit, where no statement_timeout holds
}

// mark is the mark of a table.
type mark struct {
	part  bool // of the tokens' table, which need not be one for ever
	oid   int64
	value int64
}

// ReadEffects reads them in the transaction in which the table was checked: what comes between that and the run is no
// less than what comes in the run. The error is the server's or the connection's.
func ReadEffects(ctx context.Context, tx pgx.Tx, oid uint32, table pgx.Identifier, c Columns) (Effects, error) {
	e := newEffects(int64(oid), table, c)
	q := e.query()
	rows, err := tx.Query(ctx, q.text, pgx.QueryExecModeExec, q.args)
	if err == nil {
		err = q.read(rows)
	}
	if err != nil {
		return Effects{}, fmt.Errorf("read what acts on a DELETE from %s: %w", table.Sanitize(), err)
	}
	return e, nil
}

func newEffects(oid int64, table pgx.Identifier, c Columns) Effects {
	return Effects{oid: oid, table: pgx.NamedArgs{"oid": oid, "table": table.Sanitize(), "columns": c.names()}}
}

// errEffectsChanged ends the run: the next one finds out anew what the table is.
var errEffectsChanged = errors.New("the table has changed since it was checked: its name, its columns, what inherits from it, triggers, foreign keys, rules or row security; the next run checks it anew")

func (e *Effects) query() query {
	text := render("effects", nil, pieces{"mark": statement("effects_mark")})
	return query{text, e.table, func(rows pgx.Rows) error {
		e.marks = nil
		var own bool
		var m mark
		_, err := pgx.ForEachRow(rows, []any{&own, &m.oid, &m.value}, func() error {
			m.part = own && m.oid != e.oid
			e.marks = append(e.marks, m)
			return nil
		})
		return err
	}}
}

// unchanged is the query with which a batch ends that deletes from these parts of a table; none = from any. So ends what
// only reads: row security hides what is due, and says nothing.
func (e Effects) unchanged(direct []heapPart) query {
	var parts []bool
	var oids, values []int64
	for _, m := range e.marks {
		if m.part && len(direct) > 0 && !slices.ContainsFunc(direct, func(p heapPart) bool { return p.oid == m.oid }) {
			continue
		}
		parts, oids, values = append(parts, m.part), append(oids, m.oid), append(values, m.value)
	}
	text := render("effects_unchanged", nil, pieces{"mark": statement("effects_mark")})
	return query{text, with(e.table, "parts", parts, "oids", oids, "marks", values), into(new(bool))}
}

// effectsChanged reports whether a batch ended for effects_unchanged.sql. The word stands in the message in any language.
func effectsChanged(err error) bool {
	return sqlState(err) == invalidTextRepresentation && strings.Contains(serverMessage(err), `"token_janitor.effects"`)
}
