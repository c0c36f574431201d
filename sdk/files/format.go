package files

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/millrace/millrace/sdk/money"
)

// firstDay and lastDay are 0001-01-01 and 9999-12-31, between which dates have four digits of year.
const (
	firstDay = -719162
	lastDay  = 2932896
)

var (
	errYear   = errors.New("a time outside the years 1 to 9999 has no ISO 8601 text")
	errFinite = errors.New("a float that is infinite or no number has no text")
)

// AppendValue appends the text of a value that is not null, which a Parser with
// no options reads back as the same value: decimals digit by digit, dates as
// 2006-01-02, instants in UTC with a Z, floats in the fewest digits that are exact.
func AppendValue(dst []byte, column arrow.Array, row int) ([]byte, error) {
	switch c := column.(type) {
	case *array.String:
		return append(dst, c.Value(row)...), nil
	case *array.Int64:
		return strconv.AppendInt(dst, c.Value(row), 10), nil
	case *array.Int32:
		return strconv.AppendInt(dst, int64(c.Value(row)), 10), nil
	case *array.Decimal128:
		return appendDecimal(dst, c, row)
	case *array.Boolean:
		return strconv.AppendBool(dst, c.Value(row)), nil
	case *array.Date32:
		day := int64(c.Value(row))
		if day < firstDay || day > lastDay {
			return dst, errYear
		}
		return time.Unix(day*86400, 0).UTC().AppendFormat(dst, time.DateOnly), nil
	case *array.Timestamp:
		return appendTimestamp(dst, c, row)
	}
	return appendRare(dst, column, row)
}

func appendRare(dst []byte, column arrow.Array, row int) ([]byte, error) {
	switch c := column.(type) {
	case *array.Int8:
		return strconv.AppendInt(dst, int64(c.Value(row)), 10), nil
	case *array.Int16:
		return strconv.AppendInt(dst, int64(c.Value(row)), 10), nil
	case *array.Uint8:
		return strconv.AppendUint(dst, uint64(c.Value(row)), 10), nil
	case *array.Uint16:
		return strconv.AppendUint(dst, uint64(c.Value(row)), 10), nil
	case *array.Uint32:
		return strconv.AppendUint(dst, uint64(c.Value(row)), 10), nil
	case *array.Uint64:
		return strconv.AppendUint(dst, c.Value(row), 10), nil
	case *array.Float32:
		return appendFloat(dst, float64(c.Value(row)), 32)
	case *array.Float64:
		return appendFloat(dst, c.Value(row), 64)
	}
	return dst, fmt.Errorf("a value of type %s has no text", column.DataType())
}

func appendFloat(dst []byte, v float64, bits int) ([]byte, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dst, errFinite
	}
	return strconv.AppendFloat(dst, v, 'g', -1, bits), nil
}

func appendDecimal(dst []byte, c *array.Decimal128, row int) ([]byte, error) {
	v := c.Value(row)
	d, err := money.NewFromInt128(money.Int128{Lo: v.LowBits(), Hi: v.HighBits()}, int(c.DataType().(*arrow.Decimal128Type).Scale))
	if err != nil {
		return dst, err
	}
	return d.Append(dst), nil
}

func appendTimestamp(dst []byte, c *array.Timestamp, row int) ([]byte, error) {
	t := c.DataType().(*arrow.TimestampType)
	at := c.Value(row).ToTime(t.Unit).UTC()
	if year := at.Year(); year < 1 || year > 9999 {
		return dst, errYear
	}
	dst = at.AppendFormat(dst, "2006-01-02T15:04:05.999999999")
	if t.TimeZone != "" {
		dst = append(dst, 'Z')
	}
	return dst, nil
}
