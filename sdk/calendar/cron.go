package calendar

import (
	"fmt"
	"math/bits"
	"slices"
	"time"
)

// Schedule is a cron expression of five fields: minute, hour, day of the month, month, day of the week. Make one with [ParseSchedule].
type Schedule struct {
	text                  string
	minutes, hours        uint64
	months                uint64
	dates                 dateField
	weekdays              weekdayField
	anyDate, anyDayOfWeek bool
}

// dateField is the field day of the month.
type dateField struct {
	days         uint64 // bit n: the n-th
	fromLast     uint64 // bit n: n days before the last of the month
	nearest      uint64 // bit n: the business day of the month nearest to the n-th
	business     uint64 // bit n: the n-th business day of the month
	lastBusiness bool
}

// weekdayField is the field day of the week; Sunday is 0.
type weekdayField struct {
	days uint64
	last uint64    // the month's last such day
	nth  [6]uint64 // nth[k]: the month's k-th such day
}

// horizon is how many days Next looks ahead: the 29th of February is at most eight years away, and as a given day of the week forty.
const horizon = 366 * 41

// String is the expression as it was written.
func (s *Schedule) String() string { return s.text }

// Next is the schedule's first instant after another, in a zone. c gives business days to W and B; nil: Monday to Friday. false: there
// is none within forty years.
func (s *Schedule) Next(after time.Time, zone *time.Location, c *Calendar) (time.Time, bool) {
	if c == nil {
		c = Weekdays()
	}
	// A day earlier, for a date that a zone has left out is over when it begins.
	first := DayOf(after, zone) - 1
	for day := first; day < first+horizon; day++ {
		if !s.on(day, c) {
			continue
		}
		for hours := s.hours; hours != 0; hours &= hours - 1 {
			for minutes := s.minutes; minutes != 0; minutes &= minutes - 1 {
				at := At(day, Clock(bits.TrailingZeros64(hours)*60+bits.TrailingZeros64(minutes)), zone)
				if at.After(after) {
					return at, true
				}
			}
		}
	}
	return time.Time{}, false
}

// on reports whether the schedule has times on a date.
func (s *Schedule) on(day Day, c *Calendar) bool {
	y, m, d := Midnight(day, time.UTC).Date()
	if s.months&(1<<m) == 0 {
		return false
	}
	first := day - Day(d) + 1
	last := date(y, m+1, 1) - 1
	byDate, byWeekday := s.dates.on(day, first, last, c), s.weekdays.on(day, first, last)
	switch {
	case s.anyDate:
		return byWeekday
	case s.anyDayOfWeek:
		return byDate
	}
	return byDate || byWeekday
}

func (f *dateField) on(day, first, last Day, c *Calendar) bool {
	if f.days&(1<<(day-first+1)) != 0 || f.fromLast&(1<<(last-day)) != 0 {
		return true
	}
	if f.nearest|f.business == 0 && !f.lastBusiness || !c.Business(day) {
		return false
	}
	if f.lastBusiness && c.Between(day, last) == 0 {
		return true
	}
	if f.business&(1<<c.Between(first-1, day)) != 0 {
		return true
	}
	for n := f.nearest; n != 0; n &= n - 1 {
		target := first + Day(bits.TrailingZeros64(n)) - 1
		if target <= last && nearest(target, first, last, c) == day {
			return true
		}
	}
	return false
}

// nearest is the business day of a month that is nearest to a day of it; of two that are equally near the earlier.
func nearest(day, first, last Day, c *Calendar) Day {
	for away := Day(0); away <= last-first; away++ {
		if day-away >= first && c.Business(day-away) {
			return day - away
		}
		if day+away <= last && c.Business(day+away) {
			return day + away
		}
	}
	return first - 1 // the month has no business day
}

func (f *weekdayField) on(day, first, last Day) bool {
	bit := uint64(1) << ((weekday(day) + 1) % 7)
	return f.days&bit != 0 || f.last&bit != 0 && day > last-7 || f.nth[(day-first)/7+1]&bit != 0
}

// Between lists the schedule's instants after one and up to another, at most so many.
func (s *Schedule) Between(after, until time.Time, most int, zone *time.Location, c *Calendar) []time.Time {
	var out []time.Time
	for len(out) < most {
		at, ok := s.Next(after, zone, c)
		if !ok || at.After(until) {
			break
		}
		out = append(out, at)
		after = at
	}
	return slices.Clip(out)
}

// GoString says what a schedule is in a failing test.
func (s *Schedule) GoString() string { return fmt.Sprintf("schedule %q", s.text) }
