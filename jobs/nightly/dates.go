package nightly

import (
	"time"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

// late is after which time a night that has not begun counts as missed under the policy Skip.
const late = time.Hour

// Over reports, as a fault.Usage, a business date whose cut-off is yet to come.
func (s Settings) Over(days []calendar.Day, now time.Time) error {
	for _, day := range days {
		if at := s.cutOff(day); at.After(now) {
			return fault.Usagef("the business date %s is not over: its cut-off is at %s", calendar.FormatDay(day), at.Format(time.RFC3339))
		}
	}
	return nil
}

// due lists the business dates from one on whose nights have begun by a time, earliest first.
func (s Settings) due(from calendar.Day, now time.Time) []calendar.Day {
	var out []calendar.Day
	for day := from; ; day++ {
		if !s.Calendar.Business(day) {
			if day > calendar.DayOf(now, s.Zone)+1 {
				return out
			}
			continue
		}
		start, ok := s.Start(day)
		if !ok || start.After(now) {
			return out
		}
		out = append(out, day)
	}
}

// next is the first business date whose night begins after a time, and when.
func (s Settings) next(now time.Time) (calendar.Day, time.Time) {
	// No night begins before its date's cut-off, and the schedule's next time is the beginning of one whose cut-off is over by then.
	for day := calendar.DayOf(now, s.Zone) - 400; ; day++ {
		if !s.Calendar.Business(day) {
			continue
		}
		if start, ok := s.Start(day); ok && start.After(now) {
			return day, start
		}
	}
}

// split divides dates whose nights are due and not done into those to run and those that the policy leaves out. begun says of which a
// part has been done: these are always run.
func (s Settings) split(due []calendar.Day, begun map[calendar.Day]bool, now time.Time) (run, skip []calendar.Day) {
	keep := len(due)
	switch s.CatchUp {
	case Latest:
		keep = 1
	case Skip:
		keep = 0
	default:
		if s.MostBack > 0 {
			keep = s.MostBack
		}
	}
	for i, day := range due {
		start, _ := s.Start(day) // it is due, so it has one
		fresh := s.CatchUp == Skip && now.Sub(start) <= late
		if begun[day] || fresh || i >= len(due)-keep {
			run = append(run, day)
		} else {
			skip = append(skip, day)
		}
	}
	return run, skip
}
