// Package stream is the contract by which the operators of a task hand batches to one another.
package stream

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
)

// Stream is a sequence of record batches of one schema. It is used by one goroutine.
type Stream interface {
	// Next returns the next batch, which the caller releases, or io.EOF at the
	// end. A batch may be empty. After an error only Close may be called.
	Next(ctx context.Context) (arrow.RecordBatch, error)
	// Close frees what the stream holds, and closes its inputs. It may be called early and more than once.
	Close() error
}

// Func makes a stream of two functions.
type Func struct {
	OnNext  func(ctx context.Context) (arrow.RecordBatch, error)
	OnClose func() error // may be nil
}

// Next calls OnNext.
func (f Func) Next(ctx context.Context) (arrow.RecordBatch, error) { return f.OnNext(ctx) }

// Close calls OnClose.
func (f Func) Close() error {
	if f.OnClose == nil {
		return nil
	}
	return f.OnClose()
}

// Batches is a stream of the given batches. It takes over the caller's references.
func Batches(batches ...arrow.RecordBatch) Stream { return &slice{batches} }

type slice struct{ rest []arrow.RecordBatch }

func (s *slice) Next(context.Context) (arrow.RecordBatch, error) {
	if len(s.rest) == 0 {
		return nil, io.EOF
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b, nil
}

func (s *slice) Close() error {
	for _, b := range s.rest {
		b.Release()
	}
	s.rest = nil
	return nil
}

// Concat is the streams one after the other. Each is closed at its end.
func Concat(streams ...Stream) Stream { return &concat{streams} }

type concat struct{ rest []Stream }

func (c *concat) Next(ctx context.Context) (arrow.RecordBatch, error) {
	for len(c.rest) > 0 {
		b, err := c.rest[0].Next(ctx)
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		err = c.rest[0].Close()
		c.rest = c.rest[1:]
		if err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

func (c *concat) Close() error {
	err := CloseAll(c.rest...)
	c.rest = nil
	return err
}

// Lazy opens a stream when its first batch is asked for.
func Lazy(open func(ctx context.Context) (Stream, error)) Stream { return &lazy{open: open} }

type lazy struct {
	open func(ctx context.Context) (Stream, error)
	s    Stream
}

func (l *lazy) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if l.s == nil {
		s, err := l.open(ctx)
		if err != nil {
			return nil, err
		}
		l.s = s
	}
	return l.s.Next(ctx)
}

func (l *lazy) Close() error {
	if l.s == nil {
		return nil
	}
	return l.s.Close()
}

// CloseAll closes the streams and joins their errors.
func CloseAll(streams ...Stream) error {
	var errs []error
	for _, s := range streams {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Each calls f with each batch of the stream, releases it afterwards, and closes the stream.
func Each(ctx context.Context, s Stream, f func(arrow.RecordBatch) error) (err error) {
	defer func() { err = errors.Join(err, s.Close()) }()
	for {
		b, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = f(b)
		b.Release()
		if err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
}
