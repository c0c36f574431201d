package reconciliation

import (
	"time"

	"github.com/millrace/millrace/sdk/calendar"
)

// Calendar says which days are business days: that of package calendar, which has unions, TARGET and conventions too.
type Calendar = calendar.Calendar

// NewCalendar makes a calendar of the weekdays on which nobody works and of holidays (days since 1970-01-01).
func NewCalendar(weekend []time.Weekday, holidays []int32) (*Calendar, error) {
	return calendar.New(weekend, holidays)
}

// ParseDay reads a day such as 2026-01-31 as days since 1970-01-01.
func ParseDay(text string) (int32, error) { return calendar.ParseDay(text) }

// FormatDay writes a day as 2026-01-31, and NoDate as "".
func FormatDay(day int32) string {
	if day == NoDate {
		return ""
	}
	return calendar.FormatDay(day)
}

func appendDay(dst []byte, day int32) []byte { return calendar.AppendDay(dst, day) }

// everydayCalendar is that of rules without one: Saturday and Sunday, and no holidays.
func everydayCalendar() *Calendar {
	c, _ := NewCalendar([]time.Weekday{time.Saturday, time.Sunday}, nil) // five days are open
	return c
}
