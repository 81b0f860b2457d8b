package text

import "fmt"

// Thousands is n with separators.
func Thousands(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Plural is n of something, as one says it.
func Plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Thousands(n) + " " + what + "s"
}

// AtLeast is a number that is a lower bound, or not.
func AtLeast(n int64, bound bool) string {
	if bound {
		return "at least " + Thousands(n)
	}
	return Thousands(n)
}
