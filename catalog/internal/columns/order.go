package columns

import (
	"cmp"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
)

// Order compares and sorts rows of a set of batches by sort columns: ascending, nulls first, texts by bytes, NaN last.
// It works column by column: by 64-bit prefixes of the values, and only within runs of equal prefixes by what follows,
// so that most rows are never compared as a whole. Add and Replace are not safe for concurrent use; comparing and
// sorting are, between them.
type Order struct {
	keys [][]prefixes // by column, by batch
}

// CheckSortType refuses types that have no order here.
func CheckSortType(name string, t arrow.DataType) error {
	switch t.ID() {
	case arrow.STRING, arrow.BINARY, arrow.FIXED_SIZE_BINARY, arrow.DECIMAL128, arrow.FLOAT64, arrow.FLOAT32,
		arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64,
		arrow.DATE32, arrow.TIMESTAMP, arrow.TIME64, arrow.BOOL:
		return nil
	}
	return fault.Usagef("sort column %q: rows cannot be sorted by %s", name, t)
}

// NewOrder starts an order with no batches.
func NewOrder() *Order { return &Order{} }

// OrderOf is the order of a set of batches by some of their columns.
func OrderOf(set []arrow.RecordBatch, by []int) *Order {
	o := NewOrder()
	for i, rec := range set {
		o.Put(i, rec, by)
	}
	return o
}

// Put makes some columns of rec the set's batch of a number; the next number adds one.
func (o *Order) Put(batch int, rec arrow.RecordBatch, by []int) {
	cols := make([]arrow.Array, len(by))
	for i, c := range by {
		cols[i] = rec.Column(c)
	}
	o.put(batch, cols)
}

// Add adds the sort columns of the next batch of the set; its number in refs is the count of batches
// added before. The columns stay referenced until the order is dropped or they are replaced.
func (o *Order) Add(cols []arrow.Array) { o.put(o.batches(), cols) }

func (o *Order) batches() int {
	if len(o.keys) == 0 {
		return 0
	}
	return len(o.keys[0])
}

func (o *Order) put(batch int, cols []arrow.Array) {
	if o.keys == nil {
		o.keys = make([][]prefixes, len(cols))
	}
	for i, c := range cols {
		if batch == len(o.keys[i]) {
			o.keys[i] = append(o.keys[i], prefixes{})
		}
		o.keys[i][batch] = prefixesOf(c)
	}
}

// Move gives a batch another number that the set has already.
func (o *Order) Move(from, to int) {
	for _, col := range o.keys {
		col[to] = col[from]
	}
}

// Compare is negative, zero or positive as row a is before, beside or after row b.
func (o *Order) Compare(a, b Ref) int {
	for _, col := range o.keys {
		x, y := &col[a.Batch], &col[b.Batch]
		if c := cmp.Compare(x.key[a.Row], y.key[b.Row]); c != 0 {
			return c
		}
		if c := compareWhole(x, a.Row, y, b.Row); c != 0 {
			return c
		}
	}
	return 0
}

// Sort sorts refs stably by the order. It notices refs that are in order already.
func (o *Order) Sort(refs []Ref) {
	if len(refs) < 2 || len(o.keys) == 0 {
		return
	}
	s := sorter{keys: o.keys, inSet: slices.IsSortedFunc(refs, compareRefs)}
	items := make([]item, len(refs))
	for i, r := range refs {
		items[i].ref = r
	}
	s.byColumn(items, make([]item, len(refs)), 0)
	for i, it := range items {
		refs[i] = it.ref
	}
}

func compareRefs(a, b Ref) int {
	return cmp.Or(cmp.Compare(a.Batch, b.Batch), cmp.Compare(a.Row, b.Row))
}

type item struct {
	key uint64
	ref Ref
}

// sorter is one sort. inSet says that the rows came in the order of the set, so that refs break ties.
type sorter struct {
	keys  [][]prefixes
	inSet bool
}

// byColumn sorts items, which are equal in all columns before column c, by the rest.
func (s *sorter) byColumn(items, scratch []item, c int) {
	col := s.keys[c]
	for i := range items {
		r := items[i].ref
		items[i].key = col[r.Batch].key[r.Row]
	}
	s.byKey(items, scratch)
	for from := 0; from < len(items); {
		to := from + 1
		for to < len(items) && items[to].key == items[from].key {
			to++
		}
		if to-from > 1 {
			s.ties(items[from:to], scratch[from:to], c)
		}
		from = to
	}
}

// ties sorts items whose prefixes of column c are equal by the whole values of the column, and then by the columns after it.
func (s *sorter) ties(run, scratch []item, c int) {
	col := s.keys[c]
	compare := func(a, b item) int {
		return compareWhole(&col[a.ref.Batch], a.ref.Row, &col[b.ref.Batch], b.ref.Row)
	}
	if !slices.IsSortedFunc(run, compare) {
		slices.SortStableFunc(run, compare)
	}
	if c+1 == len(s.keys) {
		return
	}
	for from := 0; from < len(run); {
		to := from + 1
		for to < len(run) && compare(run[from], run[to]) == 0 {
			to++
		}
		if to-from > 1 {
			s.byColumn(run[from:to], scratch[from:to], c+1)
		}
		from = to
	}
}

const radixFrom = 512 // items below which comparing is faster

// byKey sorts stably by key, with scratch of the same length.
func (s *sorter) byKey(items, scratch []item) {
	var differ uint64
	inOrder := true
	for i, it := range items {
		differ |= it.key ^ items[0].key
		inOrder = inOrder && (i == 0 || items[i-1].key <= it.key)
	}
	switch {
	case inOrder:
	case len(items) >= radixFrom:
		radix(items, scratch, differ)
	case s.inSet:
		slices.SortFunc(items, func(a, b item) int { return cmp.Or(cmp.Compare(a.key, b.key), compareRefs(a.ref, b.ref)) })
	default:
		slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.key, b.key) })
	}
}

// radix sorts stably by the bytes of the keys that differ at all.
func radix(items, scratch []item, differ uint64) {
	from, to := items, scratch
	for shift := 0; shift < 64; shift += 8 {
		if differ>>shift&0xff == 0 {
			continue
		}
		var at [257]int
		for _, it := range from {
			at[it.key>>shift&0xff+1]++
		}
		for b := range 256 {
			at[b+1] += at[b]
		}
		for _, it := range from {
			b := it.key >> shift & 0xff
			to[at[b]] = it
			at[b]++
		}
		from, to = to, from
	}
	if &from[0] != &items[0] {
		copy(items, from)
	}
}
