package schedule

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// quartz is what Java's cron has in its fields of days: the last one, the nearest
// working day, the second Tuesday.
var quartz = regexp.MustCompile(`(?i)#|(^|[,\d-])(L|W|LW)(-\d+)?(,|$)`)

// classic refuses what other kinds of cron have beyond the five fields of crontab(5).
func classic(fields []string) error {
	if len(fields) != 5 {
		return fmt.Errorf("it has %s, not the five of crontab: minute, hour, day of the month, month, day of the week", text.Plural(int64(len(fields)), "field"))
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
