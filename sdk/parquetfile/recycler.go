package parquetfile

import (
	"math/bits"
	"sync"
)

// Recycler is an Arrow allocator that uses the memory of released buffers again, for scans whose batches live
// for a short time: it spares the clearing and collecting of fresh memory. It is safe for concurrent use.
//
// After its last Release a batch's values, also texts that were taken out of it without a copy, are overwritten. Code that
// keeps them must copy them, or the default allocator must be used. Fresh memory is not cleared.
type Recycler struct {
	mu    sync.Mutex
	free  [recyclerClasses][][]byte
	held  int64 // bytes in free
	limit int64
}

const (
	recyclerClasses = 28 // buffers of 512 bytes to 64 GiB, by powers of two
	recyclerSmall   = 9  // smaller ones are not worth keeping
)

// NewRecycler makes an allocator that holds at most limit bytes of free memory; 0: 64 MiB.
func NewRecycler(limit int64) *Recycler {
	if limit <= 0 {
		limit = 64 << 20
	}
	return &Recycler{limit: limit}
}

// recyclerClass is the free list of buffers with room for size bytes; negative if they are not kept.
func recyclerClass(size int) int { return bits.Len(uint(max(1, size)-1)) - recyclerSmall }

// Allocate gives size bytes.
func (r *Recycler) Allocate(size int) []byte {
	c := recyclerClass(size)
	if c < 0 || c >= recyclerClasses {
		return make([]byte, size)
	}
	r.mu.Lock()
	list := r.free[c]
	if n := len(list); n > 0 {
		b := list[n-1]
		list[n-1] = nil
		r.free[c] = list[:n-1]
		r.held -= int64(cap(b))
		r.mu.Unlock()
		return b[:size]
	}
	r.mu.Unlock()
	return make([]byte, size, 1<<(c+recyclerSmall))
}

// Reallocate gives size bytes that begin as b does, and takes b back.
func (r *Recycler) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	out := r.Allocate(size)
	copy(out, b)
	r.Free(b)
	return out
}

// Free takes b back.
func (r *Recycler) Free(b []byte) {
	c := recyclerClass(cap(b))
	if c < 0 || c >= recyclerClasses || cap(b) != 1<<(c+recyclerSmall) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held+int64(cap(b)) > r.limit {
		return
	}
	r.held += int64(cap(b))
	r.free[c] = append(r.free[c], b[:0])
}
