package calendar

import (
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// ParseHolidays reads a list of holidays: a line each, such as 2026-12-25, and after it, if anything, what it is. Empty lines
// and what follows # say nothing. name is told in errors, which are fault.Usage.
func ParseHolidays(name string, data []byte) ([]Day, error) {
	var out []Day
	text := strings.TrimPrefix(string(data), "\ufeff")
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		day, err := ParseDay(words[0])
		if err != nil {
			return nil, fault.Usagef("%s:%d: %w", name, i+1, err)
		}
		out = append(out, day)
	}
	return out, nil
}

var weekdayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// ParseWeekday reads a day of the week such as saturday or sat, in any case. An error is a fault.Usage.
func ParseWeekday(text string) (time.Weekday, error) {
	for i, name := range weekdayNames {
		if t := strings.ToLower(text); t == name || t == name[:3] {
			return time.Weekday(i), nil
		}
	}
	return 0, fault.Usagef("%q is no day of the week; write such as saturday", text)
}
