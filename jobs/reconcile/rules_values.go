package reconcile

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// textOf is a value as text; "" for null. Texts share the array's memory.
func textOf(c arrow.Array, i int) string {
	if c.IsNull(i) {
		return ""
	}
	switch c := c.(type) {
	case *array.String:
		return c.Value(i)
	case *array.LargeString:
		return c.Value(i)
	}
	return c.ValueStr(i)
}

// numberOf reads a number of an array. blank is true where there is none.
func numberOf(f *rulefile.Form, c arrow.Array, i int) (d money.Decimal, blank bool, err error) {
	if c.IsNull(i) {
		return d, true, nil
	}
	minor := f.Style.Implied
	switch c := c.(type) {
	case *array.Decimal128:
		v := c.Value(i)
		scale := int(c.DataType().(*arrow.Decimal128Type).Scale)
		d, err = money.NewFromInt128(money.Int128{Lo: v.LowBits(), Hi: v.HighBits()}, scale+minor)
		if err == nil {
			d = shortened(d)
		}
	case *array.Int64:
		d, err = money.New(c.Value(i), minor)
	case *array.Int32:
		d, err = money.New(int64(c.Value(i)), minor)
	case *array.String, *array.LargeString:
		text := textOf(c, i)
		if strings.TrimSpace(text) == "" {
			return d, true, nil
		}
		d, err = f.Style.Parse([]byte(text))
	default:
		return d, false, fault.Usagef("it is %s, which holds no exact numbers", c.DataType())
	}
	return d, false, err
}

// leastScale is how many digits behind the point a number keeps, whatever they are.
const leastScale = 2

// shortened drops the zeros that a number has only because its column has room for more digits.
func shortened(d money.Decimal) money.Decimal {
	if d.Scale() <= leastScale {
		return d
	}
	n := d.Normalize()
	if n.Scale() >= leastScale {
		return n
	}
	if two, err := n.RescaleExact(leastScale); err == nil {
		return two
	}
	return n
}
