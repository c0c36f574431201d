package cut

import "hash/maphash"

// idTable finds transactions by their ids. Beside a map it costs a third: an id that is new, as most
// are, is told by its hash alone, and what the table holds is without pointers. It probes linearly, and is at most half full.
type idTable struct {
	seed  maphash.Seed
	slots []idSlot // a power of two of them
	n     int
}

// idSlot names a transaction by its number plus one; 0 is empty.
type idSlot struct {
	hash uint32
	tx   int32
}

func newIDTable() idTable {
	return idTable{seed: maphash.MakeSeed(), slots: make([]idSlot, 64)}
}

func (t *idTable) hash(id string) uint32 { return uint32(maphash.String(t.seed, id)) }

// find gives a transaction's number.
func (t *idTable) find(id string, txs *txList) (int32, bool) {
	i, ok := t.slot(t.hash(id), id, txs)
	return t.slots[i].tx - 1, ok
}

// slot is the place of an id, or the empty one at which it ends.
func (t *idTable) slot(hash uint32, id string, txs *txList) (int, bool) {
	mask := len(t.slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s.tx == 0 {
			return i, false
		}
		if s.hash == hash && txs.at(s.tx-1).id == id {
			return i, true
		}
	}
}

// put adds an id that the table does not hold.
func (t *idTable) put(id string, tx int32) {
	if t.n++; 2*t.n > len(t.slots) {
		old := t.slots
		t.slots = make([]idSlot, 2*len(old))
		for _, s := range old {
			if s.tx != 0 {
				t.insert(s)
			}
		}
	}
	t.insert(idSlot{t.hash(id), tx + 1})
}

func (t *idTable) insert(s idSlot) {
	mask := len(t.slots) - 1
	i := int(s.hash) & mask
	for t.slots[i].tx != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

// drop takes an id out; what was pushed behind it moves up.
func (t *idTable) drop(id string, txs *txList) {
	gap, ok := t.slot(t.hash(id), id, txs)
	if !ok {
		return
	}
	t.n--
	mask := len(t.slots) - 1
	for i := (gap + 1) & mask; t.slots[i].tx != 0; i = (i + 1) & mask {
		if home := int(t.slots[i].hash) & mask; (i-home)&mask >= (i-gap)&mask {
			t.slots[gap], gap = t.slots[i], i
		}
	}
	t.slots[gap] = idSlot{}
}
