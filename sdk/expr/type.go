package expr

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
)

// Kind is the kind of a value that expressions compute with.
type Kind uint8

// The kinds of values.
const (
	Null      Kind = iota // the type of the literal null; it adapts to any other
	Bool                  // bool
	Int                   // signed, 64 bits
	Decimal               // up to 38 digits
	Float                 // IEEE 754, 64 bits
	String                // UTF-8
	Bytes                 // binary
	Date                  // days since 1970-01-01
	Timestamp             // an instant (zoned) or a wall-clock time (not zoned)
	Other                 // anything else: may be copied and tested for null
)

var kindNames = [...]string{"null", "bool", "int64", "decimal", "float64", "string", "bytes", "date", "timestamp", "other"}

// String is the kind's name in messages.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Type is the type of a value: a kind, and what else the kind needs.
type Type struct {
	Kind             Kind
	Precision, Scale int            // of a Decimal
	Unit             arrow.TimeUnit // of a Timestamp
	Zoned            bool           // of a Timestamp: an instant; false: a wall-clock time without zone
}

// DecimalType is decimal(precision, scale). Bind refuses precisions outside 1 to 38 and scales outside 0 to precision.
func DecimalType(precision, scale int) Type {
	return Type{Kind: Decimal, Precision: precision, Scale: scale}
}

// TimestampType is an instant in microseconds: Iceberg's timestamptz.
func TimestampType() Type {
	return Type{Kind: Timestamp, Unit: arrow.Microsecond, Zoned: true}
}

// LocalTimestampType is a wall-clock time in microseconds: Iceberg's timestamp.
func LocalTimestampType() Type { return Type{Kind: Timestamp, Unit: arrow.Microsecond} }

// String is the type's name in the text form, which ParseType reads: bool, int64, float64,
// decimal(18,2), string, bytes, date, timestamptz or timestamp. Timestamps that are not in
// microseconds have their unit appended, as in timestamptz(ns).
func (t Type) String() string {
	switch t.Kind {
	case Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case Timestamp:
		name := "timestamp"
		if t.Zoned {
			name = "timestamptz"
		}
		if t.Unit != arrow.Microsecond {
			name += "(" + t.Unit.String() + ")"
		}
		return name
	}
	return t.Kind.String()
}

// ParseType reads a type's name as String writes it; int and bigint are int64, double is
// float64, text and varchar are string, boolean is bool and binary is bytes.
func ParseType(name string) (Type, error) {
	head, args, hasArgs := strings.Cut(strings.ToLower(strings.TrimSpace(name)), "(")
	head = strings.TrimSpace(head)
	var params []string
	if hasArgs {
		rest, closed := strings.CutSuffix(args, ")")
		if !closed {
			return Type{}, typeError(name)
		}
		params = strings.Split(rest, ",")
	}
	if kind, ok := plainTypes[head]; ok && !hasArgs {
		return Type{Kind: kind}, nil
	}
	switch {
	case (head == "decimal" || head == "numeric") && len(params) == 2:
		return parseDecimalType(name, params)
	case (head == "timestamp" || head == "timestamptz") && !hasArgs:
		return Type{Kind: Timestamp, Unit: arrow.Microsecond, Zoned: head == "timestamptz"}, nil
	case (head == "timestamp" || head == "timestamptz") && len(params) == 1:
		for u := arrow.Second; u <= arrow.Nanosecond; u++ {
			if u.String() == strings.TrimSpace(params[0]) {
				return Type{Kind: Timestamp, Unit: u, Zoned: head == "timestamptz"}, nil
			}
		}
	}
	return Type{}, typeError(name)
}

var plainTypes = map[string]Kind{
	"bool": Bool, "boolean": Bool, "int64": Int, "int": Int, "bigint": Int, "float64": Float, "double": Float,
	"string": String, "text": String, "varchar": String, "bytes": Bytes, "binary": Bytes, "date": Date,
}

func parseDecimalType(name string, params []string) (Type, error) {
	p, errP := strconv.Atoi(strings.TrimSpace(params[0]))
	s, errS := strconv.Atoi(strings.TrimSpace(params[1]))
	t := DecimalType(p, s)
	if errP != nil || errS != nil {
		return Type{}, typeError(name)
	}
	return t, t.check()
}

func typeError(name string) error {
	return fault.Usagef("%w: unknown type %q: want bool, int64, float64, decimal(p,s), string, bytes, date, timestamptz or timestamp", ErrType, name)
}

// check refuses types that no value can have.
func (t Type) check() error {
	switch {
	case t.Kind == Null || t.Kind >= Other:
		return fault.Usagef("%w: %s is not a type to cast to", ErrType, t.Kind)
	case t.Kind == Decimal && (t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision):
		return fault.Usagef("%w: %s: want a precision of 1 to 38 and a scale of 0 to the precision", ErrType, t)
	case t.Kind == Timestamp && (t.Unit < arrow.Second || t.Unit > arrow.Nanosecond):
		return fault.Usagef("%w: unknown time unit %d", ErrType, t.Unit)
	}
	return nil
}

// Arrow is the type of the arrays that Eval returns for t. Null is an Arrow null, Other has none and gives nil.
func (t Type) Arrow() arrow.DataType {
	switch t.Kind {
	case Null:
		return arrow.Null
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Int:
		return arrow.PrimitiveTypes.Int64
	case Decimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
	case Float:
		return arrow.PrimitiveTypes.Float64
	case String:
		return arrow.BinaryTypes.String
	case Bytes:
		return arrow.BinaryTypes.Binary
	case Date:
		return arrow.FixedWidthTypes.Date32
	case Timestamp:
		ts := &arrow.TimestampType{Unit: t.Unit}
		if t.Zoned {
			ts.TimeZone = "UTC"
		}
		return ts
	}
	return nil
}

// TypeOf is the type that columns of an Arrow type compute with.
func TypeOf(dt arrow.DataType) Type {
	switch dt := dt.(type) {
	case *arrow.DictionaryType:
		return TypeOf(dt.ValueType)
	case arrow.DecimalType:
		if dt.BitWidth() <= 128 && dt.GetScale() >= 0 && dt.GetScale() <= dt.GetPrecision() {
			return DecimalType(int(dt.GetPrecision()), int(dt.GetScale()))
		}
		return Type{Kind: Other}
	case *arrow.TimestampType:
		return Type{Kind: Timestamp, Unit: dt.Unit, Zoned: dt.TimeZone != ""}
	}
	switch dt.ID() {
	case arrow.NULL:
		return Type{Kind: Null}
	case arrow.BOOL:
		return Type{Kind: Bool}
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32:
		return Type{Kind: Int}
	case arrow.UINT64:
		return DecimalType(20, 0)
	case arrow.FLOAT32, arrow.FLOAT64:
		return Type{Kind: Float}
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW:
		return Type{Kind: String}
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW, arrow.FIXED_SIZE_BINARY:
		return Type{Kind: Bytes}
	case arrow.DATE32:
		return Type{Kind: Date}
	}
	return Type{Kind: Other}
}

// unitScale is the number of decimal digits after the second: 0, 3, 6 or 9.
func unitScale(u arrow.TimeUnit) int { return 3 * int(u) }
