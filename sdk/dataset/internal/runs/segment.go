package runs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/dataset/internal/columns"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
)

// ErrChanged is wrapped where a segment is not what was written.
var ErrChanged = errors.New("staged rows are not what was written")

// compressFrom is the size of a segment in bytes from which compressing it pays.
const compressFrom = 64 << 10

// Segment is a run inside a file.
type Segment struct {
	Offset int64  `json:"o"`
	Length int64  `json:"l"`
	Rows   int64  `json:"r"`
	Sum    uint64 `json:"s"` // xxh3 of the bytes
}

// counted counts and hashes what goes through it.
type counted struct {
	w    io.Writer
	n    int64
	hash *xxh3.Hasher
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.hash.Write(p[:n])
	return n, err
}

// WriteSegment encodes rows picked from a buffer as a segment that starts at
// offset of the file behind w, in batches of at most batchRows.
func WriteSegment(ctx context.Context, w io.Writer, offset int64, b *Buffer, picks []columns.Pick, batchRows int) (Segment, error) {
	cw := &counted{w: w, hash: xxh3.New()}
	opts := []ipc.Option{ipc.WithSchema(b.schema)}
	if b.Rows() > 0 && b.bytes/int64(b.Rows())*int64(len(picks)) >= compressFrom {
		opts = append(opts, ipc.WithLZ4(), ipc.WithCompressConcurrency(1))
	}
	iw := ipc.NewWriter(cw, opts...)
	for from := 0; from < len(picks); from += batchRows {
		batch, err := b.Gather(ctx, picks[from:min(from+batchRows, len(picks))])
		if err != nil {
			return Segment{}, err
		}
		err = iw.Write(batch)
		batch.Release()
		if err != nil {
			return Segment{}, fmt.Errorf("encode staged rows: %w", err)
		}
	}
	if err := iw.Close(); err != nil {
		return Segment{}, fmt.Errorf("encode staged rows: %w", err)
	}
	return Segment{Offset: offset, Length: cw.n, Rows: int64(len(picks)), Sum: cw.hash.Sum64()}, nil
}

// ReadSegment streams a segment of a file.
func ReadSegment(r io.ReaderAt, seg Segment) stream.Stream {
	sec := io.NewSectionReader(r, seg.Offset, seg.Length)
	return &segmentStream{seg: seg, in: &hashedReader{r: sec, hash: xxh3.New()}}
}

type hashedReader struct {
	r    io.Reader
	hash *xxh3.Hasher
}

func (h *hashedReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.hash.Write(p[:n])
	return n, err
}

type segmentStream struct {
	seg  Segment
	in   *hashedReader
	ipc  *ipc.Reader
	rows int64
}

func (s *segmentStream) Next(context.Context) (arrow.RecordBatch, error) {
	if s.ipc == nil {
		r, err := ipc.NewReader(s.in)
		if err != nil {
			return nil, fmt.Errorf("read staged rows: %w: %w", ErrChanged, err)
		}
		s.ipc = r
	}
	if !s.ipc.Next() {
		return nil, s.end()
	}
	b := s.ipc.RecordBatch()
	b.Retain()
	s.rows += b.NumRows()
	return b, nil
}

// end checks that the whole segment was read as written.
func (s *segmentStream) end() error {
	if err := s.ipc.Err(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read staged rows: %w: %w", ErrChanged, err)
	}
	if _, err := io.Copy(io.Discard, s.in); err != nil {
		return fmt.Errorf("read staged rows: %w", err)
	}
	if sum := s.in.hash.Sum64(); sum != s.seg.Sum || s.rows != s.seg.Rows {
		return fmt.Errorf("read staged rows: %w: %d rows with checksum %016x, want %d with %016x",
			ErrChanged, s.rows, sum, s.seg.Rows, s.seg.Sum)
	}
	return io.EOF
}

func (s *segmentStream) Close() error {
	if s.ipc != nil {
		s.ipc.Release()
		s.ipc = nil
	}
	return nil
}
