package calendar

import (
	"fmt"
	"math"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// Day is a date without a zone: days since 1970-01-01.
type Day = int32

// ParseDay reads a day such as 2026-01-31. An error is a fault.Usage.
func ParseDay(text string) (Day, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fault.Usagef("%q is not a day; write it as 2026-01-31", text)
	}
	return Day(t.Unix() / 86400), nil
}

// FormatDay writes a day as 2026-01-31.
func FormatDay(day Day) string { return string(AppendDay(nil, day)) }

// AppendDay appends a day as 2026-01-31.
func AppendDay(dst []byte, day Day) []byte {
	return time.Unix(int64(day)*86400, 0).UTC().AppendFormat(dst, time.DateOnly)
}

// DayOf is the date of an instant where the zone is.
func DayOf(t time.Time, zone *time.Location) Day {
	_, offset := t.In(zone).Zone()
	return Day(floor(t.Unix()+int64(offset), 86400))
}

func floor(a, b int64) int64 {
	if q := a / b; a%b >= 0 {
		return q
	}
	return a/b - 1
}

// Midnight is the first moment of a date in a zone.
func Midnight(day Day, zone *time.Location) time.Time { return At(day, 0, zone) }

// Clock is a time of day: minutes since its beginning, 0 to 1440. 1440 is the end of the date, 24:00.
type Clock int

// EndOfDay is 24:00.
const EndOfDay Clock = 1440

// ParseClock reads a time of day such as 06:30; 24:00 is the end of the date. An error is a fault.Usage.
func ParseClock(text string) (Clock, error) {
	if len(text) == 5 && text[2] == ':' {
		if text == "24:00" {
			return EndOfDay, nil
		}
		if t, err := time.Parse("15:04", text); err == nil {
			return Clock(t.Hour()*60 + t.Minute()), nil
		}
	}
	return 0, fault.Usagef("%q is not a time of day; write it as 06:30, or 24:00 for the date's end", text)
}

// String writes the time of day as 06:30.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// At is the instant of a time of day on a date in a zone. A time that does not exist there is the first moment after it that does; one
// that exists twice is the first of both.
func At(day Day, c Clock, zone *time.Location) time.Time {
	wall := int64(day)*86400 + int64(c)*60 // seconds as if the zone were UTC
	near := time.Unix(wall, 0).In(zone)
	best := int64(math.MaxInt64)
	// The zone's offsets from two days before to two days after: no clock is set by more than a day.
	var changes []time.Time
	for t := near.Add(-48 * time.Hour); ; {
		_, offset := t.Zone()
		if at := wall - int64(offset); at < best {
			if _, o := time.Unix(at, 0).In(zone).Zone(); o == offset {
				best = at
			}
		}
		_, end := t.ZoneBounds()
		if end.IsZero() || end.After(near.Add(48*time.Hour)) {
			break
		}
		t = end
		changes = append(changes, end)
	}
	if best != math.MaxInt64 {
		return time.Unix(best, 0).In(zone)
	}
	for _, t := range changes { // the gap is where clocks went past it
		_, before := t.Add(-1).Zone()
		_, after := t.Zone()
		if t.Unix()+int64(before) <= wall && wall < t.Unix()+int64(after) {
			return t
		}
	}
	return near // not reached: a time of day exists, or is in a gap
}
