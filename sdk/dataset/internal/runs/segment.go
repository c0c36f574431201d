package runs

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

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
	Sum    uint64 `json:"s"` // xxh3 of the block headers
}

// A segment's bytes are cut into blocks, each with a header: its length and its
// checksum. A reader hands on verified bytes only, so that damage never reaches the decoder.
const (
	blockSize   = 64 << 10
	blockHeader = 4 + 8
)

// blockWriter writes blocks.
type blockWriter struct {
	w       io.Writer
	block   []byte
	n       int64
	headers *xxh3.Hasher
}

func newBlockWriter(w io.Writer) *blockWriter {
	return &blockWriter{w: w, block: make([]byte, blockHeader, blockHeader+blockSize), headers: xxh3.New()}
}

func (b *blockWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		take := min(len(p), blockHeader+blockSize-len(b.block))
		b.block = append(b.block, p[:take]...)
		p = p[take:]
		if len(b.block) == blockHeader+blockSize {
			if err := b.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (b *blockWriter) flush() error {
	if len(b.block) == blockHeader {
		return nil
	}
	binary.LittleEndian.PutUint32(b.block, uint32(len(b.block)-blockHeader))
	binary.LittleEndian.PutUint64(b.block[4:], xxh3.Hash(b.block[blockHeader:]))
	b.headers.Write(b.block[:blockHeader])
	n, err := b.w.Write(b.block)
	b.n += int64(n)
	b.block = b.block[:blockHeader]
	return err
}

// blockReader reads what blockWriter wrote. Its errors wrap ErrChanged.
type blockReader struct {
	r       io.Reader
	buf     []byte
	rest    []byte // verified, not yet read
	headers *xxh3.Hasher
}

func (b *blockReader) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *blockReader) next() error {
	var header [blockHeader]byte
	if _, err := io.ReadFull(b.r, header[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: cut in a block's header", ErrChanged)
		}
		return err // io.EOF at the end
	}
	size := binary.LittleEndian.Uint32(header[:])
	if size == 0 || size > blockSize {
		return fmt.Errorf("%w: a block of %d bytes", ErrChanged, size)
	}
	b.buf = slices.Grow(b.buf[:0], int(size))[:size]
	if _, err := io.ReadFull(b.r, b.buf); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: cut in a block", ErrChanged)
		}
		return err
	}
	if xxh3.Hash(b.buf) != binary.LittleEndian.Uint64(header[4:]) {
		return fmt.Errorf("%w: a block's checksum does not match", ErrChanged)
	}
	b.headers.Write(header[:])
	b.rest = b.buf
	return nil
}

// WriteSegment encodes rows picked from a buffer as a segment that starts at
// offset of the file behind w, in batches of at most batchRows.
func WriteSegment(ctx context.Context, w io.Writer, offset int64, b *Buffer, picks []columns.Pick, batchRows int) (Segment, error) {
	bw := newBlockWriter(w)
	opts := []ipc.Option{ipc.WithSchema(b.schema)}
	if b.Rows() > 0 && b.bytes/int64(b.Rows())*int64(len(picks)) >= compressFrom {
		opts = append(opts, ipc.WithLZ4(), ipc.WithCompressConcurrency(1))
	}
	iw := ipc.NewWriter(bw, opts...)
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
	if err := bw.flush(); err != nil {
		return Segment{}, fmt.Errorf("write staged rows: %w", err)
	}
	return Segment{Offset: offset, Length: bw.n, Rows: int64(len(picks)), Sum: bw.headers.Sum64()}, nil
}

// ReadSegment streams a segment of a file.
func ReadSegment(r io.ReaderAt, seg Segment) stream.Stream {
	sec := io.NewSectionReader(r, seg.Offset, seg.Length)
	return &segmentStream{seg: seg, in: &blockReader{r: bufio.NewReaderSize(sec, 2*blockSize), headers: xxh3.New()}}
}

type segmentStream struct {
	seg  Segment
	in   *blockReader
	ipc  *ipc.Reader
	rows int64
}

func (s *segmentStream) Next(context.Context) (arrow.RecordBatch, error) {
	if s.ipc == nil {
		r, err := ipc.NewReader(s.in)
		if err != nil {
			return nil, unreadable(err)
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
		return unreadable(err)
	}
	if _, err := io.Copy(io.Discard, s.in); err != nil {
		return unreadable(err)
	}
	if sum := s.in.headers.Sum64(); sum != s.seg.Sum || s.rows != s.seg.Rows {
		return fmt.Errorf("read staged rows: %w: %d rows with checksum %016x, want %d with %016x",
			ErrChanged, s.rows, sum, s.seg.Rows, s.seg.Sum)
	}
	return io.EOF
}

// unreadable is a failed read: of the storage, or because bytes are missing.
func unreadable(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // callers take io.EOF for an end
		return fmt.Errorf("read staged rows: %w: cut short", ErrChanged)
	}
	return fmt.Errorf("read staged rows: %w", err)
}

func (s *segmentStream) Close() error {
	if s.ipc != nil {
		s.ipc.Release()
		s.ipc = nil
	}
	return nil
}
