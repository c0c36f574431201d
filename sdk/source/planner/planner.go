package planner

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/cut"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// Options alter a planner.
type Options struct {
	// Markers says that the stream has a transaction topic.
	Markers bool
	// Collection translates a table's name in markers to a data shard's Collection; false if the table is not followed.
	Collection func(name string) (string, bool)
	// MemoryBudget bounds decoded batches that wait to be read and confirmed, in bytes. 0: 256 MiB.
	MemoryBudget int64
	// StaleLimit is how long a transaction may stay incomplete while nothing else can be planned. 0: 10 min.
	StaleLimit time.Duration
	// Grace is cut.Options.Grace.
	Grace time.Duration
	// Workers is how many shards are decoded at once. 0: GOMAXPROCS.
	Workers int
	Logger  *slog.Logger     // nil: slog.Default()
	Clock   func() time.Time // nil: time.Now
}

func (o *Options) defaults() {
	if o.MemoryBudget == 0 {
		o.MemoryBudget = 256 << 20
	}
	if o.StaleLimit == 0 {
		o.StaleLimit = 10 * time.Minute
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Collection == nil {
		o.Collection = func(name string) (string, bool) { return name, true }
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
}

// Shard describes a shard.
type Shard struct {
	Name       string
	Role       cut.Role
	Table      string // only for data
	Collection string // only for data: as Options.Collection gives it
	Config     debezium.Config
	Next       int64 // the offset to read from, if the position does not say
}

// Planner plans the epochs of one stream. Read, Confirm and Latest may be called while another method runs.
type Planner struct {
	stream string
	opts   Options
	from   change.Position
	track  *cut.Tracker
	shards []*shard
	byName map[string]int
	cache  *cache
	scan   markerScanner
	counts []cut.Count // scratch of markers
	dates  dates
	pieces pieces
	last   atomic.Int64 // latest time stamp of an event, microseconds
}

type shard struct {
	Shard
	own     *shardDecoder
	helpers []*shardDecoder // for large feeds
	parts   [][]message     // what the last feed decoded to
	told    int64           // offset behind what was decoded
	stopped error           // why the shard cannot be read further
}

// New makes a planner that goes on from a position.
func New(stream string, from change.Position, o Options) *Planner {
	o.defaults()
	p := &Planner{
		stream: stream, opts: o, from: from.Clone(), byName: map[string]int{}, cache: newCache(o.MemoryBudget),
		track:  cut.New(cut.Options{Markers: o.Markers, Grace: o.Grace}),
		pieces: pieces{tryAt: collectFrom, least: collectFrom},
	}
	p.dates.resume(from.Marks)
	return p
}

// From is the position that the next epoch starts from.
func (p *Planner) From() change.Position { return p.from }

// AddShard makes a shard known and returns its number and the offset from which its records are wanted.
// Adding it a second time changes nothing.
func (p *Planner) AddShard(s Shard) (n int, from int64, err error) {
	if i, ok := p.byName[s.Name]; ok {
		return i, p.track.Read(i), nil
	}
	if next, ok := p.from.Next[s.Name]; ok {
		s.Next = next
	}
	mark, err := cut.ParseMark(p.from.Marks[s.Name])
	if err != nil {
		return 0, 0, fmt.Errorf("position of shard %s: %w", s.Name, err)
	}
	st := &shard{Shard: s, told: s.Next}
	if s.Role == cut.Data {
		s.Config.Table = s.Table
		d, err := newShardDecoder(s.Config)
		if err != nil {
			return 0, 0, err
		}
		st.own, st.Config = d, s.Config
		p.cache.start(s.Name, s.Next)
	}
	n = p.track.AddShard(cut.Shard{Name: s.Name, Role: s.Role, Collection: s.Collection, Next: s.Next, Mark: mark})
	p.shards = append(p.shards, st)
	p.byName[s.Name] = n
	return n, s.Next, nil
}

// Shards is the number of shards.
func (p *Planner) Shards() int { return len(p.shards) }

// ShardAt describes shard n.
func (p *Planner) ShardAt(n int) Shard { return p.shards[n].Shard }

// Fed is the offset behind what was fed of shard n.
func (p *Planner) Fed(n int) int64 { return p.track.Read(n) }

// Ready is about how many events could be planned now.
func (p *Planner) Ready() int64 { return p.pieces.events + p.track.Ready() }

// Pending is how many events were fed and not planned, and Bytes the size of their records.
func (p *Planner) Pending() int64 { return p.pieces.events + p.track.Pending() }

// Bytes is the undecoded size of what was fed and not planned.
func (p *Planner) Bytes() int64 { return p.pieces.bytes + p.track.Bytes() }

// ShardBytes is the undecoded size of what was fed of shard n and cannot be planned so far, for want of other shards' records.
func (p *Planner) ShardBytes(n int) int64 { return p.track.ShardBytes(n) }

// Reached is cut.Tracker.Reached of shard n.
func (p *Planner) Reached(n int) int64 { return p.track.Reached(n) }

// Feed is what arrived of one shard.
type Feed struct {
	Shard   int
	Records []Record // in offset order
}

// Feed decodes records and takes them into the window. Their bytes are not kept.
func (p *Planner) Feed(feeds []Feed) error {
	p.track.Tick(p.opts.Clock())
	var g errgroup.Group
	g.SetLimit(p.opts.Workers)
	for _, f := range feeds {
		if s := p.shards[f.Shard]; s.Role == cut.Data && s.stopped == nil {
			g.Go(func() error { return p.decode(s, f.Records) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, f := range feeds {
		s := p.shards[f.Shard]
		switch s.Role {
		case cut.Data:
			p.follow(f.Shard, s)
		case cut.Markers:
			if err := p.markers(f.Shard, s, f.Records); err != nil {
				return err
			}
		default:
			for i := range f.Records {
				r := &f.Records[i]
				if r.Control {
					p.track.Skip(f.Shard, r.Offset, r.size(), false)
				} else {
					p.track.Heartbeat(f.Shard, r.Offset, r.size(), r.sent())
				}
			}
		}
	}
	return nil
}

// follow tells the tracker of a shard's decoded messages.
func (p *Planner) follow(n int, s *shard) {
	last := p.last.Load()
	for _, part := range s.parts {
		for i := range part {
			m := &part[i]
			switch {
			case m.err != nil && m.err == s.stopped:
				p.track.Barrier(n, m.ev.Offset)
			case m.skip:
				p.track.Skip(n, m.ev.Offset, m.ev.Bytes, m.tombstone)
			default:
				p.track.Event(n, &m.ev)
				last = max(last, m.ev.Sent)
			}
		}
	}
	s.parts = s.parts[:0]
	p.last.Store(last)
}

// markers tells the tracker of BEGINs and ENDs.
func (p *Planner) markers(n int, s *shard, records []Record) error {
	for i := range records {
		r := &records[i]
		if r.Control || len(r.Value) == 0 {
			p.track.Skip(n, r.Offset, r.size(), !r.Control)
			continue
		}
		m, ok := p.scan.marker(r.Value)
		if !ok {
			var err error
			if m, err = debezium.ParseTx(r.Value); err != nil {
				return fmt.Errorf("transaction topic: %s offset %d: %w", s.Name, r.Offset, err)
			}
			p.scan.learn(r.Value)
		}
		mk := cut.Marker{Offset: r.Offset, Bytes: r.size(), Tx: m.ID, End: m.End, At: m.At * 1000, Counts: p.counts[:0]}
		for _, c := range m.Collections {
			if name, ok := p.opts.Collection(c.Collection); ok && c.EventCount > 0 {
				mk.Counts = append(mk.Counts, cut.Count{Collection: name, Events: c.EventCount})
			}
		}
		p.counts = mk.Counts
		p.track.Marker(n, &mk)
	}
	return nil
}

// WantSample reports whether Sampled should be called with the shards' end offsets, read after this call.
func (p *Planner) WantSample() bool { return p.track.WantSample() }

// Sampled tells the end offsets by shard number; -1 where unknown.
func (p *Planner) Sampled(ends []int64) {
	p.track.Sampled(ends)
	p.dates.more = p.dates.left // it may be open now
}

// Take ends an epoch: the largest that limits allow. It is empty where nothing
// complete was fed; its To may be past its From even then. The next epoch starts from its To. Limits lower than those of a Fill
// that was cut short do not apply to what it has gathered.
func (p *Planner) Take(lim source.Limits) (source.Epoch, error) {
	p.track.Tick(p.opts.Clock())
	for _, s := range p.shards {
		if err := p.flush(s); err != nil {
			return source.Epoch{}, err
		}
	}
	c := p.finish(lim)
	if len(c.Ranges) == 0 {
		if err := p.hindrance(); err != nil && !c.Moved() {
			return source.Epoch{}, err
		}
	}
	e := p.epoch(c)
	p.from = e.To.Clone()
	return e, nil
}

// epoch describes a cut.
func (p *Planner) epoch(c *cut.Cut) source.Epoch {
	e := source.Epoch{ID: change.EpochID(p.stream, p.from), From: p.from, To: p.from.Clone(), Counts: source.Counts(c.Totals)}
	to := p.track.Position(c)
	if e.To.Next == nil {
		e.To.Next = to.Next
	}
	for name, n := range to.Next { // shards that are no longer followed keep their place
		e.To.Next[name] = n
	}
	for name, m := range to.Marks {
		if e.To.Marks == nil {
			e.To.Marks = map[string]string{}
		}
		e.To.Marks[name] = m
	}
	for _, r := range c.Ranges {
		s := p.shards[r.Shard]
		e.Splits = append(e.Splits, source.Split{Shard: s.Name, From: r.From, To: r.To, Table: s.Table})
	}
	if c.FirstAt != 0 {
		e.FirstCommit, e.LastCommit = time.UnixMicro(c.FirstAt).UTC(), time.UnixMicro(c.LastAt).UTC()
	}
	p.dated(&e)
	return e
}

// hindrance is why nothing can be planned, if that is an error.
func (p *Planner) hindrance() error {
	for _, s := range p.shards {
		if s.stopped != nil {
			return s.stopped
		}
	}
	m, ok := p.track.Oldest()
	if !ok {
		return nil
	}
	waited := p.opts.Clock().Sub(time.UnixMicro(m.Since))
	if waited < p.opts.StaleLimit {
		return nil
	}
	what := "its END has not arrived"
	switch {
	case !p.opts.Markers:
		what = "nothing later has arrived: a heartbeat or a transaction topic would tell that it is complete"
	case m.Ended && m.Lost:
		what = fmt.Sprintf("events that its END counts are not in the stream (missing by table: %v), although later transactions follow: were they compacted away or filtered out?", m.Events)
	case m.Ended:
		what = fmt.Sprintf("events that its END counts have not arrived (missing by table: %v)", m.Events)
	}
	return fmt.Errorf("transaction %s (%s offset %d) has been incomplete for %v: %s", m.Tx, m.Shard, m.Offset, waited.Round(time.Second), what)
}

// Read serves a split from memory. False: it is not held, read the stream.
func (p *Planner) Read(ctx context.Context, s source.Split, h source.Handler) (bool, error) {
	batches, rejects, ok := p.cache.get(s)
	if !ok {
		return false, nil
	}
	return true, deliver(ctx, h, batches, rejects)
}

// Confirm drops what lies before pos from memory.
func (p *Planner) Confirm(pos change.Position) {
	for name, next := range pos.Next {
		p.cache.confirm(name, next)
	}
}

// Latest is the time stamp of the latest event fed; zero if none was.
func (p *Planner) Latest() time.Time {
	at := p.last.Load()
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMicro(at)
}

// Close releases everything.
func (p *Planner) Close() { p.cache.clear() }
