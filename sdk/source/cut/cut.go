package cut

// Limits bound a cut. Transactions are kept whole, so a cut that would
// otherwise be empty may exceed them by one transaction and what it cannot be parted from.
type Limits struct {
	Events int64 // events and rejects; 0: no limit
	Bytes  int64 // undecoded bytes of all records; 0: no limit
	// Before, if not 0, leaves out transactions with an event that was committed at that time or later (microseconds
	// UTC), and what cannot be parted from them. It must be the start of a date in Options.Zone.
	Before int64
}

// Range is a piece of a shard that is in the cut and holds no duplicates: the fewest that do.
type Range struct {
	Shard    int
	From, To int64
	Events   int64 // events and rejects
	// Parted says that a duplicate lies between the range and the one before it in the shard, or the cut's start.
	Parted bool
}

// Totals says what a cut holds. Its fields are those of source.Counts.
type Totals struct {
	Events       int64
	Rejected     int64
	Duplicates   int64
	Tombstones   int64
	Transactions int64
	Bytes        int64
}

// Cut is a prefix of every shard.
type Cut struct {
	Next   []int64 // by shard number: the next offset to read
	Marks  []Mark  // by shard number
	Ranges []Range // what is to be read, by shard and offset
	Totals Totals
	// FirstAt and LastAt are the commit times of the first and last event, microseconds UTC; 0 where unknown.
	FirstAt, LastAt int64
	// Later is a commit time of the earliest date that Limits.Before left out something complete of; 0: of none.
	Later int64
	// Closed says that nothing committed earlier than Limits.Before is to be expected any more, but for what is late.
	Closed bool

	take []int   // whole runs taken of each shard's window
	part []int64 // events taken of the run behind them

	parted bool   // a duplicate lies behind the last range
	tails  []bool // by shard: a duplicate lies behind its last range
	moved  bool   // of joined cuts: one of them was past its window's start
}

// Moved reports whether the cut is past the window's start in any shard.
func (c *Cut) Moved() bool {
	for i := range c.take {
		if c.take[i] > 0 || c.part[i] > 0 {
			return true
		}
	}
	return c.moved
}

// Cut finds the largest consistent cut of what the tracker was told of, within
// limits. It does not move the window.
func (t *Tracker) Cut(lim Limits) *Cut {
	t.resolve()
	top := t.highest()
	later := t.before(top, lim.Before)
	c := t.limit(top, lim)
	c.Later, c.Closed = later, later != 0 && t.closedBefore(lim.Before)
	t.describe(c)
	return c
}

// highest is the fix-point: for each shard, how many runs of its window can be taken at most.
func (t *Tracker) highest() []int {
	t.front = t.frontiers()
	top := make([]int, len(t.shards))
	l := lowering{t: t, top: top}
	for i := range t.shards {
		w := t.shards[i].window()
		top[i] = len(w)
		for k := range w {
			if !t.passable(i, k) {
				l.lower(i, k)
				break
			}
		}
	}
	l.settle()
	return top
}

// lowering leaves runs out of a cut, and what cannot be parted from them.
type lowering struct {
	t   *Tracker
	top []int
	out []span
}

// span is a piece of a shard's window.
type span struct{ shard, from, to int }

// lower leaves out the runs of a shard from number to on.
func (l *lowering) lower(shard, to int) {
	if to < l.top[shard] {
		l.out = append(l.out, span{shard, to, l.top[shard]})
		l.top[shard] = to
	}
}

// settle leaves out all runs of the transactions that have one left out, until nothing changes.
func (l *lowering) settle() {
	t := l.t
	t.visit++
	for len(l.out) > 0 {
		o := l.out[len(l.out)-1]
		l.out = l.out[:len(l.out)-1]
		for _, r := range t.shards[o.shard].window()[o.from:o.to] {
			if r.tx < 0 || t.txs.at(r.tx).visit == t.visit {
				continue
			}
			x := t.txs.at(r.tx)
			x.visit = t.visit
			for _, h := range x.touches {
				l.lower(int(h.shard), int(max(0, h.first-t.shards[h.shard].abs())))
			}
		}
	}
}

// passable reports whether run k of shard i's window is complete by itself.
func (t *Tracker) passable(i, k int) bool {
	r := &t.shards[i].window()[k]
	switch {
	case r.tx == single:
		return true
	case r.tx < 0:
		return false
	case t.complete(r.tx):
		return true
	}
	x := t.txs.at(r.tx)
	if !t.opts.Markers || x.marker >= 0 {
		return false
	}
	// No marker is in the window. If markers of later transactions are, its own were before the window's start, where that is the
	// stream's or nothing of it is new; else they are to come: a cut takes no event without its markers.
	before := x.fresh == 0 || x.key.IsZero() || !t.markersBegun()
	if before && t.markersPassed(i, k) || x.fresh == 0 && t.now-x.since >= t.opts.Grace.Microseconds() {
		t.setWhole(r.tx)
	}
	return x.whole
}

// markersBegun reports whether the markers of what is new in the window cannot lie before it: every marker shard had some there, or is read from its start.
func (t *Tracker) markersBegun() bool {
	for i := range t.shards {
		if s := &t.shards[i]; s.Role == Markers && s.Mark.IsZero() && s.Next != 0 {
			return false
		}
	}
	return true
}

