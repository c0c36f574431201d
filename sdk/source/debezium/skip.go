package debezium

import (
	"encoding/binary"
	"math/bits"
)

// skip validates and passes over any value; i is at its first byte.
func (s *scanner) skip(b []byte, i int) int {
	if i < len(b) && b[i] != '{' && b[i] != '[' {
		return s.leaf(b, i)
	}
	st := s.stack[:0]
	defer func() { s.stack = st[:0] }()
	for {
		if i >= len(b) {
			return s.fail(i, "unexpected end")
		}
		if c := b[i]; c == '{' || c == '[' {
			if s.depth+len(st) >= maxDepth {
				return s.fail(i, "nested too deeply")
			}
			i = space(b, i+1)
			if i >= len(b) || b[i] != c+2 { // '}' is '{'+2, ']' is '['+2
				st = append(st, c)
				if c == '{' {
					if i = s.name(b, i); i < 0 {
						return -1
					}
				}
				continue
			}
			i++
		} else if i = s.leaf(b, i); i < 0 {
			return -1
		}
		var more bool
		if i, st, more = s.closings(b, i, st); !more {
			return i
		}
	}
}

// closings passes over what may follow a value inside nested ones: the ends of
// objects and arrays, and then a comma and the next member's name. more is false
// after an error and after the outermost value.
func (s *scanner) closings(b []byte, i int, st []byte) (next int, open []byte, more bool) {
	for len(st) > 0 {
		if i < len(b) && b[i] <= ' ' {
			i = space(b, i)
		}
		if i >= len(b) {
			return s.fail(i, "unexpected end"), st, false
		}
		top := st[len(st)-1]
		if b[i] == top+2 {
			st = st[:len(st)-1]
			i++
			continue
		}
		if b[i] != ',' {
			return s.fail(i, "',' or a closing bracket was expected"), st, false
		}
		i = space(b, i+1)
		if top == '{' {
			i = s.name(b, i)
		}
		return i, st, i >= 0
	}
	return i, st, false
}

// name passes over `"…":` and the space after it.
func (s *scanner) name(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return s.fail(i, "a member name was expected")
	}
	e, _ := s.quoted(b, i+1)
	if e < 0 {
		return -1
	}
	return s.colon(b, e+1)
}

// leaf passes over a scalar that is not wanted.
func (s *scanner) leaf(b []byte, i int) int {
	e := s.scalar(b, i)
	if s.rec && e >= 0 {
		s.holes = append(s.holes, hole{int32(i), int32(e), notWanted})
	}
	return e
}

// scalar passes over a string, a number, true, false or null.
func (s *scanner) scalar(b []byte, i int) int {
	if i >= len(b) {
		return s.fail(i, "unexpected end")
	}
	switch c := b[i]; {
	case c == '"':
		e, _ := s.quoted(b, i+1)
		if e < 0 {
			return -1
		}
		return e + 1
	case c == '-' || c-'0' <= 9:
		return s.number(b, i)
	case c == 'n':
		if i+4 <= len(b) && string(b[i:i+4]) == "null" {
			return i + 4
		}
	case c == 't':
		if i+4 <= len(b) && string(b[i:i+4]) == "true" {
			return i + 4
		}
	case c == 'f':
		if i+5 <= len(b) && string(b[i:i+5]) == "false" {
			return i + 5
		}
	}
	return s.fail(i, "a value was expected")
}

// number passes over a number.
func (s *scanner) number(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	a := i
	i = digits(b, i)
	if i == a || b[a] == '0' && i > a+1 {
		return s.fail(a, "bad number")
	}
	if i < len(b) && b[i] == '.' {
		a = i + 1
		if i = digits(b, a); i == a {
			return s.fail(i, "bad number")
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		a = i
		if i = digits(b, a); i == a {
			return s.fail(i, "bad number")
		}
	}
	return i
}

// digits returns the end of the digits from i.
func digits(b []byte, i int) int {
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		if m := nonDigits(w); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// nonDigits sets bit 7 of the first byte that is no digit (and maybe of later ones).
func nonDigits(w uint64) uint64 {
	x := w ^ 0x3030303030303030 // digits become 0..9
	return ((x&^highs + 0x7676767676767676) | x) & highs
}
