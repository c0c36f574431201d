package columns

import "github.com/apache/arrow-go/v18/arrow"

// Slots hold the batches of a merge that rows are still taken from. A batch that is spent keeps its slot until the
// rows that were taken from it are gathered.
type Slots struct {
	batches []arrow.RecordBatch // nil where a slot is free
	spent   []int
	free    []int
}

// Put takes over a batch and gives its slot, which is a batch's number in refs.
func (s *Slots) Put(rec arrow.RecordBatch) int {
	if n := len(s.free); n > 0 {
		slot := s.free[n-1]
		s.free, s.batches[slot] = s.free[:n-1], rec
		return slot
	}
	s.batches = append(s.batches, rec)
	return len(s.batches) - 1
}

// Spend says that no more rows are taken from a slot.
func (s *Slots) Spend(slot int) { s.spent = append(s.spent, slot) }

// Gather copies rows out with gather, and frees the slots that are spent. There is at least one ref.
func (s *Slots) Gather(refs []Ref, gather func([]arrow.RecordBatch) (arrow.RecordBatch, error)) (arrow.RecordBatch, error) {
	set := make([]arrow.RecordBatch, len(s.batches))
	some := s.batches[refs[0].Batch]
	for i, rec := range s.batches {
		if set[i] = rec; rec == nil {
			set[i] = some // a free slot, which no row names
		}
	}
	rec, err := gather(set)
	for _, slot := range s.spent {
		s.batches[slot].Release()
		s.batches[slot] = nil
		s.free = append(s.free, slot)
	}
	s.spent = s.spent[:0]
	return rec, err
}

// Release lets go of all batches.
func (s *Slots) Release() {
	for i, rec := range s.batches {
		if rec != nil {
			rec.Release()
			s.batches[i] = nil
		}
	}
}

// Heap holds the streams of a merge, the one with the least next row first. The zero value with Less set is empty.
type Heap[S any] struct {
	Less  func(a, b S) bool
	items []S
}

// Len is how many streams there are.
func (h *Heap[S]) Len() int { return len(h.items) }

// First is the least stream.
func (h *Heap[S]) First() S { return h.items[0] }

// Second is the second least stream, if there is one.
func (h *Heap[S]) Second() (s S, ok bool) {
	switch len(h.items) {
	case 0, 1:
		return s, false
	case 2:
		return h.items[1], true
	}
	if h.Less(h.items[1], h.items[2]) {
		return h.items[1], true
	}
	return h.items[2], true
}

// Push adds a stream.
func (h *Heap[S]) Push(s S) {
	h.items = append(h.items, s)
	for i := len(h.items) - 1; i > 0; {
		p := (i - 1) / 2
		if !h.Less(h.items[i], h.items[p]) {
			return
		}
		h.items[i], h.items[p] = h.items[p], h.items[i]
		i = p
	}
}

// Pop removes the first stream, which has no more rows.
func (h *Heap[S]) Pop() {
	last := len(h.items) - 1
	h.items[0], h.items = h.items[last], h.items[:last]
	h.Moved()
}

// Moved restores the heap after its first stream has moved on.
func (h *Heap[S]) Moved() {
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(h.items) {
			return
		}
		if c+1 < len(h.items) && h.Less(h.items[c+1], h.items[c]) {
			c++
		}
		if !h.Less(h.items[c], h.items[i]) {
			return
		}
		h.items[i], h.items[c] = h.items[c], h.items[i]
		i = c
	}
}
