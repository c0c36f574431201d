package debezium

import (
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
)

// The slots of an envelope's own values come first; the columns of the image
// after, then of the image before, follow. Each of the three groups starts at a
// multiple of 64, so that a slot's number is its bit in a set of slots.
const (
	mOp         = iota // word
	mTx                // transaction.id, text
	mTxOrder           // transaction.total_order
	mCollOrder         // transaction.data_collection_order
	mLSN               // source.lsn (PostgreSQL)
	mFile              // source.file (MySQL), word
	mPos               // source.pos
	mGTID              // source.gtid, text
	mSourceTx          // source.txId, text
	mSCN               // source.scn (Oracle)
	mChangeLSN         // source.change_lsn (SQL Server), text
	mCommitLSN         // source.commit_lsn, text
	mTsMicros          // source.ts_us
	mTsNanos           // source.ts_ns
	mTsMillis          // source.ts_ms
	mSentMillis        // ts_ms: when Debezium sent it
	metaSlots
)

const firstColumn = 64 // slot of the first column of the image after

var metaPaths = [metaSlots][2]string{
	mOp: {"", "op"}, mSentMillis: {"", "ts_ms"},
	mTx: {"transaction", "id"}, mTxOrder: {"transaction", "total_order"}, mCollOrder: {"transaction", "data_collection_order"},
	mLSN: {"source", "lsn"}, mFile: {"source", "file"}, mPos: {"source", "pos"}, mGTID: {"source", "gtid"}, mSourceTx: {"source", "txId"},
	mSCN: {"source", "scn"}, mChangeLSN: {"source", "change_lsn"}, mCommitLSN: {"source", "commit_lsn"},
	mTsMicros: {"source", "ts_us"}, mTsNanos: {"source", "ts_ns"}, mTsMillis: {"source", "ts_ms"},
}

// Slots that hold a text, and those that hold the number that a text stands for.
const (
	metaText = 1<<mTx | 1<<mGTID | 1<<mSourceTx | 1<<mChangeLSN | 1<<mCommitLSN
	metaWord = 1<<mOp | 1<<mFile
)

// column is one column of the images.
type column struct {
	field       arrow.Field
	store       store
	plain       encoding // without inline schema
	limit       u128     // decimals: 10^precision
	scale       int32    // decimals
	declared    bool
	key         bool
	double      bool // Config.AllowDouble
	unavailable bool // Config.AllowUnavailable
	timeGiven   bool // Config.Time has an entry
}

// layout is everything that follows from the list of columns. It does not
// change, except that families and their shapes are learned; when columns
// come or change there is a new layout.
type layout struct {
	cols     []column
	byName   map[string]int
	schema   *arrow.Schema
	root     *node // of the value
	keyRoot  *node // of the message key
	before   int   // slot of the first column of the image before
	words    int   // 64-bit words in a set of slots
	full     []uint64
	required []uint64 // columns that refuse nulls, as one image's words
	keys     []uint64 // key columns, as one image's words
	singles  []int    // columns of one word a row
	pairs    []int    // of two
	texts    []int    // of bytes
	keyCount int
	plain    *family
	inline   []*family // most recent first
}

// family is the events with one inline schema, or with none.
type family struct {
	schema []byte // the inline schema's text; empty for none
	prefix []byte // from a message's first byte to its payload's; nil if not known
	enc    []encoding
	shapes shapes
}

// node is an object whose members are wanted.
type node struct {
	byLen [][]member
	mask  []uint64 // slots below
	root  bool
	image uint8 // bit of scanner.present; 0: no image
}

type member struct {
	word  uint64 // first 8 bytes, zero padded
	name  string
	child *node
	slot  int // if child is nil; or one of the two below
}

const (
	slotSchema = -1 // the root's schema
	slotSkip   = -2
)

// The bits of scanner.present.
const (
	hasAfter = 1 << iota
	hasBefore
	hasKey
)

func newLayout(cols []column, flattened bool) *layout {
	width := (len(cols) + 63) / 64
	l := &layout{cols: cols, byName: make(map[string]int, len(cols)), before: firstColumn + 64*width, words: 1 + 2*width}
	l.full, l.required, l.keys = make([]uint64, width), make([]uint64, width), make([]uint64, width)
	fields := make([]arrow.Field, len(cols))
	plain := make([]encoding, len(cols))
	for c, col := range cols {
		bit := uint64(1) << (c & 63)
		l.full[c>>6] |= bit
		if !col.field.Nullable || col.key {
			l.required[c>>6] |= bit
		}
		if col.key {
			l.keys[c>>6] |= bit
			l.keyCount++
		}
		l.byName[col.field.Name] = c
		switch col.store {
		case inPair:
			l.pairs = append(l.pairs, c)
		case inBytes:
			l.texts = append(l.texts, c)
		default:
			l.singles = append(l.singles, c)
		}
		fields[c], plain[c] = col.field, col.plain
	}
	l.schema = arrow.NewSchema(fields, nil)
	l.plain = &family{enc: plain, prefix: []byte{}}
	if flattened {
		l.buildRowTree()
	} else {
		l.buildValueTree()
	}
	l.buildKeyTree()
	return l
}

