package text

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Humanize is about how long d is, as one says it.
func Humanize(d time.Duration) string {
	for _, unit := range []struct {
		is    time.Duration
		name  string
		below float64 // where the next unit says it well enough
	}{
		{time.Second, "second", 90},
		{time.Minute, "minute", 90},
		{time.Hour, "hour", 48},
	} {
		n := math.Round(d.Seconds() / unit.is.Seconds())
		switch {
		case n < 1:
			return "a moment"
		case n < unit.below:
			return Plural(int64(n), unit.name)
		}
	}
	if d == math.MaxInt64 { // since -infinity
		return "ever"
	}
	return Plural(int64(math.Round(d.Hours()/24)), "day")
}

// ShortDuration is d without the zero minutes and seconds that String appends, or whole days if it is two or more.
func ShortDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var days = regexp.MustCompile(`[\d.]+d`)

// ParseDuration is time's, and takes days of 24 hours as well: 7d, 1d12h.
func ParseDuration(s string) (time.Duration, error) {
	return time.ParseDuration(days.ReplaceAllStringFunc(s, func(d string) string {
		n, err := strconv.ParseInt(d[:len(d)-1], 10, 32) // 1.5d, or more than a duration holds
		if err != nil {
			return d
		}
		return strconv.FormatInt(24*n, 10) + "h"
	}))
}

// Seconds is the duration of so many, the longest one for more than that holds.
func Seconds(s float64) time.Duration {
	if s >= time.Duration(math.MaxInt64).Seconds() {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}

// Took is how long something took, in as many digits as tell.
func Took(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return ShortDuration(d.Round(time.Second))
}
