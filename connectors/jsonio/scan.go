package jsonio

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep values may nest.
const maxDepth = 500

// token is what a value is, by its first byte.
type token byte

const (
	tString token = '"'
	tNumber token = '0'
	tTrue   token = 't'
	tFalse  token = 'f'
	tNull   token = 'n'
	tObject token = '{'
	tArray  token = '['
)

// decoder walks strict JSON. Errors say at which byte, from 0.
type decoder struct {
	data []byte
	pos  int
	text []byte // unescaped strings of the record so far
}

func (d *decoder) fail(format string, args ...any) error {
	return fmt.Errorf("byte %d: %s", d.pos, fmt.Sprintf(format, args...))
}

func (d *decoder) blank() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\r', '\n':
			d.pos++
		default:
			return
		}
	}
}

// expect passes over c, and blanks before it.
func (d *decoder) expect(c byte, where string) error {
	d.blank()
	if d.pos >= len(d.data) {
		return d.fail("the record ends where %q should be (%s)", c, where)
	}
	if d.data[d.pos] != c {
		return d.fail("%q where %q should be (%s)", d.data[d.pos], c, where)
	}
	d.pos++
	return nil
}

// next reports whether c comes next, and passes over it.
func (d *decoder) next(c byte) bool {
	d.blank()
	if d.pos < len(d.data) && d.data[d.pos] == c {
		d.pos++
		return true
	}
	return false
}

// member is a key and its value. raw is the value's JSON text.
type member struct {
	key   []byte
	token token
	raw   []byte
}

// object calls f for each member of the object that comes next. f may use text to unescape a string.
func (d *decoder) object(depth int, f func(m member) error) error {
	if err := d.expect('{', "the beginning of an object"); err != nil {
		return err
	}
	if d.next('}') {
		return nil
	}
	for {
		d.blank()
		raw, err := d.string()
		if err != nil {
			return err
		}
		m := member{}
		if m.key, err = d.unescape(raw); err != nil {
			return err
		}
		if err := d.expect(':', "after a key"); err != nil {
			return err
		}
		if m.token, m.raw, err = d.value(depth + 1); err != nil {
			return err
		}
		if err := f(m); err != nil {
			return err
		}
		if d.next('}') {
			return nil
		}
		if err := d.expect(',', "between members"); err != nil {
			return err
		}
	}
}

// value checks the value that comes next and returns its text.
func (d *decoder) value(depth int) (token, []byte, error) {
	d.blank()
	if d.pos >= len(d.data) {
		return 0, nil, d.fail("the record ends where a value should be")
	}
	if depth > maxDepth {
		return 0, nil, d.fail("values nest deeper than %d", maxDepth)
	}
	start := d.pos
	var err error
	t := token(d.data[d.pos])
	switch c := d.data[d.pos]; {
	case c == '"':
		_, err = d.string()
	case c == '{':
		err = d.object(depth, func(member) error { return nil })
	case c == '[':
		err = d.array(depth)
	case c == 't':
		err = d.literal("true")
	case c == 'f':
		err = d.literal("false")
	case c == 'n':
		err = d.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		t, err = tNumber, d.number()
	default:
		err = d.fail("%q where a value should be", c)
	}
	return t, d.data[start:d.pos], err
}

func (d *decoder) array(depth int) error {
	d.pos++
	if d.next(']') {
		return nil
	}
	for {
		if _, _, err := d.value(depth + 1); err != nil {
			return err
		}
		if d.next(']') {
			return nil
		}
		if err := d.expect(',', "between elements"); err != nil {
			return err
		}
	}
}

func (d *decoder) literal(word string) error {
	if !bytes.HasPrefix(d.data[d.pos:], []byte(word)) {
		return d.fail("want %s", word)
	}
	d.pos += len(word)
	return nil
}

func (d *decoder) digits() bool {
	start := d.pos
	for d.pos < len(d.data) && d.data[d.pos] >= '0' && d.data[d.pos] <= '9' {
		d.pos++
	}
	return d.pos > start
}

func (d *decoder) at(set string) bool {
	return d.pos < len(d.data) && bytes.IndexByte([]byte(set), d.data[d.pos]) >= 0
}

