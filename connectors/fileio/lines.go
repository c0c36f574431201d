package fileio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/sdk/source/planner"
	"github.com/millrace/millrace/sdk/storage"
)

// maxLine bounds a line, so that a file that is no text cannot ask for all memory.
const maxLine = 64 << 20

// lines reads the lines of one file from some byte on.
type lines struct {
	name    string
	ordinal int64
	obj     storage.Reader
	r       io.Reader
	zstd    *zstd.Decoder
	buf     []byte
	from    int // what is read and not yet handed out is buf[from:to]; it starts at byte pos
	to      int
	pos     int64 // uncompressed
	size    int64 // of the object when it was opened
	eof     bool
	skip    bool // pos lies within a line that is not wanted
	records []planner.Record
}

// openLines opens a file at a byte: a line that starts there is the first, and if the byte lies within a line the next one is.
func openLines(ctx context.Context, store storage.Store, name string, ordinal, at int64) (*lines, error) {
	obj, err := store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	l := &lines{name: name, ordinal: ordinal, obj: obj, size: obj.Size(), pos: max(0, at-1), skip: at > 0}
	if err := l.start(); err != nil {
		l.close()
		return nil, fmt.Errorf("open %s/%s: %w", store.URL(), name, err)
	}
	return l, nil
}

// start makes the reader of uncompressed bytes from pos on.
func (l *lines) start() (err error) {
	c, _ := recognise(l.name)
	whole := io.NewSectionReader(l.obj, 0, l.size)
	switch c {
	case plain:
		l.r = io.NewSectionReader(l.obj, l.pos, max(0, l.size-l.pos))
		return nil
	case gzipped:
		l.r, err = gzip.NewReader(whole)
	default:
		l.zstd, err = zstd.NewReader(whole, zstd.WithDecoderConcurrency(1))
		l.r = l.zstd
	}
	if err == nil && l.pos > 0 {
		_, err = io.CopyN(io.Discard, l.r, l.pos)
	}
	return err
}

func (l *lines) close() {
	if l.zstd != nil {
		l.zstd.Close()
	}
	l.obj.Close()
}

// chunk reads up to about size bytes and returns the whole lines in them; what
// is left at the end of a final file is a line too. The records are valid until the next call.
func (l *lines) chunk(size int, final bool) ([]planner.Record, error) {
	if err := l.fill(size); err != nil {
		return nil, err
	}
	body := l.buf[l.from:l.to]
	if !l.eof || !final {
		body = body[:bytes.LastIndexByte(body, '\n')+1]
	}
	l.records = l.records[:0]
	for at := 0; at < len(body); {
		line, next := body[at:], len(body)
		if n := bytes.IndexByte(line, '\n'); n >= 0 {
			line, next = line[:n], at+n+1
		}
		if len(bytes.TrimSpace(line)) > 0 && !l.skip {
			l.records = append(l.records, planner.Record{Offset: offset(l.ordinal, l.pos+int64(at)), Value: bytes.TrimRight(line, "\r")})
		}
		l.skip = false
		at = next
	}
	l.from += len(body)
	if l.pos += int64(len(body)); l.pos >= 1<<byteBits {
		return nil, fmt.Errorf("file %s: more than %d GiB uncompressed", l.name, 1<<byteBits>>30)
	}
	return l.records, nil
}

// fill reads until size bytes with a newline among them are there, or all there is.
func (l *lines) fill(size int) error {
	copy(l.buf, l.buf[l.from:l.to])
	l.from, l.to = 0, l.to-l.from
	if len(l.buf) < size {
		l.buf = append(make([]byte, 0, size), l.buf[:l.to]...)[:size]
	}
	for !l.eof && (l.to < size || bytes.IndexByte(l.buf[:l.to], '\n') < 0) {
		if l.to == len(l.buf) {
			if l.to > maxLine {
				return fmt.Errorf("file %s: the line at byte %d is longer than %d MiB", l.name, l.pos, maxLine>>20)
			}
			l.buf = append(l.buf, make([]byte, l.to)...)
		}
		n, err := l.r.Read(l.buf[l.to:])
		l.to += n
		if errors.Is(err, io.EOF) {
			l.eof = true
		} else if err != nil {
			return fmt.Errorf("read file %s at byte %d: %w", l.name, l.pos+int64(l.to), err)
		}
	}
	return nil
}

// done reports whether all of the file has been handed out.
func (l *lines) done() bool { return l.eof && l.from == l.to }
