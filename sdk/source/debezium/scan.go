package debezium

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

const maxDepth = 10000 // encoding/json's limit

// span is a piece of the message, or of the scratch.
type span struct {
	a, b    int32
	scratch bool
}

// scanner makes one validating pass over any JSON and leaves the wanted values
// in slots. Its methods take the message and an index and return the index after
// what they passed over, or -1 having set err.
type scanner struct {
	lay *layout
	fam *family // how columns are encoded

	num  []int64 // by slot: the value, or a decimal's low word
	high []int64 // by slot: a decimal's high word
	str  []span  // by slot: text
	set  []uint64

	scratch []byte // unescaped text
	stack   []byte
	depth   int
	err     DecodeError

	wrapped  bool  // the root has a payload
	nullLoad bool  // the payload is null
	present  uint8 // images that are objects
	metaOnly bool  // images are skipped, as they are behind an inline schema that no family has
	forced   bool  // fam is given: pay no attention to the schema

	news     []newField // fields without a column
	newsFrom policy
	schemaAt span    // an inline schema that no family has
	late     *family // the schema came after the payload

	rec   bool // record holes
	holes []hole
	seen  []uint64 // while recording: slots whose name was met, null or not
	dup   bool     // a name was met twice: not learnable
}

// newField is a field that has no column.
type newField struct {
	image uint8
	name  string
	value []byte // within the message
}

// policy says which fields without a column the scanner reports.
type policy struct {
	hidden  bool            // not those that start with two underscores
	nulls   bool            // also those that are null
	ignore  bool            // only those in untyped
	untyped map[string]bool // fields known by name only
}

func (s *scanner) fail(at int, msg string) int {
	s.err = DecodeError{Byte: at, Msg: msg}
	return -1
}

func (s *scanner) have(slot int)  { s.set[slot>>6] |= 1 << (slot & 63) }
func (s *scanner) unset(slot int) { s.set[slot>>6] &^= 1 << (slot & 63) }
func (s *scanner) has(slot int) bool {
	return s.set[slot>>6]>>(slot&63)&1 != 0
}

// use prepares the scanner for a layout.
func (s *scanner) use(l *layout) {
	n := 64 * l.words
	s.lay, s.num, s.high, s.str = l, make([]int64, n), make([]int64, n), make([]span, n)
	s.set, s.seen = make([]uint64, l.words), make([]uint64, l.words)
}

func (s *scanner) reset(fam *family) {
	clear(s.set)
	s.fam, s.forced = fam, fam != nil
	if fam == nil {
		s.fam = s.lay.plain
	}
	s.scratch, s.news, s.holes = s.scratch[:0], s.news[:0], s.holes[:0]
	s.wrapped, s.nullLoad, s.present, s.depth, s.dup = false, false, 0, 0, false
	s.schemaAt, s.late = span{}, nil
	if s.rec {
		clear(s.seen)
	}
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// scan passes over a whole message, whose tree is root. fam is the family if it
// is known, else nil. null means that the message or its payload is empty or null.
func (s *scanner) scan(root *node, b []byte, fam *family) (null, ok bool) {
	s.reset(fam)
	i := space(b, 0)
	if i == len(b) {
		return true, true
	}
	null = b[i] == 'n'
	switch {
	case null:
		i = s.scalar(b, i)
	case b[i] == '{':
		s.present |= root.image
		i = s.object(root, b, i+1)
	default:
		i = s.fail(i, "an object was expected")
	}
	if i >= 0 {
		if i = space(b, i); i < len(b) {
			i = s.fail(i, "data after the value")
		}
	}
	return null || s.nullLoad, i >= 0
}

// object passes over a wanted object; i is after '{'.
func (s *scanner) object(n *node, b []byte, i int) int {
	s.depth++
	i = space(b, i)
	if i < len(b) && b[i] == '}' {
		s.depth--
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return s.fail(i, "a member name was expected")
		}
		a := i + 1
		e, flags := shortName(b, a), 0
		if e == 0 {
			if e, flags = s.quoted(b, a); e < 0 {
				return -1
			}
		}
		if i = s.colon(b, e+1); i < 0 {
			return -1
		}
		if i = s.member(n, b, a, e, flags, i); i < 0 {
			return -1
		}
		if i >= len(b) || b[i] != ',' {
			i = space(b, i)
			if i < len(b) && b[i] == '}' {
				s.depth--
				return i + 1
			}
			if i >= len(b) || b[i] != ',' {
				return s.fail(i, "',' or '}' was expected")
			}
		}
		i++
		if i < len(b) && b[i] <= ' ' {
			i = space(b, i)
		}
	}
}

// shortName finds the end of a plain name of up to 7 bytes at a, or returns 0.
func shortName(b []byte, a int) int {
	if a+8 > len(b) {
		return 0
	}
	w := binary.LittleEndian.Uint64(b[a:])
	m := stops(w) & highs
	if m == 0 {
		return 0
	}
	z := bits.TrailingZeros64(m) &^ 7
	if b[a+z>>3] != '"' || w&(1<<z-1)&highs != 0 {
		return 0
	}
	return a + z>>3
}

