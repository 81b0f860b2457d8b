package text

import (
	"math"
	"testing"
	"time"
)

func TestHumanize(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Hour: "a moment", 0: "a moment", 400 * time.Millisecond: "a moment", time.Second: "1 second", 89 * time.Second: "89 seconds",
		90 * time.Second: "2 minutes", 12 * time.Minute: "12 minutes", 89 * time.Minute: "89 minutes", 100 * time.Minute: "2 hours",
		47 * time.Hour: "47 hours", 72 * time.Hour: "3 days", 9999 * 24 * time.Hour: "9,999 days", math.MaxInt64: "ever",
	} {
		if got := Humanize(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}

func TestShortDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 15 * time.Minute: "15m", time.Hour: "1h", 168 * time.Hour: "7d", 24 * time.Hour: "24h", 49 * time.Hour: "49h",
		time.Hour + time.Second: "1h0m1s", 50 * time.Millisecond: "50ms", 10 * time.Second: "10s", -time.Hour: "-1h",
	} {
		if got := ShortDuration(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for s, want := range map[float64]time.Duration{
		0: 0, 1.5: 1500 * time.Millisecond, -2: -2 * time.Second, 1e10: math.MaxInt64, math.Inf(1): math.MaxInt64,
	} {
		if got := Seconds(s); got != want {
			t.Errorf("%v: got %s, want %s", s, got, want)
		}
	}
}

func TestTook(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 1512 * time.Microsecond: "1.5ms", 12345 * time.Microsecond: "12ms", 1234 * time.Millisecond: "1.2s", 81400 * time.Millisecond: "1m21s", 2 * time.Hour: "2h",
	} {
		if got := Took(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{"7d": 168 * time.Hour, "1d12h30m": 36*time.Hour + 30*time.Minute, "90s": 90 * time.Second, "-1d": -24 * time.Hour, "0": 0} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "d", "7", "1.5d", "7 d", "9999999d", "99999999999d", "1w"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q is %s", s, got)
		}
	}
}
