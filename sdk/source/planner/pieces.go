package planner

import (
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/cut"
)

// collectFrom is how many events arrive, by default, before the next piece of an epoch is cut.
const collectFrom = 4096

// pieces are the cuts that the epoch under way is made of so far. They follow one another, all of one date. Cutting
// as events arrive keeps the tracker's window as small as what is incomplete, so that its cost does not grow with the epoch.
type pieces struct {
	cuts   []*cut.Cut
	events int64 // and rejects
	bytes  int64
	tryAt  int64 // events in the window from which cutting is worth trying
	least  int64 // collectFrom, but for tests
}

// collect cuts off what is complete by now, as far as the limits of the epoch under way allow.
func (p *Planner) collect(lim source.Limits) {
	p.track.Tick(p.opts.Clock())
	c, ok := p.piece(lim)
	if ok && c.Moved() {
		p.track.Advance(c)
		q := &p.pieces
		q.cuts = append(q.cuts, c)
		q.events += c.Totals.Events + c.Totals.Rejected
		q.bytes += c.Totals.Bytes
	}
	left := p.track.Pending()
	p.pieces.tryAt = left + max(p.pieces.least, left/4)
}

// piece finds the next cut of the epoch under way; false if there is no room for it.
func (p *Planner) piece(lim source.Limits) (c *cut.Cut, fits bool) {
	q := &p.pieces
	if len(q.cuts) == 0 {
		return p.cut(cut.Limits{Events: lim.MaxEvents, Bytes: lim.MaxBytes}), true
	}
	rest := cut.Limits{Events: lim.MaxEvents - q.events, Bytes: lim.MaxBytes - q.bytes}
	if lim.MaxEvents > 0 && rest.Events <= 0 || lim.MaxBytes > 0 && rest.Bytes <= 0 {
		return nil, false
	}
	rest.Events, rest.Bytes = max(0, rest.Events), max(0, rest.Bytes)
	c = p.cut(rest)
	over := rest.Events > 0 && c.Totals.Events+c.Totals.Rejected > rest.Events || rest.Bytes > 0 && c.Totals.Bytes > rest.Bytes
	return c, !over // a transaction larger than the rest would be kept whole: it begins the next epoch
}

// finish ends the epoch under way with what is complete now.
func (p *Planner) finish(lim source.Limits) *cut.Cut {
	last, fits := p.piece(lim)
	cuts := p.pieces.cuts
	if fits {
		p.track.Advance(last)
		cuts = append(cuts, last)
	}
	p.pieces = pieces{tryAt: p.pieces.least, least: p.pieces.least}
	return cut.Join(cuts)
}
