package parquetfile

import (
	"fmt"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/sdk/fault"
)

const convertedList = deprecated.List

// maxIntDecimal is the largest precision that is stored as an integer.
const maxIntDecimal = 18

// describe fills a leaf's physical type and its schema element from its Arrow type.
func describe(e *format.SchemaElement, l *leaf) error {
	set := func(t format.Type, logical format.LogicalTypeValue) {
		l.phys = t
		e.Type.Set(t)
		e.LogicalType.Value = logical
	}
	integer := func(t format.Type, width int8, signed bool, c deprecated.ConvertedType) {
		set(t, &format.IntType{BitWidth: width, IsSigned: signed})
		e.ConvertedType.Set(c)
	}
	switch dt := l.typ.(type) {
	case *arrow.BooleanType:
		set(format.Boolean, nil)
	case *arrow.Int8Type:
		integer(format.Int32, 8, true, deprecated.Int8)
	case *arrow.Int16Type:
		integer(format.Int32, 16, true, deprecated.Int16)
	case *arrow.Int32Type:
		set(format.Int32, nil)
	case *arrow.Int64Type:
		set(format.Int64, nil)
	case *arrow.Uint8Type:
		integer(format.Int32, 8, false, deprecated.Uint8)
	case *arrow.Uint16Type:
		integer(format.Int32, 16, false, deprecated.Uint16)
	case *arrow.Uint32Type:
		integer(format.Int32, 32, false, deprecated.Uint32)
	case *arrow.Uint64Type:
		integer(format.Int64, 64, false, deprecated.Uint64)
	case *arrow.Float32Type:
		set(format.Float, nil)
	case *arrow.Float64Type:
		set(format.Double, nil)
	case *arrow.StringType, *arrow.LargeStringType:
		set(format.ByteArray, &format.StringType{})
		e.ConvertedType.Set(deprecated.UTF8)
	case *arrow.BinaryType, *arrow.LargeBinaryType:
		set(format.ByteArray, nil)
	case *arrow.FixedSizeBinaryType:
		set(format.FixedLenByteArray, nil)
		l.width = dt.ByteWidth
		e.TypeLength.Set(int32(dt.ByteWidth))
	case *arrow.Date32Type:
		set(format.Int32, &format.DateType{})
		e.ConvertedType.Set(deprecated.Date)
	case *arrow.Time32Type:
		if dt.Unit != arrow.Millisecond {
			return unwritable(l, "use time32[ms] or time64[us]")
		}
		set(format.Int32, &format.TimeType{Unit: format.TimeUnit{Value: &format.MilliSeconds{}}})
	case *arrow.Time64Type:
		set(format.Int64, &format.TimeType{Unit: timeUnit(dt.Unit)})
	case *arrow.TimestampType:
		if dt.Unit == arrow.Second {
			return unwritable(l, "use milliseconds or microseconds")
		}
		utc := dt.TimeZone != ""
		set(format.Int64, &format.TimestampType{IsAdjustedToUTC: utc, Unit: timeUnit(dt.Unit)})
		if utc && dt.Unit == arrow.Millisecond {
			e.ConvertedType.Set(deprecated.TimestampMillis)
		} else if utc && dt.Unit == arrow.Microsecond {
			e.ConvertedType.Set(deprecated.TimestampMicros)
		}
	case arrow.DecimalType:
		return describeDecimal(e, l, dt)
	default:
		return unwritable(l, "convert it first")
	}
	return nil
}

func describeDecimal(e *format.SchemaElement, l *leaf, dt arrow.DecimalType) error {
	p, s := dt.GetPrecision(), dt.GetScale()
	if l.typ.ID() == arrow.DECIMAL256 {
		return unwritable(l, "use decimal128")
	}
	if p < 1 || p > 38 || s < 0 || s > p {
		return unwritable(l, "precision must be 1 to 38, scale 0 to the precision")
	}
	e.LogicalType.Value = &format.DecimalType{Precision: p, Scale: s}
	e.ConvertedType.Set(deprecated.Decimal)
	e.Precision.Set(p)
	e.Scale.Set(s)
	l.phys = format.Int64
	if p > maxIntDecimal {
		l.phys, l.width = format.FixedLenByteArray, decimalWidth(int(p))
		e.TypeLength.Set(int32(l.width))
	}
	e.Type.Set(l.phys)
	return nil
}

func unwritable(l *leaf, advice string) error {
	return fault.Usagef("writing parquet: column %s has type %s, which is not written: %s", l.name(), l.typ, advice)
}

func timeUnit(u arrow.TimeUnit) format.TimeUnit {
	switch u {
	case arrow.Millisecond:
		return format.TimeUnit{Value: &format.MilliSeconds{}}
	case arrow.Nanosecond:
		return format.TimeUnit{Value: &format.NanoSeconds{}}
	default:
		return format.TimeUnit{Value: &format.MicroSeconds{}}
	}
}

// decimalWidth is the least number of bytes that holds every decimal of a precision in two's complement.
func decimalWidth(precision int) int {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	return limit.BitLen()/8 + 1
}

