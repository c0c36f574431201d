package debezium

import (
	"encoding/binary"
	"unicode/utf8"
)

// The predictor. Messages of one kind differ only in some values: the bytes
// between two such holes are the same in all of them. So they are compared at
// once, and only the holes are parsed. JSON's grammar after some bytes depends
// only on the state before them and the bytes themselves; a literal that the
// scanner has accepted once therefore needs only to be equal later on. Any
// mismatch and any error sends the message to the scanner, from its first byte: the
// scanner alone decides what is accepted, and it words every error.

// step is a literal and the hole behind it. Literals of up to 8 bytes are
// compared as one masked word, those of up to 16 as two words that may overlap,
// longer ones by blocks of 16 bytes, of which the last two may overlap.
type step struct {
	lit    []byte
	first  uint64 // the first word, zero padded
	second uint64 // the last word; for up to 8 bytes, the mask
	slot   int32
	op     stepOp
}

// stepOp is the fast way to parse a hole; whatever it does not take goes to scanner.slot.
type stepOp uint8

const (
	opAny     stepOp = iota
	opSkip           // a scalar that is not wanted
	opNumber         // an integer that must be one, since it makes another value needless
	opString         // a string that must be a plain one, for the same reason
	opMust           // any value that must not be absent, for the same reason
	opWord           // an integer as it is
	opMillis         // an integer of milliseconds
	opShort          // an integer of 32 bits
	opText           // a string
	opDecimal        // decimal digits in quotes
	opBytes          // base64 of a decimal at the column's scale
)

// shape is a kind of message, from the payload on.
type shape struct {
	steps   []step
	tail    string
	set     []uint64 // slots whose names occur
	fixed   []fixed  // words of the envelope that are part of the literals
	present uint8
	// What the shape was learned from:
	base  []byte
	holes []hole
	vary  []bool // by hole: seen to differ
}

// fixed is a word that has been the same in all messages.
type fixed struct {
	slot int
	num  int64
}

// shapes are a family's, most recent first.
type shapes []*shape

const maxShapes = 8

// predict decodes a message by the shape that it turns out to have, or reports
// false, and then the scanner's values mean nothing.
func (d *Decoder) predict(b []byte) bool {
	f := d.lay.plain
	for _, inline := range d.lay.inline {
		if n := len(inline.prefix); n > 0 && len(b) > n && string(b[:n]) == string(inline.prefix) {
			f = inline
			break
		}
	}
	for k, sh := range f.shapes {
		if d.s.follow(f, sh, b) {
			if k > 0 {
				copy(f.shapes[1:k+1], f.shapes[:k])
				f.shapes[0] = sh
			}
			d.learner.hits++
			return true
		}
	}
	return false
}

// follow decodes b as shape sh of family f, or reports false.
func (s *scanner) follow(f *family, sh *shape, b []byte) bool {
	//lint:ignore S1001 one or two words: a loop is faster than a call
	for w, set := range sh.set {
		s.set[w] = set // a null clears its bit
	}
	s.scratch = s.scratch[:0] // one by one, which saves the collector's write barrier
	s.news = s.news[:0]
	if s.fam != f {
		s.fam = f
	}
	for _, x := range sh.fixed {
		s.num[x.slot] = x.num
	}
	s.present = sh.present
	s.schemaAt = span{}
	s.depth = 3 // at most: a nested value too deep for it is left to the scanner
	i := len(f.prefix)
	for k := range sh.steps {
		st := &sh.steps[k]
		n := len(st.lit)
		switch left := len(b) - i; {
		case left <= n: // there must be a value behind it
			return false
		case left < n+8:
			if string(b[i:i+n]) != string(st.lit) {
				return false
			}
		case n > 16:
			if !equalBlocks(b[i:i+n], st.lit) {
				return false
			}
		case n > 8:
			if binary.LittleEndian.Uint64(b[i:]) != st.first || binary.LittleEndian.Uint64(b[i+n-8:]) != st.second {
				return false
			}
		case binary.LittleEndian.Uint64(b[i:])&st.second != st.first:
			return false
		}
		i += n
		if st.op == opWord || st.op == opNumber { // a call less for the most frequent
			if x, e := smallInt(b, i); e > 0 {
				s.num[st.slot] = x
				i = e
				continue
			}
		}
		if i = s.hole(st, b, i); i < 0 {
			return false
		}
	}
	return string(b[i:]) == sh.tail
}

