package janitor

import (
	"context"
	"fmt"
)

// subtransactions is how many are tried in one batch. With more than 64 in a transaction
// PostgreSQL keeps them in memory no longer, and each snapshot taken on the server, the
// API's as well, has to look them up.
const subtransactions = 60

// isolate deletes the listed rows, of which some fail the statement that they are in, in
// steps each of which fails for itself: first many rows a step, then those of a step that
// failed one by one. So a row that cannot go costs a batch at most, and a swarm of them
// one for each sixty, where halving takes two for each time that the rows can be halved.
func (w *walk) isolate(ctx context.Context, listed ctids) error {
	n := len(listed.at)
	const most = subtransactions * subtransactions
	if n > most {
		if err := w.isolate(ctx, listed.slice(0, most)); err != nil {
			return err
		}
		return w.isolate(ctx, listed.slice(most, n))
	}
	step := 1
	if n > subtransactions {
		step = subtransactions
	}
	free := w.sql.free
	if w.waits {
		free = w.sql.freeWaiting
	}
	var t taken
	var failed ctids
	var states, said []string
	err := w.batch(ctx, int64(n), &t.gone,
		query{statement("isolating"), w.args("parts", listed.part, "places", listed.at, "step", step,
			"free", free, "take", w.sql.step, "fatal", ofAll, "path", w.triggersPath()), ignored},
		query{statement("isolate"), nil, ignored},
		query{statement("isolated"), nil, into(&t.due, &t.free, &t.gone, &failed.part, &failed.at, &states, &said)})
	switch {
	case code(err) == lockNotAvailable && n == 1:
		w.leave(ctx, &w.result.Left.Locked, 1)
		return nil
	case code(err) == lockNotAvailable: // only where locked rows cannot be passed over
		return w.halve(ctx, listed)
	case err != nil:
		return fmt.Errorf("isolate the rows that cannot go among %d: %w", n, err)
	}
	t.free -= int64(len(failed.at))
	t.due -= int64(len(failed.at))
	w.leaveRest(ctx, t)
	if step > 1 {
		for from := 0; from < len(failed.at); from += step {
			if err := w.isolate(ctx, failed.slice(from, min(from+step, len(failed.at)))); err != nil {
				return err
			}
		}
		return nil
	}
	for i, state := range states {
		w.leaveOne(ctx, state, said[i])
	}
	return nil
}

// leaveOne counts a row that stays by the code of the error that it raised.
func (w *walk) leaveOne(ctx context.Context, code, said string) {
	if code == foreignKeyViolation || code == restrictViolation {
		w.leave(ctx, &w.result.Left.Referenced, 1)
		return
	}
	if w.result.Refusal == "" {
		w.result.Refusal = said
	}
	w.leave(ctx, &w.result.Left.Refused, 1)
}

// cannotIsolate says whether the server, or this role on it, has no PL/pgSQL.
func cannotIsolate(err error) bool {
	switch code(err) {
	case insufficientPrivilege, featureNotSupported, undefinedObject:
		return true
	}
	return false
}
