// Code generated from to15.go by TestFrom15IsTo15TurnedRound; DO NOT EDIT.

package arrow15

import (
	"fmt"

	v18 "github.com/apache/arrow-go/v18/arrow"
	array18 "github.com/apache/arrow-go/v18/arrow/array"
	endian18 "github.com/apache/arrow-go/v18/arrow/endian"
	memory18 "github.com/apache/arrow-go/v18/arrow/memory"
	v15 "github.com/apache/arrow/go/v15/arrow"
	endian15 "github.com/apache/arrow/go/v15/arrow/endian"
	memory15 "github.com/apache/arrow/go/v15/arrow/memory"
)

func metadata18(m v15.Metadata) v18.Metadata {
	return v18.NewMetadata(m.Keys(), m.Values())
}

func order18(s *v15.Schema) endian18.Endianness {
	if s.Endianness() == endian15.BigEndian {
		return endian18.BigEndian
	}
	return endian18.LittleEndian
}

func field18(f v15.Field) (v18.Field, error) {
	meta := f.Metadata
	if ext, ok := f.Type.(v15.ExtensionType); ok {
		meta = v15.NewMetadata(append(meta.Keys(), extensionNameKey, extensionDataKey), append(meta.Values(), ext.ExtensionName(), ext.Serialize()))
	}
	t, err := type18(f.Type)
	return v18.Field{Name: f.Name, Type: t, Nullable: f.Nullable, Metadata: metadata18(meta)}, err
}

func fields18(in []v15.Field) ([]v18.Field, error) {
	out := make([]v18.Field, len(in))
	for i, f := range in {
		var err error
		if out[i], err = field18(f); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return out, nil
}

// plain18 are the types without parameters.
var plain18 = map[v15.Type]v18.DataType{
	v15.NULL: v18.Null, v15.BOOL: v18.FixedWidthTypes.Boolean,
	v15.INT8: v18.PrimitiveTypes.Int8, v15.INT16: v18.PrimitiveTypes.Int16, v15.INT32: v18.PrimitiveTypes.Int32, v15.INT64: v18.PrimitiveTypes.Int64,
	v15.UINT8: v18.PrimitiveTypes.Uint8, v15.UINT16: v18.PrimitiveTypes.Uint16, v15.UINT32: v18.PrimitiveTypes.Uint32, v15.UINT64: v18.PrimitiveTypes.Uint64,
	v15.FLOAT16: v18.FixedWidthTypes.Float16, v15.FLOAT32: v18.PrimitiveTypes.Float32, v15.FLOAT64: v18.PrimitiveTypes.Float64,
	v15.STRING: v18.BinaryTypes.String, v15.LARGE_STRING: v18.BinaryTypes.LargeString, v15.STRING_VIEW: v18.BinaryTypes.StringView,
	v15.BINARY: v18.BinaryTypes.Binary, v15.LARGE_BINARY: v18.BinaryTypes.LargeBinary, v15.BINARY_VIEW: v18.BinaryTypes.BinaryView,
	v15.DATE32: v18.FixedWidthTypes.Date32, v15.DATE64: v18.FixedWidthTypes.Date64,
	v15.INTERVAL_MONTHS: v18.FixedWidthTypes.MonthInterval, v15.INTERVAL_DAY_TIME: v18.FixedWidthTypes.DayTimeInterval,
	v15.INTERVAL_MONTH_DAY_NANO: v18.FixedWidthTypes.MonthDayNanoInterval,
}

func type18(t v15.DataType) (v18.DataType, error) {
	if p, ok := plain18[t.ID()]; ok {
		return p, nil
	}
	switch t := t.(type) {
	case *v15.FixedSizeBinaryType:
		return &v18.FixedSizeBinaryType{ByteWidth: t.ByteWidth}, nil
	case *v15.TimestampType:
		return &v18.TimestampType{Unit: v18.TimeUnit(t.Unit), TimeZone: t.TimeZone}, nil
	case *v15.Time32Type:
		return &v18.Time32Type{Unit: v18.TimeUnit(t.Unit)}, nil
	case *v15.Time64Type:
		return &v18.Time64Type{Unit: v18.TimeUnit(t.Unit)}, nil
	case *v15.DurationType:
		return &v18.DurationType{Unit: v18.TimeUnit(t.Unit)}, nil
	case *v15.Decimal128Type:
		return &v18.Decimal128Type{Precision: t.Precision, Scale: t.Scale}, nil
	case *v15.Decimal256Type:
		return &v18.Decimal256Type{Precision: t.Precision, Scale: t.Scale}, nil
	case *v15.DictionaryType:
		index, err := type18(t.IndexType)
		if err != nil {
			return nil, err
		}
		value, err := type18(t.ValueType)
		return &v18.DictionaryType{IndexType: index, ValueType: value, Ordered: t.Ordered}, err
	case v15.ExtensionType:
		return type18(t.StorageType())
	}
	return nested18(t)
}

func nested18(t v15.DataType) (v18.DataType, error) {
	nested, ok := t.(v15.NestedType)
	if !ok {
		return nil, fmt.Errorf("%v: %w", t, ErrUnsupported)
	}
	fields, err := fields18(nested.Fields())
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case *v15.ListType:
		return v18.ListOfField(fields[0]), nil
	case *v15.LargeListType:
		return v18.LargeListOfField(fields[0]), nil
	case *v15.ListViewType:
		return v18.ListViewOfField(fields[0]), nil
	case *v15.LargeListViewType:
		return v18.LargeListViewOfField(fields[0]), nil
	case *v15.FixedSizeListType:
		return v18.FixedSizeListOfField(t.Len(), fields[0]), nil
	case *v15.StructType:
		return v18.StructOf(fields...), nil
	case *v15.MapType:
		entry, ok := fields[0].Type.(*v18.StructType)
		if !ok || entry.NumFields() != 2 {
			return nil, fmt.Errorf("%v: %w", t, ErrUnsupported)
		}
		m := v18.MapOfWithMetadata(entry.Field(0).Type, entry.Field(0).Metadata, entry.Field(1).Type, entry.Field(1).Metadata)
		m.KeysSorted = t.KeysSorted
		m.SetItemNullable(entry.Field(1).Nullable)
		return m, nil
	case *v15.SparseUnionType:
		return v18.SparseUnionOf(fields, t.TypeCodes()), nil
	case *v15.DenseUnionType:
		return v18.DenseUnionOf(fields, t.TypeCodes()), nil
	case *v15.RunEndEncodedType:
		return v18.RunEndEncodedOf(fields[0].Type, fields[1].Type), nil
	}
	return nil, fmt.Errorf("%v: %w", t, ErrUnsupported)
}

