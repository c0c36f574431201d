package jsonio

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// record is the text of one record and where it stands.
type record struct {
	raw    []byte
	offset int64
	line   int64  // 0 where it is not known
	bad    string // why it is none; "" if it may be one
}

// records are a split's records in order.
type records interface {
	next() (record, error)
}

// source is a split's object and the streams that are open on it.
type source struct {
	object  storage.Reader
	streams []io.Closer
}

func (s *source) close() error {
	var err error
	for i := len(s.streams) - 1; i >= 0; i-- {
		err = errors.Join(err, s.streams[i].Close())
	}
	return errors.Join(err, s.object.Close())
}

// open finds a split's records.
func open(ctx context.Context, store storage.Store, split files.Split, opts Options) (*source, records, error) {
	object, err := files.OpenSplit(ctx, store, split)
	if err != nil {
		return nil, nil, err
	}
	s := &source{object: object}
	recs, err := s.records(ctx, split, opts)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read %s in %s: %w", split, store.URL(), err), s.close())
	}
	return s, recs, nil
}

func (s *source) records(ctx context.Context, split files.Split, opts Options) (records, error) {
	kind := opts.Compression.Of(split.Name)
	at := max(split.From-1, 0) // the byte before tells whether a line begins at the border
	raw := files.Stream(ctx, s.object, at)
	s.streams = append(s.streams, raw)
	var in io.Reader = raw
	end := split.To
	if kind != files.None && s.object.Size() > 0 {
		plain, err := files.Decompress(raw, kind)
		if err != nil {
			return nil, err
		}
		s.streams = append(s.streams, plain)
		in, end = plain, -1
	}
	if split.From > 0 {
		l := &lines{in: files.NewLines(in, at, opts.maxRecord()), to: end}
		_, _, err := l.in.Next()
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return l, err
	}
	buffered := bufio.NewReaderSize(in, 64<<10)
	first, skipped, err := firstByte(buffered)
	if err != nil {
		return nil, err
	}
	if first == '[' {
		return &elements{in: buffered, off: skipped, max: opts.maxRecord()}, nil
	}
	return &lines{in: files.NewLines(buffered, skipped, opts.maxRecord()), to: end, line: 1}, nil
}

// firstByte peeks at the first byte that is no blank, passing over a byte order mark; 0 in an empty file.
func firstByte(r *bufio.Reader) (c byte, skipped int64, err error) {
	head, err := r.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	if bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		r.Discard(3)
		skipped = 3
	}
	for n := 1; ; n++ {
		head, err := r.Peek(n)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
			return 0, skipped, nil
		case err != nil:
			return 0, skipped, err
		}
		if c := head[n-1]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, skipped, nil
		}
	}
}

// lines are the records of NDJSON.
type lines struct {
	in   *files.Lines
	to   int64 // of the split; negative for all
	line int64
}

func (l *lines) next() (record, error) {
	for {
		rec := record{offset: l.in.Offset(), line: l.line}
		if l.to >= 0 && rec.offset >= l.to {
			return record{}, io.EOF
		}
		text, long, err := l.in.Next()
		if err != nil {
			return record{}, err
		}
		if l.line > 0 {
			l.line++
		}
		if long {
			rec.bad = "the line is longer than a record may be"
		} else if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		rec.raw = text
		return rec, nil
	}
}

// elements are the records of an array. Damage in its structure is an error: what follows cannot be told apart.
type elements struct {
	in     *bufio.Reader
	off    int64
	max    int
	inside bool
	buf    []byte
}

func (e *elements) corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: byte %d: %s", files.ErrCorrupt, e.off, fmt.Sprintf(format, args...))
}

// byte returns the next byte that is no blank.
func (e *elements) byte() (byte, error) {
	for {
		c, err := e.in.ReadByte()
		if errors.Is(err, io.EOF) {
			return 0, e.corrupt("the array ends early")
		}
		if err != nil {
			return 0, err
		}
		e.off++
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, nil
		}
	}
}

func (e *elements) next() (record, error) {
	c, err := e.byte()
	if err != nil {
		return record{}, err
	}
	if !e.inside { // the bracket that opens
		e.inside = true
		if c, err = e.byte(); err != nil {
			return record{}, err
		}
		if c == ']' {
			return record{}, e.end()
		}
	} else {
		if c == ']' {
			return record{}, e.end()
		}
		if c != ',' {
			return record{}, e.corrupt("%q between elements", c)
		}
		if c, err = e.byte(); err != nil {
			return record{}, err
		}
	}
	return e.element(c)
}

// end makes sure that nothing follows the array.
func (e *elements) end() error {
	for {
		c, err := e.in.ReadByte()
		if err != nil {
			return err // io.EOF is right
		}
		e.off++
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return e.corrupt("more follows the array")
		}
	}
}

// element reads the value that begins with c: to its closing bracket, or to the comma or bracket behind a scalar.
func (e *elements) element(c byte) (record, error) {
	rec := record{offset: e.off - 1}
	e.buf = e.buf[:0]
	depth, quoted, escaped := 0, false, false
	for {
		if len(e.buf) < e.max {
			e.buf = append(e.buf, c)
		} else {
			rec.bad = "the element is longer than a record may be"
		}
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth <= 0 && !quoted {
			done, err := e.ends(depth)
			if err != nil {
				return record{}, err
			}
			if done {
				rec.raw = e.buf
				return rec, nil
			}
		}
		var err error
		if c, err = e.in.ReadByte(); errors.Is(err, io.EOF) {
			return record{}, e.corrupt("the array ends inside an element")
		} else if err != nil {
			return record{}, err
		}
		e.off++
	}
}

// ends reports whether an element that is complete so far is followed by what must follow it.
func (e *elements) ends(depth int) (bool, error) {
	if depth < 0 {
		return false, e.corrupt("a bracket that nothing opens")
	}
	next, err := e.in.Peek(1)
	if errors.Is(err, io.EOF) {
		return false, e.corrupt("the array ends early")
	}
	if err != nil {
		return false, err
	}
	return next[0] == ',' || next[0] == ']' || next[0] == ' ' || next[0] == '\n' || next[0] == '\r' || next[0] == '\t', nil
}
