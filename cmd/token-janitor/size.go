package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// byteSize is a number of bytes, written with PostgreSQL's units.
type byteSize int64

// UnmarshalText reads a whole number and a unit, B if none is given.
func (b *byteSize) UnmarshalText(text []byte) error {
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
	*b = byteSize(n << shift)
	return nil
}
