package keyindex

import (
	"cmp"
	"os"
	"slices"

	"github.com/millrace/millrace/catalog/internal/columns"
)

// Shard is the part of an index that holds the keys of one range of hashes. It is used by one goroutine at a time.
type Shard struct {
	mem    table
	run    *run
	budget int64 // bytes of memory for everything
	dir    string
	keys   int64
}

// Len is the number of keys.
func (s *Shard) Len() int64 { return s.keys }

func (s *Shard) memory() int64 {
	n := int64(len(s.mem.slots)) * entrySize
	if s.run != nil {
		n += s.run.memory()
	}
	return n
}

// Get finds a key's row.
func (s *Shard) Get(key columns.Hash) (Pos, bool, error) {
	if e, ok := s.mem.get(key); ok {
		return e.pos(), e.file != gone, nil
	}
	if s.run == nil {
		return Pos{}, false, nil
	}
	e, ok, err := s.run.get(key)
	return e.pos(), ok, err
}

// Put sets a key's row. had says whether the caller found the key before (see Get): it spares a look-up.
func (s *Shard) Put(key columns.Hash, at Pos, had bool) error {
	if !had {
		s.keys++
	}
	return s.set(entry{key, at.File + 1, at.Row})
}

// Delete takes out a key that the caller found.
func (s *Shard) Delete(key columns.Hash) error {
	s.keys--
	if s.run == nil {
		s.mem.remove(key)
		return nil
	}
	return s.set(entry{key: key, file: gone})
}

func (s *Shard) set(e entry) error {
	if s.mem.full() {
		if err := s.makeRoom(); err != nil {
			return err
		}
	}
	if e.file == gone && s.run == nil {
		s.mem.remove(e.key)
		return nil
	}
	s.mem.put(e)
	return nil
}

// makeRoom grows the table, or merges it into the run if the budget does not allow that.
func (s *Shard) makeRoom() error {
	grown := max(minSlots, int64(len(s.mem.slots))*2) * entrySize
	if s.run != nil {
		grown += s.run.memory()
	}
	if grown <= s.budget || len(s.mem.slots) == 0 {
		s.mem.grow()
		return nil
	}
	return s.spill()
}

// spill merges the table into the run.
func (s *Shard) spill() error {
	top := s.sorted()
	w, err := newRunWriter(s.dir, s.budget/2, s.upperBound())
	if err != nil {
		return err
	}
	merged, err := mergeInto(w, top, s.run)
	if err != nil {
		return err
	}
	s.closeRun()
	s.run = merged
	s.mem = table{slots: make([]entry, s.slotsWithin(s.budget-merged.memory()))}
	return nil
}

// slotsWithin is the size of the largest table that fits the memory; no smaller than the smallest.
func (s *Shard) slotsWithin(bytes int64) int64 {
	n := int64(minSlots)
	for n*2*entrySize <= bytes {
		n *= 2
	}
	return n
}

func (s *Shard) upperBound() int64 {
	n := int64(s.mem.n)
	if s.run != nil {
		n += s.run.entries
	}
	return n
}

// sorted lists the table's entries by hash.
func (s *Shard) sorted() []entry {
	out := make([]entry, 0, s.mem.n)
	for _, e := range s.mem.slots {
		if e.file != 0 {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, compareEntries)
	return out
}

func compareEntries(a, b entry) int {
	if a.key.Lo != b.key.Lo {
		return cmp.Compare(a.key.Lo, b.key.Lo)
	}
	return cmp.Compare(a.key.Hi, b.key.Hi)
}

// Sweep visits every key in no order; keys for which keep is false are taken out.
func (s *Shard) Sweep(keep func(key columns.Hash, at Pos) bool) error {
	var drop []columns.Hash
	for _, e := range s.mem.slots {
		if e.file != 0 && e.file != gone && !keep(e.key, e.pos()) {
			drop = append(drop, e.key)
		}
	}
	if s.run != nil {
		err := s.run.each(func(e entry) error {
			if _, over := s.mem.get(e.key); !over && !keep(e.key, e.pos()) {
				drop = append(drop, e.key)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, k := range drop {
		if err := s.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// reset forgets everything.
func (s *Shard) reset() {
	s.closeRun()
	s.mem, s.keys = table{}, 0
}

func (s *Shard) closeRun() {
	if s.run != nil {
		s.run.close()
		s.run = nil
	}
}

// Options bound an index.
type Options struct {
	Memory int64  // bytes for all shards together; 0: 128 MiB
	Dir    string // of the temporary files; "": the system's
}

// Shards is how many parts an index has.
const Shards = 64

// Index maps keys to rows.
type Index struct{ shards [Shards]*Shard }

// New makes an empty index.
func New(opts Options) *Index {
	if opts.Memory <= 0 {
		opts.Memory = 128 << 20
	}
	if opts.Dir == "" {
		opts.Dir = os.TempDir()
	}
	x := &Index{}
	for i := range x.shards {
		x.shards[i] = &Shard{budget: opts.Memory / Shards, dir: opts.Dir}
	}
	return x
}

// ShardOf is the number of the shard that holds a key.
func ShardOf(key columns.Hash) int { return int(key.Lo >> 58) }

// Shard returns a shard by number.
func (x *Index) Shard(i int) *Shard { return x.shards[i] }

// Len is the number of keys.
func (x *Index) Len() int64 {
	n := int64(0)
	for _, s := range x.shards {
		n += s.keys
	}
	return n
}

// Memory is how many bytes the index holds in memory.
func (x *Index) Memory() int64 {
	n := int64(0)
	for _, s := range x.shards {
		n += s.memory()
	}
	return n
}

// Disk is how many bytes of temporary files the index has.
func (x *Index) Disk() int64 {
	n := int64(0)
	for _, s := range x.shards {
		if s.run != nil {
			n += s.run.entries * entrySize
		}
	}
	return n
}

// Reset forgets everything and frees the temporary files.
func (x *Index) Reset() {
	for _, s := range x.shards {
		s.reset()
	}
}
