package features

import (
	"cmp"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// key is an account's key: a number or a text.
type key struct {
	n int64
	s string
}

func (k key) compare(o key) int { return cmp.Or(cmp.Compare(k.n, o.n), cmp.Compare(k.s, o.s)) }

// clone is the key in memory of its own: that of a batch does not outlive it.
func (k key) clone() key { return key{k.n, strings.Clone(k.s)} }

// text is the key for messages.
func (k key) text(dt arrow.DataType) string {
	if dt.ID() == arrow.STRING {
		return k.s
	}
	return money.Int128Of(k.n).String()
}

// keyType is the type in which features hold an account's key, or nil if it cannot be one.
func keyType(t arrow.DataType) arrow.DataType {
	switch t.ID() {
	case arrow.INT64, arrow.INT32:
		return arrow.PrimitiveTypes.Int64
	case arrow.STRING:
		return arrow.BinaryTypes.String
	}
	return nil
}

// keys reads an account column.
func keys(col arrow.Array) func(i int) key {
	switch c := col.(type) {
	case *array.Int64:
		v := c.Int64Values()
		return func(i int) key { return key{n: v[i]} }
	case *array.Int32:
		v := c.Int32Values()
		return func(i int) key { return key{n: int64(v[i])} }
	case *array.String:
		return func(i int) key { return key{s: c.Value(i)} }
	}
	return nil
}

// isTime reports whether a column can say when something was.
func isTime(t arrow.DataType) bool { return t.ID() == arrow.TIMESTAMP || t.ID() == arrow.DATE32 }

// dayEnds says which end of a date is meant.
type dayEnd bool

const (
	dayStart dayEnd = false // something that happened on a date counts from its start
	dayClose dayEnd = true  // as of a date means its end
)

// micros appends a time column in microseconds since 1970 UTC.
func micros(into []int64, col arrow.Array, end dayEnd, zone *time.Location) []int64 {
	switch c := col.(type) {
	case *array.Timestamp:
		unit := c.DataType().(*arrow.TimestampType).Unit
		for _, v := range c.TimestampValues() {
			switch unit {
			case arrow.Second:
				into = append(into, int64(v)*1_000_000)
			case arrow.Millisecond:
				into = append(into, int64(v)*1_000)
			case arrow.Nanosecond:
				into = append(into, floorDiv(int64(v), 1_000))
			default:
				into = append(into, int64(v))
			}
		}
	case *array.Date32:
		for _, v := range c.Date32Values() {
			into = append(into, dateMicros(int(v), end, zone))
		}
	}
	return into
}

func dateMicros(days int, end dayEnd, zone *time.Location) int64 {
	if end == dayClose {
		return EndOf(1970, time.January, 1+days, zone).UnixMicro()
	}
	return time.Date(1970, time.January, 1+days, 0, 0, 0, 0, zone).UnixMicro()
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// dateOf is an instant's date in a zone, in days since 1970.
func dateOf(at int64, zone *time.Location) arrow.Date32 {
	y, m, d := time.UnixMicro(at).In(zone).Date()
	return arrow.Date32(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// noNulls refuses a null in a column that has to be known.
func noNulls(table, name string, col arrow.Array) error {
	if col.NullN() == 0 {
		return nil
	}
	return fault.Usagef("%s: the column %s is null in some row: features need it in all of them", table, name)
}

func int128(a *array.Decimal128, i int) money.Int128 {
	n := a.Value(i)
	return money.Int128{Lo: n.LowBits(), Hi: n.HighBits()}
}
