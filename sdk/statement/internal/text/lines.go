package text

import (
	"bytes"
	"errors"
	"io"
)

// Line is a physical line. Its text is valid until the next one is read.
type Line struct {
	Text   []byte // without its break, in UTF-8 if Err is nil
	Number int64  // from 1
	Offset int64  // of its first byte in the file
	Long   bool   // Text is only the head of a line that is too long
	Err    error  // ErrEncoding
}

// Lines reads lines that end in LF, CR LF or CR, or at the end of the file.
type Lines struct {
	src    *Source
	max    int
	buf    []byte
	pos    int
	offset int64
	number int64
	text   []byte
	err    error
}

// NewLines reads the lines of src; of lines of more than max bytes only the head is kept.
func NewLines(src *Source, max int) *Lines {
	return &Lines{src: src, max: max, offset: src.Start()}
}

// Offset is where the next line begins.
func (l *Lines) Offset() int64 { return l.offset }

// Number is how many lines were read.
func (l *Lines) Number() int64 { return l.number }

// Next returns the next line, or io.EOF.
func (l *Lines) Next() (Line, error) {
	line := Line{Number: l.number + 1, Offset: l.offset}
	searched := 0
	for {
		held := l.buf[l.pos:]
		i := bytes.IndexAny(held[searched:], "\r\n")
		if i >= 0 {
			i += searched
			if held[i] == '\n' || i+1 < len(held) || l.err != nil {
				end := i + 1
				if held[i] == '\r' && end < len(held) && held[end] == '\n' {
					end++
				}
				return l.take(line, i, end)
			}
			searched = i
		} else {
			searched = len(held)
		}
		switch {
		case l.err != nil && !errors.Is(l.err, io.EOF):
			return line, l.err
		case l.err != nil && len(held) == 0 && !line.Long:
			return line, io.EOF
		case l.err != nil:
			return l.take(line, len(held), len(held))
		case len(held) > l.max+1:
			// A line that is too long: keep its head, pass over the rest.
			if !line.Long {
				line.Long = true
				l.text = append(l.text[:0], held[:l.max]...)
			}
			drop := len(held)
			if held[drop-1] == '\r' {
				drop--
			}
			l.pass(drop)
			searched = 0
		}
		l.more()
	}
}

// take ends a line of n bytes and passes over all that it has, its break included.
func (l *Lines) take(line Line, n, all int) (Line, error) {
	raw := l.buf[l.pos : l.pos+n]
	if !line.Long && n > l.max {
		line.Long = true
		l.text = append(l.text[:0], raw[:l.max]...)
	}
	if line.Long {
		raw = bytes.Clone(l.text)
	}
	l.text, line.Err = l.src.Charset().Append(l.text[:0], raw)
	line.Text = l.text
	l.pass(all)
	l.number++
	return line, nil
}

func (l *Lines) pass(n int) {
	l.offset = l.src.Behind(l.offset, l.buf[l.pos:l.pos+n])
	l.pos += n
}

func (l *Lines) more() {
	if l.pos > 0 {
		l.buf = l.buf[:copy(l.buf, l.buf[l.pos:])]
		l.pos = 0
	}
	if len(l.buf) == cap(l.buf) {
		grown := make([]byte, len(l.buf), max(2*cap(l.buf), sourceBuffer))
		copy(grown, l.buf)
		l.buf = grown
	}
	n, err := l.src.Read(l.buf[len(l.buf):cap(l.buf)])
	l.buf = l.buf[:len(l.buf)+n]
	if err != nil {
		l.err = err
	}
}
