package janitor

import "github.com/jackc/pgx/v5"

// facts is what a run has to know of the table beforehand.
type facts struct {
	hasDeleteTrigger bool    // a trigger or a rule may silently keep a row
	hasEffects       bool    // a DELETE may do more than delete rows
	mayUpdate        bool    // this role may skip locked rows
	keys             ownKeys // the table's foreign keys onto itself
}

func (f *facts) query(oid int64) query {
	return query{statement("facts"), pgx.NamedArgs{"oid": oid}, into(&f.hasDeleteTrigger, &f.hasEffects, &f.mayUpdate)}
}

// triggerPath sets the search_path that the table's own triggers see.
func (r *run) triggerPath() query {
	var schema any // NULL = none
	if len(r.Table) > 1 {
		schema = r.Table[:1].Sanitize()
	}
	return query{statement("trigger_path"), pgx.NamedArgs{"schema": schema}, ignored}
}
