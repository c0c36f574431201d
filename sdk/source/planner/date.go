package planner

import (
	"time"

	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/cut"
)

// DateMark is the name of the open date among a position's marks. No topic, file or table has such a name.
const DateMark = "business date"

// dates part epochs at midnight.
type dates struct {
	zone *time.Location // nil: they are not parted
	open time.Time      // the date that is open, at midnight UTC; zero before the first
	// more says that something of a later date is waiting, or that the open one's rest was just taken: there is nothing to wait for.
	more bool
	left bool // something of a later date is left
}

// inZone sets the time zone of dates.
func (p *Planner) inZone(zone *time.Location) {
	p.dates.zone = zone
	p.track.Zone(zone)
}

// dateOf is the date of a commit time.
func (d *dates) dateOf(at int64) time.Time {
	y, m, day := time.UnixMicro(at).In(d.zone).Date()
	return time.Date(y, m, day, 0, 0, 0, 0, time.UTC)
}

// next is the first instant after the open date; before the first date, the beginning of time.
func (d *dates) next() int64 {
	if d.open.IsZero() {
		return 1
	}
	return cut.NextDate(d.open, d.zone)
}

// cut finds the largest cut of the open date. Once that is over and all taken, the next one is opened, but not within an epoch.
func (p *Planner) cut(l cut.Limits) *cut.Cut {
	d := &p.dates
	if d.zone == nil {
		return p.track.Cut(l)
	}
	for {
		l.Before = d.next()
		c := p.track.Cut(l)
		d.left = c.Later != 0
		d.more = d.left && (c.Moved() || c.Closed)
		if c.Moved() || !c.Closed || len(p.pieces.cuts) > 0 {
			return c
		}
		d.open = d.dateOf(c.Later)
	}
}

// dated notes the open date in an epoch and its end.
func (p *Planner) dated(e *source.Epoch) {
	d := &p.dates
	if d.zone == nil {
		return
	}
	e.BusinessDate = d.open
	if d.open.IsZero() {
		if !e.LastCommit.IsZero() { // a snapshot before the first transaction
			e.BusinessDate = d.dateOf(e.LastCommit.UnixMicro())
		}
		return
	}
	if e.To.Marks == nil {
		e.To.Marks = map[string]string{}
	}
	e.To.Marks[DateMark] = d.open.Format(time.DateOnly)
}

// resume goes on with the date of a position. One that cannot be read was not written here, and counts as none.
func (d *dates) resume(marks map[string]string) {
	if t, err := time.Parse(time.DateOnly, marks[DateMark]); err == nil {
		d.open = t
	}
}
