package mt940

import (
	"bytes"
	"errors"
	"io"

	"github.com/millrace/millrace/sdk/statement/internal/book"
	"github.com/millrace/millrace/sdk/statement/internal/text"
)

// field is a tag with its value, valid until the next one is read.
type field struct {
	tag   string // "" ends a message
	value []byte // lines joined by LF
	at    book.Place
	bad   string // why it cannot be read
}

// fields reads the fields of a file.
type fields struct {
	lines *text.Lines
	book  *book.Book
	ahead struct { // the line that comes next
		text []byte
		at   book.Place
		bad  string
		ok   bool
	}
	value     []byte
	inside    bool   // a message
	announced string // the type that SWIFT's blocks give the next message
	err       error
}

// tagOf splits a line that begins a field: two digits, or two and a letter, between colons; or :NS:.
func tagOf(line []byte) (tag string, rest []byte) {
	if len(line) < 4 || line[0] != ':' {
		return "", nil
	}
	n := 3
	if line[3] != ':' {
		n = 4
	}
	if len(line) <= n || line[n] != ':' {
		return "", nil
	}
	name := line[1:n]
	if !digit(name[0]) || !digit(name[1]) || n == 4 && (name[2] < 'A' || name[2] > 'Z') {
		if string(name) != "NS" {
			return "", nil
		}
	}
	return string(name), line[n+1:]
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// fill makes sure that there is a line ahead; false at the end.
func (f *fields) fill() bool {
	if f.ahead.ok {
		return true
	}
	if f.err != nil {
		return false
	}
	line, err := f.lines.Next()
	if err != nil {
		f.err = err
		return false
	}
	f.ahead.text = append(f.ahead.text[:0], line.Text...)
	f.ahead.at, f.ahead.bad, f.ahead.ok = book.Place{Line: line.Number, Offset: line.Offset}, "", true
	switch {
	case line.Err != nil:
		f.ahead.bad = line.Err.Error()
	case line.Long:
		f.ahead.bad = "the line is too long"
	}
	return true
}

// next returns the next field, or io.EOF.
func (f *fields) next() (field, error) {
	for f.fill() {
		line, at := f.ahead.text, f.ahead.at
		if tag, rest := tagOf(line); tag != "" {
			f.inside = true
			return f.field(tag, rest, at)
		}
		f.ahead.ok = false
		line = bytes.Trim(line, " \t\x01\x03")
		switch {
		case len(line) == 0, string(line) == "$":
		case line[0] == '-' && (len(line) == 1 || line[1] == '}'):
			ended := f.inside
			f.inside = false
			if rest := line[min(len(line), 2):]; len(rest) > 0 && rest[0] == '{' {
				f.header(rest)
			}
			if ended {
				return field{at: at}, nil
			}
		case line[0] == '{':
			ended := f.inside
			f.inside = false
			f.header(line)
			if ended {
				return field{at: at}, nil
			}
		case !f.inside && envelope(line):
			f.book.File.Ignored++
		default:
			return field{tag: "?", value: line, at: at, bad: "the line is not part of a field"}, nil
		}
	}
	if errors.Is(f.err, io.EOF) {
		return field{}, io.EOF
	}
	return field{}, f.book.Failed(f.ahead.at, f.err)
}

// field reads the lines of one field.
func (f *fields) field(tag string, rest []byte, at book.Place) (field, error) {
	out := field{tag: tag, at: at, bad: f.ahead.bad}
	f.value = append(f.value[:0], rest...)
	f.ahead.ok = false
	for f.fill() {
		line := f.ahead.text
		if next, _ := tagOf(line); next != "" || ends(line) {
			break
		}
		f.ahead.ok = false
		if f.ahead.bad != "" {
			out.bad = f.ahead.bad
		}
		if len(f.value)+len(line) > f.book.MaxRecord() {
			out.bad = "the field is too long"
			continue
		}
		f.value = append(append(f.value, '\n'), line...)
	}
	out.value = bytes.TrimRight(f.value, "\n ")
	return out, nil
}

// ends reports whether a line ends a message.
func ends(line []byte) bool {
	line = bytes.TrimRight(line, " \t\x03")
	return len(line) > 0 && (string(line) == "-" || line[0] == '-' && len(line) > 1 && line[1] == '}' || line[0] == '{' && len(line) > 2 && line[2] == ':')
}

// header looks at SWIFT's blocks for the type of the message, and at what follows them on their line.
func (f *fields) header(line []byte) {
	if i := bytes.Index(line, []byte("{2:")); i >= 0 && len(line) >= i+7 {
		if kind := line[i+4 : i+7]; string(kind) == "940" || string(kind) == "942" {
			f.announced = "MT" + string(kind)
		}
	}
	if i := bytes.Index(line, []byte("{4:")); i >= 0 {
		if rest := bytes.TrimSpace(line[i+3:]); len(rest) > 0 {
			f.ahead.text = append(f.ahead.text[:0], rest...)
			f.ahead.ok = true
		}
	}
}

// envelope reports whether a line may stand before a message: some banks put their address and the type of the message there.
func envelope(line []byte) bool {
	if len(line) > 40 {
		return false
	}
	for _, c := range line {
		if !digit(c) && (c < 'A' || c > 'Z') && c != ' ' {
			return false
		}
	}
	return true
}
