package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the image has no zones of its own

	"github.com/robfig/cron/v3"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// parseSchedule reads a cron expression or descriptor, and refuses those that cron
// takes but that would never fire, fire all the time, or panic. The quotes of an
// environment file are no part of it.
func parseSchedule(spec string) (s cron.Schedule, err error) {
	defer func() {
		if p := recover(); p != nil { // a zone without anything behind it, at least
			s, err = nil, fmt.Errorf("%q is no schedule", text.Clip(spec))
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
			return nil, fmt.Errorf("%q has a zone and nothing behind it, such as CRON_TZ=Europe/Berlin 0 3 * * *", text.Clip(spec))
		}
		if _, name, _ := strings.Cut(zone, "="); name == "" {
			return nil, fmt.Errorf("%q names no zone, such as CRON_TZ=Europe/Berlin", text.Clip(spec))
		}
		expression, zone = strings.TrimSpace(rest), zone+" "
	}
	if every, ok := strings.CutPrefix(expression, "@every "); ok {
		d, err := time.ParseDuration(strings.TrimSpace(every))
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q: %q is not a duration such as 90s or 15m", text.Clip(spec), text.Clip(every))
		case d < time.Second:
			return nil, fmt.Errorf("%q: %s is below a second", text.Clip(spec), d)
		case d%time.Second != 0: // cron would cut it
			return nil, fmt.Errorf("%q: %s is not in whole seconds", text.Clip(spec), d)
		}
	}
	fields := strings.Fields(expression)
	if !strings.HasPrefix(expression, "@") {
		if err := classic(fields); err != nil {
			return nil, fmt.Errorf("%q is no schedule (%w): give five fields, such as 0 3 * * *, or @every 15m", text.Clip(spec), err)
		}
		fields[4] = sundays(fields[4])
		expression = strings.Join(fields, " ")
	}
	s, err = cron.ParseStandard(zone + expression)
	if err != nil {
		return nil, fmt.Errorf("%q is no schedule (%s): give five fields, such as 0 3 * * *, or @every 15m", text.Clip(spec), text.Clip(err.Error()))
	}
	if s, ok := s.(*cron.SpecSchedule); ok && len(fields) == 5 {
		s.Dom, s.Dow = s.Dom|star(fields[2]), s.Dow|star(fields[4])
	}
	if s.Next(time.Now()).IsZero() {
		return nil, fmt.Errorf("%q never fires", text.Clip(spec))
	}
	return s, nil
}

// quartz is what Java's cron has in its fields of days: the last one, the nearest
// working day, the second Tuesday.
var quartz = regexp.MustCompile(`(?i)#|(^|[,\d-])(L|W|LW)(-\d+)?(,|$)`)

// classic refuses what other kinds of cron have beyond the five fields of crontab(5).
func classic(fields []string) error {
	if len(fields) != 5 {
		return fmt.Errorf("%d fields, and there is none for seconds or years", len(fields))
	}
	for _, field := range []string{fields[2], fields[4]} {
		if quartz.MatchString(field) {
			return fmt.Errorf("%s: this cron has no L, W or #", text.Clip(field))
		}
	}
	return nil
}

// sundays writes a field of weekdays without 7, which is Sunday as well, and which the
// parser does not know. Neither does it know that a range may end with it, or with sun.
func sundays(field string) string {
	items := strings.Split(field, ",")
	for i, item := range items {
		span, each, stepped := strings.Cut(item, "/")
		from, to, isRange := strings.Cut(span, "-")
		first, last := weekday(from), weekday(to)
		if !isRange {
			if first == 7 {
				items[i] = "0"
			}
			continue
		}
		step := 1
		if stepped {
			step, _ = strconv.Atoi(each)
		}
		if last == 0 && first > 0 && strings.EqualFold(to, "sun") {
			last = 7
		}
		if last != 7 || first < 0 {
			continue
		}
		if step < 1 {
			items[i] = from + "-6/" + each // the parser's to refuse
			continue
		}
		var days []string
		for day := first; day <= last; day += step {
			days = append(days, strconv.Itoa(day%7))
		}
		items[i] = strings.Join(days, ",")
	}
	return strings.Join(items, ",")
}

// weekday is the number of a day of the week, -1 for anything else.
func weekday(text string) int {
	if i := slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, strings.ToLower(text)); i >= 0 {
		return i
	}
	if len(text) == 1 && text[0] >= '0' && text[0] <= '7' {
		return int(text[0] - '0')
	}
	return -1
}

// star is the parser's bit for a field that begins with a star. With one of them, day and
// weekday must both fit; without, either. The parser forgets it at */2, crontab(5) does not.
func star(field string) uint64 {
	if strings.HasPrefix(field, "*") {
		return 1 << 63
	}
	return 0
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
