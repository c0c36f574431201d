package calendar

import (
	"slices"
	"sort"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// Calendar says which days are business days. It is immutable.
type Calendar struct {
	before   [8]int64 // business weekdays of a week before each of its days, Monday first
	open     [7]bool  // Monday first
	holidays []Day    // ascending, none on a weekend
}

// New makes a calendar of the weekdays on which nobody works and of holidays. A
// holiday on a weekend changes nothing. An error: no weekday is left.
func New(weekend []time.Weekday, holidays []Day) (*Calendar, error) {
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

// Weekdays is the calendar of Monday to Friday without holidays.
func Weekdays() *Calendar {
	c, _ := New([]time.Weekday{time.Saturday, time.Sunday}, nil) // five days are open
	return c
}

// Union is the calendar of those who need all of the calendars open: a day is a business day where it is one in each. Without
// calendars every day is one. An error: no day of the week is left.
func Union(calendars ...*Calendar) (*Calendar, error) {
	var weekend []time.Weekday
	var holidays []Day
	for _, c := range calendars {
		for i, open := range c.open {
			if !open {
				weekend = append(weekend, time.Weekday((i+1)%7))
			}
		}
		holidays = append(holidays, c.holidays...)
	}
	return New(weekend, holidays)
}

// weekday of a day, Monday 0. Day 0 was a Thursday.
func weekday(day Day) int { return int(((int64(day)+3)%7 + 7) % 7) }

// Business reports whether the day is a business day.
func (c *Calendar) Business(day Day) bool {
	_, holiday := slices.BinarySearch(c.holidays, day)
	return c.open[weekday(day)] && !holiday
}

// Holidays are the calendar's holidays that are not on a weekend, ascending.
func (c *Calendar) Holidays() []Day { return slices.Clone(c.holidays) }

// index counts the business days up to a day and with it, from some day on.
func (c *Calendar) index(day Day) int64 {
	week := (int64(day) + 3 - int64(weekday(day))) / 7
	after, _ := slices.BinarySearch(c.holidays, day+1)
	return week*c.before[7] + c.before[weekday(day)+1] - int64(after)
}

// Between is how many business days b lies after a; negative where it lies before. A day that is no business day counts as
// the last one before it.
func (c *Calendar) Between(a, b Day) int64 { return c.index(b) - c.index(a) }

// Add is the n-th business day after a day, or before it where n is negative. With 0 it is the day itself, business day or not.
func (c *Calendar) Add(day Day, n int) Day {
	most := 7*(abs(n)+1) + 7*len(c.holidays)
	switch {
	case n > 0:
		want := c.index(day) + int64(n)
		return day + Day(sort.Search(most, func(i int) bool { return c.index(day+Day(i)) >= want }))
	case n < 0:
		want := c.index(day-1) + int64(n) + 1 // the index that the day sought has
		return day - 1 - Day(sort.Search(most, func(i int) bool { return c.index(day-2-Day(i)) < want }))
	}
	return day
}

func abs(n int) int { return max(n, -n) }

// Convention says where a day goes that is no business day.
type Convention string

// The conventions, by the names that contracts use.
const (
	Unadjusted        Convention = "unadjusted"         // nowhere
	Following         Convention = "following"          // to the next business day
	Preceding         Convention = "preceding"          // to the one before
	ModifiedFollowing Convention = "modified_following" // to the next, unless it is in another month: then to the one before
	ModifiedPreceding Convention = "modified_preceding" // to the one before, unless it is in another month: then to the next
)

// Roll moves a day that is no business day by the convention. An error: there is no such convention.
func (c *Calendar) Roll(day Day, by Convention) (Day, error) {
	if !slices.Contains(conventions, by) {
		return day, fault.Usagef("%q is not a convention; write unadjusted, following, preceding, modified_following or modified_preceding", by)
	}
	if by == Unadjusted || c.Business(day) {
		return day, nil
	}
	next, before := c.Add(day, 1), c.Add(day, -1)
	switch {
	case by == Following, by == ModifiedFollowing && sameMonth(day, next):
		return next, nil
	case by == Preceding, by == ModifiedFollowing, sameMonth(day, before):
		return before, nil
	}
	return next, nil
}

var conventions = []Convention{Unadjusted, Following, Preceding, ModifiedFollowing, ModifiedPreceding}

func sameMonth(a, b Day) bool {
	x, y := Midnight(a, time.UTC), Midnight(b, time.UTC)
	return x.Year() == y.Year() && x.Month() == y.Month()
}
