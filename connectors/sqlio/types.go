package sqlio

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/millrace/millrace/sdk/money"
)

// kind is what a column's texts are.
type kind int

const (
	text    kind = iota
	whole        // int64
	decimal      // of a precision and scale
	digits       // an exact number of no scale: text of its digits
	day
	clock   // a time of no zone
	instant // a time in UTC
	refused
)

// column is a column of a query.
type column struct {
	name             string
	from             string // the server's type
	kind             kind
	float            bool
	precision, scale int32
}

var (
	clockType   = &arrow.TimestampType{Unit: arrow.Microsecond}
	instantType = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
)

func (c *column) arrow() arrow.DataType {
	switch c.kind {
	case whole:
		return arrow.PrimitiveTypes.Int64
	case decimal:
		return &arrow.Decimal128Type{Precision: min(c.precision, 38), Scale: c.scale}
	case day:
		return arrow.FixedWidthTypes.Date32
	case clock:
		return clockType
	case instant:
		return instantType
	}
	return arrow.BinaryTypes.String
}

// append adds a value as the server writes it.
func (c *column) append(b array.Builder, v []byte) error {
	switch c.kind {
	case whole:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no whole number of 64 bits", v)
		}
		b.(*array.Int64Builder).Append(n)
	case decimal:
		d, err := money.ParseBytes(v)
		if err == nil {
			d, err = d.RescaleExact(int(c.scale))
		}
		if err != nil {
			return fmt.Errorf("%q is no decimal of 38 digits, %d of them behind the point: %w", v, c.scale, err)
		}
		n := d.Coefficient()
		b.(*array.Decimal128Builder).Append(decimal128.New(n.Hi, n.Lo))
	case digits:
		d, err := money.ParseSci(string(v))
		if err != nil {
			return fmt.Errorf("%q is no decimal of 38 digits: %w", v, err)
		}
		b.(*array.StringBuilder).Append(d.String())
	case day:
		t, err := time.Parse(time.DateOnly, string(v))
		if err != nil {
			return fmt.Errorf("%q is no date", v)
		}
		b.(*array.Date32Builder).Append(arrow.Date32FromTime(t))
	case clock, instant:
		t, err := parseTime(v)
		if err != nil {
			return err
		}
		b.(*array.TimestampBuilder).Append(arrow.Timestamp(t.UnixMicro()))
	default:
		b.(*array.StringBuilder).Append(string(v))
	}
	return nil
}

// parseTime reads 2026-03-31 12:00:00.123456, with +00 behind it or nothing.
func parseTime(v []byte) (time.Time, error) {
	t, err := time.Parse("2006-01-02 15:04:05.999999", string(bytes.TrimSuffix(v, []byte("+00"))))
	if err != nil {
		return t, fmt.Errorf("%q is no time in UTC between the years 1 and 9999", v)
	}
	return t, nil
}
