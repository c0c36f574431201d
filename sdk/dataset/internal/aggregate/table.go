package aggregate

import "github.com/zeebo/xxh3"

// table numbers keys in the order of their first appearance: an open-addressing
// hash table over an arena of keys.
type table struct {
	slots  []uint32 // group + 1; 0 is free
	hashes []uint64 // by group
	ends   []int    // by group: where its key ends in arena
	arena  []byte
}

const minSlots = 1024

func newTable() *table { return &table{slots: make([]uint32, minSlots)} }

// len is the number of groups.
func (t *table) len() int { return len(t.hashes) }

func (t *table) bytes() int64 {
	return int64(4*len(t.slots) + 16*cap(t.hashes) + cap(t.arena))
}

func (t *table) key(group int) []byte {
	if group == 0 {
		return t.arena[:t.ends[0]]
	}
	return t.arena[t.ends[group-1]:t.ends[group]]
}

// put finds the key's group or makes one.
func (t *table) put(key []byte) (group uint32, fresh bool) {
	hash := xxh3.Hash(key)
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return t.insert(i, hash, key), true
		}
		if g := int(s - 1); t.hashes[g] == hash && string(t.key(g)) == string(key) {
			return s - 1, false
		}
	}
}

func (t *table) insert(slot, hash uint64, key []byte) uint32 {
	group := uint32(len(t.hashes))
	t.slots[slot] = group + 1
	t.hashes = append(t.hashes, hash)
	t.arena = append(t.arena, key...)
	t.ends = append(t.ends, len(t.arena))
	if 4*len(t.hashes) > 3*len(t.slots) {
		t.grow()
	}
	return group
}

func (t *table) grow() {
	slots := make([]uint32, 2*len(t.slots))
	mask := uint64(len(slots) - 1)
	for g, hash := range t.hashes {
		i := hash & mask
		for slots[i] != 0 {
			i = (i + 1) & mask
		}
		slots[i] = uint32(g) + 1
	}
	t.slots = slots
}

// reset forgets all groups and keeps the memory of the arena.
func (t *table) reset() {
	clear(t.slots)
	t.hashes, t.ends, t.arena = t.hashes[:0], t.ends[:0], t.arena[:0]
}
