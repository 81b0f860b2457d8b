package janitor

import "github.com/jackc/pgx/v5"

// facts is what a run has to know of the table beforehand.
type facts struct {
	hasDeleteTrigger bool                     // a trigger or a rule may silently keep a row
	mayUpdate        bool                     // this role may skip locked rows
	keys             ownKeys                  // the table's foreign keys onto itself
	partitions       map[int64]pgx.Identifier // those in which it may delete rows directly
}

func (f *facts) scanPartitions(rows pgx.Rows) error {
	var oid int64
	var schema, name string
	_, err := pgx.ForEachRow(rows, []any{&oid, &schema, &name}, func() error {
		f.partitions[oid] = pgx.Identifier{schema, name}
		return nil
	})
	return err
}

// triggerPath sets the search_path that the table's own triggers see.
func (r *run) triggerPath() query {
	var schema any // NULL = none
	if len(r.Table) > 1 {
		schema = r.Table[:1].Sanitize()
	}
	return query{statement("trigger_path"), pgx.NamedArgs{"schema": schema}, ignored}
}
