package reconciliation

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
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
	file   *os.File
	slots  uint32 // of blockBytes, that the file has

	lock sync.Mutex
	free [][]byte
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
		if open = s.block(); len(row) > cap(open) {
			open = make([]byte, 0, len(row))
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
		f, err := os.CreateTemp(s.dir, "rows-*")
		if err != nil {
			return fmt.Errorf("keep rows on disk: %w", err)
		}
		s.file = f
		_ = os.Remove(f.Name()) // where a file that is open can't be removed, the folder goes with it later
	}
	if _, err := s.file.WriteAt(b, int64(s.slots)*blockBytes); err != nil {
		return fmt.Errorf("keep rows on disk in %s: %w", s.dir, err)
	}
	s.gone[part] = append(s.gone[part], block{s.slots, uint32(len(b))})
	s.slots += uint32((len(b) + blockBytes - 1) / blockBytes)
	s.recycle(b)
	return nil
}

// block is an empty one.
func (s *rowStore) block() []byte {
	s.lock.Lock()
	defer s.lock.Unlock()
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	return make([]byte, 0, blockBytes)
}

func (s *rowStore) recycle(b []byte) {
	if cap(b) != blockBytes {
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if len(s.free) < sieveParts/8 {
		s.free = append(s.free, b[:0])
	}
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
		s.recycle(b)
	}
	for _, b := range s.gone[part] {
		n := len(dst)
		dst = dst[:n+int(b.len)]
		if _, err := s.file.ReadAt(dst[n:], int64(b.slot)*blockBytes); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return dst, fmt.Errorf("read rows from disk in %s: %w", s.dir, err)
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
