package fileio

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/planner"
	"github.com/millrace/millrace/sdk/storage"
)

// Source follows files. It implements source.Source.
type Source struct {
	opts     Options
	store    storage.Store
	plan     *planner.Planner
	live     atomic.Pointer[planner.Planner] // plan, for Read
	families []*family
	listed   time.Time
}

var _ source.Source = (*Source)(nil)

// Open checks the options and that the store can be listed. Files need not be there yet. The store stays the caller's.
func Open(ctx context.Context, store storage.Store, o Options) (*Source, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	families, err := o.families()
	if err != nil {
		return nil, err
	}
	s := &Source{opts: o, store: store}
	for _, f := range families {
		if _, err := f.list(ctx, store); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Stream implements source.Source.
func (s *Source) Stream() string { return s.opts.Stream }

// Plan implements source.Source. From one call to the next it keeps what it has
// read, so a caller should go on from the last To; any other position starts over.
func (s *Source) Plan(ctx context.Context, from change.Position, lim source.Limits) (source.Epoch, error) {
	if s.plan == nil || from.Compare(s.plan.From()) != change.Equal {
		if err := s.restart(ctx, from); err != nil {
			return source.Epoch{}, err
		}
	}
	e, err := s.plan.Fill(ctx, lim, s.poll)
	if err != nil {
		if ctx.Err() == nil {
			s.stop() // the next Plan starts over
		}
		return source.Epoch{}, err
	}
	s.finish(&e)
	return e, nil
}

// restart begins to read from a position.
func (s *Source) restart(ctx context.Context, from change.Position) error {
	s.stop()
	s.plan = planner.New(s.opts.Stream, from, planner.Options{
		Markers: s.opts.Transactions != "", Collection: s.opts.collection, MemoryBudget: s.opts.MemoryBudget,
		StaleLimit: s.opts.StaleLimit, Grace: s.opts.Grace, Logger: s.opts.Logger, Clock: s.opts.Clock,
	})
	families, err := s.opts.families()
	if err != nil {
		return err
	}
	s.families, s.listed = families, s.opts.Clock()
	for _, f := range s.families {
		err := s.resume(ctx, f, from)
		if err == nil {
			f.shard, _, err = s.plan.AddShard(planner.Shard{Name: f.name, Role: f.role, Table: f.table.Name, Collection: f.table.Name, Config: f.table.Config})
		}
		if err != nil {
			s.stop()
			return err
		}
	}
	s.live.Store(s.plan)
	return nil
}

// poll reads a chunk of the families that have one, or waits for files.
func (s *Source) poll(ctx context.Context, wait time.Duration) (int, error) {
	if s.opts.Clock().Sub(s.listed) >= s.opts.Poll {
		if err := s.list(ctx); err != nil {
			return 0, err
		}
	}
	if s.plan.WantSample() {
		if err := s.sample(ctx); err != nil {
			return 0, err
		}
	}
	n, err := s.read(ctx, s.choose())
	if n > 0 || err != nil {
		return n, err
	}
	timer := time.NewTimer(min(wait, max(time.Millisecond, s.opts.Poll-s.opts.Clock().Sub(s.listed))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return planner.AtEnd, nil
}

// list looks for new files of all families.
func (s *Source) list(ctx context.Context) error {
	s.listed = s.opts.Clock()
	for _, f := range s.families {
		if err := s.refresh(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// sample tells the planner where the families end now.
func (s *Source) sample(ctx context.Context) error {
	if err := s.list(ctx); err != nil {
		return err
	}
	ends := make([]int64, s.plan.Shards())
	for _, f := range s.families {
		ends[f.shard] = f.end(s.listed, s.opts.Settle)
	}
	s.plan.Sampled(ends)
	return nil
}

// aheadBytes is how much of one family may be read and not planned while others have more to read.
const aheadBytes = 4 << 20

// choose picks the families to read from: all that have something, but for
// those that are far ahead of the others.
func (s *Source) choose() []*family {
	var some, behind []*family
	for _, f := range s.families {
		if _, ok := f.file(f.at); !ok {
			continue
		}
		some = append(some, f)
		if s.plan.ShardBytes(f.shard) < aheadBytes {
			behind = append(behind, f)
		}
	}
	if len(behind) > 0 {
		return behind
	}
	return some
}

// read reads a chunk of each family and feeds it to the planner.
func (s *Source) read(ctx context.Context, families []*family) (int, error) {
	feeds := make([]planner.Feed, len(families))
	g, gctx := errgroup.WithContext(ctx)
	for i, f := range families {
		g.Go(func() (err error) {
			feeds[i].Shard = f.shard
			feeds[i].Records, err = s.chunk(gctx, f)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	n := 0
	for _, f := range feeds {
		n += len(f.Records)
	}
	if n == 0 {
		return 0, nil
	}
	return n, s.plan.Feed(feeds)
}

// chunk reads on in a family's current file, and goes to the next one at its end.
func (s *Source) chunk(ctx context.Context, f *family) ([]planner.Record, error) {
	info, ok := f.file(f.at)
	if !ok {
		return nil, nil
	}
	whole := final(info, s.opts.Clock(), s.opts.Settle) || f.at-f.first+1 < int64(len(f.files))
	if f.open != nil && f.open.eof && info.Size != f.open.size && !packed(info.Name) { // it has grown
		at := f.open.pos
		f.open.close()
		f.open = nil
		return s.openAt(ctx, f, info, at, whole)
	}
	if f.open == nil {
		at := int64(0)
		if ordinal, byte := apart(s.plan.Fed(f.shard)); ordinal == f.at {
			at = byte
		}
		return s.openAt(ctx, f, info, at, whole)
	}
	return s.next(f, whole)
}

func (s *Source) openAt(ctx context.Context, f *family, info storage.Info, at int64, whole bool) (_ []planner.Record, err error) {
	if f.open, err = openLines(ctx, s.store, info.Name, f.at, at); err != nil {
		return nil, err
	}
	return s.next(f, whole)
}

// next takes a chunk of the open file. A control record stands for its end, also where it may grow.
func (s *Source) next(f *family, whole bool) ([]planner.Record, error) {
	records, err := f.open.chunk(s.opts.ChunkBytes, whole)
	if err != nil {
		return nil, err
	}
	switch {
	case !f.open.done():
	case whole:
		f.open.close()
		f.open = nil
		f.at++
		records = append(records, planner.Record{Offset: offset(f.at, 0) - 1, Control: true})
	case len(records) > 0: // so that the position is behind the last line, not in it
		records = append(records, planner.Record{Offset: offset(f.at, f.open.pos) - 1, Control: true})
	}
	return records, nil
}

// finish names the files in an epoch: splits are parted at files, and the position remembers which file has which ordinal.
func (s *Source) finish(e *source.Epoch) {
	byName := map[string]*family{}
	for _, f := range s.families {
		byName[f.name] = f
		if a, ok := f.anchor(e.To.Next[f.name]); ok {
			if e.To.Marks == nil {
				e.To.Marks = map[string]string{}
			}
			e.To.Marks[anchorMark+f.name] = a.String()
		}
	}
	var splits []source.Split
	for _, sp := range e.Splits {
		first, _ := apart(sp.From)
		last, _ := apart(sp.To - 1)
		for n := first; n <= last; n++ {
			x, _ := byName[sp.Shard].file(n)
			part := sp
			part.Shard = sp.Shard + "@" + x.Name
			part.From, part.To = max(sp.From, offset(n, 0)), min(sp.To, offset(n+1, 0))
			splits = append(splits, part)
		}
	}
	e.Splits = splits
}

// Read implements source.Source. What is not held in memory is read from the split's file.
func (s *Source) Read(ctx context.Context, split source.Split, h source.Handler) error {
	family, name, ok := strings.Cut(split.Shard, "@")
	if p := s.live.Load(); ok && p != nil {
		held := split
		held.Shard = family
		if ok, err := p.Read(ctx, held, h); ok || err != nil {
			return err
		}
	}
	for _, t := range s.opts.Tables {
		if ok && t.Name == family {
			split.Shard, split.Table = family, t.Name
			return s.readAgain(ctx, split, name, t, h)
		}
	}
	return fault.Usagef("files: split of shard %q: no table has such files", split.Shard)
}

// readAgain reads a split from its file.
func (s *Source) readAgain(ctx context.Context, split source.Split, name string, t Table, h source.Handler) error {
	replay, err := planner.NewReplay(split, t.Config)
	if err != nil {
		return err
	}
	ordinal, at := apart(split.From)
	l, err := openLines(ctx, s.store, name, ordinal, at)
	if err != nil {
		return err
	}
	defer l.close()
	for !replay.Done() && !l.done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		records, err := l.chunk(s.opts.ChunkBytes, true)
		if err != nil {
			return err
		}
		if err := replay.Feed(ctx, records, h); err != nil {
			return err
		}
	}
	return replay.Flush(ctx, h)
}

// Confirm implements source.Source. Like Lag, it may be called while Plan runs.
func (s *Source) Confirm(_ context.Context, pos change.Position) error {
	if p := s.live.Load(); p != nil {
		p.Confirm(pos)
	}
	return nil
}

// Lag implements source.Source, in bytes of the files as they are stored. Age is that of the oldest file that was not read to its end.
func (s *Source) Lag(ctx context.Context, pos change.Position) (source.Lag, error) {
	lag := source.Lag{Events: -1}
	now := s.opts.Clock()
	families, err := s.opts.families()
	if err != nil {
		return source.Lag{}, err
	}
	for _, f := range families {
		files, err := f.list(ctx, s.store)
		if err != nil {
			return source.Lag{}, err
		}
		a, err := parseAnchor(pos.Marks[anchorMark+f.name])
		ordinal, at := apart(pos.Next[f.name])
		for _, x := range files {
			size := x.Size
			if err == nil && x.Name <= a.name {
				if x.Name < a.name || ordinal > a.ordinal {
					continue
				}
				if !packed(x.Name) {
					size = max(0, size-at)
				}
			}
			if lag.Bytes += size; size == 0 {
				continue
			}
			lag.Age = max(lag.Age, now.Sub(x.Modified))
		}
	}
	return lag, nil
}

// Close implements source.Source.
func (s *Source) Close() error {
	s.stop()
	return nil
}

// stop gives up what Plan holds.
func (s *Source) stop() {
	s.live.Store(nil)
	for _, f := range s.families {
		if f.open != nil {
			f.open.close()
			f.open = nil
		}
	}
	s.families = nil
	if s.plan != nil {
		s.plan.Close()
		s.plan = nil
	}
}
