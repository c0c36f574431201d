package debezium

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// What quoted found in a string.
const (
	hasEscapes = 1 << iota
	hasHigh    // bytes over 0x7f
)

// quoted finds the closing quote of the string whose content starts at i, eight
// bytes at a time, and checks control characters and escapes. end is -1 on error.
func (s *scanner) quoted(b []byte, i int) (end, flags int) {
	var high uint64
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		m := stops(w) & highs
		if m == 0 {
			high |= w
			i += 8
			continue
		}
		z := bits.TrailingZeros64(m) &^ 7
		high |= w & (1<<z - 1)
		i += z >> 3
		if b[i] == '"' {
			if high&highs != 0 {
				flags |= hasHigh
			}
			return i, flags
		}
		if i = s.escape(b, i); i < 0 {
			return -1, 0
		}
		flags |= hasEscapes
	}
	return s.quotedEnd(b, i, flags, high)
}

// quotedEnd is quoted for the last bytes of a message.
func (s *scanner) quotedEnd(b []byte, i, flags int, high uint64) (end, allFlags int) {
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			if high&highs != 0 {
				flags |= hasHigh
			}
			return i, flags
		case c == '\\' || c < 0x20:
			if i = s.escape(b, i); i < 0 {
				return -1, 0
			}
			flags |= hasEscapes
		default:
			high |= uint64(c)
			i++
		}
	}
	return s.fail(i, "unexpected end in a string"), 0
}

// escape passes over an escape; b[i] is a backslash or, which is an error, a control character.
func (s *scanner) escape(b []byte, i int) int {
	if b[i] != '\\' {
		return s.fail(i, "control character in a string")
	}
	if i+1 >= len(b) {
		return s.fail(i+1, "unexpected end in a string")
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if hex4(b[i+2:]) < 0 {
			return s.fail(i, "bad \\u escape")
		}
		return i + 6
	}
	return s.fail(i, "bad escape")
}

// stops has bit 7 set in the first byte that is a quote, a backslash or a
// control character; above that byte it may be wrong.
func stops(w uint64) uint64 {
	q, s := w^(ones*'"'), w^(ones*'\\')
	return (q-ones)&^q | (s-ones)&^s | (w-ones*0x20)&^w
}

// hex4 reads four hexadecimal digits, or returns -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case (c|0x20)-'a' < 6:
			c = (c | 0x20) - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unescape appends the text of a checked string to the scratch, as valid UTF-8.
func (s *scanner) unescape(text []byte) {
	o := s.scratch
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(text[i:])
			o = utf8.AppendRune(o, r)
			i += n
		case c != '\\':
			o = append(o, c)
			i++
		case text[i+1] == 'u':
			r, n := unicodeEscape(text[i:])
			o = utf8.AppendRune(o, r)
			i += n
		default:
			o = append(o, simpleEscape(text[i+1]))
			i += 2
		}
	}
	s.scratch = o
}

func simpleEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // " \ /
}

// unicodeEscape reads \uXXXX, or a pair of them that is one character; a lone surrogate is U+FFFD.
func unicodeEscape(text []byte) (rune, int) {
	r := hex4(text[2:])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	low := rune(-1)
	if len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
		low = hex4(text[8:])
	}
	if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
		return r, 12
	}
	return r, 6
}

// literal keeps text[a:b] for a slot: as it is where it is plain, else unescaped in the scratch.
func (s *scanner) literal(slot int, b []byte, a, e, flags int) {
	p := span{int32(a), int32(e), false}
	if flags != 0 && (flags&hasEscapes != 0 || !utf8.Valid(b[a:e])) {
		p.a, p.scratch = int32(len(s.scratch)), true
		s.unescape(b[a:e])
		p.b = int32(len(s.scratch))
	}
	s.str[slot] = p
	s.have(slot)
}
