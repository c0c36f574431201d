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
	i, inside, start := 0, false, true
	lines = 1
	for {
		b := s.held()
		for i < len(b) {
			c := b[i]
			if inside {
				switch {
				case s.escape != 0 && c == s.escape || s.escape == 0 && c == s.quote && i+1 < len(b) && b[i+1] == s.quote:
					if i+1 == len(b) && !s.eof {
						goto refill // what is escaped is not here yet
					}
					if i+1 < len(b) && b[i+1] == '\n' {
						lines++
					}
					i += 2
					continue
				case c == s.quote:
					if s.escape == 0 && i+1 == len(b) && !s.eof {
						goto refill // closed, or doubled
					}
					inside = false
				case c == '\n':
					lines++
				}
				i++
				continue
			}
			switch {
			case c == '\n':
				if i+1 > s.max {
					return -1, 0, nil
				}
				return i + 1, lines, nil
			case start && c == s.quote:
				inside, start = true, false
			case c == s.delim:
				start = true
			case !(start && s.trim && (c == ' ' || c == '\t')):
				start = false
			}
			i++
		}
	refill:
		switch {
		case s.err != nil:
			return 0, 0, s.err
		case s.eof && inside, i >= s.max && !s.eof, len(b) > s.max && s.eof:
			return -1, 0, nil
		case s.eof:
			return len(b), lines, nil
		}
		s.more()
	}
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