// colon passes over the colon after a name and the space around it, up to a value.
func (s *scanner) colon(b []byte, i int) int {
	if i >= len(b) || b[i] != ':' {
		if i = space(b, i); i >= len(b) || b[i] != ':' {
			return s.fail(i, "':' was expected")
		}
	}
	i++
	if i < len(b) && b[i] <= ' ' {
		i = space(b, i)
	}
	if i >= len(b) {
		return s.fail(i, "unexpected end")
	}
	return i
}

// member takes the value at i of the member named b[a:e].
func (s *scanner) member(n *node, b []byte, a, e, flags, i int) int {
	var m *member
	if flags == 0 {
		m = n.at(b, a, e)
	} else {
		k := len(s.scratch)
		s.unescape(b[a:e])
		m = n.find(s.scratch[k:])
		s.scratch = s.scratch[:k]
	}
	switch {
	case m == nil && n.image != 0 && n.image != hasKey:
		return s.unknown(n, b, a, e, i)
	case m == nil || m.slot == slotSkip:
		return s.skip(b, i)
	case m.child == nil && m.slot == slotSchema:
		return s.schema(b, i)
	case n.root && s.wrapped && m.name != "payload":
		return s.skip(b, i)
	case m.child != nil:
		return s.child(n, m, b, i)
	}
	if !s.rec {
		return s.slot(m.slot, b, i)
	}
	w, bit := m.slot>>6, uint64(1)<<(m.slot&63)
	s.dup = s.dup || s.seen[w]&bit != 0
	s.seen[w] |= bit
	s.rec = false // a nested value is one hole
	end := s.slot(m.slot, b, i)
	s.rec = true
	if end >= 0 {
		s.holes = append(s.holes, hole{int32(i), int32(end), int32(m.slot)})
	}
	return end
}

// slot takes a wanted value.
func (s *scanner) slot(slot int, b []byte, i int) int {
	if slot < firstColumn {
		return s.meta(slot, b, i)
	}
	if s.blind() {
		return s.skip(b, i)
	}
	return s.value(slot, b, i)
}

// blind reports whether columns are not decoded: metadata alone is wanted, or the inline schema must be adopted first.
func (s *scanner) blind() bool { return s.metaOnly || s.schemaAt.b > 0 }

// child passes over the object m of n, which replaces any earlier one of its name.
func (s *scanner) child(n *node, m *member, b []byte, i int) int {
	c := m.child
	for w, mask := range c.mask {
		s.dup = s.dup || s.rec && s.seen[w]&mask != 0
		s.set[w] &^= mask
	}
	load := n.root && m.name == "payload"
	if load {
		s.dup = s.dup || s.wrapped
		s.wrapped, s.nullLoad, s.present = true, false, c.image
		s.news = s.news[:0]
	} else if c.image != 0 {
		s.dup = s.dup || s.present&c.image != 0
		s.present &^= c.image
		s.forget(c.image)
	}
	switch {
	case b[i] == '{' && c.image != 0 && !load && s.blind():
		s.present |= c.image
		return s.skip(b, i)
	case b[i] == '{':
		s.present |= c.image
		return s.object(c, b, i+1)
	case b[i] == 'n':
		s.nullLoad = s.nullLoad || load
		return s.scalar(b, i)
	}
	return s.fail(i, "an object was expected for "+m.name)
}

// forget drops the unknown fields of an image that is replaced.
func (s *scanner) forget(image uint8) {
	kept := s.news[:0]
	for _, f := range s.news {
		if f.image != image {
			kept = append(kept, f)
		}
	}
	s.news = kept
}

// unknown passes over a field that has no column and notes it.
func (s *scanner) unknown(n *node, b []byte, a, e, i int) int {
	k := len(s.scratch)
	s.unescape(b[a:e])
	name := s.scratch[k:]
	known := s.newsFrom.untyped[string(name)]
	ignored := s.newsFrom.ignore && !known || s.newsFrom.hidden && bytes.HasPrefix(name, []byte("__")) || s.blind()
	rec := s.rec
	s.rec = rec && ignored
	end := s.skip(b, i)
	s.rec = rec
	if end >= 0 && !ignored && (b[i] != 'n' || s.newsFrom.nulls && !known) {
		s.news = append(s.news, newField{n.image, string(name), b[i:end]})
	}
	s.scratch = s.scratch[:k]
	return end
}

// schema passes over the root's schema, which repeats byte for byte.
func (s *scanner) schema(b []byte, i int) int {
	rec := s.rec
	s.rec = false
	defer func() { s.rec = rec }()
	if s.forced && len(s.fam.schema) > 0 && len(b)-i >= len(s.fam.schema) && string(b[i:i+len(s.fam.schema)]) == string(s.fam.schema) {
		return i + len(s.fam.schema)
	}
	if s.forced || b[i] != '{' {
		return s.skip(b, i)
	}
	f := s.lay.family(b[i:])
	if f == nil {
		end := s.skip(b, i)
		if end >= 0 {
			s.schemaAt = span{int32(i), int32(end), false}
		}
		return end
	}
	if f != s.fam && (s.wrapped || s.present != 0) {
		s.late = f
	} else {
		s.fam = f
	}
	return i + len(f.schema)
}