// equalBlocks compares two texts of one length, which is over 16.
func equalBlocks(a, b []byte) bool {
	n := len(b)
	a = a[:n]
	for j := 0; j < n-16; j += 16 {
		if *(*[16]byte)(a[j:]) != *(*[16]byte)(b[j:]) {
			return false
		}
	}
	return *(*[16]byte)(a[n-16:]) == *(*[16]byte)(b[n-16:])
}

// hole parses the value of a step at i.
func (s *scanner) hole(st *step, b []byte, i int) int {
	slot := int(st.slot)
	switch st.op {
	case opSkip:
		switch c := b[i]; {
		case c-'1' <= 8: // most often an integer
			if e := digits(b, i); e < len(b) && (b[e] == ',' || b[e] == '}') {
				return e
			}
		case c == '{' || c == '[':
			return -1
		}
		return s.scalar(b, i)
	case opNumber: // follow has tried
		return -1
	case opString:
		if e := s.plainString(slot, b, i); e > i+2 {
			return e
		}
		return -1
	case opMust:
		if i = s.slot(slot, b, i); i >= 0 && !s.has(slot) {
			return -1
		}
		return i
	case opMillis:
		if x, e := smallInt(b, i); e > 0 && x < 1e15 && x > -1e15 {
			s.num[slot] = x * 1000
			return e
		}
	case opShort:
		if x, e := smallInt(b, i); e > 0 && x == int64(int32(x)) {
			s.num[slot] = x
			return e
		}
	case opText:
		if e := s.plainString(slot, b, i); e > 0 {
			return e
		}
	case opDecimal:
		col := &s.lay.cols[s.lay.column(slot)]
		if x, e := smallDecimal(b, i, col.scale, col.limit); e > 0 {
			s.num[slot], s.high[slot] = x, x>>63
			return e
		}
	case opBytes:
		if x, e := smallBase64(b, i, s.lay.cols[s.lay.column(slot)].limit); e > 0 {
			s.num[slot], s.high[slot] = x, x>>63
			return e
		}
	}
	return s.slot(slot, b, i)
}

// plainString takes a string without escapes for a text slot, or returns 0.
func (s *scanner) plainString(slot int, b []byte, i int) int {
	if b[i] != '"' {
		return 0
	}
	e, flags := s.quoted(b, i+1)
	if e < 0 {
		return 0
	}
	if n := e - i - 1; slot >= firstColumn && (n == len(unavailable) || n == len(unavailableBase64)) {
		return 0
	}
	if flags != 0 && (flags != hasHigh || !utf8.Valid(b[i+1:e])) {
		return 0
	}
	s.str[slot] = span{int32(i + 1), int32(e), false}
	return e + 1
}

// smallDecimal parses "-123.45" (quoted, at most 8 digits on either side of the
// point, not close to the message's end), or returns end 0.
func smallDecimal(b []byte, i int, scale int32, limit u128) (x int64, end int) {
	if i+32 > len(b) || b[i] != '"' {
		return 0, 0
	}
	i++
	neg := b[i] == '-'
	if neg {
		i++
	}
	u, n := digits8(binary.LittleEndian.Uint64(b[i:]))
	i += n
	m := 0
	if n > 0 && b[i] == '.' {
		var v uint64
		v, m = digits8(binary.LittleEndian.Uint64(b[i+1:]))
		u = u*tens[m] + v
		i += m + 1
	}
	up := int(scale) - m
	if n == 0 || b[i] != '"' || up < 0 || n+m+up > 18 {
		return 0, 0
	}
	if u *= tens[up]; limit.hi == 0 && u >= limit.lo {
		return 0, 0
	}
	if neg {
		return -int64(u), i + 1
	}
	return int64(u), i + 1
}

// smallBase64 parses a decimal's base64 of up to 8 bytes, or returns end 0.
func smallBase64(b []byte, i int, limit u128) (x int64, end int) {
	if b[i] != '"' {
		return 0, 0
	}
	i++
	var u uint64
	n := 0
	for ; i+n < len(b) && n < 11; n++ {
		v := sextet[b[i+n]]
		if v > 63 {
			break
		}
		u = u<<6 | uint64(v)
	}
	size := n * 6 / 8
	spare := 6*n - 8*size
	pad := -n & 3
	e := i + n + pad
	if n < 2 || size > 7 || pad == 3 || e >= len(b) || b[e] != '"' || u&(1<<spare-1) != 0 {
		return 0, 0
	}
	for _, c := range b[i+n : e] {
		if c != '=' {
			return 0, 0
		}
	}
	shift := 64 - 8*size
	x = int64(u>>spare<<shift) >> shift
	if m := uint64(max(x, -x)); limit.hi == 0 && m >= limit.lo {
		return 0, 0
	}
	return x, e + 1
}
