package debezium

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// codec is how a column's value is written in JSON.
type codec uint8

const (
	cNone     codec = iota
	cText           // string; numbers, booleans and nested values as their JSON text
	cInt64          // number without fraction, or digits in quotes
	cInt32          // the same within 32 bits
	cBool           // true, false, 0, 1
	cFloat          // any number
	cBinary         // base64
	cDecText        // decimal digits in quotes, or an integer
	cDecBytes       // base64 of the unscaled value
	cTsMillis       // timestamps: a number of the unit, or ISO text
	cTsMicros
	cTsNanos
	cTsText // timestamps: ISO text only
	cDays   // dates: days, or ISO text
	cDateText
	cTimeMillis // times of day: a number of the unit, or ISO text
	cTimeMicros
	cTimeNanos
	cTimeText
)

// encoding is a codec with the scale that decimals are written at.
type encoding struct {
	codec codec
	scale int32
}

// store is how a column is held in memory.
type store uint8

const (
	inWord  store = iota // one 64-bit word
	inPair               // two words, low first: decimals
	inInt32              // one word, narrowed when a batch is sealed
	inBit                // one word, packed when a batch is sealed
	inBytes              // offsets and bytes
)

var timestampUS = &arrow.TimestampType{Unit: arrow.Microsecond}
var timestampUTC = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}

func storeOf(t arrow.DataType) store {
	switch t.ID() {
	case arrow.DECIMAL128:
		return inPair
	case arrow.INT32, arrow.DATE32:
		return inInt32
	case arrow.BOOL:
		return inBit
	case arrow.STRING, arrow.BINARY:
		return inBytes
	}
	return inWord
}

// defaultEncoding is how f is written where no inline schema says so.
func (c *Config) defaultEncoding(f arrow.Field) (encoding, error) {
	switch t := f.Type.(type) {
	case *arrow.Int32Type:
		return encoding{codec: cInt32}, nil
	case *arrow.Int64Type:
		return encoding{codec: cInt64}, nil
	case *arrow.StringType:
		return encoding{codec: cText}, nil
	case *arrow.BooleanType:
		return encoding{codec: cBool}, nil
	case *arrow.Float64Type:
		return encoding{codec: cFloat}, nil
	case *arrow.BinaryType:
		return encoding{codec: cBinary}, nil
	case *arrow.Decimal128Type:
		if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
			return encoding{}, fmt.Errorf("%s: precision must be 1 to 38 and scale 0 to the precision", t)
		}
		if c.Decimals == DecimalBase64 {
			return encoding{cDecBytes, t.Scale}, nil
		}
		return encoding{cDecText, t.Scale}, nil
	}
	return c.defaultTime(f)
}

// takesTime reports whether Config.Time may name a column of the type.
func takesTime(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.TIMESTAMP, arrow.TIME64, arrow.DATE32:
		return true
	}
	return false
}

// timeType is the type of a column that is learned although Config.Time names it:
// a date for Days, a timestamp otherwise. Other columns keep the type t.
func (c *Config) timeType(column string, t arrow.DataType) arrow.DataType {
	switch c.Time[column] {
	case 0:
		return t
	case Days:
		return arrow.FixedWidthTypes.Date32
	}
	return timestampUS
}

// defaultTime is defaultEncoding for dates and times.
func (c *Config) defaultTime(f arrow.Field) (encoding, error) {
	var by map[TimeEncoding]codec
	switch t := f.Type.(type) {
	case *arrow.TimestampType:
		if t.Unit != arrow.Microsecond || t.TimeZone != "" && t.TimeZone != "UTC" {
			return encoding{}, fmt.Errorf("%s: declare timestamp[us], with no time zone or UTC", t)
		}
		by = map[TimeEncoding]codec{0: cTsMicros, Millis: cTsMillis, Micros: cTsMicros, Nanos: cTsNanos}
	case *arrow.Time64Type:
		if t.Unit != arrow.Microsecond {
			return encoding{}, fmt.Errorf("%s: declare time64[us]", t)
		}
		by = map[TimeEncoding]codec{0: cTimeMicros, Millis: cTimeMillis, Micros: cTimeMicros, Nanos: cTimeNanos}
	case *arrow.Date32Type:
		by = map[TimeEncoding]codec{0: cDays, Days: cDays}
	default:
		return encoding{}, fmt.Errorf("type %s is not supported: declare int32, int64, utf8, bool, decimal128, timestamp[us], date32, time64[us], binary or float64", f.Type)
	}
	if k := by[c.Time[f.Name]]; k != cNone {
		return encoding{codec: k}, nil
	}
	return encoding{}, fmt.Errorf("time encoding %d does not apply to %s", c.Time[f.Name], f.Type)
}
