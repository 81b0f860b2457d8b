package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
	_ "time/tzdata" // the image has no zones of its own

	"github.com/robfig/cron/v3"
)

// parseSchedule reads a cron expression or descriptor, and refuses those that cron
// takes but that would never fire, fire all the time, or panic.
func parseSchedule(spec string) (s cron.Schedule, err error) {
	defer func() {
		if p := recover(); p != nil { // a zone without anything behind it, at least
			s, err = nil, fmt.Errorf("%q is no schedule", clip(spec))
		}
	}()
	text := strings.TrimSpace(spec)
	if strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ=") {
		zone, rest, _ := strings.Cut(text, " ")
		if strings.TrimSpace(rest) == "" {
			return nil, fmt.Errorf("%q has a zone and nothing behind it, such as CRON_TZ=Europe/Berlin 0 3 * * *", clip(spec))
		}
		if _, name, _ := strings.Cut(zone, "="); name == "" {
			return nil, fmt.Errorf("%q names no zone, such as CRON_TZ=Europe/Berlin", clip(spec))
		}
		text = strings.TrimSpace(rest)
	}
	if every, ok := strings.CutPrefix(text, "@every "); ok {
		d, err := time.ParseDuration(strings.TrimSpace(every))
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q: %q is not a duration such as 90s or 15m", clip(spec), clip(every))
		case d < time.Second:
			return nil, fmt.Errorf("%q: %s is below a second", clip(spec), d)
		case d%time.Second != 0: // cron would cut it
			return nil, fmt.Errorf("%q: %s is not in whole seconds", clip(spec), d)
		}
	}
	s, err = cron.ParseStandard(strings.TrimSpace(spec))
	if err != nil {
		return nil, fmt.Errorf("%q is no schedule (%s): give five fields, such as 0 3 * * *, or @every 15m", clip(spec), clip(err.Error()))
	}
	if s.Next(time.Now()).IsZero() {
		return nil, fmt.Errorf("%q never fires", clip(spec))
	}
	return s, nil
}

// shortest is the least time between two of the next hundred ticks: of more than a day
// at the default schedule.
func shortest(s cron.Schedule, from time.Time) time.Duration {
	least := time.Duration(math.MaxInt64)
	last := s.Next(from)
	for range 99 {
		next := s.Next(last)
		if next.IsZero() { // it looks no more than five years ahead
			break
		}
		least = min(least, next.Sub(last))
		last = next
	}
	return least
}

// jittered starts each tick at random within a span, so that a fleet of sidecars does
// not march, and tells what it plans: the time that it tells is the true one.
type jittered struct {
	cron.Schedule
	within  time.Duration
	planned func(time.Time)
}

func (j jittered) Next(t time.Time) time.Time {
	next := j.Schedule.Next(t)
	if j.within > 0 && !next.IsZero() {
		next = next.Add(rand.N(j.within)) // #nosec G404 -- jitter, no secret
	}
	j.planned(next)
	return next
}

// onSchedule calls tick when the schedule says so, each on a goroutine of its own,
// until ctx ends, and waits for those in flight.
func onSchedule(ctx context.Context, schedule jittered, tick func()) {
	runner := cron.New(cron.WithLogger(cron.DiscardLogger))
	runner.Schedule(schedule, cron.FuncJob(tick))
	runner.Start()
	<-ctx.Done()
	<-runner.Stop().Done()
}
