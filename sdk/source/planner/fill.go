package planner

import (
	"context"
	"time"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// Poll is how long a poll of Fill may wait at most, so that a caller looks after other things in between.
const Poll = 20 * time.Millisecond

// AtEnd is what a poll of Fill returns where the stream was read to its present end.
const AtEnd = -1

// Fill ends an epoch as source.Source.Plan has to: when it is full, or when the time for
// it is up. poll feeds what is there; if nothing is, it waits up to the given time for something. It returns the number
// of records that it fed, or AtEnd where it knows that the stream has no more at the moment.
func (p *Planner) Fill(ctx context.Context, lim source.Limits, poll func(ctx context.Context, wait time.Duration) (int, error)) (source.Epoch, error) {
	lim = withDefaults(lim)
	p.inZone(lim.Zone)
	deadline := p.opts.Clock().Add(lim.MaxWait)
	extended := p.Pending() > 0
	tryAt := lim.MaxBytes + lim.MaxBytes/2 // what cannot be planned yet is among it
	for {
		if err := ctx.Err(); err != nil {
			return source.Epoch{}, err
		}
		if p.dates.more && len(p.pieces.cuts) == 0 || p.track.Pending() >= p.pieces.tryAt {
			p.collect(lim)
		}
		left := deadline.Sub(p.opts.Clock())
		timeUp := left <= 0 && (lim.Busy == nil || !lim.Busy())
		if timeUp || p.Ready() >= lim.MaxEvents || p.Bytes() >= tryAt || p.pieces.bytes >= lim.MaxBytes-lim.MaxBytes/8 || p.dates.more {
			e, err := p.Take(lim)
			if err != nil || timeUp || !e.Empty() || e.To.Compare(e.From) != change.Equal {
				return e, err
			}
			tryAt = 2 * p.Bytes() // a transaction larger than the limit
		}
		n, err := poll(ctx, min(max(left, Poll/4), Poll))
		if err != nil {
			return source.Epoch{}, err
		}
		if n == AtEnd && lim.Drain {
			return p.Take(lim)
		}
		if n > 0 && (!extended || lim.Drain) { // the time for the first event is up; now for more of them
			extended, deadline = true, p.opts.Clock().Add(lim.MaxWait)
		}
	}
}

// withDefaults fills in what source.Limits documents.
func withDefaults(lim source.Limits) source.Limits {
	if lim.MaxEvents == 0 {
		lim.MaxEvents = 1_000_000
	}
	if lim.MaxBytes == 0 {
		lim.MaxBytes = 64 << 20
	}
	if lim.MaxWait == 0 {
		lim.MaxWait = time.Second
	}
	return lim
}
