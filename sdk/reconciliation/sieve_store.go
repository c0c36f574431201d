package reconciliation

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/millrace/millrace/sdk/spillfile"
)

const (
	// sieveParts is into how many parts rows are cut by their keys.
	sieveParts = 1 << sieveBits
	sieveBits  = 10
	// blockBytes is how much of a part's rows is kept together: the unit in which they go to disk.
	blockBytes = 8 << 10
)

// rowStore keeps encoded rows by part, in blocks: full ones in memory while all stores' budget lasts, and then in one file. One goroutine adds; after that several may read, each part once.
type rowStore struct {
	dir    string
	budget *atomic.Int64 // bytes of full blocks that may still be held
	open   [sieveParts][]byte
	full   [sieveParts][][]byte
	gone   [sieveParts][]block
	file   *spillfile.File
	slots  uint32 // of blockBytes, that the file has

	spare []byte // a block that was written to disk, to be filled again
}

// block is a full one on disk: the slot at which it begins, and its bytes.
type block struct{ slot, len uint32 }

// add takes a row into a part.
func (s *rowStore) add(part int, row []byte) error {
	open := s.open[part]
	if len(open)+len(row) > cap(open) {
		if len(open) > 0 {
			if err := s.close(part); err != nil {
				return err
			}
		}
		open, s.spare = s.spare, nil
		if len(row) > cap(open) {
			open = make([]byte, 0, max(blockBytes, len(row)))
		}
	}
	s.open[part] = append(open, row...)
	return nil
}

// close moves a part's open block among the full ones, on disk where memory is used up.
func (s *rowStore) close(part int) error {
	b := s.open[part]
	s.open[part] = nil
	if s.budget.Add(-int64(cap(b))) >= 0 {
		s.full[part] = append(s.full[part], b)
		return nil
	}
	s.budget.Add(int64(cap(b)))
	if s.file == nil {
		f, err := spillfile.Open(s.dir)
		if err != nil {
			return fmt.Errorf("keep rows on disk: %w", err)
		}
		s.file = f
	}
	if _, err := s.file.WriteAt(b, int64(s.slots)*blockBytes); err != nil {
		return fmt.Errorf("keep rows on disk: %w", err)
	}
	s.gone[part] = append(s.gone[part], block{s.slots, uint32(len(b))})
	s.slots += uint32((len(b) + blockBytes - 1) / blockBytes)
	s.spare = b[:0]
	return nil
}

// take appends all rows of a part to dst. The part is empty afterwards.
func (s *rowStore) take(part int, dst []byte) ([]byte, error) {
	size := len(s.open[part])
	for _, b := range s.full[part] {
		size += len(b)
	}
	for _, b := range s.gone[part] {
		size += int(b.len)
	}
	dst = slices.Grow(dst, size)
	for _, b := range s.full[part] {
		dst = append(dst, b...)
	}
	for _, b := range s.gone[part] {
		n := len(dst)
		dst = dst[:n+int(b.len)]
		if _, err := s.file.ReadAt(dst[n:], int64(b.slot)*blockBytes); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return dst, fmt.Errorf("read rows from disk: %w", err)
		}
	}
	dst = append(dst, s.open[part]...)
	s.full[part], s.gone[part], s.open[part] = nil, nil, nil
	return dst, nil
}

func (s *rowStore) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
