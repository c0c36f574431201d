package cut

import "time"

// bounds are a date's bounds, microseconds UTC: from its first instant up to the next date's.
type bounds struct{ from, to int64 }

// dayOf finds the date of a time in a zone. A date begins with the first instant that has it: where clocks
// are put forward at midnight, that is not 00:00.
func dayOf(at int64, zone *time.Location) bounds {
	y, m, d := time.UnixMicro(at).In(zone).Date()
	return bounds{firstInstant(y, m, d, zone), firstInstant(y, m, d+1, zone)}
}

// NextDate is the first instant after a date in a zone, microseconds UTC. Only the date's year, month and day count.
func NextDate(date time.Time, zone *time.Location) int64 {
	y, m, d := date.Date()
	return firstInstant(y, m, d+1, zone)
}

func firstInstant(y int, m time.Month, d int, zone *time.Location) int64 {
	noon := time.Date(y, m, d, 12, 0, 0, 0, zone)
	want := noon.Day() // d may be past the month's end
	at := time.Date(y, m, d, 0, 0, 0, 0, zone)
	for at.Day() != want && at.Before(noon) {
		at = at.Add(15 * time.Minute) // offsets of zones are multiples of it, wherever they have changed at midnight
	}
	return at.UnixMicro()
}

// dated remembers when the first event of a date was seen.
type dated struct {
	from   int64 // the date's start
	sample int64 // number of the first sample of ends that was taken after it
}

// Zone says in which time zone dates are told apart; nil: they are not. It counts for events that are told of from now on.
func (t *Tracker) Zone(zone *time.Location) {
	if t.zone != zone {
		t.zone, t.today = zone, bounds{}
	}
}

// date is the start of the date of a commit time; 0 where dates are not told apart, or the time is unknown.
func (t *Tracker) date(at int64) int64 {
	if t.zone == nil || at == 0 {
		return 0
	}
	if at < t.today.from || at >= t.today.to {
		t.today = dayOf(at, t.zone)
	}
	if n := len(t.dates); n == 0 || t.dates[n-1].from < t.today.from {
		t.dates = append(t.dates, dated{t.today.from, t.taken + 1})
		t.newDate = true
	}
	return t.today.from
}

// committed is the latest commit time of what a run cannot be parted from; 0 where it has none, and for
// what is in no transaction of a stream that has markers: that has no order with the others, and goes with any date.
func (t *Tracker) committed(r *run) int64 {
	switch {
	case r.tx >= 0:
		return t.txs.at(r.tx).committed
	case r.tx == single && !t.opts.Markers:
		return r.maxAt
	}
	return 0
}

// before leaves out of top what was committed at a time or later, and returns a commit time of the earliest of the
// dates at which a shard is cut by that; 0 if nothing was left out, or the time is 0.
func (t *Tracker) before(top []int, limit int64) (later int64) {
	if limit == 0 {
		return 0
	}
	for len(t.dates) > 1 && t.dates[0].from < limit && t.dates[1].from < limit {
		t.dates = t.dates[1:]
	}
	l := lowering{t: t, top: top}
	for i := range t.shards {
		for k := range t.shards[i].window()[:top[i]] {
			if at := t.committed(&t.shards[i].window()[k]); at >= limit {
				if later == 0 || at < later {
					later = at
				}
				l.lower(i, k)
				break
			}
		}
	}
	l.settle()
	return later
}

// closedBefore reports whether whatever was committed earlier than a time has been told of, but for what is late. One
// shard of markers has the transactions in order, and none is passed before it is whole. Otherwise each shard must have
// gone past the time, or have been read to an end that was sampled after something later had been seen. A shard that
// cannot be read on keeps a date open, but the first.
func (t *Tracker) closedBefore(limit int64) bool {
	if t.opts.Markers && t.markerShards() == 1 {
		return true
	}
	since := int64(0)
	for _, d := range t.dates {
		if d.from >= limit {
			since = d.sample
			break
		}
	}
	for i := range t.shards {
		s := &t.shards[i]
		if s.Role == Heartbeats {
			continue
		}
		atEnd := since > 0 && t.taken >= since && s.sampled >= 0 && s.next >= s.sampled
		if s.mark.At < limit && !atEnd {
			return false
		}
		for k, r := range s.window() {
			if t.passable(i, k) {
				continue
			}
			if t.committed(&r) < limit && !(r.tx == barrier && limit <= 1) { // what comes before a barrier belongs to some date
				return false
			}
			break
		}
	}
	return true
}

// wantDate reports whether a sample of ends decides whether a date is over.
func (t *Tracker) wantDate() bool {
	return t.newDate && len(t.dates) > 1 && (!t.opts.Markers || t.markerShards() != 1)
}