// arrowType is the Arrow type that a leaf element of any writer's file is read as.
func arrowType(e *format.SchemaElement) (arrow.DataType, error) {
	logical := e.LogicalType.Value
	if logical == nil {
		logical = fromConverted(e)
	}
	phys := e.Type.V
	switch lt := logical.(type) {
	case *format.DecimalType:
		if lt.Precision < 1 || lt.Precision > 38 || lt.Scale < 0 || lt.Scale > lt.Precision {
			return nil, fmt.Errorf("decimal(%d,%d): %w", lt.Precision, lt.Scale, ErrUnsupported)
		}
		switch phys {
		case format.Int32, format.Int64, format.FixedLenByteArray, format.ByteArray:
			return &arrow.Decimal128Type{Precision: lt.Precision, Scale: lt.Scale}, nil
		}
	case *format.StringType, *format.EnumType, *format.JsonType:
		if phys == format.ByteArray {
			return arrow.BinaryTypes.String, nil
		}
	case *format.DateType:
		if phys == format.Int32 {
			return arrow.FixedWidthTypes.Date32, nil
		}
	case *format.TimestampType:
		if phys == format.Int64 {
			zone := ""
			if lt.IsAdjustedToUTC {
				zone = "UTC"
			}
			return &arrow.TimestampType{Unit: unitOf(lt.Unit), TimeZone: zone}, nil
		}
	case *format.TimeType:
		if phys == format.Int32 {
			return arrow.FixedWidthTypes.Time32ms, nil
		}
		if phys == format.Int64 {
			return &arrow.Time64Type{Unit: unitOf(lt.Unit)}, nil
		}
	case *format.IntType:
		if t := intType(lt, phys); t != nil {
			return t, nil
		}
	}
	return physicalType(e)
}

// physicalType is the Arrow type of a leaf without a (fitting) annotation.
func physicalType(e *format.SchemaElement) (arrow.DataType, error) {
	switch e.Type.V {
	case format.Boolean:
		return arrow.FixedWidthTypes.Boolean, nil
	case format.Int32:
		return arrow.PrimitiveTypes.Int32, nil
	case format.Int64:
		return arrow.PrimitiveTypes.Int64, nil
	case format.Int96:
		return &arrow.TimestampType{Unit: arrow.Microsecond}, nil // what lies below a microsecond is cut off
	case format.Float:
		return arrow.PrimitiveTypes.Float32, nil
	case format.Double:
		return arrow.PrimitiveTypes.Float64, nil
	case format.ByteArray:
		return arrow.BinaryTypes.Binary, nil
	case format.FixedLenByteArray:
		if w := e.TypeLength.V; w > 0 && w <= 1<<20 {
			return &arrow.FixedSizeBinaryType{ByteWidth: int(w)}, nil
		}
		return nil, fmt.Errorf("fixed length of %d bytes: %w", e.TypeLength.V, ErrCorrupt)
	}
	return nil, fmt.Errorf("physical type %d: %w", e.Type.V, ErrCorrupt)
}

func intType(lt *format.IntType, phys format.Type) arrow.DataType {
	signed := map[int8]arrow.DataType{8: arrow.PrimitiveTypes.Int8, 16: arrow.PrimitiveTypes.Int16, 32: arrow.PrimitiveTypes.Int32, 64: arrow.PrimitiveTypes.Int64}
	unsigned := map[int8]arrow.DataType{8: arrow.PrimitiveTypes.Uint8, 16: arrow.PrimitiveTypes.Uint16, 32: arrow.PrimitiveTypes.Uint32, 64: arrow.PrimitiveTypes.Uint64}
	if (lt.BitWidth == 64) != (phys == format.Int64) || (phys != format.Int32 && phys != format.Int64) {
		return nil
	}
	if lt.IsSigned {
		return signed[lt.BitWidth]
	}
	return unsigned[lt.BitWidth]
}

func unitOf(u format.TimeUnit) arrow.TimeUnit {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return arrow.Millisecond
	case *format.NanoSeconds:
		return arrow.Nanosecond
	default:
		return arrow.Microsecond
	}
}

// fromConverted is the logical type that an old writer's converted type stands for, or nil.
func fromConverted(e *format.SchemaElement) format.LogicalTypeValue {
	c, ok := e.ConvertedType.Get()
	if !ok {
		return nil
	}
	micros, millis := format.TimeUnit{Value: &format.MicroSeconds{}}, format.TimeUnit{Value: &format.MilliSeconds{}}
	switch c {
	case deprecated.UTF8:
		return &format.StringType{}
	case deprecated.Enum:
		return &format.EnumType{}
	case deprecated.Json:
		return &format.JsonType{}
	case deprecated.Decimal:
		return &format.DecimalType{Precision: e.Precision.V, Scale: e.Scale.V}
	case deprecated.Date:
		return &format.DateType{}
	case deprecated.TimeMillis:
		return &format.TimeType{IsAdjustedToUTC: true, Unit: millis}
	case deprecated.TimeMicros:
		return &format.TimeType{IsAdjustedToUTC: true, Unit: micros}
	case deprecated.TimestampMillis:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: millis}
	case deprecated.TimestampMicros:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: micros}
	case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
		return &format.IntType{BitWidth: 8 << (c - deprecated.Uint8)}
	case deprecated.Int8, deprecated.Int16, deprecated.Int32, deprecated.Int64:
		return &format.IntType{BitWidth: 8 << (c - deprecated.Int8), IsSigned: true}
	}
	return nil
}
