package keyindex

import (
	"github.com/millrace/millrace/catalog/internal/columns"
)

// Pos is a row of a file.
type Pos struct{ File, Row uint32 }

// entry is a key with its row. file is the file's number plus 1; 0 is a free slot.
type entry struct {
	key  columns.Hash
	file uint32
	row  uint32
}

const (
	entrySize = 24
	// gone marks, in a table above a run, a key that the run holds and that was deleted since.
	gone = ^uint32(0)
	// MaxFile is the largest number of a file.
	MaxFile = gone - 2
)

func (e entry) pos() Pos { return Pos{e.file - 1, e.row} }

// table is an open-addressing hash table with linear probing and no tombstones.
type table struct {
	slots []entry // a power of two
	n     int
}

const minSlots = 64

// full reports whether one more entry would make probing slow.
func (t *table) full() bool { return (t.n+1)*5 > len(t.slots)*4 }

// find returns the slot of the key, or the free slot where it belongs.
func (t *table) find(key columns.Hash) (slot int, ok bool) {
	mask := len(t.slots) - 1
	for i := int(key.Lo) & mask; ; i = (i + 1) & mask {
		switch e := &t.slots[i]; {
		case e.file == 0:
			return i, false
		case e.key == key:
			return i, true
		}
	}
}

func (t *table) get(key columns.Hash) (entry, bool) {
	if t.n == 0 {
		return entry{}, false
	}
	i, ok := t.find(key)
	return t.slots[i], ok
}

// put sets an entry; the table must not be full.
func (t *table) put(e entry) {
	i, ok := t.find(e.key)
	if !ok {
		t.n++
	}
	t.slots[i] = e
}

// remove takes a key out and moves the entries behind it up, so that probing needs no tombstones.
func (t *table) remove(key columns.Hash) {
	if t.n == 0 {
		return
	}
	i, ok := t.find(key)
	if !ok {
		return
	}
	mask := len(t.slots) - 1
	for j := (i + 1) & mask; t.slots[j].file != 0; j = (j + 1) & mask {
		home := int(t.slots[j].key.Lo) & mask
		if (j-home)&mask >= (j-i)&mask { // i lies between home and j: the entry may move there
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = entry{}
	t.n--
}

// grow doubles the table.
func (t *table) grow() {
	old := t.slots
	t.slots = make([]entry, max(minSlots, 2*len(old)))
	t.n = 0
	for _, e := range old {
		if e.file != 0 {
			t.put(e)
		}
	}
}
