package catalog

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog/internal/columns"
)

// rowSorter sorts rows of a set of batches by some columns, in the order that columns.Order compares by: ascending, nulls
// first, texts by bytes, NaN last. Rows that are equal keep the order of the set. It sorts column by column: by 64-bit
// prefixes of the values, and only within runs of equal prefixes by what follows, so that most rows are never compared as a whole.
// Several goroutines may sort at once.
type rowSorter struct {
	by   []int        // columns of the batches
	keys [][]prefixes // by column, by batch
}

// prefixes order one column of one batch: if two prefixes differ, so do the values, the same way.
type prefixes struct {
	key   []uint64
	null  []bool               // nil where nothing is null
	whole func(row int) []byte // of values that a prefix may not hold whole; nil if it holds all of them
}

func newRowSorter(set []arrow.RecordBatch, sort []int) *rowSorter {
	s := &rowSorter{by: sort, keys: make([][]prefixes, len(sort))}
	for i, r := range set {
		s.put(i, r)
	}
	return s
}

// put makes rec the set's batch of a number; the next number adds one.
func (s *rowSorter) put(batch int, rec arrow.RecordBatch) {
	for i, c := range s.by {
		if batch == len(s.keys[i]) {
			s.keys[i] = append(s.keys[i], prefixes{})
		}
		s.keys[i][batch] = prefixesOf(rec.Column(c))
	}
}

// compare is negative, zero or positive as row a is before, beside or after row b.
func (s *rowSorter) compare(a, b columns.Ref) int {
	for _, col := range s.keys {
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

type sortItem struct {
	key uint64
	ref columns.Ref
}

// sort sorts refs, which must be in the order of the set.
func (s *rowSorter) sort(refs []columns.Ref) {
	items := make([]sortItem, len(refs))
	for i, r := range refs {
		items[i].ref = r
	}
	s.byColumn(items, make([]sortItem, len(refs)), 0)
	for i, it := range items {
		refs[i] = it.ref
	}
}

// byColumn sorts items, which are equal in all columns before column c, by the rest.
func (s *rowSorter) byColumn(items, scratch []sortItem, c int) {
	col := s.keys[c]
	for i := range items {
		r := items[i].ref
		items[i].key = col[r.Batch].key[r.Row]
	}
	sortByKey(items, scratch)
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
func (s *rowSorter) ties(run, scratch []sortItem, c int) {
	col := s.keys[c]
	compare := func(a, b sortItem) int {
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

// compareWhole compares two values of equal prefix.
func compareWhole(a *prefixes, ra uint32, b *prefixes, rb uint32) int {
	an, bn := a.null != nil && a.null[ra], b.null != nil && b.null[rb]
	switch {
	case an && bn:
		return 0
	case an:
		return -1
	case bn:
		return 1
	case a.whole == nil && b.whole == nil:
		return 0
	}
	return bytes.Compare(wholeOf(a, int(ra)), wholeOf(b, int(rb)))
}

// wholeOf is the value's whole form; of a decimal in a batch where all fit a prefix, the form that those of other batches have.
func wholeOf(p *prefixes, row int) []byte {
	if p.whole != nil {
		return p.whole(row)
	}
	v := int64(p.key[row] ^ 1<<63)
	return orderedDecimal(v>>63, uint64(v))
}

const radixFrom = 512 // items below which comparing is faster

// sortByKey sorts stably by key, with scratch of the same length.
func sortByKey(items, scratch []sortItem) {
	var differ uint64
	inOrder := true
	for i, it := range items {
		differ |= it.key ^ items[0].key
		inOrder = inOrder && (i == 0 || items[i-1].key <= it.key)
	}
	if inOrder {
		return
	}
	if len(items) < radixFrom {
		slices.SortFunc(items, func(a, b sortItem) int {
			return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.ref.Batch, b.ref.Batch), cmp.Compare(a.ref.Row, b.ref.Row))
		})
		return
	}
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

func prefixesOf(col arrow.Array) prefixes {
	p := prefixes{key: make([]uint64, col.Len())}
	if ints, ok := columns.Ints(col); ok {
		flip := uint64(1) << 63
		switch col.DataType().ID() {
		case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
			flip = 0
		}
		for r, v := range ints {
			p.key[r] = uint64(v) ^ flip
		}
	} else {
		p.fill(col)
	}
	if col.NullN() > 0 {
		p.null = make([]bool, col.Len())
		for r := range p.key {
			if col.IsNull(r) {
				p.key[r], p.null[r] = 0, true
			}
		}
	}
	return p
}

// fill makes the prefixes of types that may not fit 64 bits.
func (p *prefixes) fill(col arrow.Array) {
	switch c := col.(type) {
	case *array.String:
		offs := c.ValueOffsets()
		if c.Len() == 0 {
			return
		}
		data, first := c.ValueBytes(), offs[0] // ValueBytes begins at the first offset
		p.texts(func(r int) []byte { return data[offs[r]-first : offs[r+1]-first] })
	case *array.Binary:
		p.texts(c.Value)
	case *array.FixedSizeBinary:
		p.texts(c.Value)
	case *array.Float64:
		for r, v := range c.Float64Values() {
			p.key[r] = orderedFloat(v)
		}
	case *array.Float32:
		for r, v := range c.Float32Values() {
			p.key[r] = orderedFloat(float64(v))
		}
	case *array.Decimal128:
		p.decimals(c)
	}
}

// texts makes prefixes of up to eight bytes. A text of at most seven bytes without a zero at its end is whole in its prefix,
// but so that all batches agree, whole decides wherever prefixes are equal.
func (p *prefixes) texts(value func(r int) []byte) {
	p.whole = value
	for r := range p.key {
		v := value(r)
		if len(v) >= 8 {
			p.key[r] = binary.BigEndian.Uint64(v)
			continue
		}
		var pad [8]byte
		copy(pad[:], v)
		p.key[r] = binary.BigEndian.Uint64(pad[:])
	}
}

func (p *prefixes) decimals(c *array.Decimal128) {
	vs := c.Values()
	fits := true
	for r, v := range vs {
		lo, hi := v.LowBits(), v.HighBits()
		switch {
		case hi == int64(lo)>>63:
			p.key[r] = lo ^ 1<<63
			continue
		case hi < 0:
			p.key[r] = 0
		default:
			p.key[r] = math.MaxUint64
		}
		fits = false
	}
	if !fits {
		p.whole = func(r int) []byte { return orderedDecimal(vs[r].HighBits(), vs[r].LowBits()) }
	}
}

// orderedDecimal are bytes that compare as the decimal does.
func orderedDecimal(hi int64, lo uint64) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(hi)^1<<63)
	binary.BigEndian.PutUint64(b[8:], lo)
	return b[:]
}

// orderedFloat orders all floats, NaN last, the zeros as one.
func orderedFloat(v float64) uint64 {
	if v != v {
		return math.MaxUint64
	}
	if v == 0 {
		v = 0
	}
	if b := math.Float64bits(v); b>>63 == 0 {
		return b | 1<<63
	} else {
		return ^b
	}
}
