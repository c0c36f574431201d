package files

import (
	"bytes"
	"errors"
	"io"
)

// DefaultMaxLine is the longest line of a Lines by default.
const DefaultMaxLine = 16 << 20

// lineStep is how much room a Lines begins with.
const lineStep = 64 << 10

// Lines reads the physical lines of a stream. It is for formats whose records are lines.
type Lines struct {
	r   io.Reader
	max int
	buf []byte
	pos int
	off int64
	eof bool
	err error
}

// NewLines reads r, whose first byte is at offset in its file. Lines of more than max bytes (0: DefaultMaxLine) are cut.
func NewLines(r io.Reader, offset int64, max int) *Lines {
	if max <= 0 {
		max = DefaultMaxLine
	}
	return &Lines{r: r, off: offset, max: max}
}

// Offset is where the next line begins.
func (l *Lines) Offset() int64 { return l.off }

// Next returns the next line without its break (LF or CR LF), valid until the
// next call, or io.EOF. Of a line that is too long only the head comes, and long is true.
func (l *Lines) Next() (line []byte, long bool, err error) {
	searched := 0
	for {
		held := l.buf[l.pos:]
		if i := bytes.IndexByte(held[searched:], '\n'); i >= 0 {
			return l.take(searched + i + 1)
		}
		searched = len(held)
		switch {
		case l.err != nil:
			return nil, false, l.err
		case l.eof && searched == 0:
			return nil, false, io.EOF
		case l.eof:
			return l.take(searched)
		case searched > l.max:
			return l.cut()
		}
		l.more()
	}
}

// take consumes n bytes as a line.
func (l *Lines) take(n int) ([]byte, bool, error) {
	line := l.buf[l.pos : l.pos+n]
	l.pos += n
	l.off += int64(n)
	line = bytes.TrimSuffix(line, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if n > l.max {
		return line[:min(len(line), l.max)], true, nil
	}
	return line, false, nil
}

// cut passes over a line that is too long to be held.
func (l *Lines) cut() ([]byte, bool, error) {
	head := bytes.Clone(l.buf[l.pos : l.pos+l.max])
	for {
		i := bytes.IndexByte(l.buf[l.pos:], '\n')
		n := i + 1
		if i < 0 {
			n = len(l.buf) - l.pos
		}
		l.pos += n
		l.off += int64(n)
		switch {
		case l.err != nil:
			return nil, false, l.err
		case i >= 0, l.eof:
			return head, true, nil
		}
		l.more()
	}
}

// more reads further bytes behind those that are held.
func (l *Lines) more() {
	if l.pos > 0 {
		l.buf = l.buf[:copy(l.buf, l.buf[l.pos:])]
		l.pos = 0
	}
	if len(l.buf) == cap(l.buf) {
		grown := make([]byte, len(l.buf), max(2*cap(l.buf), lineStep))
		copy(grown, l.buf)
		l.buf = grown
	}
	n, err := l.r.Read(l.buf[len(l.buf):cap(l.buf)])
	l.buf = l.buf[:len(l.buf)+n]
	if err != nil {
		l.eof = true
		if !errors.Is(err, io.EOF) {
			l.err = err
		}
	}
}
