package bai2

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/sdk/statement/internal/book"
	"github.com/millrace/millrace/sdk/statement/internal/text"
)

// record is a record with the lines that continue it, valid until the next one is read.
type record struct {
	code  string
	raw   []byte   // lines joined by LF
	parts [][]byte // of each line, without its type and the slash that ends it
	lines int64
	at    book.Place
	bad   string
}

// records reads the records of a file.
type records struct {
	lines *text.Ahead
	book  *book.Book
	rec   record
	ends  []int // in rec.raw, of each line
}

// next returns the next record, or io.EOF.
func (r *records) next() (*record, error) {
	rec := &r.rec
	*rec = record{raw: rec.raw[:0], parts: rec.parts[:0]}
	r.ends = r.ends[:0]
	for {
		line, err := r.lines.Peek()
		if errors.Is(err, io.EOF) && rec.lines > 0 {
			break
		}
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		if err != nil {
			return nil, r.book.Failed(book.Place{Line: r.lines.Number(), Offset: r.lines.Offset()}, err)
		}
		body := bytes.TrimRight(line.Text, " \t\x1a")
		if len(body) == 0 {
			r.lines.Take()
			continue
		}
		if rec.lines > 0 && !bytes.HasPrefix(body, []byte("88,")) {
			break
		}
		r.add(body, line)
		r.lines.Take()
	}
	r.split()
	return rec, nil
}

func (r *records) add(body []byte, line text.Line) {
	rec := &r.rec
	if rec.lines == 0 {
		rec.at = book.Place{Line: line.Number, Offset: line.Offset}
	}
	rec.lines++
	switch {
	case line.Err != nil:
		rec.bad = line.Err.Error()
	case line.Long:
		rec.bad = "the line is too long"
	case len(rec.raw)+len(body) > r.book.MaxRecord():
		rec.bad = "the record is too long"
		return
	}
	if len(rec.raw) > 0 {
		rec.raw = append(rec.raw, '\n')
	}
	rec.raw = append(rec.raw, body...)
	r.ends = append(r.ends, len(rec.raw))
}

// split tells the lines of a record apart, now that its bytes move no more.
func (r *records) split() {
	rec, from := &r.rec, 0
	for i, end := range r.ends {
		line := rec.raw[from:end]
		from = end + 1
		code, rest, _ := bytes.Cut(line, []byte(","))
		if i == 0 {
			rec.code = string(bytes.TrimSuffix(code, []byte("/")))
		}
		rec.parts = append(rec.parts, bytes.TrimSuffix(rest, []byte("/")))
	}
	if len(rec.code) != 2 && rec.bad == "" {
		rec.bad = "the line does not begin with a record type of two digits"
	}
}

// cursor walks the fields of a record.
type cursor struct {
	left  []byte   // of the line
	open  bool     // there is a field in left
	parts [][]byte // lines behind it
}

func (r *record) fields() cursor {
	if len(r.parts) == 0 {
		return cursor{}
	}
	return cursor{r.parts[0], true, r.parts[1:]}
}

// more reports whether there is another field.
func (c *cursor) more() bool { return c.open || len(c.parts) > 0 }

// next is the next field; "" where there is none.
func (c *cursor) next() []byte {
	if !c.open {
		if len(c.parts) == 0 {
			return nil
		}
		c.left, c.parts = c.parts[0], c.parts[1:]
	}
	var field []byte
	field, c.left, c.open = bytes.Cut(c.left, []byte(","))
	return bytes.TrimSpace(field)
}

// optional is the next field, unless the line ends and the next one begins with a type code.
func (c *cursor) optional() []byte {
	if !c.open && len(c.parts) > 0 {
		first, _, _ := bytes.Cut(c.parts[0], []byte(","))
		if len(first) == 3 && number(first) >= 0 {
			return nil
		}
	}
	return c.next()
}

// drop passes over all fields.
func (c *cursor) drop() { *c = cursor{} }

// rest is all that is left, as a text.
func (c *cursor) rest() []byte {
	left := c.left
	if !c.open {
		left = nil
	}
	if len(c.parts) > 0 {
		left = append(append(bytes.Clone(left), ' '), bytes.Join(c.parts, []byte(" "))...)
	}
	return bytes.TrimSpace(left)
}

// number is the value of digits; -1 for anything else.
func number(text []byte) int64 {
	if len(text) == 0 || len(text) > 18 {
		return -1
	}
	n := int64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// count reads a count.
func count(text []byte, what string) (int64, error) {
	n := number(text)
	if n < 0 {
		return 0, fmt.Errorf("%s %q: want digits", what, text)
	}
	return n, nil
}
