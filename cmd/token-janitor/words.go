package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// thousands is n with separators.
func thousands(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// plural is n of something, as one says it.
func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

// words is about how long d is, as one says it.
func words(d time.Duration) string {
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
			return plural(int64(n), unit.name)
		}
	}
	if d == math.MaxInt64 { // since -infinity
		return "ever"
	}
	return plural(int64(math.Round(d.Hours()/24)), "day")
}

// inBytes is so many bytes in PostgreSQL's units.
func inBytes(n int64) string {
	for _, unit := range []string{"bytes", "kB", "MB", "GB"} {
		if n < 10*1024 { // below that, rounding would show
			return thousands(n) + " " + unit
		}
		n = (n + 512) / 1024
	}
	return thousands(n) + " TB"
}

func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// seconds is the duration of so many, the longest one for more than that holds.
func seconds(s float64) time.Duration {
	if s >= time.Duration(math.MaxInt64).Seconds() {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}
