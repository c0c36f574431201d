package text

import (
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// Source is a file's bytes without a byte order mark, in UTF-8 if they were in UTF-16.
type Source struct {
	r       io.Reader
	charset Charset
	start   int64 // bytes of the mark
	wide    bool  // UTF-16
	little  bool
	raw     []byte // read and not yet turned into UTF-8
	out     []byte
	pos     int
	read    int64 // bytes of the file so far
	err     error
}

const sourceBuffer = 64 << 10

// Open looks at the beginning of r. encoding is that of statement.Encoding.
func Open(r io.Reader, encoding string) (*Source, error) {
	s := &Source{r: r}
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	s.read = int64(n)
	if err != nil {
		s.err = err
		if errors.Is(err, io.ErrUnexpectedEOF) {
			s.err = io.EOF
		}
	}
	if s.err != nil && !errors.Is(s.err, io.EOF) {
		return nil, s.err
	}
	at := func(i int) byte {
		if i < n {
			return head[i]
		}
		return 0xff
	}
	switch encoding {
	case "utf-8":
		s.charset = Strict
	case "latin-1", "windows-1252":
		s.charset = Western
	}
	switch {
	case n >= 3 && at(0) == 0xef && at(1) == 0xbb && at(2) == 0xbf:
		s.start = 3
		if s.charset == Western {
			s.charset = Strict
		}
	case n >= 2 && at(0) == 0xff && at(1) == 0xfe:
		s.start, s.wide, s.little = 2, true, true
	case n >= 2 && at(0) == 0xfe && at(1) == 0xff:
		s.start, s.wide = 2, true
	case encoding == "utf-16":
		s.wide, s.little = true, at(1) == 0
	case encoding == "" && n >= 4 && at(0) != 0 && at(1) == 0 && at(2) != 0 && at(3) == 0:
		s.wide, s.little = true, true
	case encoding == "" && n >= 4 && at(0) == 0 && at(1) != 0 && at(2) == 0 && at(3) != 0:
		s.wide = true
	}
	rest := head[s.start:]
	if s.wide {
		s.charset = Strict
		s.raw = append(make([]byte, 0, sourceBuffer), rest...)
		s.out = make([]byte, 0, sourceBuffer*3/2+8)
		s.convert()
	} else {
		s.out = rest
	}
	return s, nil
}

// Charset of the texts that are read.
func (s *Source) Charset() Charset { return s.charset }

// SetCharset follows what the file says about itself, unless its bytes or the caller said otherwise.
func (s *Source) SetCharset(c Charset) {
	if s.charset == Guess && s.start == 0 {
		s.charset = c
	}
}

// Start is the offset of the first byte behind the mark.
func (s *Source) Start() int64 { return s.start }

// Behind is the offset in the file behind bytes that were read at an offset.
func (s *Source) Behind(offset int64, p []byte) int64 {
	if !s.wide {
		return offset + int64(len(p))
	}
	return min(s.read, offset+stored(p)) // the half of a unit at the file's end is one byte
}

// stored is how many bytes of UTF-16 became these.
func stored(p []byte) int64 {
	n := int64(0)
	for _, b := range p {
		switch {
		case b >= 0xf0:
			n += 4
		case b < 0x80 || b >= 0xc0:
			n += 2
		}
	}
	return n
}

// Read is an io.Reader.
func (s *Source) Read(p []byte) (int, error) {
	if s.pos < len(s.out) {
		n := copy(p, s.out[s.pos:])
		s.pos += n
		return n, nil
	}
	if s.err != nil {
		return 0, s.err
	}
	if !s.wide {
		n, err := s.r.Read(p)
		s.err = err
		return n, err
	}
	for s.err == nil && s.pos == len(s.out) {
		n, err := s.r.Read(s.raw[len(s.raw):cap(s.raw)])
		s.raw = s.raw[:len(s.raw)+n]
		s.read += int64(n)
		s.err = err
		s.convert()
	}
	n := copy(p, s.out[s.pos:])
	s.pos += n
	if n == 0 {
		return 0, s.err
	}
	return n, nil
}

// convert turns what was read into UTF-8. Half of a surrogate pair, or of a character at the end, is U+FFFD.
func (s *Source) convert() {
	s.out, s.pos = s.out[:0], 0
	i := 0
	for i+1 < len(s.raw) {
		u := s.unit(i)
		if !utf16.IsSurrogate(u) {
			s.out = utf8.AppendRune(s.out, u)
			i += 2
			continue
		}
		if i+3 >= len(s.raw) && s.err == nil {
			break
		}
		pair := rune(utf8.RuneError)
		if i+3 < len(s.raw) {
			pair = utf16.DecodeRune(u, s.unit(i+2))
		}
		s.out = utf8.AppendRune(s.out, pair)
		i += 2
		if pair != utf8.RuneError {
			i += 2
		}
	}
	s.raw = s.raw[:copy(s.raw, s.raw[i:])]
	if s.err != nil && len(s.raw) > 0 {
		s.raw = s.raw[:0]
		s.out = utf8.AppendRune(s.out, utf8.RuneError)
	}
}

func (s *Source) unit(i int) rune {
	a, b := s.raw[i], s.raw[i+1]
	if s.little {
		a, b = b, a
	}
	return rune(a)<<8 | rune(b)
}
