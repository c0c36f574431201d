package columns

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/fault"
)

// Order compares rows of a growing set of batches by sort columns, ascending, nulls first. Add is not
// safe for concurrent use; comparing is, between Adds.
type Order struct {
	batches [][]sortKey // by batch, by sort column
	// exact says that the first column alone decides, whenever its prefixes differ or are equal.
	exact bool
}

// sortKey is one sort column of one batch. prefix orders the values: if two prefixes differ, so do the
// values, the same way. If they are equal, full decides.
type sortKey struct {
	prefix []uint64
	full   func(r int) []byte // nil where the prefix is the whole value; nulls give nil
	null   arrow.Array        // nil where nothing is null
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
func NewOrder() *Order { return &Order{exact: true} }

// Add adds the sort columns of the next batch of the set; its number in refs is the count of batches
// added before. The columns stay referenced until the order is dropped or Replace is called.
func (o *Order) Add(cols []arrow.Array) {
	o.batches = append(o.batches, o.keys(cols))
}

// Replace puts other columns in the place of a batch, for merges that read one batch of a file after the other.
func (o *Order) Replace(batch int, cols []arrow.Array) { o.batches[batch] = o.keys(cols) }

func (o *Order) keys(cols []arrow.Array) []sortKey {
	keys := make([]sortKey, len(cols))
	for i, c := range cols {
		keys[i] = keyOf(c)
	}
	if len(keys) > 1 || len(keys) == 1 && (keys[0].full != nil || keys[0].null != nil) {
		o.exact = false
	}
	return keys
}

func keyOf(col arrow.Array) sortKey {
	k := sortKey{prefix: make([]uint64, col.Len())}
	if ints, ok := Ints(col); ok {
		flip := uint64(1) << 63
		if isUnsigned(col.DataType()) {
			flip = 0
		}
		for r, v := range ints {
			k.prefix[r] = uint64(v) ^ flip
		}
	} else {
		k.wide(col)
	}
	if col.NullN() > 0 {
		k.null = col
		for r := range k.prefix {
			if col.IsNull(r) {
				k.prefix[r] = 0
			}
		}
	}
	return k
}

func isUnsigned(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return true
	}
	return false
}

// wide fills the key of a type that may not fit 64 bits.
func (k *sortKey) wide(col arrow.Array) {
	switch c := col.(type) {
	case *array.String:
		k.texts(func(r int) []byte { return []byte(c.Value(r)) })
	case *array.Binary:
		k.texts(c.Value)
	case *array.FixedSizeBinary:
		k.texts(c.Value)
	case *array.Float64:
		for r, v := range c.Float64Values() {
			k.prefix[r] = floatPrefix(v)
		}
	case *array.Float32:
		for r, v := range c.Float32Values() {
			k.prefix[r] = floatPrefix(float64(v))
		}
	case *array.Decimal128:
		fits := true
		vs := c.Values()
		for r, v := range vs {
			lo, hi := v.LowBits(), v.HighBits()
			if hi == int64(lo)>>63 {
				k.prefix[r] = lo ^ 1<<63
				continue
			}
			fits = false
			if hi < 0 {
				k.prefix[r] = 0
			} else {
				k.prefix[r] = math.MaxUint64
			}
		}
		if !fits {
			k.full = func(r int) []byte {
				var b [16]byte
				binary.BigEndian.PutUint64(b[:], uint64(vs[r].HighBits())^1<<63)
				binary.BigEndian.PutUint64(b[8:], vs[r].LowBits())
				return b[:]
			}
		}
	}
}

func (k *sortKey) texts(value func(r int) []byte) {
	k.full = value
	var pad [8]byte
	for r := range k.prefix {
		if v := value(r); len(v) >= 8 {
			k.prefix[r] = binary.BigEndian.Uint64(v)
		} else {
			pad = [8]byte{}
			copy(pad[:], v)
			k.prefix[r] = binary.BigEndian.Uint64(pad[:])
		}
	}
}

// floatPrefix orders all floats, NaN last.
func floatPrefix(v float64) uint64 {
	if v != v {
		return math.MaxUint64
	}
	if v == 0 {
		v = 0 // one zero
	}
	b := math.Float64bits(v)
	if b>>63 == 1 {
		return ^b
	}
	return b | 1<<63
}

