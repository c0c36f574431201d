package nacha

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
	"github.com/millrace/millrace/sdk/statement/internal/text"
)

// width of a record, in characters.
const width = 94

// record is a record, valid until the next one is read.
type record struct {
	at    book.Place
	text  []byte // in UTF-8
	ascii bool
	bad   string
}

// field is the characters from one column to another, both from 1, without blanks around them.
func (r *record) field(from, to int) []byte { return bytes.TrimSpace(r.columns(from, to)) }

// columns are the characters from one column to another. Columns behind the end of a line are blank, and left out.
func (r *record) columns(from, to int) []byte {
	if r.ascii {
		return r.text[min(from-1, len(r.text)):min(to, len(r.text))]
	}
	start, end, n := len(r.text), len(r.text), 0
	for i := range string(r.text) {
		if n++; n == from {
			start = i
		}
		if n == to+1 {
			end = i
		}
	}
	return r.text[start:max(start, end)]
}

// kind is the type of the record; 0 for a blank one.
func (r *record) kind() byte {
	if len(r.text) == 0 {
		return 0
	}
	return r.text[0]
}

// fill reports whether the record only fills a block.
func (r *record) fill() bool {
	return len(r.text) > 1 && len(bytes.Trim(r.text, "9")) == 0
}

// records reads the records of a file.
type records struct {
	src    *text.Source
	in     *bufio.Reader
	book   *book.Book
	line   int64
	offset int64
	buf    []byte
	rec    record
	err    error
}

// next returns the next record that is not blank, or io.EOF.
func (r *records) next() (*record, error) {
	for {
		if r.err != nil {
			if errors.Is(r.err, io.EOF) {
				return nil, io.EOF
			}
			return nil, r.book.Failed(book.Place{Line: max(r.line, 1), Offset: r.offset}, r.err)
		}
		r.read()
		if len(r.rec.text) > 0 || r.rec.bad != "" {
			return &r.rec, nil
		}
	}
}

// read takes the characters of one record, or of one line.
func (r *records) read() {
	r.line++
	r.rec = record{at: book.Place{Line: r.line, Offset: r.offset}}
	raw := r.buf[:0]
	for n := 0; n < width; {
		c, err := r.in.ReadByte()
		if err != nil {
			r.err = err
			break
		}
		if c == '\n' || c == '\r' {
			r.back()
			break
		}
		raw = append(raw, c)
		if c < 0x80 || c >= 0xc0 || r.src.Charset() == text.Western {
			n++
		}
		if len(raw) > 4*width {
			break
		}
	}
	r.buf = raw
	r.offset = r.src.Behind(r.offset, raw)
	r.lineEnd()
	out, err := r.src.Charset().Append(make([]byte, 0, len(raw)), raw)
	if err != nil {
		r.rec.bad = err.Error()
	}
	r.rec.text = bytes.TrimRight(out, " \t\x1a")
	r.rec.ascii = len(out) == utf8.RuneCount(out)
}

// lineEnd passes over a line break, and blanks before it.
func (r *records) lineEnd() {
	for r.err == nil {
		next, err := r.in.Peek(1)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				r.err = err
			} else {
				r.err = io.EOF
			}
			return
		}
		switch next[0] {
		case ' ':
		case '\r':
			if two, err := r.in.Peek(2); err == nil && two[1] == '\n' {
				r.pass(2)
			} else {
				r.pass(1)
			}
			return
		case '\n':
			r.pass(1)
			return
		default:
			return
		}
		r.pass(1)
	}
}

func (r *records) pass(n int) {
	for range n {
		if c, err := r.in.ReadByte(); err == nil {
			r.offset = r.src.Behind(r.offset, []byte{c})
		}
	}
}

func (r *records) back() {
	if err := r.in.UnreadByte(); err != nil {
		r.err = err
	}
}

// digits reads a number that fills its columns.
func (r *record) digits(from, to int, what string) (int64, error) {
	t := r.columns(from, to)
	n := int64(0)
	for _, c := range t {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%s %q (columns %d to %d): want digits", what, t, from, to)
		}
		n = n*10 + int64(c-'0')
	}
	if len(t) != to-from+1 {
		return 0, fmt.Errorf("%s %q (columns %d to %d): the record is too short", what, t, from, to)
	}
	return n, nil
}

// cents are an amount of digits, two of them behind the point.
func cents(n int64) (money.Decimal, error) { return money.New(n, 2) }

// date reads YYMMDD, of 1980 to 2079; blank or malformed is no date.
func (r *record) date(from int) statement.Date {
	n, err := r.digits(from, from+5, "date")
	if err != nil {
		return statement.Date{}
	}
	year := 2000 + int(n/10000)
	if year >= 2080 {
		year -= 100
	}
	d, _ := statement.DateOf(year, int(n/100%100), int(n%100))
	return d
}

// settled is the day of the year, in three columns, that is nearest to another day; none if either is none.
func (r *record) settled(from int, near statement.Date) statement.Date {
	n, err := r.digits(from, from+2, "settlement date")
	if err != nil || n < 1 || n > 366 || near.IsZero() {
		return statement.Date{}
	}
	var best statement.Date
	gap := int32(1 << 30)
	year := near.Time().Year()
	for y := year - 1; y <= year+1; y++ {
		first, ok := statement.DateOf(y, 1, 1)
		if !ok {
			continue
		}
		t := first.Time().AddDate(0, 0, int(n)-1)
		d, ok := statement.DateOf(t.Year(), int(t.Month()), t.Day())
		if g := max(d.Days()-near.Days(), near.Days()-d.Days()); ok && t.Year() == y && g < gap {
			best, gap = d, g
		}
	}
	return best
}
