package text

import (
	"math"
	"testing"
)

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567", -1: "-1", -999: "-999", -1000: "-1,000",
		-123456: "-123,456", math.MaxInt64: "9,223,372,036,854,775,807", math.MinInt64: "-9,223,372,036,854,775,808",
	} {
		if got := Thousands(n); got != want {
			t.Errorf("%d: got %s", n, got)
		}
	}
}

func TestPlural(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 tokens", 1: "1 token", 2: "2 tokens", 1234: "1,234 tokens", -1: "-1 tokens"} {
		if got := Plural(n, "token"); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestAtLeast(t *testing.T) {
	t.Parallel()
	if got, want := AtLeast(1234, false), "1,234"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := AtLeast(1234, true), "at least 1,234"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
