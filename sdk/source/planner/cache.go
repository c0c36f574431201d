package planner

import (
	"context"
	"slices"
	"sort"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/source"
)

// cache holds what has been decoded and not been confirmed. It is safe for concurrent use.
type cache struct {
	mu     sync.Mutex
	budget int64
	bytes  int64
	shards map[string]*cached
}

// cached is one shard's part: everything in [from, to) but for the gaps.
type cached struct {
	from, to int64
	batches  []entry
	rejects  []source.Rejected
	gaps     []interval // dropped for want of memory
}

type entry struct {
	b     *source.Batch
	bytes int64
}

type interval struct{ from, to int64 }

func newCache(budget int64) *cache { return &cache{budget: budget, shards: map[string]*cached{}} }

// start makes an empty part for a shard that is decoded from an offset on.
func (c *cache) start(shard string, from int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shards[shard] = &cached{from: from, to: from}
}

// add takes ownership of what was decoded up to the offset to. Above the budget it drops it.
func (c *cache) add(shard string, batches []*source.Batch, rejects []source.Rejected, to int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.shards[shard]
	defer func() { s.to = max(s.to, to) }()
	size := int64(0)
	for _, b := range batches {
		size += sizeOf(b)
	}
	for _, r := range rejects {
		size += int64(len(r.Key) + len(r.Value) + len(r.Reason))
	}
	if size == 0 {
		return
	}
	if c.bytes+size > c.budget {
		for _, b := range batches {
			b.Release()
		}
		s.gap(interval{s.to, to})
		return
	}
	c.bytes += size
	for _, b := range batches {
		s.batches = append(s.batches, entry{b, sizeOf(b)})
	}
	s.rejects = append(s.rejects, rejects...)
}

func (s *cached) gap(g interval) {
	if n := len(s.gaps); n > 0 && s.gaps[n-1].to == g.from {
		s.gaps[n-1].to = g.to
		return
	}
	s.gaps = append(s.gaps, g)
}

// sizeOf is about the memory that a batch holds.
func sizeOf(b *source.Batch) int64 {
	size := recordSize(b.Row) + 64*int64(b.Rows())
	if b.Before != nil {
		size += recordSize(b.Before)
	}
	return size
}

func recordSize(r arrow.RecordBatch) (size int64) {
	for _, c := range r.Columns() {
		for _, b := range c.Data().Buffers() {
			if b != nil {
				size += int64(b.Cap())
			}
		}
	}
	return size
}

// get returns a split's batches and rejects, and false if the cache does not hold all of it. The caller owns the batches.
func (c *cache) get(split source.Split) ([]*source.Batch, []source.Rejected, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.shards[split.Shard]
	if s == nil || split.From < s.from || split.To > s.to {
		return nil, nil, false
	}
	for _, g := range s.gaps {
		if g.from < split.To && split.From < g.to {
			return nil, nil, false
		}
	}
	var out []*source.Batch
	first := sort.Search(len(s.batches), func(i int) bool { return last(s.batches[i].b) >= split.From })
	for _, e := range s.batches[first:] {
		if e.b.Offset[0] >= split.To {
			break
		}
		if b := slice(e.b, split.From, split.To); b != nil {
			out = append(out, b)
		}
	}
	var rejects []source.Rejected
	for _, r := range s.rejects {
		if split.From <= r.Offset && r.Offset < split.To {
			rejects = append(rejects, r)
		}
	}
	return out, rejects, true
}

func last(b *source.Batch) int64 { return b.Offset[len(b.Offset)-1] }

// slice is the part of b with offsets in [from, to), nil if there is none. It shares b's memory.
func slice(b *source.Batch, from, to int64) *source.Batch {
	i := sort.Search(len(b.Offset), func(i int) bool { return b.Offset[i] >= from })
	j := sort.Search(len(b.Offset), func(i int) bool { return b.Offset[i] >= to })
	if i >= j {
		return nil
	}
	out := &source.Batch{
		Table: b.Table, Shard: b.Shard, Ops: b.Ops[i:j:j], Offset: b.Offset[i:j:j], CommittedAt: b.CommittedAt[i:j:j],
		LSN: b.LSN[i:j:j], Tx: b.Tx[i:j:j], TxOrder: b.TxOrder[i:j:j], Row: part(b.Row, i, j),
	}
	if b.Before != nil {
		out.Before = part(b.Before, i, j)
	}
	return out
}

func part(r arrow.RecordBatch, i, j int) arrow.RecordBatch {
	if i == 0 && j == int(r.NumRows()) {
		r.Retain()
		return r
	}
	return r.NewSlice(int64(i), int64(j))
}

// confirm drops what lies before the offset in a shard.
func (c *cache) confirm(shard string, offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.shards[shard]
	if s == nil || offset <= s.from {
		return
	}
	n := sort.Search(len(s.batches), func(i int) bool { return last(s.batches[i].b) >= offset })
	for _, e := range s.batches[:n] {
		c.bytes -= e.bytes
		e.b.Release()
	}
	s.batches = slices.Delete(s.batches, 0, n)
	s.rejects = slices.DeleteFunc(s.rejects, func(r source.Rejected) bool {
		if r.Offset < offset {
			c.bytes -= int64(len(r.Key) + len(r.Value) + len(r.Reason))
		}
		return r.Offset < offset
	})
	s.gaps = slices.DeleteFunc(s.gaps, func(g interval) bool { return g.to <= offset })
	s.from, s.to = offset, max(s.to, offset)
}

// clear drops everything.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.shards {
		for _, e := range s.batches {
			e.b.Release()
		}
	}
	c.shards, c.bytes = map[string]*cached{}, 0
}

// deliver hands batches and rejects to a handler, in offset order of their first events.
func deliver(ctx context.Context, h source.Handler, batches []*source.Batch, rejects []source.Rejected) error {
	for i, b := range batches {
		if err := ctx.Err(); err != nil {
			releaseAll(batches[i:])
			return err
		}
		for len(rejects) > 0 && rejects[0].Offset < b.Offset[0] {
			if err := h.Reject(ctx, rejects[0]); err != nil {
				releaseAll(batches[i:])
				return err
			}
			rejects = rejects[1:]
		}
		if err := h.Batch(ctx, b); err != nil {
			releaseAll(batches[i+1:])
			return err
		}
	}
	for _, r := range rejects {
		if err := h.Reject(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func releaseAll(batches []*source.Batch) {
	for _, b := range batches {
		b.Release()
	}
}