// Compare is negative, zero or positive as row a is before, beside or after row b.
func (o *Order) Compare(a, b Ref) int {
	ka, kb := o.batches[a.Batch], o.batches[b.Batch]
	for i := range ka {
		if c := cmp.Compare(ka[i].prefix[a.Row], kb[i].prefix[b.Row]); c != 0 {
			return c
		}
		if c := compareTail(&ka[i], int(a.Row), &kb[i], int(b.Row)); c != 0 {
			return c
		}
	}
	return 0
}

// compareTail decides where two prefixes are equal. A wide decimal's full form needs both sides: it has
// the prefix 0 or the largest, which a decimal that fits has only at the ends of int64.
func compareTail(a *sortKey, ra int, b *sortKey, rb int) int {
	an := a.null != nil && a.null.IsNull(ra)
	bn := b.null != nil && b.null.IsNull(rb)
	switch {
	case an && bn:
		return 0
	case an:
		return -1
	case bn:
		return 1
	case a.full != nil && b.full != nil:
		return bytes.Compare(a.full(ra), b.full(rb))
	case a.full != nil || b.full != nil:
		return compareMixedDecimal(a, ra, b, rb)
	}
	return 0
}

// compareMixedDecimal compares a decimal of a batch in which one does not fit 64 bits with one of a batch
// in which all do; the prefixes are equal.
func compareMixedDecimal(a *sortKey, ra int, b *sortKey, rb int) int {
	if a.full == nil {
		return -compareMixedDecimal(b, rb, a, ra)
	}
	var narrow [16]byte
	v := int64(b.prefix[rb] ^ 1<<63)
	binary.BigEndian.PutUint64(narrow[:], uint64(v>>63)^1<<63)
	binary.BigEndian.PutUint64(narrow[8:], uint64(v))
	return bytes.Compare(a.full(ra), narrow[:])
}

// Sort sorts refs stably by the order. It notices refs that are in order already.
func (o *Order) Sort(refs []Ref) {
	if len(refs) < 2 || len(o.batches) == 0 || len(o.batches[0]) == 0 {
		return
	}
	items := make([]item, len(refs))
	sorted := true
	for i, r := range refs {
		items[i] = item{o.batches[r.Batch][0].prefix[r.Row], r}
		sorted = sorted && (i == 0 || items[i-1].prefix <= items[i].prefix)
	}
	if !sorted {
		sortItems(items)
	}
	if !o.exact {
		o.sortTies(items)
	}
	for i := range items {
		refs[i] = items[i].ref
	}
}

type item struct {
	prefix uint64
	ref    Ref
}

// sortTies sorts each run of equal prefixes by the full comparison.
func (o *Order) sortTies(items []item) {
	compare := func(a, b item) int { return o.Compare(a.ref, b.ref) }
	for i := 0; i < len(items); {
		j := i + 1
		for j < len(items) && items[j].prefix == items[i].prefix {
			j++
		}
		if run := items[i:j]; len(run) > 1 && !slices.IsSortedFunc(run, compare) {
			slices.SortStableFunc(run, compare)
		}
		i = j
	}
}

const radixFrom = 512 // items below which a comparison sort is faster

// sortItems sorts by prefix, stably.
func sortItems(items []item) {
	if len(items) < radixFrom {
		slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.prefix, b.prefix) })
		return
	}
	var differ uint64
	for _, it := range items {
		differ |= it.prefix ^ items[0].prefix
	}
	from, to := items, make([]item, len(items))
	for shift := 0; shift < 64; shift += 8 {
		if differ>>shift&0xff == 0 {
			continue
		}
		var at [257]int
		for _, it := range from {
			at[it.prefix>>shift&0xff+1]++
		}
		for b := range 256 {
			at[b+1] += at[b]
		}
		for _, it := range from {
			b := it.prefix >> shift & 0xff
			to[at[b]] = it
			at[b]++
		}
		from, to = to, from
	}
	if &from[0] != &items[0] {
		copy(items, from)
	}
}
