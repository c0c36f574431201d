package markup

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/sdk/statement/internal/text"
)

// Kind of a token.
type Kind uint8

// The kinds.
const (
	Begin Kind = iota + 1 // of an element
	End                   // of an element
	Text                  // between two tags, without blanks around it; never empty
)

// Token is valid until the next one is read.
type Token struct {
	Kind   Kind
	Name   []byte // of an element, without a prefix
	Text   []byte // in UTF-8
	Attrs  []byte // what stands behind the name in the tag
	Line   int64
	Offset int64
}

// Error says what is not well-formed.
type Error struct {
	Line, Offset int64
	Reason       string
}

// Error is the reason.
func (e *Error) Error() string { return e.Reason }

const (
	maxDepth = 100
	buffer   = 64 << 10
)

// Scanner reads tokens. It is used by one goroutine.
type Scanner struct {
	src    *text.Source
	in     io.Reader // src, or what its bytes come through
	sgml   bool
	max    int // of a text or a tag
	buf    []byte
	pos    int
	line   int64
	offset int64
	eof    bool
	err    error

	open   []byte // names of the open elements
	ends   []int  // where each name begins in open
	closes bool   // the element that just began is empty: its end comes next
	began  bool   // there was an element
	text   []byte
	fixed  []byte
	keep   bool // the bytes that are passed over are kept
	kept   []byte
	keepTo int
}

// New reads src: XML, or SGML. Texts and tags of more than max bytes are not well-formed.
func New(src *text.Source, sgml bool, max int) *Scanner { return NewFrom(src, src, sgml, max) }

// NewFrom is New for bytes of src that come through another reader.
func NewFrom(src *text.Source, in io.Reader, sgml bool, max int) *Scanner {
	return &Scanner{src: src, in: in, sgml: sgml, max: max, line: 1, offset: src.Start()}
}

// Skip passes over n bytes, before the first token.
func (s *Scanner) Skip(n int) {
	for len(s.buf)-s.pos < n && s.more() {
		continue
	}
	s.pass(min(n, len(s.buf)-s.pos))
}

// Line of the next byte.
func (s *Scanner) Line() int64 { return s.line }

// Offset of the next byte.
func (s *Scanner) Offset() int64 { return s.offset }

// Depth is how many elements of XML are open.
func (s *Scanner) Depth() int { return len(s.ends) }

// Keep begins to keep what is passed over, after a text that stands before it; at most max bytes.
func (s *Scanner) Keep(before []byte, max int) {
	s.keep, s.keepTo = true, max
	s.kept = append(s.kept[:0], before...)
}

// Kept ends the keeping and returns what was passed over, until the next call of Keep.
func (s *Scanner) Kept() []byte {
	s.keep = false
	return s.kept
}

func (s *Scanner) fail(format string, args ...any) error {
	return &Error{s.line, s.offset, fmt.Sprintf(format, args...)}
}

// more reads further bytes behind those that are held; false at the end.
func (s *Scanner) more() bool {
	if s.eof {
		return false
	}
	if s.pos > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.pos:])]
		s.pos = 0
	}
	if len(s.buf) == cap(s.buf) {
		grown := make([]byte, len(s.buf), max(2*cap(s.buf), buffer))
		copy(grown, s.buf)
		s.buf = grown
	}
	n, err := s.in.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if err != nil {
		s.eof = true
		if !errors.Is(err, io.EOF) {
			s.err = err
		}
	}
	return n > 0 || err == nil
}

// pass passes over n bytes.
func (s *Scanner) pass(n int) {
	span := s.buf[s.pos : s.pos+n]
	s.line += int64(bytes.Count(span, []byte("\n")))
	s.offset = s.src.Behind(s.offset, span)
	if s.keep && len(s.kept) < s.keepTo {
		s.kept = append(s.kept, span[:min(n, s.keepTo-len(s.kept))]...)
	}
	s.pos += n
}

