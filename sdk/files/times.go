package files

import (
	"errors"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

var (
	errNotDate      = errors.New("not a date")
	errNotTime      = errors.New("not a timestamp")
	errNoZone       = errors.New("a timestamp without a zone for an instant: say which time zone the file is in")
	errUnwantedZone = errors.New("a timestamp with a zone for a column without")
	errTimeDigits   = errors.New("finer than the column's unit")
	errTimeRange    = errors.New("outside the column's range of times")
)

// civil is a wall-clock time and, if known, its distance from UTC.
type civil struct {
	days  int64 // since 1970-01-01
	secs  int64 // of the day, 0 to 86,399
	nanos int64
	zoned bool
	east  int64 // seconds east of UTC
}

// daysOf counts days from 1970-01-01 in the Gregorian calendar, for the years 1 to 9999.
func daysOf(year, month, day int) (int64, bool) {
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || year < 1 || year > 9999 {
		return 0, false
	}
	y := int64(year)
	m := int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + int64(day) - 1 - 719468, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// number reads exactly n digits.
func number(b []byte, n int) (v int, rest []byte, ok bool) {
	if len(b) < n {
		return 0, nil, false
	}
	for _, c := range b[:n] {
		if c < '0' || c > '9' {
			return 0, nil, false
		}
		v = v*10 + int(c-'0')
	}
	return v, b[n:], true
}

func skip(b []byte, c byte) ([]byte, bool) {
	if len(b) == 0 || b[0] != c {
		return nil, false
	}
	return b[1:], true
}

// isoDate reads 2006-01-02 off the front of b.
func isoDate(b []byte) (days int64, rest []byte, ok bool) {
	var part [3]int
	for i, width := range [3]int{4, 2, 2} {
		if i > 0 {
			if b, ok = skip(b, '-'); !ok {
				return 0, nil, false
			}
		}
		if part[i], b, ok = number(b, width); !ok {
			return 0, nil, false
		}
	}
	days, ok = daysOf(part[0], part[1], part[2])
	return days, b, ok
}

// isoTime reads 2006-01-02T15:04[:05[.999999999]] with an optional zone. A blank
// may stand for the T, a comma for the point.
func isoTime(b []byte) (c civil, ok bool) {
	if c.days, b, ok = isoDate(b); !ok || len(b) == 0 || b[0] != 'T' && b[0] != 't' && b[0] != ' ' {
		return c, false
	}
	hour, b, ok := number(b[1:], 2)
	if !ok || hour > 23 {
		return c, false
	}
	if b, ok = skip(b, ':'); !ok {
		return c, false
	}
	minute, b, ok := number(b, 2)
	if !ok || minute > 59 {
		return c, false
	}
	second := 0
	if after, has := skip(b, ':'); has {
		if second, b, ok = number(after, 2); !ok || second > 59 {
			return c, false
		}
		if c.nanos, b, ok = fraction(b); !ok {
			return c, false
		}
	}
	c.secs = int64(hour*3600 + minute*60 + second)
	return c, c.zone(b)
}

// fraction reads .123 as nanoseconds; digits after the ninth must be zeros.
func fraction(b []byte) (nanos int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' && b[0] != ',' {
		return 0, b, true
	}
	b = b[1:]
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		if n < 9 {
			nanos = nanos*10 + int64(b[n]-'0')
		} else if b[n] != '0' {
			return 0, nil, false
		}
		n++
	}
	for i := n; i < 9; i++ {
		nanos *= 10
	}
	return nanos, b[n:], n > 0
}

// zone reads Z, +01, +01:00 or +0100, or nothing, to the end of b.
func (c *civil) zone(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	c.zoned = true
	if len(b) == 1 && (b[0] == 'Z' || b[0] == 'z') {
		return true
	}
	sign := int64(1)
	switch b[0] {
	case '-':
		sign = -1
	case '+':
	default:
		return false
	}
	hours, b, ok := number(b[1:], 2)
	if !ok || hours > 23 {
		return false
	}
	minutes := 0
	if len(b) > 0 {
		if after, has := skip(b, ':'); has {
			b = after
		}
		if minutes, b, ok = number(b, 2); !ok || minutes > 59 || len(b) > 0 {
			return false
		}
	}
	c.east = sign * int64(hours*3600+minutes*60)
	return true
}

// parseDate reads a day by the layouts, or as 2006-01-02 if there are none.
func parseDate(text []byte, layouts []string) (int64, error) {
	if len(layouts) == 0 {
		if days, rest, ok := isoDate(text); ok && len(rest) == 0 {
			return days, nil
		}
		return 0, errNotDate
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, string(text)); err == nil {
			if days, ok := daysOf(t.Year(), int(t.Month()), t.Day()); ok {
				return days, nil
			}
		}
	}
	return 0, errNotDate
}

// clock reads timestamps. Its zone is what the times without one are in.
type clock struct {
	layouts []string
	zone    *time.Location // nil if it was not said
}

// parse reads a time in the column's unit: an instant in UTC for a zoned column, else a wall-clock time.
func (k *clock) parse(text []byte, c *column) (int64, error) {
	t, ok := k.read(text)
	if !ok {
		return 0, errNotTime
	}
	secs := t.days*86400 + t.secs
	switch {
	case !c.zoned && t.zoned:
		return 0, errUnwantedZone
	case c.zoned && t.zoned:
		secs -= t.east
	case c.zoned && k.zone == nil:
		return 0, errNoZone
	case c.zoned:
		wall := time.Unix(secs, 0).UTC()
		secs = time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, k.zone).Unix()
	}
	return inUnit(secs, t.nanos, c.unit)
}

func (k *clock) read(text []byte) (civil, bool) {
	if len(k.layouts) == 0 {
		return isoTime(text)
	}
	for _, layout := range k.layouts {
		t, err := time.Parse(layout, string(text))
		if err != nil {
			continue
		}
		_, east := t.Zone()
		days, ok := daysOf(t.Year(), int(t.Month()), t.Day())
		return civil{days: days, secs: int64(t.Hour()*3600 + t.Minute()*60 + t.Second()), nanos: int64(t.Nanosecond()), zoned: layoutHasZone(layout), east: int64(east)}, ok
	}
	return civil{}, false
}

// layoutHasZone reports whether times by this layout carry their zone.
func layoutHasZone(layout string) bool {
	probe := time.Date(2006, 1, 2, 3, 4, 5, 0, time.FixedZone("", 5*3600+1800))
	t, err := time.Parse(layout, probe.Format(layout))
	if err != nil {
		return false
	}
	_, east := t.Zone()
	return east == 5*3600+1800
}

// inUnit converts exactly, or refuses.
func inUnit(secs, nanos int64, unit arrow.TimeUnit) (int64, error) {
	per := int64(1)
	switch unit {
	case arrow.Millisecond:
		per = 1e3
	case arrow.Microsecond:
		per = 1e6
	case arrow.Nanosecond:
		per = 1e9
	}
	step := 1_000_000_000 / per
	if nanos%step != 0 {
		return 0, errTimeDigits
	}
	part := nanos / step
	if secs < 0 { // towards zero, so that the smallest time does not overflow on the way
		secs, part = secs+1, part-per
	}
	if secs > math.MaxInt64/per || secs < math.MinInt64/per {
		return 0, errTimeRange
	}
	whole := secs * per
	if part > 0 && whole > math.MaxInt64-part || part < 0 && whole < math.MinInt64-part {
		return 0, errTimeRange
	}
	return whole + part, nil
}
