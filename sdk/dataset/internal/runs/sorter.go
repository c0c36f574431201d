package runs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/dataset/internal/columns"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
	"github.com/millrace/millrace/sdk/spillfile"
)

// Sorter sorts any number of rows within a memory budget. It is not safe for concurrent use.
type Sorter struct {
	buf       *Buffer
	orderBy   []string
	budget    int64
	batchRows int
	dir       string
	file      *spillfile.File
	size      int64
	segments  []Segment
}

// NewSorter starts a sorter that holds up to budget bytes and spills to a temporary file in dir ("" is the system's).
func NewSorter(schema *arrow.Schema, orderBy []string, budget int64, batchRows int, dir string) (*Sorter, error) {
	buf, err := NewBuffer(schema, orderBy)
	if err != nil {
		return nil, err
	}
	return &Sorter{buf: buf, orderBy: orderBy, budget: budget, batchRows: batchRows, dir: dir}, nil
}

// Spilled is the number of bytes that went to disk.
func (s *Sorter) Spilled() int64 { return s.size }

// Add takes a batch; it keeps a reference or writes the rows out.
func (s *Sorter) Add(ctx context.Context, batch arrow.RecordBatch) error {
	s.buf.Add(batch)
	if s.buf.Bytes() < s.budget {
		return nil
	}
	return s.spill(ctx)
}

// spill writes what is in memory as a sorted segment.
func (s *Sorter) spill(ctx context.Context) error {
	if s.file == nil {
		f, err := spillfile.Open(s.dir)
		if err != nil {
			return err
		}
		s.file = f
	}
	w := bufio.NewWriterSize(io.NewOffsetWriter(s.file, s.size), 256<<10)
	seg, err := WriteSegment(ctx, w, s.size, s.buf, s.buf.Order(1, nil)[0], s.batchRows)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return fmt.Errorf("spill %d sorted rows to disk: %w", s.buf.Rows(), err)
	}
	s.segments = append(s.segments, seg)
	s.size += seg.Length
	s.buf.Reset()
	return nil
}

// Sorted ends the input and returns all rows in order. The stream owns the sorter's memory and file.
func (s *Sorter) Sorted(ctx context.Context) (stream.Stream, error) {
	if len(s.segments) == 0 {
		return s.fromMemory(), nil
	}
	if s.buf.Rows() > 0 {
		if err := s.spill(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	ins := make([]stream.Stream, len(s.segments))
	for i, seg := range s.segments {
		ins[i] = ReadSegment(s.file, seg)
	}
	m, err := Merge(s.buf.schema, s.orderBy, s.batchRows, ins...)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return stream.Func{OnNext: m.Next, OnClose: func() error { return errors.Join(m.Close(), s.Close()) }}, nil
}

func (s *Sorter) fromMemory() stream.Stream {
	var picks []columns.Pick
	if s.buf.Rows() > 0 {
		picks = s.buf.Order(1, nil)[0]
	}
	next := func(ctx context.Context) (arrow.RecordBatch, error) {
		if len(picks) == 0 {
			return nil, io.EOF
		}
		n := min(s.batchRows, len(picks))
		out, err := s.buf.Gather(ctx, picks[:n])
		picks = picks[n:]
		return out, err
	}
	return stream.Func{OnNext: next, OnClose: func() error { picks = nil; return s.Close() }}
}

// Close drops everything.
func (s *Sorter) Close() error {
	s.buf.Reset()
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}
