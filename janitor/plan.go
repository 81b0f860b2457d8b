package janitor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// plan decides which index each of the two passes follows, and how far.
func (r *run) plan(ctx context.Context) error {
	if err := r.readColumns(ctx); err != nil {
		return err
	}
	if err := r.readCluster(ctx); err != nil {
		return err
	}
	cutoffs, expires, revokedAt := r.clocks.cutoffs, r.columns.expires, r.columns.revokedAt
	expired := r.newPass(Expired, expires, expires.kind.earliest(), expires.kind.cutoff(cutoffs.Expired))
	var known facts
	var plans planTexts
	types := map[string]string{}
	queries := []query{known.query(r.session.oid, revokedAt.name)}
	if r.session.effects = r.Effects; r.Effects.oid == 0 {
		r.session.effects = newEffects(r.session.oid, r.Table, r.Columns)
		queries = append(queries, r.session.effects.query())
	} else if r.Effects.oid != r.session.oid {
		return errEffectsChanged
	}
	queries = append(queries,
		r.typesQuery(types), // after the effects: from there on no change of a type is missed
		known.keys.query(r.session.oid),
		r.heap.query(r.batcher),
	)
	queries = append(queries, expired.explain(expired.cursor.at, &plans)...)
	if err := r.batcher.ask(ctx, queries...); err != nil {
		return fmt.Errorf("look for indexes, triggers, rules, partitions and keys: %w", err)
	}
	r.session.alone.watch(true)
	before := r.columns
	if err := r.learnKinds(types); err != nil {
		return err
	}
	if r.columns != before {
		return errEffectsChanged
	}
	if err := expired.followsIndex(plans); err != nil {
		return err
	}
	if r.session.cluster == nil {
		r.family = newFamily(r.batcher, r.columns, known.keys, r.heap.total <= r.tuning.scannedBlocks, r.columns.args(cutoffs))
	}
	if err := r.requirePlausible(ctx); err != nil {
		return err
	}
	if err := r.begin(ctx, expired, known); err != nil {
		return err
	}
	if r.columns.revoked == "" {
		return nil
	}
	return r.planRevoked(ctx, expired, known)
}

// newPass is a pass over the index on key, from one key to another.
func (r *run) newPass(reason Reason, key column, from, until string) *pass {
	sql, cutoffs := statementsFor(r.Table, r.columns, reason, key), r.columns.args(r.clocks.cutoffs)
	picker := &picker{reason: reason, sql: sql.pick, args: cutoffs, trigger: r.triggerPath(), batcher: r.batcher}
	deleter := r.newDeleter(reason, key, &sql, picker)
	p := &pass{
		scan: &scan{
			reason:    reason,
			key:       key,
			until:     until,
			sql:       sql,
			columns:   r.columns,
			cutoffs:   cutoffs,
			heap:      &r.heap,
			deleter:   deleter,
			batcher:   r.batcher,
			fewTied:   r.tuning.fewTied,
			edgeGuess: r.session.cluster.newEdgeGuess(r.Table, r.columns, reason, key),
		},
		ordered:  key == r.columns.ages(reason),
		cursor:   startAt(from),
		density:  density{sampleAfter: never, enough: r.tuning.dense},
		estimate: -1,
		observe:  r.tuning.observe,

		indexChecked: time.Now(), // as good as
		checkEvery:   r.tuning.checkEvery,
	}
	p.reader = p.at(from)
	return p
}

// begin prepares a pass whose index is known.
func (r *run) begin(ctx context.Context, p *pass, f facts) (err error) {
	r.passes = append(r.passes, p)
	r.session.effects.wait = f.hasDeferrable && r.session.cluster == nil
	picker := p.deleter.picker
	p.deleter.hasDeleteTrigger, picker.hasDeleteTrigger = f.hasDeleteTrigger, f.hasDeleteTrigger
	p.deleter.hasEffects = f.hasEffects
	picker.cannotSkipLocked = !f.mayUpdate
	picker.direct = map[int64]direct{}
	for _, part := range r.heap.direct {
		picker.direct[part.oid] = direct{part, pickStatements(part.table, r.columns.rule(p.reason))}
	}
	if p.deleter.family = r.family; r.family != nil {
		r.family.pickers[p.reason] = picker
	}
	if p.ordered {
		if err = p.skipTo(ctx, r.Floors[p.reason]); err != nil {
			return err
		}
	} else {
		p.lookAhead = r.tuning.lookAhead // what is due is rare among what it reads
	}
	sampleFirst := false
	if p.maySweep() {
		p.density.sampleAfter = r.tuning.sweepAfter
		if sampleFirst = r.batcher.planningWeighs(); sampleFirst {
			p.density.sampleAfter = 0 // a window takes longer than a sample
		}
	}
	if p.ordered && !sampleFirst {
		p.estimate, err = p.estimated(ctx, p.cursor.at)
	}
	return err
}

// facts is what a run has to know of the table beforehand.
type facts struct {
	hasDeleteTrigger bool    // a trigger or a rule may silently keep a row
	hasEffects       bool    // a DELETE may do more than delete rows
	hasDeferrable    bool    // triggers may wait for the commit
	mayUpdate        bool    // this role may skip locked rows
	hasIndexByAge    bool    // an index may lead to revoked rows by their age
	keys             ownKeys // the table's foreign keys onto itself
}

func (f *facts) query(oid int64, byAge string) query {
	return query{statement("facts"), pgx.NamedArgs{"oid": oid, "by_age": byAge},
		into(&f.hasDeleteTrigger, &f.hasEffects, &f.hasDeferrable, &f.mayUpdate, &f.hasIndexByAge)}
}

// triggerPath sets the search_path that the table's own triggers see.
func (r *run) triggerPath() query {
	var schema any // NULL = none
	if len(r.Table) > 1 {
		schema = r.Table[:1].Sanitize()
	}
	return query{statement("trigger_path"), pgx.NamedArgs{"schema": schema}, ignored}
}