// buildValueTree makes the tree of a message's value: the envelope's members
// stand at the root and, where there is one, in its payload.
func (l *layout) buildValueTree() {
	images := map[string]*node{"after": l.image(hasAfter, firstColumn), "before": l.image(hasBefore, l.before)}
	envelope := func(n *node) *node {
		n.mask = make([]uint64, l.words)
		for name, im := range images {
			n.addChild(name, im)
		}
		for slot, p := range metaPaths {
			parent := n
			if p[0] != "" {
				if parent = n.child(p[0]); parent == nil {
					parent = n.addChild(p[0], &node{mask: make([]uint64, l.words)})
				}
				parent.mask[0] |= 1 << slot
			}
			n.mask[0] |= 1 << slot
			parent.add(member{name: p[1], slot: slot})
		}
		return n
	}
	l.root = envelope(&node{root: true})
	l.root.addChild("payload", envelope(&node{}))
	l.root.add(member{name: "schema", slot: slotSchema})
}

// buildRowTree makes the tree of a flattened message's value: the row's members
// and, with two underscores before them, the envelope's.
func (l *layout) buildRowTree() {
	row := func() *node {
		n := l.image(hasAfter, firstColumn)
		for slot, p := range metaPaths {
			n.mask[0] |= 1 << slot
			n.add(member{name: "__" + p[1], slot: slot}) // a field of source goes by its own name, too
			if p[0] != "" {
				n.add(member{name: "__" + p[0] + "_" + p[1], slot: slot})
			}
		}
		return n
	}
	l.root = row()
	l.root.root = true
	l.root.addChild("payload", row()) // after the columns: one of this name comes first
	l.root.add(member{name: "schema", slot: slotSchema})
}

// buildKeyTree makes the tree of a message's key; its values fill the image before.
func (l *layout) buildKeyTree() {
	l.keyRoot = l.image(hasKey, l.before)
	l.keyRoot.root = true
	if l.keyRoot.find([]byte("payload")) == nil && l.keyRoot.find([]byte("schema")) == nil {
		l.keyRoot.addChild("payload", l.image(hasKey, l.before))
		l.keyRoot.add(member{name: "schema", slot: slotSkip})
	}
}

func (l *layout) image(bit uint8, first int) *node {
	n := &node{image: bit, mask: make([]uint64, l.words)}
	for c, col := range l.cols {
		if bit == hasKey && !col.key {
			continue
		}
		slot := first + c
		n.mask[slot>>6] |= 1 << (slot & 63)
		n.add(member{name: col.field.Name, slot: slot})
	}
	return n
}

// column is the column of a slot at or after firstColumn.
func (l *layout) column(slot int) int {
	if slot >= l.before {
		return slot - l.before
	}
	return slot - firstColumn
}

// family finds the family whose schema stands at b[i:]. A schema is an object,
// which ends itself, so an equal prefix is an equal value.
func (l *layout) family(b []byte) *family {
	for k, f := range l.inline {
		if n := len(f.schema); len(b) >= n && string(b[:n]) == string(f.schema) {
			if k > 0 {
				copy(l.inline[1:k+1], l.inline[:k])
				l.inline[0] = f
			}
			return f
		}
	}
	return nil
}

// name is the column of the lowest bit of one image's word w.
func (l *layout) name(w int, set uint64) string {
	return l.cols[w<<6+bits.TrailingZeros64(set)].field.Name
}

func word(s string) (w uint64) {
	for i := 0; i < len(s) && i < 8; i++ {
		w |= uint64(s[i]) << (8 * i)
	}
	return w
}

func (n *node) add(m member) {
	l := len(m.name)
	for len(n.byLen) <= l {
		n.byLen = append(n.byLen, nil)
	}
	m.word = word(m.name)
	n.byLen[l] = append(n.byLen[l], m)
}

func (n *node) addChild(name string, c *node) *node {
	n.add(member{name: name, child: c})
	if n.mask != nil {
		for w := range c.mask {
			n.mask[w] |= c.mask[w]
		}
	}
	return c
}

func (n *node) child(name string) *node {
	if m := n.find([]byte(name)); m != nil {
		return m.child
	}
	return nil
}

// find looks a name up.
func (n *node) find(name []byte) *member {
	if len(name) >= len(n.byLen) {
		return nil
	}
	ms := n.byLen[len(name)]
	for i := range ms {
		if ms[i].name == string(name) {
			return &ms[i]
		}
	}
	return nil
}

// at is find for the name b[i:e] inside a message, by comparing words.
func (n *node) at(b []byte, i, e int) *member {
	l := e - i
	if l >= len(n.byLen) {
		return nil
	}
	ms := n.byLen[l]
	if len(ms) == 0 {
		return nil
	}
	if i+8 > len(b) {
		return n.find(b[i:e])
	}
	w := binary.LittleEndian.Uint64(b[i:])
	if l < 8 {
		w &= 1<<(8*l) - 1
	}
	for j := range ms {
		if ms[j].word == w && (l <= 8 || ms[j].name[8:] == string(b[i+8:e])) {
			return &ms[j]
		}
	}
	return nil
}
