package columns

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Index is the position of a column by name, -1 if the schema lacks it.
func Index(s *arrow.Schema, name string) int {
	if is := s.FieldIndices(name); len(is) > 0 {
		return is[0]
	}
	return -1
}

// Widen is the type that holds the values of both types without loss, nil if there is none: Iceberg's
// promotions (int to long, float to double, a decimal to more digits at the same scale).
func Widen(a, b arrow.DataType) arrow.DataType {
	if arrow.TypeEqual(a, b) {
		return a
	}
	da, okA := a.(*arrow.Decimal128Type)
	db, okB := b.(*arrow.Decimal128Type)
	if okA && okB {
		if da.Scale != db.Scale {
			return nil
		}
		return &arrow.Decimal128Type{Precision: max(da.Precision, db.Precision), Scale: da.Scale}
	}
	for _, w := range [][2]arrow.DataType{
		{arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64},
		{arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64},
	} {
		if arrow.TypeEqual(a, w[0]) && arrow.TypeEqual(b, w[1]) || arrow.TypeEqual(a, w[1]) && arrow.TypeEqual(b, w[0]) {
			return w[1]
		}
	}
	return nil
}

// Conform gives a column the type want, copying only where the values' width changes. A type that
// does not widen to want is an error.
func Conform(col arrow.Array, want arrow.DataType) (arrow.Array, error) {
	have := col.DataType()
	if arrow.TypeEqual(have, want) {
		col.Retain()
		return col, nil
	}
	if w := Widen(have, want); w == nil || !arrow.TypeEqual(w, want) {
		return nil, fmt.Errorf("a %s does not fit %s", have, want)
	}
	if want.ID() == arrow.DECIMAL128 { // only the precision differs
		d := col.Data()
		data := array.NewData(want, d.Len(), d.Buffers(), nil, d.NullN(), d.Offset())
		defer data.Release()
		return array.MakeFromData(data), nil
	}
	return compute.CastArray(context.Background(), col, compute.SafeCastOptions(want))
}

// Nulls serves columns of nothing but nulls, built once for each type. It is not safe for concurrent use.
type Nulls struct{ byType map[string]arrow.Array }

// Column returns a column of n nulls. The caller releases it.
func (c *Nulls) Column(t arrow.DataType, n int) arrow.Array {
	key := t.Fingerprint()
	a, ok := c.byType[key]
	if !ok || key == "" || a.Len() < n {
		a = array.MakeArrayOfNull(memory.DefaultAllocator, t, max(n, 1024))
		if c.byType == nil {
			c.byType = make(map[string]arrow.Array)
		}
		c.byType[key] = a
	}
	return array.NewSlice(a, 0, int64(n))
}
