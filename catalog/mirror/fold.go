package mirror

import (
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/catalog/mirror/internal/keyindex"
	"github.com/millrace/millrace/sdk/change"
)

// outcome is what an epoch does to one key.
type outcome struct {
	key  columns.Hash
	last columns.Ref // the key's last event
	// old is the key's row before the epoch, if had; at its row after it, if it is not deleted.
	old, at keyindex.Pos
	had     bool
	deleted bool
	present bool // an event of the epoch gave the key a row
	created bool // an event of the epoch created the key
	first   bool // the first event of the key in the epoch created it
}

// counters say what became of an epoch's events.
type counters struct {
	events, inserts, updates, deletes int64
	// upserts are updates of absent keys (among the inserts), duplicates creations of present
	// keys (among the updates), absent deletes of absent keys.
	upserts, duplicates, absent int64
}

func (c *counters) add(o counters) {
	c.events += o.events
	c.inserts += o.inserts
	c.updates += o.updates
	c.deletes += o.deletes
	c.upserts += o.upserts
	c.duplicates += o.duplicates
	c.absent += o.absent
}

// beforeKey marks, in a ref's batch number, that the event deletes the key that the row had before.
const beforeKey = 1 << 31

// scatter lists the events by shard of the index: [group of batches][shard]. Reading the groups one after
// the other keeps stream order.
func (e *events) scatter(workers int) [][][]columns.Ref {
	groups := min(workers, max(1, len(e.batches)))
	out := make([][][]columns.Ref, groups)
	var g errgroup.Group
	for n := range groups {
		g.Go(func() error {
			out[n] = e.scatterBatches(n*len(e.batches)/groups, (n+1)*len(e.batches)/groups)
			return nil
		})
	}
	_ = g.Wait() // no error is possible
	return out
}

func (e *events) scatterBatches(from, to int) [][]columns.Ref {
	var count [keyindex.Shards]int
	rows := 0
	for i := from; i < to; i++ {
		for _, k := range e.keys[i] {
			count[keyindex.ShardOf(k)]++
		}
		rows += len(e.keys[i])
	}
	out := make([][]columns.Ref, keyindex.Shards)
	all := make([]columns.Ref, rows)
	for s, n := range count {
		out[s], all = all[:0:n], all[n:]
	}
	for i := from; i < to; i++ {
		was := e.before[i]
		for r, k := range e.keys[i] {
			if was != nil && was[r] != k {
				s := keyindex.ShardOf(was[r])
				out[s] = append(out[s], columns.Ref{Batch: uint32(i) | beforeKey, Row: uint32(r)})
			}
			s := keyindex.ShardOf(k)
			out[s] = append(out[s], columns.Ref{Batch: uint32(i), Row: uint32(r)})
		}
	}
	return out
}

// folder folds the events of one shard of the index.
type folder struct {
	events   *events
	outcomes []outcome
	slots    []uint32 // open addressing: number of the outcome plus 1
}

// fold lists one outcome for each key of the shard.
func (e *events) fold(groups [][][]columns.Ref, shard int) []outcome {
	n := 0
	for _, g := range groups {
		n += len(g[shard])
	}
	if n == 0 {
		return nil
	}
	size := 16
	for size < n*2 {
		size *= 2
	}
	f := &folder{events: e, slots: make([]uint32, size), outcomes: make([]outcome, 0, n)}
	for _, g := range groups {
		for _, at := range g[shard] {
			f.add(at)
		}
	}
	return f.outcomes
}

func (f *folder) add(at columns.Ref) {
	e := f.events
	var key columns.Hash
	gone := at.Batch&beforeKey != 0
	if gone {
		at.Batch &^= beforeKey
		key = e.before[at.Batch][at.Row]
	} else {
		key = e.keys[at.Batch][at.Row]
	}
	if e.truncated && !e.counts(at) {
		return
	}
	op := e.op(at)
	deleted := gone || op == change.Delete
	created := !gone && (op == change.Create || op == change.Read)
	mask := len(f.slots) - 1
	for i := int(key.Lo) & mask; ; i = (i + 1) & mask {
		n := f.slots[i]
		if n == 0 {
			f.outcomes = append(f.outcomes, outcome{key: key, last: at, deleted: deleted, present: !deleted, created: created, first: created && op == change.Create})
			f.slots[i] = uint32(len(f.outcomes))
			return
		}
		if o := &f.outcomes[n-1]; o.key == key {
			o.present, o.created = o.present || !deleted, o.created || created
			if e.compare(at, o.last) > 0 {
				o.last, o.deleted = at, deleted
			}
			return
		}
	}
}

// lookUp finds the rows that the outcomes' keys have, and counts what the epoch does.
func lookUp(outcomes []outcome, shard *keyindex.Shard, empty bool) (counters, error) {
	var c counters
	for i := range outcomes {
		o := &outcomes[i]
		if !empty {
			var err error
			if o.old, o.had, err = shard.Get(o.key); err != nil {
				return c, fmt.Errorf("look up a key: %w", err)
			}
		}
		o.count(&c)
	}
	return c, nil
}

func (o *outcome) count(c *counters) {
	switch {
	case o.deleted && o.had:
		c.deletes++
	case o.deleted && !o.present:
		c.absent++
	case o.deleted: // it came and went within the epoch: nothing happened
	case o.had:
		c.updates++
		if o.first {
			c.duplicates++
		}
	default:
		c.inserts++
		if !o.created {
			c.upserts++
		}
	}
}
