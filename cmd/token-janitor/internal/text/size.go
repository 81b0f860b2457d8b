package text

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes, written with PostgreSQL's units.
type ByteSize int64

// UnmarshalText reads a whole number and a unit, without which only 0 is meant for sure.
func (b *ByteSize) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "BbKkMmGgTt ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return errors.New("no whole number in front")
	}
	if n > 0 && strings.TrimSpace(string(text)) == digits {
		return errors.New("the unit is missing")
	}
	units := map[string]int{"": 0, "B": 0, "KB": 10, "MB": 20, "GB": 30, "TB": 40}
	shift, known := units[strings.ToUpper(strings.TrimSpace(strings.TrimPrefix(string(text), digits)))]
	if !known || n > math.MaxInt64>>shift {
		return errors.New("the unit is not one of B, kB, MB, GB, TB")
	}
	*b = ByteSize(n << shift)
	return nil
}

// String is what UnmarshalText reads, in the largest unit that is exact.
func (b ByteSize) String() string {
	n, units := int64(b), []string{"B", "kB", "MB", "GB", "TB"}
	for n > 0 && n%1024 == 0 && len(units) > 1 {
		n, units = n/1024, units[1:]
	}
	if n == 0 {
		return "0"
	}
	return strconv.FormatInt(n, 10) + units[0]
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