func (d *decoder) number() error {
	if d.at("-") {
		d.pos++
	}
	if d.at("0") {
		d.pos++
	} else if !d.digits() {
		return d.fail("a number without digits")
	}
	if d.at(".") {
		d.pos++
		if !d.digits() {
			return d.fail("a number without digits after its point")
		}
	}
	if d.at("eE") {
		d.pos++
		if d.at("+-") {
			d.pos++
		}
		if !d.digits() {
			return d.fail("a number without digits in its exponent")
		}
	}
	if d.pos < len(d.data) && d.data[d.pos] >= '0' && d.data[d.pos] <= '9' {
		return d.fail("a number with a leading zero")
	}
	return nil
}

// string passes over a string and returns it with its quotes. Escapes are checked by unescape alone, except for where they end.
func (d *decoder) string() ([]byte, error) {
	if d.pos >= len(d.data) || d.data[d.pos] != '"' {
		return nil, d.fail("want a string")
	}
	start := d.pos
	d.pos++
	escaped, high := false, byte(0)
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; {
		case c == '"':
			d.pos++
			return d.data[start:d.pos], d.check(start, escaped, high >= 0x80)
		case c == '\\':
			escaped = true
			d.pos += 2
		case c < 0x20:
			return nil, d.fail("a control character in a string")
		default:
			high |= c
			d.pos++
		}
	}
	d.pos = len(d.data)
	return nil, d.fail("a string that is not closed")
}

// check makes sure that the string that began at start is well-formed.
func (d *decoder) check(start int, escaped, high bool) error {
	raw := d.data[start:d.pos]
	if (high || escaped) && !utf8.Valid(raw) {
		return d.fail("a string that is not valid UTF-8")
	}
	if !escaped {
		return nil
	}
	keep := len(d.text)
	_, err := d.unescape(raw)
	d.text = d.text[:keep]
	return err
}

var errEscape = errors.New("a bad escape in a string")

// unescape returns what a quoted string says. It is valid until the record's text is reset.
func (d *decoder) unescape(raw []byte) ([]byte, error) {
	raw = raw[1 : len(raw)-1]
	i := bytes.IndexByte(raw, '\\')
	if i < 0 {
		return raw, nil
	}
	start := len(d.text)
	for i >= 0 {
		d.text = append(d.text, raw[:i]...)
		n, err := d.escape(raw[i:])
		if err != nil {
			return nil, d.fail("%v", err)
		}
		raw = raw[i+n:]
		i = bytes.IndexByte(raw, '\\')
	}
	d.text = append(d.text, raw...)
	return d.text[start:], nil
}

// escape appends the character of the escape that esc begins with and returns its length.
func (d *decoder) escape(esc []byte) (int, error) {
	if len(esc) < 2 {
		return 0, errEscape
	}
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), esc[1]); i >= 0 {
		d.text = append(d.text, "\"\\/\b\f\n\r\t"[i])
		return 2, nil
	}
	r, ok := hex4(esc)
	if !ok {
		return 0, errEscape
	}
	if !utf16.IsSurrogate(r) {
		d.text = utf8.AppendRune(d.text, r)
		return 6, nil
	}
	low, ok := hex4(esc[6:])
	if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
		d.text = utf8.AppendRune(d.text, pair)
		return 12, nil
	}
	return 0, errors.New("half of a surrogate pair in a string")
}

func hex4(esc []byte) (rune, bool) {
	if len(esc) < 6 || esc[0] != '\\' || esc[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range esc[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// record walks a whole record: one object and nothing behind it.
func (d *decoder) record(data []byte, f func(m member) error) error {
	d.data, d.pos, d.text = data, 0, d.text[:0]
	if err := d.object(0, f); err != nil {
		return err
	}
	d.blank()
	if d.pos < len(d.data) {
		return d.fail("more follows the object")
	}
	return nil
}

// nested calls f for each member of an object that was met as a value, its key prefixed with the object's own.
func (d *decoder) nested(m member, f func(m member) error) error {
	inner := decoder{data: m.raw, text: d.text}
	err := inner.object(0, func(n member) error {
		d.text = inner.text // f may unescape
		start := len(d.text)
		d.text = append(append(append(d.text, m.key...), '.'), n.key...)
		n.key = d.text[start:]
		err := f(n)
		inner.text = d.text
		return err
	})
	d.text = inner.text
	return err
}
