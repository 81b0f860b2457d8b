package migrations

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// patience is how long one call tries against other sessions at work. A caller that waits longer calls again, and so
// hears now and then what it waits for.
const patience = 30 * time.Second

// The pause between two tries doubles from firstPause, about what another janitor's upgrade takes, to longestPause. None
// holds or waits for a lock meanwhile.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 10 * time.Second
)

// collisions is how many times in a row a name that is taken, or a table that is gone, may be another session's doing of
// that very moment. What was committed by then the next look finds; what it does not find will not go by itself.
const collisions = 5

// persist calls try again while other sessions are in its way, until ctx ends or patience does.
func persist(ctx context.Context, try func() error) error {
	began := time.Now()
	var before error // what was in the way the last time
	collided := 0
	for next := firstPause; ; next = min(2*next, longestPause) {
		err := try()
		if collided++; !collision(err) {
			collided = 0
		}
		switch {
		case err != nil && before != nil && ctx.Err() != nil:
			return inTheWay(before, ctx.Err())
		case !passing(err):
			return err
		case collided == collisions:
			return refuse("%w, again and again, and no other session's work accounts for it", "see in the server's log what refuses it; nothing is changed", err)
		case time.Since(began) > patience:
			return inTheWay(err, nil)
		}
		before = err
		// Janitors that start together must not keep in step.
		if err := pause(ctx, next/2+rand.N(next)); err != nil { // #nosec G404 -- jitter, no secret
			return inTheWay(before, err)
		}
	}
}

func inTheWay(what, cause error) error {
	return &NotReadyError{
		Found:  "another session is changing the schema: " + what.Error(),
		Remedy: "wait for it to end, or look for it in pg_stat_activity",
		cause:  cause,
	}
}

// errChanged says that the database is not as it was when it was decided what to do: look again.
var errChanged = errors.New("another session changed the schema meanwhile")

// passing reports whether err comes of another session at work and goes with it.
func passing(err error) bool {
	var unsettled errUnsettled
	if errors.Is(err, errChanged) || errors.As(err, &unsettled) {
		return true
	}
	switch code(err) {
	case "55P03", "40P01", "40001": // not the lock, a deadlock, a serialisation failure
		return true
	}
	return collision(err)
}

// collision reports whether err may come of something that was made or dropped since we looked.
func collision(err error) bool {
	switch code(err) {
	case "42P07", "42710", "23505", // somebody committed the same table while we waited to create it
		"42P01": // a table dropped between being found and being read
		return true
	}
	return false
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
