package text

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes, written with PostgreSQL's units.
type ByteSize int64

// UnmarshalText reads a whole number and a unit, B if none is given.
func (b *ByteSize) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "BbKkMmGgTt ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return errors.New("no whole number in front")
	}
	units := map[string]int{"": 0, "B": 0, "KB": 10, "MB": 20, "GB": 30, "TB": 40}
	shift, known := units[strings.ToUpper(strings.TrimSpace(strings.TrimPrefix(string(text), digits)))]
	if !known || n > math.MaxInt64>>shift {
		return errors.New("the unit is none of B, kB, MB, GB, TB")
	}
	*b = ByteSize(n << shift)
	return nil
}

// Bytes is so many bytes in PostgreSQL's units.
func Bytes(n int64) string {
	for _, unit := range []string{"bytes", "kB", "MB", "GB"} {
		if n < 10*1024 { // below that, rounding would show
			return Thousands(n) + " " + unit
		}
		n = (n + 512) / 1024
	}
	return Thousands(n) + " TB"
}