// data18 makes array data over the same buffers. t is the type that type18 gave.
func data18(in v15.ArrayData, t v18.DataType) *array18.Data {
	buffers := make([]*memory18.Buffer, len(in.Buffers()))
	for i, b := range in.Buffers() {
		buffers[i] = buffer18(b)
	}
	var children []v18.ArrayData
	if nested, ok := t.(v18.NestedType); ok {
		fields := nested.Fields()
		for i, c := range in.Children() {
			children = append(children, data18(c, fields[i].Type))
		}
	}
	var out *array18.Data
	if dt, ok := t.(*v18.DictionaryType); ok {
		dict := data18(in.Dictionary(), dt.ValueType)
		out = array18.NewDataWithDictionary(t, in.Len(), buffers, in.NullN(), in.Offset(), dict)
		dict.Release()
	} else {
		out = array18.NewData(t, in.Len(), buffers, children, in.NullN(), in.Offset())
	}
	for _, b := range buffers { // out has its own references
		if b != nil {
			b.Release()
		}
	}
	for _, c := range children {
		c.Release()
	}
	return out
}

// buffer18 is a buffer over the same memory; it holds a reference to b until it is freed.
func buffer18(b *memory15.Buffer) *memory18.Buffer {
	if b == nil {
		return nil
	}
	b.Retain()
	return memory18.NewBufferWithAllocator(b.Bytes(), &owner18{from: b})
}

// owner18 gives the memory of a shared buffer back. It allocates nothing.
type owner18 struct {
	from *memory15.Buffer
	heap memory18.GoAllocator // for a holder who resizes the buffer, against Arrow's rules
}

// Allocate takes fresh memory from the Go heap.
func (o *owner18) Allocate(size int) []byte { return o.heap.Allocate(size) }

// Reallocate copies into fresh memory, so that the shared bytes stay as they are.
func (o *owner18) Reallocate(size int, b []byte) []byte {
	out := o.heap.Allocate(size)
	copy(out, b)
	return out
}

// Free releases the shared buffer.
func (o *owner18) Free([]byte) { o.from.Release() }
