package calendar

import (
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// ParseSchedule reads a cron expression of five fields:
//
//	minute         0-59
//	hour           0-23
//	day of month   1-31; L the last, L-2 two days before it; 15W the business day of the month nearest to the 15th;
//	               3B the third business day, LB (or LW) the last one
//	month          1-12 or JAN-DEC
//	day of week    0-7 or SUN-SAT, 0 and 7 are Sunday; 5L the month's last Friday, 5#2 its second
//
// A field is *, or a list of values, ranges such as 1-5 and steps such as */15 or 10-50/20, parted by commas. ? is *. Where both
// days are restricted, a date needs to match only one, as in every cron; to have a time on business days only, give the calendar's days to
// whatever runs on it. @hourly, @daily, @weekly, @monthly and @yearly are known.
//
// An error, a fault.Usage, names the field. An expression that never comes, such as the 30th of February, is one too.
func ParseSchedule(text string) (*Schedule, error) {
	s := &Schedule{text: text}
	long, known := nicknames[strings.TrimSpace(text)]
	if !known {
		long = text
	}
	fields := strings.Fields(long)
	if len(fields) != 5 {
		return nil, fault.Usagef("schedule %q has %d fields instead of 5: minute, hour, day of month, month, day of week; such as 30 1 * * 1-5", text, len(fields))
	}
	s.anyDate, s.anyDayOfWeek = fields[2] == "*" || fields[2] == "?", fields[4] == "*" || fields[4] == "?"
	for i, f := range cronFields {
		for part := range strings.SplitSeq(fields[i], ",") {
			if err := f.read(s, part); err != nil {
				return nil, fault.Usagef("schedule %q: %s %q: %w", text, f.name, part, err)
			}
		}
	}
	if _, ok := s.Next(time.Unix(0, 0), time.UTC, nil); !ok {
		return nil, fault.Usagef("schedule %q never comes", text)
	}
	return s, nil
}

var nicknames = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// cronField is how one field is read.
type cronField struct {
	name     string
	min, max int
	names    []string // of the values from min on
	into     func(*Schedule) *uint64
	special  func(f cronField, s *Schedule, part string) (bool, error) // nil: none
}

var cronFields = []cronField{
	{name: "minute", max: 59, into: func(s *Schedule) *uint64 { return &s.minutes }},
	{name: "hour", max: 23, into: func(s *Schedule) *uint64 { return &s.hours }},
	{name: "day of month", min: 1, max: 31, into: func(s *Schedule) *uint64 { return &s.dates.days }, special: specialDate},
	{name: "month", min: 1, max: 12, into: func(s *Schedule) *uint64 { return &s.months },
		names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "day of week", max: 7, into: func(s *Schedule) *uint64 { return &s.weekdays.days }, special: specialWeekday,
		names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// read adds one part of a list to the schedule.
func (f cronField) read(s *Schedule, part string) error {
	if f.special != nil {
		if done, err := f.special(f, s, part); done || err != nil {
			return err
		}
	}
	span, stepText, stepped := strings.Cut(part, "/")
	step := 1
	if stepped {
		n, err := strconv.Atoi(stepText)
		if err != nil || n < 1 || n > f.max {
			return fault.Usagef("the step %q is not a number from 1 to %d", stepText, f.max)
		}
		step = n
	}
	from, to, err := f.span(span, stepped)
	if err != nil {
		return err
	}
	for n := from; n <= to; n += step {
		f.set(s, n)
	}
	return nil
}

func (f cronField) set(s *Schedule, n int) {
	if f.max == 7 { // Sunday has two numbers
		n %= 7
	}
	*f.into(s) |= 1 << n
}

// span reads *, a value or a range. A value with a step goes on to the field's end.
func (f cronField) span(text string, stepped bool) (from, to int, err error) {
	if text == "*" || text == "?" {
		if f.max == 7 {
			return 0, 6, nil
		}
		return f.min, f.max, nil
	}
	a, b, ranged := strings.Cut(text, "-")
	if from, err = f.value(a); err != nil {
		return 0, 0, err
	}
	switch {
	case !ranged && stepped:
		return from, f.max, nil
	case !ranged:
		return from, from, nil
	}
	if to, err = f.value(b); err != nil {
		return 0, 0, err
	}
	if to < from && f.max == 7 && to == 0 { // FRI-SUN
		to = 7
	}
	if to < from {
		return 0, 0, fault.Usagef("the range ends before it begins")
	}
	return from, to, nil
}

func (f cronField) value(text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.min + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.min || n > f.max || text[0] == '+' || text[0] == '-' {
		return 0, fault.Usagef("%q is not a number from %d to %d", text, f.min, f.max)
	}
	return n, nil
}

// specialDate reads L, L-n, LB, LW, nW and nB.
func specialDate(f cronField, s *Schedule, part string) (bool, error) {
	up := strings.ToUpper(part)
	switch {
	case up == "L":
		s.dates.fromLast |= 1
	case up == "LW", up == "LB":
		s.dates.lastBusiness = true
	case strings.HasPrefix(up, "L-"):
		n, err := strconv.Atoi(up[2:])
		if err != nil || n < 1 || n > 30 {
			return true, fault.Usagef("%q is not a number of days from 1 to 30", up[2:])
		}
		s.dates.fromLast |= 1 << n
	case len(up) > 1 && strings.HasSuffix(up, "W"):
		n, err := f.value(up[:len(up)-1])
		if err != nil {
			return true, err
		}
		s.dates.nearest |= 1 << n
	case len(up) > 1 && strings.HasSuffix(up, "B"):
		n, err := f.value(up[:len(up)-1])
		if err != nil || n > 23 {
			return true, fault.Usagef("a month has 1 to 23 business days")
		}
		s.dates.business |= 1 << n
	default:
		return false, nil
	}
	return true, nil
}

// specialWeekday reads nL and n#k.
func specialWeekday(f cronField, s *Schedule, part string) (bool, error) {
	if day, nth, ok := strings.Cut(part, "#"); ok {
		n, err := f.value(day)
		if err != nil {
			return true, err
		}
		k, err := strconv.Atoi(nth)
		if err != nil || k < 1 || k > 5 {
			return true, fault.Usagef("%q is not a number from 1 to 5", nth)
		}
		s.weekdays.nth[k] |= 1 << (n % 7)
		return true, nil
	}
	if up := strings.ToUpper(part); len(up) > 1 && strings.HasSuffix(up, "L") {
		n, err := f.value(up[:len(up)-1])
		if err != nil {
			return true, err
		}
		s.weekdays.last |= 1 << (n % 7)
		return true, nil
	}
	return false, nil
}
