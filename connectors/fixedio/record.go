package fixedio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/millrace/millrace/sdk/files"
)

// maxRecord is the most bytes of a record.
const maxRecord = 1 << 20

// record is a record with its place.
type record struct {
	raw    []byte
	runes  []int // where characters begin in raw, if they are not its bytes
	offset int64
	line   int64 // of a line; of a record of set length its number
}

// bytes are those of a place. ok is false where the record ends before.
func (r *record) bytes(start, length int) (raw []byte, ok bool) {
	from, to := start-1, start-1+length
	if r.runes == nil {
		if to > len(r.raw) {
			return r.raw[min(from, len(r.raw)):], false
		}
		return r.raw[from:to], true
	}
	ok = to <= len(r.runes)
	at := func(i int) int {
		if i < len(r.runes) {
			return r.runes[i]
		}
		return len(r.raw)
	}
	return r.raw[at(from):at(to)], ok
}

// scanner cuts a file into records.
type scanner struct {
	in    *bufio.Reader
	lines *files.Lines // nil for records of set length
	buf   []byte
	at    int64
	count int64
	text  bool // line breaks between records of set length are no data
	utf8  bool
}

func newScanner(in *bufio.Reader, l *Layout) *scanner {
	s := &scanner{in: in, text: true, utf8: l.Encoding == "" || l.Encoding == UTF8}
	if s.utf8 {
		if mark, err := in.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
			s.at = 3
			_, _ = in.Discard(3) // they are there
		}
	}
	if l.RecordLength == 0 {
		s.lines = files.NewLines(in, s.at, maxRecord)
		return s
	}
	s.buf = make([]byte, l.RecordLength)
	s.text = l.Encoding != CP037
	for _, c := range l.Columns {
		s.text = s.text && c.Type != Packed
	}
	for _, c := range l.Checks {
		s.text = s.text && c.Type != Packed
	}
	return s
}

// errRecord is a record that cannot be one.
type errRecord struct{ reason string }

func (e *errRecord) Error() string { return e.reason }

// next reads a record, or io.EOF. An *errRecord comes with the record.
func (s *scanner) next(r *record) error {
	if s.lines != nil {
		return s.line(r)
	}
	if err := s.breaks(); err != nil {
		return err
	}
	n, err := io.ReadFull(s.in, s.buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	s.count++
	*r = record{raw: s.buf[:n], offset: s.at, line: s.count}
	s.at += int64(n)
	switch {
	case n == 0 || len(bytes.Trim(r.raw, "\x1a\r\n\x00")) == 0 && n < len(s.buf):
		return io.EOF
	case n < len(s.buf):
		return &errRecord{fmt.Sprintf("the file ends within a record, after %d of %d bytes", n, len(s.buf))}
	case s.text && bytes.ContainsAny(r.raw, "\r\n"):
		return &errRecord{fmt.Sprintf("a line break within a record of %d bytes: is record_length right?", len(s.buf))}
	}
	return nil
}

// breaks passes over line breaks before a record of set length.
func (s *scanner) breaks() error {
	for s.text {
		c, err := s.in.ReadByte()
		if err != nil {
			return err
		}
		if c != '\r' && c != '\n' {
			return s.in.UnreadByte()
		}
		s.at++
	}
	return nil
}

func (s *scanner) line(r *record) error {
	for {
		at := s.lines.Offset()
		line, long, err := s.lines.Next()
		if err != nil {
			return err
		}
		s.count++
		line = bytes.TrimRight(line, "\x1a")
		if len(line) == 0 {
			continue
		}
		*r = record{raw: line, offset: at, line: s.count}
		if long {
			return &errRecord{fmt.Sprintf("the line has more than %d bytes", maxRecord)}
		}
		if s.utf8 {
			return r.characters()
		}
		return nil
	}
}

// characters finds where characters begin, if they are not bytes.
func (r *record) characters() error {
	for i := range r.raw {
		if r.raw[i] >= utf8.RuneSelf {
			if !utf8.Valid(r.raw) {
				return &errRecord{"the line is not UTF-8; perhaps its encoding is latin-1"}
			}
			for at := range string(r.raw) {
				r.runes = append(r.runes, at)
			}
			return nil
		}
	}
	return nil
}

// decodeText brings the bytes of a field to UTF-8.
func decodeText(encoding string, raw []byte) (string, error) {
	switch encoding {
	case Latin1:
		out, err := charmap.ISO8859_1.NewDecoder().Bytes(raw)
		return string(out), err
	case CP037:
		out, err := charmap.CodePage037.NewDecoder().Bytes(raw)
		return string(out), err
	}
	if !utf8.Valid(raw) {
		return "", fmt.Errorf("%q is not UTF-8", raw)
	}
	return string(raw), nil
}
