package killsuite

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/bits"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/internal/ledgergen"
)

// mark is a fingerprint of a row, or the sum of those of many rows: a set's does not depend on its order.
type mark struct{ hi, lo uint64 }

func (m *mark) add(o mark) {
	var carry uint64
	m.lo, carry = bits.Add64(m.lo, o.lo, 0)
	m.hi, _ = bits.Add64(m.hi, o.hi, carry)
}

func (m *mark) sub(o mark) {
	var borrow uint64
	m.lo, borrow = bits.Sub64(m.lo, o.lo, 0)
	m.hi, _ = bits.Sub64(m.hi, o.hi, borrow)
}

// cell is a column's value in one row: nil, int64 (also for dates, times and unscaled decimals), string.
type cell struct {
	column string
	value  any
}

// row is a row in the suite's own form, columns sorted by name, nulls left out: a row
// written before a column was added equals itself.
type row []cell

func newRow(columns []string, values []any) row {
	r := make(row, 0, len(columns))
	for i, c := range columns {
		if values[i] != nil {
			r = append(r, cell{c, values[i]})
		}
	}
	slices.SortFunc(r, func(a, b cell) int { return strings.Compare(a.column, b.column) })
	return r
}

func (r row) mark() mark {
	h := fnv.New128a()
	var num [8]byte
	for _, c := range r {
		h.Write([]byte(c.column))
		switch v := c.value.(type) {
		case int64:
			binary.BigEndian.PutUint64(num[:], uint64(v))
			h.Write([]byte{0, 'i'})
			h.Write(num[:])
		case string:
			binary.BigEndian.PutUint64(num[:], uint64(len(v)))
			h.Write([]byte{0, 's'})
			h.Write(num[:])
			h.Write([]byte(v))
		}
	}
	sum := h.Sum(nil)
	return mark{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

func (r row) String() string {
	var b strings.Builder
	for i, c := range r {
		if i > 0 {
			b.WriteString(" ")
		}
		fmt.Fprintf(&b, "%s=%v", c.column, c.value)
	}
	return b.String()
}

func (r row) get(column string) any {
	for _, c := range r {
		if c.column == column {
			return c.value
		}
	}
	return nil
}

// rowsOf turns a batch into rows.
func rowsOf(rec arrow.RecordBatch) ([]row, error) {
	names := make([]string, rec.NumCols())
	for i, f := range rec.Schema().Fields() {
		names[i] = f.Name
	}
	out := make([]row, rec.NumRows())
	values := make([]any, len(names))
	for i := range out {
		for c := range names {
			v, err := ledgergen.Cell(rec.Column(c), i)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", names[c], err)
			}
			values[c] = v
		}
		out[i] = newRow(names, values)
	}
	return out, nil
}
