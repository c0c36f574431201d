package life

import (
	"fmt"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

// Ageing says how old cases are. Make one with NewAgeing.
type Ageing struct {
	bounds   []int64
	labels   []string
	calendar *calendar.Calendar
}

// DefaultBounds are the last days of the usual buckets: 0–1, 2–5, 6–30, 31–60, 61–90, and more.
var DefaultBounds = [...]int{1, 5, 30, 60, 90}

// NewAgeing makes buckets that end with the given days, ascending; none: DefaultBounds. Days are business days of the calendar, and calendar days
// where it is nil. An error is a fault.Usage.
func NewAgeing(bounds []int, business *calendar.Calendar) (*Ageing, error) {
	if len(bounds) == 0 {
		bounds = DefaultBounds[:]
	}
	a := &Ageing{calendar: business}
	from := 0
	for _, last := range bounds {
		if last < from {
			return nil, fault.Usagef("buckets of age end with days that ascend from 0, but %d comes after %d", last, from-1)
		}
		a.bounds = append(a.bounds, int64(last))
		label := fmt.Sprintf("%d-%d", from, last)
		if from == last {
			label = fmt.Sprint(last)
		}
		a.labels = append(a.labels, label)
		from = last + 1
	}
	a.labels = append(a.labels, fmt.Sprintf(">%d", from-1))
	return a, nil
}

// Days is how old a case is on a night: the days since its first.
func (a *Ageing) Days(first, night calendar.Day) int64 {
	if a.calendar != nil {
		return a.calendar.Between(first, night)
	}
	return int64(night) - int64(first)
}

// Buckets are the buckets' labels, such as 2-5 and >90.
func (a *Ageing) Buckets() []string { return append([]string(nil), a.labels...) }

// Bucket is the index of the bucket that an age is in.
func (a *Ageing) Bucket(days int64) int {
	for i, last := range a.bounds {
		if days <= last {
			return i
		}
	}
	return len(a.bounds)
}
