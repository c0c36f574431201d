package reconciliation

import (
	"errors"
	"fmt"
	"io"
	"os"
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

// rowStore keeps encoded rows by part, in blocks: full ones in memory while all stores' budget lasts, and then in one file. Rows of a part come back in the
// order in which they were added. One goroutine adds; after that several may read, each part once.
type rowStore struct {
	dir    string
	budget *atomic.Int64 // bytes of full blocks that may still be held
	open   [sieveParts][]byte
	full   [sieveParts][]block
	file   *os.File
	size   int64

	lock sync.Mutex
	free [][]byte
}

// block is full of rows: in memory, or at a place of the file.
type block struct {
	data []byte // nil: on disk
	at   int64
	len  int
}

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
		s.full[part] = append(s.full[part], block{data: b})
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
	if _, err := s.file.Write(b); err != nil {
		return fmt.Errorf("keep rows on disk in %s: %w", s.dir, err)
	}
	s.full[part] = append(s.full[part], block{at: s.size, len: len(b)})
	s.size += int64(len(b))
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
	for _, b := range s.full[part] {
		if b.data != nil {
			dst = append(dst, b.data...)
			s.budget.Add(int64(cap(b.data)))
			continue
		}
		n := len(dst)
		dst = append(dst, make([]byte, b.len)...)
		if _, err := s.file.ReadAt(dst[n:], b.at); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return dst, fmt.Errorf("read rows from disk in %s: %w", s.dir, err)
		}
	}
	dst = append(dst, s.open[part]...)
	s.full[part], s.open[part] = nil, nil
	return dst, nil
}

func (s *rowStore) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
