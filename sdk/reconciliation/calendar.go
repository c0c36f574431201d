package reconciliation

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// Calendar says which days are business days. It is immutable.
type Calendar struct {
	before   [8]int64 // business weekdays of a week before each of its days, Monday first
	open     [7]bool  // Monday first
	holidays []int32  // ascending, none on a weekend
}

// NewCalendar makes a calendar of the weekdays on which nobody works and of holidays (days since 1970-01-01).
func NewCalendar(weekend []time.Weekday, holidays []int32) (*Calendar, error) {
	c := &Calendar{}
	for i := range c.open {
		c.open[i] = !slices.Contains(weekend, time.Weekday((i+1)%7))
		c.before[i+1] = c.before[i]
		if c.open[i] {
			c.before[i+1]++
		}
	}
	if c.before[7] == 0 {
		return nil, fault.Usagef("calendar: every day of the week is a weekend")
	}
	for _, h := range holidays {
		if c.open[weekday(h)] {
			c.holidays = append(c.holidays, h)
		}
	}
	slices.Sort(c.holidays)
	c.holidays = slices.Compact(c.holidays)
	return c, nil
}

// weekday of a day, Monday 0. Day 0 was a Thursday.
func weekday(day int32) int { return int(((int64(day)+3)%7 + 7) % 7) }

// Business reports whether the day is a business day.
func (c *Calendar) Business(day int32) bool {
	_, holiday := slices.BinarySearch(c.holidays, day)
	return c.open[weekday(day)] && !holiday
}

// index counts the business days up to a day and with it, from some day on.
func (c *Calendar) index(day int32) int64 {
	week := (int64(day) + 3 - int64(weekday(day))) / 7
	after, _ := slices.BinarySearch(c.holidays, day+1)
	return week*c.before[7] + c.before[weekday(day)+1] - int64(after)
}

// Between is how many business days b lies after a; negative where it lies before. A day that is no business day counts as
// the last one before it.
func (c *Calendar) Between(a, b int32) int64 { return c.index(b) - c.index(a) }

// Add is the n-th business day after a day; n must not be negative. With 0 it is the day itself.
func (c *Calendar) Add(day int32, n int) int32 {
	if n <= 0 {
		return day
	}
	want := c.index(day) + int64(n)
	most := 7*(n+1) + 7*len(c.holidays)
	return day + int32(sort.Search(most, func(i int) bool { return c.index(day+int32(i)) >= want }))
}

// ParseDay reads a day such as 2026-01-31 as days since 1970-01-01.
func ParseDay(text string) (int32, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a day; write it as 2026-01-31", text)
	}
	return int32(t.Unix() / 86400), nil
}

// FormatDay writes a day as 2026-01-31, and NoDate as "".
func FormatDay(day int32) string {
	if day == NoDate {
		return ""
	}
	return string(appendDay(nil, day))
}

func appendDay(dst []byte, day int32) []byte {
	return time.Unix(int64(day)*86400, 0).UTC().AppendFormat(dst, time.DateOnly)
}