// find looks for a mark from the next byte on, and returns how many bytes are before it; -1 where the file ends first.
func (s *Scanner) find(mark string) (int, error) {
	searched := 0
	for {
		held := s.buf[s.pos:]
		var i int
		if len(mark) == 1 {
			i = bytes.IndexByte(held[searched:], mark[0])
		} else {
			i = bytes.Index(held[searched:], []byte(mark))
		}
		if i >= 0 && searched+i <= s.max {
			return searched + i, nil
		}
		searched = max(len(held)-len(mark)+1, 0)
		if i >= 0 || len(held) > s.max+len(mark) {
			return 0, s.fail("a text or a tag of more than %d bytes", s.max)
		}
		if !s.more() {
			return -1, s.err
		}
	}
}

// starts reports whether a text comes next.
func (s *Scanner) starts(with string) bool {
	for len(s.buf)-s.pos < len(with) && s.more() {
		continue
	}
	return bytes.HasPrefix(s.buf[s.pos:], []byte(with))
}

// Next returns the next token. At the end of the file it returns io.EOF; elements of XML that are open then are an *Error.
func (s *Scanner) Next() (Token, error) {
	if s.closes {
		s.closes = false
		return s.closed(Token{Kind: End, Line: s.line, Offset: s.offset})
	}
	for {
		tok := Token{Kind: Text}
		got, err := s.content(&tok)
		if err != nil {
			return tok, err
		}
		if got {
			return tok, nil
		}
		if s.pos == len(s.buf) {
			return tok, s.end()
		}
		tok = Token{Line: s.line, Offset: s.offset}
		switch {
		case s.starts("<!--"):
			err = s.skip("<!--", "-->")
		case s.starts("<?"):
			err = s.instruction()
		case s.starts("<!"):
			err = s.fail("a document type or another declaration is not allowed")
		case s.starts("</"):
			return s.endTag(tok)
		default:
			return s.beginTag(tok)
		}
		if err != nil {
			return tok, err
		}
	}
}

// end is what the end of the file means.
func (s *Scanner) end() error {
	switch {
	case s.err != nil:
		return s.err
	case len(s.ends) > 0:
		return s.fail("the file ends within <%s>", s.open[s.ends[len(s.ends)-1]:])
	}
	return io.EOF
}

// skip passes over what stands between two marks.
func (s *Scanner) skip(from, to string) error {
	s.pass(len(from))
	n, err := s.find(to)
	if err != nil {
		return err
	}
	if n < 0 {
		return s.fail("the file ends behind %s", from)
	}
	s.pass(n + len(to))
	return nil
}

// instruction passes over a processing instruction, and looks for the encoding in the XML declaration.
func (s *Scanner) instruction() error {
	n, err := s.find("?>")
	if err != nil {
		return err
	}
	if n < 0 {
		return s.fail("the file ends behind <?")
	}
	if body := s.buf[s.pos : s.pos+n]; bytes.HasPrefix(body, []byte("<?xml ")) {
		if name := attribute(body, "encoding"); name != nil {
			if c, ok := text.CharsetOf(string(name)); ok {
				s.src.SetCharset(c)
			} else if s.src.Charset() == text.Guess {
				return s.fail("the encoding %q is not known; set one that fits", name)
			}
		}
	}
	s.pass(n + 2)
	return nil
}

// attribute is the value of an attribute in a tag; nil if it is not there.
func attribute(tag []byte, name string) []byte {
	for rest := tag; ; {
		i := bytes.Index(rest, []byte(name))
		if i < 0 {
			return nil
		}
		before := i == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[i-1]) >= 0
		rest = rest[i+len(name):]
		value := bytes.TrimLeft(rest, " \t\r\n")
		if !before || len(value) == 0 || value[0] != '=' {
			continue
		}
		value = bytes.TrimLeft(value[1:], " \t\r\n")
		if len(value) == 0 || value[0] != '"' && value[0] != '\'' {
			return nil
		}
		end := bytes.IndexByte(value[1:], value[0])
		if end < 0 {
			return nil
		}
		return value[1 : 1+end]
	}
}

// Attr is the value of an attribute of the token's element; nil if it is not there.
func (t *Token) Attr(name string) []byte { return attribute(t.Attrs, name) }
