package features

import (
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/feature"
	"github.com/millrace/millrace/sdk/money"
)

// rowBuilder makes batches of a features table.
type rowBuilder struct {
	zone     *time.Location
	b        *array.RecordBuilder
	features []feature.Feature
	rows     int
	date     arrow.Date32 // of dateAt
	dateAt   int64
	dated    bool
}

func newRowBuilder(schema *arrow.Schema, zone *time.Location) *rowBuilder {
	return &rowBuilder{zone: zone, b: array.NewRecordBuilder(memory.DefaultAllocator, schema), features: feature.All()}
}

// add appends a row.
func (r *rowBuilder) add(k key, at int64, currency string, v *feature.Values) error {
	switch b := r.b.Field(0).(type) {
	case *array.Int64Builder:
		b.Append(k.n)
	case *array.StringBuilder:
		b.Append(k.s)
	}
	r.b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(at))
	if !r.dated || at != r.dateAt {
		r.date, r.dateAt, r.dated = dateOf(at, r.zone), at, true
	}
	r.b.Field(2).(*array.Date32Builder).Append(r.date)
	if ccy := r.b.Field(3).(*array.StringBuilder); currency == "" {
		ccy.AppendNull()
	} else {
		ccy.Append(currency)
	}
	col := 4
	for _, f := range r.features {
		n, why := f.Of(v)
		if err := appendNumber(r.b.Field(col), n, why); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		col++
		if !f.Optional {
			continue
		}
		if b := r.b.Field(col).(*array.StringBuilder); why == feature.None {
			b.AppendNull()
		} else {
			b.Append(why.String())
		}
		col++
	}
	r.rows++
	return nil
}

func appendNumber(b array.Builder, n money.Int128, why feature.Special) error {
	if why != feature.None {
		b.AppendNull()
		return nil
	}
	if d, ok := b.(*array.Decimal128Builder); ok {
		if !n.Fits(38) {
			return fmt.Errorf("%s is beyond 38 digits: %w", n, money.ErrOverflow)
		}
		d.Append(decimal128.New(n.Hi, n.Lo))
		return nil
	}
	whole, ok := n.Int64()
	if !ok {
		return fmt.Errorf("%s: %w", n, money.ErrOverflow)
	}
	b.(*array.Int64Builder).Append(whole)
	return nil
}

// batch hands over what was added; nil if there is nothing.
func (r *rowBuilder) batch() arrow.RecordBatch {
	if r.rows == 0 {
		return nil
	}
	r.rows = 0
	return r.b.NewRecordBatch()
}

func (r *rowBuilder) release() { r.b.Release() }
