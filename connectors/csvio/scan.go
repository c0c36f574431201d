package csvio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// scanner finds records. Where one ends depends only on the bytes from where it
// begins, so any two scanners that start at a record's first byte agree on all that follow.
type scanner struct {
	dialect
	r     io.Reader
	buf   []byte
	pos   int   // of the next record in buf
	off   int64 // of the next record in the file
	eof   bool
	blank int64 // blank lines passed over
	err   error
}

// record is one record. Its bytes are valid until the next call.
type record struct {
	raw    []byte // without the line break
	offset int64
	lines  int64  // physical lines that it takes
	bad    string // why it cannot be parsed; "" if it can
}

func newScanner(r io.Reader, d dialect, offset int64) *scanner {
	return &scanner{dialect: d, r: r, off: offset}
}

const scanStep = 64 << 10

// more reads further bytes behind those that are held. It moves the held ones to the front.
func (s *scanner) more() {
	if s.pos > 0 {
		n := copy(s.buf, s.buf[s.pos:])
		s.buf = s.buf[:n]
		s.pos = 0
	}
	if len(s.buf) == cap(s.buf) {
		grown := make([]byte, len(s.buf), max(2*cap(s.buf), scanStep))
		copy(grown, s.buf)
		s.buf = grown
	}
	n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if err != nil {
		s.eof = true
		if !errors.Is(err, io.EOF) {
			s.err = err
		}
	}
}

// held are the bytes from the next record's beginning on.
func (s *scanner) held() []byte { return s.buf[s.pos:] }

// take consumes n bytes, the last of which may be a line break, as a record.
func (s *scanner) take(n int, lines int64) record {
	raw := s.buf[s.pos : s.pos+n]
	rec := record{raw: trimBreak(raw), offset: s.off, lines: lines}
	s.pos += n
	s.off += int64(n)
	return rec
}

func trimBreak(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		if n > 1 && line[n-2] == '\r' {
			line = line[:n-2]
		}
	}
	return line
}

// next returns the next record, or io.EOF. Blank lines are passed over.
func (s *scanner) next() (record, error) {
	for {
		rec, err := s.one()
		if err != nil {
			return rec, err
		}
		if len(rec.raw) > 0 || rec.bad != "" {
			return rec, nil
		}
		s.blank++
	}
}

// one returns the next record, blank or not.
func (s *scanner) one() (record, error) {
	line, err := s.line()
	if err != nil {
		return record{}, err
	}
	if line < 0 {
		return s.tooLong()
	}
	first := s.held()[:line]
	if s.quote == 0 || bytes.IndexByte(first, s.quote) < 0 {
		return s.take(line, 1), nil
	}
	if s.oneLine {
		return s.take(line, 1), nil // an open quote is found when it is parsed
	}
	end, lines, err := s.quotedEnd()
	if err != nil {
		return record{}, err
	}
	if end < 0 {
		rec := s.take(line, 1)
		rec.bad = "a quote that opens here is never closed"
		return rec, nil
	}
	return s.take(end, lines), nil
}

// line is the length of the first physical line, its break included; -1 if it is longer than a record may be.
func (s *scanner) line() (int, error) {
	searched := 0
	for {
		if i := bytes.IndexByte(s.held()[searched:], '\n'); i >= 0 {
			if searched+i+1 > s.max {
				return -1, nil
			}
			return searched + i + 1, nil
		}
		searched = len(s.held())
		switch {
		case s.err != nil:
			return 0, s.err
		case s.eof && searched == 0:
			return 0, io.EOF
		case searched > s.max:
			return -1, nil
		case s.eof:
			return searched, nil
		}
		s.more()
	}
}

// tooLong passes over a line that is too long, keeping its head.
func (s *scanner) tooLong() (record, error) {
	head := bytes.Clone(s.held()[:min(len(s.held()), s.max)])
	rec := record{raw: head, offset: s.off, lines: 1, bad: fmt.Sprintf("the record has more than %d bytes", s.max)}
	for {
		i := bytes.IndexByte(s.held(), '\n')
		n := i + 1
		if i < 0 {
			n = len(s.held())
		}
		s.pos += n
		s.off += int64(n)
		switch {
		case s.err != nil:
			return record{}, s.err
		case i >= 0, s.eof:
			return rec, nil
		}
		s.more()
	}
}

// quotedEnd is the length of the next record, its break included, minding
// quotes; -1 if it has no end within max bytes or before the file's.
func (s *scanner) quotedEnd() (end int, lines int64, err error) {
	w := walker{start: true, lines: 1}
	for {
		held := s.held()
		if end := s.walk(&w, held); end > s.max {
			return -1, 0, nil
		} else if end > 0 {
			return end, w.lines, nil
		}
		switch {
		case s.err != nil:
			return 0, 0, s.err
		case s.eof && (w.inside || len(held) > s.max), !s.eof && w.at >= s.max:
			return -1, 0, nil
		case s.eof:
			return len(held), w.lines, nil
		}
		s.more()
	}
}

