package statement

import (
	"fmt"
	"time"
)

// Date is a calendar day, without a time zone: the day that the bank wrote. The zero value is no date. Dates are
// comparable with ==.
type Date struct {
	days  int32
	known bool
}

// DateOf is the day of a year from 1 to 9999; ok is false where there is no such day.
func DateOf(year, month, day int) (d Date, ok bool) {
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31 {
		return Date{}, false
	}
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if t.Day() != day {
		return Date{}, false
	}
	return Date{int32(t.Unix() / 86400), true}, true
}

// ParseDate reads a day as String writes it: 2026-03-31.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, fmt.Errorf("date %q: want a day such as 2026-03-31", text)
	}
	d, ok := DateOf(t.Year(), int(t.Month()), t.Day())
	if !ok {
		return Date{}, fmt.Errorf("date %q: want a year from 1 to 9999", text)
	}
	return d, nil
}

// Days since 1970-01-01; 0 for no date.
func (d Date) Days() int32 { return d.days }

// IsZero reports whether d is no date.
func (d Date) IsZero() bool { return !d.known }

// Time is the day's midnight in UTC; the zero time for no date.
func (d Date) Time() time.Time {
	if !d.known {
		return time.Time{}
	}
	return time.Unix(int64(d.days)*86400, 0).UTC()
}

// String is the day as 2006-01-02; "" for no date.
func (d Date) String() string {
	if !d.known {
		return ""
	}
	return d.Time().Format(time.DateOnly)
}

// MarshalText is String.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Date) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	*d, err = ParseDate(string(text))
	return err
}
