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
		0: "0s", 90 * time.Second: "1m30s", 15 * time.Minute: "15m", time.Hour: "1h", 168 * time.Hour: "168h",
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