// walker is how far a record has been looked through.
type walker struct {
	at     int
	inside bool // of quotes
	start  bool // of a field
	lines  int64
}

// walk goes on through a record and returns its length, or 0 where what is held ends before it does.
func (s *scanner) walk(w *walker, held []byte) int {
	for w.at < len(held) {
		if w.inside {
			if !s.quoted(w, held) {
				return 0
			}
			continue
		}
		c := held[w.at]
		w.at++
		switch {
		case c == '\n':
			return w.at
		case w.start && c == s.quote:
			w.inside, w.start = true, false
		case c == s.delim:
			w.start = true
		case !s.trim || c != ' ' && c != '\t':
			w.start = false
		}
	}
	return 0
}

// quoted passes over a character inside quotes, with what it escapes; false if that is not here yet.
func (s *scanner) quoted(w *walker, held []byte) bool {
	c := held[w.at]
	pair := c == s.escape && s.escape != 0 || c == s.quote && s.escape == 0
	switch {
	case pair && w.at+1 == len(held) && !s.eof:
		return false
	case pair && w.at+1 < len(held) && (s.escape != 0 || held[w.at+1] == s.quote):
		if held[w.at+1] == '\n' {
			w.lines++
		}
		w.at += 2
		return true
	case c == s.quote:
		w.inside = false
	case c == '\n':
		w.lines++
	}
	w.at++
	return true
}

// blankLines returns how many blank lines were passed over, and forgets them.
func (s *scanner) blankLines() int64 {
	n := s.blank
	s.blank = 0
	return n
}

// field is one field of a record. Its text is valid until the next record.
type field struct {
	text   []byte
	quoted bool
}

// fields cuts a record into fields. What quotes wrap is copied to scratch without their escapes.
func (d *dialect) fields(raw []byte, out []field, scratch []byte) ([]field, []byte, error) {
	for i := 0; ; {
		if d.trim {
			i = skipBlanks(raw, i, d.delim)
		}
		if d.quote != 0 && i < len(raw) && raw[i] == d.quote {
			start := len(scratch)
			var err error
			if scratch, i, err = d.unquote(raw, i+1, scratch); err != nil {
				return out, scratch, fmt.Errorf("field %d: %w", len(out)+1, err)
			}
			out = append(out, field{scratch[start:], true})
			if d.trim {
				i = skipBlanks(raw, i, d.delim)
			}
			if i < len(raw) && raw[i] != d.delim {
				return out, scratch, fmt.Errorf("field %d: text follows its closing quote", len(out))
			}
		} else {
			end := bytes.IndexByte(raw[i:], d.delim)
			if end < 0 {
				end = len(raw) - i
			}
			text := raw[i : i+end]
			if d.quote != 0 && bytes.IndexByte(text, d.quote) >= 0 {
				return out, scratch, fmt.Errorf("field %d: a quote inside a field that does not begin with one", len(out)+1)
			}
			if d.trim {
				text = bytes.TrimRight(text, " \t")
			}
			out = append(out, field{text, false})
			i += end
		}
		if i >= len(raw) {
			return out, scratch, nil
		}
		i++ // the delimiter
	}
}

func skipBlanks(raw []byte, i int, delim byte) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\t') && raw[i] != delim {
		i++
	}
	return i
}

var errOpenQuote = errors.New("its quote is not closed")

// unquote copies the field that begins at i, behind its quote, and returns the place behind the closing quote.
func (d *dialect) unquote(raw []byte, i int, scratch []byte) ([]byte, int, error) {
	for {
		stop := bytes.IndexByte(raw[i:], d.quote)
		if d.escape != 0 {
			if e := bytes.IndexByte(raw[i:], d.escape); e >= 0 && (stop < 0 || e < stop) {
				if i+e+1 >= len(raw) {
					return scratch, i, errOpenQuote
				}
				scratch = append(scratch, raw[i:i+e]...)
				scratch = append(scratch, raw[i+e+1])
				i += e + 2
				continue
			}
		}
		if stop < 0 {
			return scratch, i, errOpenQuote
		}
		scratch = append(scratch, raw[i:i+stop]...)
		i += stop + 1
		if d.escape != 0 || i >= len(raw) || raw[i] != d.quote {
			return scratch, i, nil
		}
		scratch = append(scratch, d.quote)
		i++
	}
}