// markersPassed reports whether behind run k of shard i there are transactions
// whose markers have been seen, in every marker shard.
func (t *Tracker) markersPassed(i, k int) bool {
	w := t.shards[i].window()
	left := t.markerShards()
	seen := map[int32]bool{}
	for n := len(w) - 1; n > k && left > 0; n-- {
		if y := t.marked(&w[n]); y != nil && y.begin && !seen[y.marker] {
			seen[y.marker] = true
			left--
		}
	}
	return left == 0
}

// limit takes transactions from top, in the order of their markers, then shards in turn, until the limits are reached.
func (t *Tracker) limit(top []int, lim Limits) *Cut {
	c := &Cut{take: make([]int, len(top)), part: make([]int64, len(top))}
	if t.fits(top, lim) {
		copy(c.take, top)
		return c
	}
	g := &grower{t: t, c: c, top: top, lim: lim, try: make([]int, len(top))}
	for i := range t.shards {
		for t.shards[i].Role == Markers && c.take[i] < top[i] && !g.full && !g.over {
			g.grow(i)
		}
	}
	for more := true; more && !g.full; {
		more = false
		for i := range t.shards {
			if c.take[i] < top[i] && !g.full && g.grow(i) {
				more = true
			}
		}
	}
	if g.over && !g.full && g.empty() {
		g.take(g.least)
	}
	return c
}

// fits reports whether all of top lies within the limits.
func (t *Tracker) fits(top []int, lim Limits) bool {
	if (lim.Events <= 0 || t.pending <= lim.Events) && (lim.Bytes <= 0 || t.bytes <= lim.Bytes) {
		return true
	}
	var events, bytes int64
	for i := range top {
		for _, r := range t.shards[i].window()[:top[i]] {
			events += int64(r.events) + int64(r.rejected)
			bytes += r.bytes
		}
	}
	return (lim.Events <= 0 || events <= lim.Events) && (lim.Bytes <= 0 || bytes <= lim.Bytes)
}

// grower adds runs to a cut, each with all that it cannot be parted from.
type grower struct {
	t             *Tracker
	c             *Cut
	top           []int
	lim           Limits
	events, bytes int64
	full          bool  // something was left out although the cut holds something
	over          bool  // a step exceeds the limits by itself
	least         int   // the shard whose next run is the smallest such step
	leastSize     int64 // its bytes
	try           []int // as c.take, with the step that is being tried
	touched       []int // shards in which try differs
}

func (g *grower) empty() bool { return g.events == 0 && g.bytes == 0 }

// grow takes the next run of shard i if the limits allow, and reports whether it did.
func (g *grower) grow(i int) bool {
	events, bytes := g.step(i)
	if g.lim.Events > 0 && g.events+events > g.lim.Events || g.lim.Bytes > 0 && g.bytes+bytes > g.lim.Bytes {
		g.undo()
		switch {
		case g.divide(i) || !g.empty():
			g.full = true
		case !g.over || bytes < g.leastSize:
			g.over, g.least, g.leastSize = true, i, bytes
		}
		return false
	}
	g.accept(events, bytes)
	return true
}

// take takes the next run of shard i whatever the limits.
func (g *grower) take(i int) { g.accept(g.step(i)) }

func (g *grower) accept(events, bytes int64) {
	for _, s := range g.touched {
		g.c.take[s] = g.try[s]
	}
	g.touched = g.touched[:0]
	g.events += events
	g.bytes += bytes
}

func (g *grower) undo() {
	for _, s := range g.touched {
		g.try[s] = g.c.take[s]
	}
	g.touched = g.touched[:0]
}

// step works out what taking the next run of shard i entails, in try.
func (g *grower) step(i int) (events, bytes int64) {
	var in []span
	g.t.visit++
	raise := func(shard, to int) {
		if to > g.try[shard] {
			if g.try[shard] == g.c.take[shard] {
				g.touched = append(g.touched, shard)
			}
			in = append(in, span{shard, g.try[shard], to})
			g.try[shard] = to
		}
	}
	raise(i, g.c.take[i]+1)
	for len(in) > 0 {
		o := in[len(in)-1]
		in = in[:len(in)-1]
		for _, r := range g.t.shards[o.shard].window()[o.from:o.to] {
			events += int64(r.events) + int64(r.rejected)
			bytes += r.bytes
			if r.tx < 0 || g.t.txs.at(r.tx).visit == g.t.visit {
				continue
			}
			x := g.t.txs.at(r.tx)
			x.visit = g.t.visit
			for _, h := range x.touches {
				raise(int(h.shard), int(h.last+1-g.t.shards[h.shard].abs()))
			}
		}
	}
	return events, bytes
}

// divide takes as much of the next run of shard i as the limits allow, if the
// run can be cut anywhere, and reports whether it took any.
func (g *grower) divide(i int) bool {
	r := &g.t.shards[i].window()[g.c.take[i]]
	if !r.plain() || r.events < 2 {
		return false
	}
	n := int64(r.events)
	if g.lim.Events > 0 {
		n = min(n, g.lim.Events-g.events)
	}
	if g.lim.Bytes > 0 {
		n = min(n, (g.lim.Bytes-g.bytes)*int64(r.events)/max(1, r.bytes))
	}
	if n <= 0 && g.events == 0 {
		n = 1
	}
	if n <= 0 || n >= int64(r.events) {
		return false
	}
	g.c.part[i] = n
	return true
}
