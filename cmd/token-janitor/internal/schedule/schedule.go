// Package schedule says when a run is due: by a cron expression, at random within a span.
package schedule

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
	_ "time/tzdata" // the image has no zones of its own

	"github.com/robfig/cron/v3"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// Schedule is when a run is due. The zero value is none.
type Schedule struct {
	spec string
	cron cron.Schedule
}

// Next is the first time after t, jitter aside.
func (s Schedule) Next(t time.Time) time.Time { return s.cron.Next(t) }

// String is the schedule as it was given.
func (s Schedule) String() string { return s.spec }

// Parse reads a cron expression or descriptor, and refuses those that cron
// takes but that would never fire, fire all the time, or panic. The quotes of an
// environment file are no part of it.
func Parse(spec string) (Schedule, error) {
	parsed, err := parse(spec)
	if err != nil {
		return Schedule{}, err
	}
	return Schedule{spec, parsed}, nil
}

func parse(spec string) (s cron.Schedule, err error) {
	defer func() {
		if p := recover(); p != nil { // a zone without anything behind it, at least
			s, err = nil, fmt.Errorf("%q is not a schedule", text.Clip(spec))
		}
	}()
	expression := strings.TrimSpace(spec)
	if quote := expression[:min(len(expression), 1)]; len(expression) > 1 && (quote == `"` || quote == "'") && strings.HasSuffix(expression, quote) {
		expression = strings.TrimSpace(expression[1 : len(expression)-1])
	}
	zone := ""
	if strings.HasPrefix(expression, "TZ=") || strings.HasPrefix(expression, "CRON_TZ=") {
		var rest string
		zone, rest, _ = strings.Cut(expression, " ")
		if strings.TrimSpace(rest) == "" {
			return nil, fmt.Errorf("%q has a time zone and nothing after it, such as CRON_TZ=Europe/Berlin 0 3 * * *", text.Clip(spec))
		}
		if _, name, _ := strings.Cut(zone, "="); name == "" {
			return nil, fmt.Errorf("%q names no time zone, such as CRON_TZ=Europe/Berlin", text.Clip(spec))
		}
		expression, zone = strings.TrimSpace(rest), zone+" "
	}
	if every, ok := strings.CutPrefix(expression, "@every "); ok {
		d, err := text.ParseDuration(strings.TrimSpace(every))
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q: %q is not a duration such as 90s or 15m", text.Clip(spec), text.Clip(every))
		case d < time.Second:
			return nil, fmt.Errorf("%q: %s is below a second", text.Clip(spec), d)
		case d%time.Second != 0: // cron would cut it
			return nil, fmt.Errorf("%q: %s is not in whole seconds", text.Clip(spec), d)
		}
		expression = "@every " + d.String() // cron knows no days
	}
	fields := strings.Fields(expression)
	if !strings.HasPrefix(expression, "@") {
		if err := classic(fields); err != nil {
			return nil, fmt.Errorf("%q is not a schedule (%w): give five fields, such as 0 3 * * *, or @every 15m", text.Clip(spec), err)
		}
		fields[4] = sundays(fields[4])
		expression = strings.Join(fields, " ")
	}
	s, err = cron.ParseStandard(zone + expression)
	if err != nil {
		return nil, fmt.Errorf("%q is not a schedule (%s): give five fields, such as 0 3 * * *, or @every 15m", text.Clip(spec), text.Clip(err.Error()))
	}
	if s, ok := s.(*cron.SpecSchedule); ok && len(fields) == 5 {
		s.Dom, s.Dow = s.Dom|star(fields[2]), s.Dow|star(fields[4])
	}
	if s.Next(time.Now()).IsZero() {
		return nil, fmt.Errorf("%q never fires", text.Clip(spec))
	}
	return s, nil
}

// Shortest is the least time between two of the next hundred ticks: of more than a day
// at the default schedule.
func (s Schedule) Shortest(from time.Time) time.Duration {
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

// Run calls tick when the schedule says so, within as much after it as jitter is, each on
// a goroutine of its own, until ctx ends, and waits for those in flight. It tells planned
// when the next one is due.
func (s Schedule) Run(ctx context.Context, jitter time.Duration, planned func(time.Time), tick func()) {
	runner := cron.New(cron.WithLogger(cron.DiscardLogger))
	runner.Schedule(jittered{s.cron, jitter, planned}, cron.FuncJob(tick))
	runner.Start()
	<-ctx.Done()
	<-runner.Stop().Done()
}
