package files

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/millrace/millrace/sdk/storage"
)

// chunk is how much of an object is read at once; one chunk is read ahead.
const chunk = 1 << 20

// maxWindow bounds what a zstd frame may ask a reader to remember.
const maxWindow = 128 << 20

// Stream reads the bytes of r from an offset on, in order, one chunk ahead of
// its user. Close it; r stays open.
func Stream(ctx context.Context, r storage.Reader, from int64) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{ctx: ctx, cancel: cancel, ready: make(chan piece), free: make(chan []byte, 2)}
	size := max(min(chunk, r.Size()-from), 1)
	s.free <- make([]byte, size)
	s.free <- make([]byte, size)
	s.group.Go(func() { s.fill(ctx, r, from) })
	return s
}

type piece struct {
	data []byte
	err  error
}

type stream struct {
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup
	ready  chan piece
	free   chan []byte

	buf  []byte // the chunk in use, whole
	rest []byte // what is left of it
	err  error
}

// fill owns r until the stream is closed.
func (s *stream) fill(ctx context.Context, r storage.Reader, off int64) {
	defer close(s.ready)
	for off < r.Size() && ctx.Err() == nil {
		var buf []byte
		select {
		case buf = <-s.free:
		case <-ctx.Done():
			return
		}
		n, err := r.ReadAt(buf[:min(int64(len(buf)), r.Size()-off)], off)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		off += int64(n)
		select {
		case s.ready <- piece{buf[:n], err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		if s.buf != nil {
			s.free <- s.buf[:cap(s.buf)]
			s.buf = nil
		}
		next, ok := <-s.ready
		if !ok {
			if s.err = s.ctx.Err(); s.err == nil {
				s.err = io.EOF
			}
			return 0, s.err
		}
		s.buf, s.rest, s.err = next.data, next.data, next.err
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Close ends the reading ahead and waits for it.
func (s *stream) Close() error {
	s.cancel()
	s.group.Wait()
	if s.err == nil {
		s.err = io.ErrClosedPipe
	}
	s.rest = nil
	return nil
}

// Decompress reads compressed bytes from r. Damage is an error that wraps
// ErrCorrupt. Close does not close r.
func Decompress(r io.Reader, c Compression) (io.ReadCloser, error) {
	switch c {
	case Gzip:
		z, err := gzip.NewReader(bufio.NewReader(r))
		if err != nil {
			return nil, corrupt("gzip", err)
		}
		return &decompressor{"gzip", z, z.Close}, nil
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, corrupt("zstd", err)
		}
		return &decompressor{"zstd", z, func() error { z.Close(); return nil }}, nil
	default:
		return io.NopCloser(r), nil
	}
}

type decompressor struct {
	format string
	r      io.Reader
	close  func() error
}

func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = corrupt(d.format, err)
	}
	return n, err
}

func (d *decompressor) Close() error { return d.close() }

// corrupt blames the file, unless the error is the storage's.
func corrupt(format string, err error) error {
	if errors.Is(err, storage.ErrTruncated) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the %s stream ends early", ErrCorrupt, format)
	}
	return fmt.Errorf("%w: %s: %w", ErrCorrupt, format, err)
}

// compress writes to w compressed. Close ends the frame, not w.
func compress(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		return gzip.NewWriter(w), nil
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	default:
		return nopWriteCloser{w}, nil
	}
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }
