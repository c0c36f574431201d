package arrow15

import (
	"fmt"

	v18 "github.com/apache/arrow-go/v18/arrow"
	endian18 "github.com/apache/arrow-go/v18/arrow/endian"
	memory18 "github.com/apache/arrow-go/v18/arrow/memory"
	v15 "github.com/apache/arrow/go/v15/arrow"
	array15 "github.com/apache/arrow/go/v15/arrow/array"
	endian15 "github.com/apache/arrow/go/v15/arrow/endian"
	memory15 "github.com/apache/arrow/go/v15/arrow/memory"
)

func metadata15(m v18.Metadata) v15.Metadata {
	return v15.NewMetadata(m.Keys(), m.Values())
}

func order15(s *v18.Schema) endian15.Endianness {
	if s.Endianness() == endian18.BigEndian {
		return endian15.BigEndian
	}
	return endian15.LittleEndian
}

func field15(f v18.Field) (v15.Field, error) {
	meta := f.Metadata
	if ext, ok := f.Type.(v18.ExtensionType); ok {
		meta = v18.NewMetadata(append(meta.Keys(), extensionNameKey, extensionDataKey), append(meta.Values(), ext.ExtensionName(), ext.Serialize()))
	}
	t, err := type15(f.Type)
	return v15.Field{Name: f.Name, Type: t, Nullable: f.Nullable, Metadata: metadata15(meta)}, err
}

func fields15(in []v18.Field) ([]v15.Field, error) {
	out := make([]v15.Field, len(in))
	for i, f := range in {
		var err error
		if out[i], err = field15(f); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return out, nil
}

// plain15 are the types without parameters.
var plain15 = map[v18.Type]v15.DataType{
	v18.NULL: v15.Null, v18.BOOL: v15.FixedWidthTypes.Boolean,
	v18.INT8: v15.PrimitiveTypes.Int8, v18.INT16: v15.PrimitiveTypes.Int16, v18.INT32: v15.PrimitiveTypes.Int32, v18.INT64: v15.PrimitiveTypes.Int64,
	v18.UINT8: v15.PrimitiveTypes.Uint8, v18.UINT16: v15.PrimitiveTypes.Uint16, v18.UINT32: v15.PrimitiveTypes.Uint32, v18.UINT64: v15.PrimitiveTypes.Uint64,
	v18.FLOAT16: v15.FixedWidthTypes.Float16, v18.FLOAT32: v15.PrimitiveTypes.Float32, v18.FLOAT64: v15.PrimitiveTypes.Float64,
	v18.STRING: v15.BinaryTypes.String, v18.LARGE_STRING: v15.BinaryTypes.LargeString, v18.STRING_VIEW: v15.BinaryTypes.StringView,
	v18.BINARY: v15.BinaryTypes.Binary, v18.LARGE_BINARY: v15.BinaryTypes.LargeBinary, v18.BINARY_VIEW: v15.BinaryTypes.BinaryView,
	v18.DATE32: v15.FixedWidthTypes.Date32, v18.DATE64: v15.FixedWidthTypes.Date64,
	v18.INTERVAL_MONTHS: v15.FixedWidthTypes.MonthInterval, v18.INTERVAL_DAY_TIME: v15.FixedWidthTypes.DayTimeInterval,
	v18.INTERVAL_MONTH_DAY_NANO: v15.FixedWidthTypes.MonthDayNanoInterval,
}

func type15(t v18.DataType) (v15.DataType, error) {
	if p, ok := plain15[t.ID()]; ok {
		return p, nil
	}
	switch t := t.(type) {
	case *v18.FixedSizeBinaryType:
		return &v15.FixedSizeBinaryType{ByteWidth: t.ByteWidth}, nil
	case *v18.TimestampType:
		return &v15.TimestampType{Unit: v15.TimeUnit(t.Unit), TimeZone: t.TimeZone}, nil
	case *v18.Time32Type:
		return &v15.Time32Type{Unit: v15.TimeUnit(t.Unit)}, nil
	case *v18.Time64Type:
		return &v15.Time64Type{Unit: v15.TimeUnit(t.Unit)}, nil
	case *v18.DurationType:
		return &v15.DurationType{Unit: v15.TimeUnit(t.Unit)}, nil
	case *v18.Decimal128Type:
		return &v15.Decimal128Type{Precision: t.Precision, Scale: t.Scale}, nil
	case *v18.Decimal256Type:
		return &v15.Decimal256Type{Precision: t.Precision, Scale: t.Scale}, nil
	case *v18.DictionaryType:
		index, err := type15(t.IndexType)
		if err != nil {
			return nil, err
		}
		value, err := type15(t.ValueType)
		return &v15.DictionaryType{IndexType: index, ValueType: value, Ordered: t.Ordered}, err
	case v18.ExtensionType:
		return type15(t.StorageType())
	}
	return nested15(t)
}

func nested15(t v18.DataType) (v15.DataType, error) {
	nested, ok := t.(v18.NestedType)
	if !ok {
		return nil, fmt.Errorf("%v: %w", t, ErrUnsupported)
	}
	fields, err := fields15(nested.Fields())
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case *v18.ListType:
		return v15.ListOfField(fields[0]), nil
	case *v18.LargeListType:
		return v15.LargeListOfField(fields[0]), nil
	case *v18.ListViewType:
		return v15.ListViewOfField(fields[0]), nil
	case *v18.LargeListViewType:
		return v15.LargeListViewOfField(fields[0]), nil
	case *v18.FixedSizeListType:
		return v15.FixedSizeListOfField(t.Len(), fields[0]), nil
	case *v18.StructType:
		return v15.StructOf(fields...), nil
	case *v18.MapType:
		entry, ok := fields[0].Type.(*v15.StructType)
		if !ok || entry.NumFields() != 2 {
			return nil, fmt.Errorf("%v: %w", t, ErrUnsupported)
		}
		m := v15.MapOfWithMetadata(entry.Field(0).Type, entry.Field(0).Metadata, entry.Field(1).Type, entry.Field(1).Metadata)
		m.KeysSorted = t.KeysSorted
		m.SetItemNullable(entry.Field(1).Nullable)
		return m, nil
	case *v18.SparseUnionType:
		return v15.SparseUnionOf(fields, t.TypeCodes()), nil
	case *v18.DenseUnionType:
		return v15.DenseUnionOf(fields, t.TypeCodes()), nil
	case *v18.RunEndEncodedType:
		return v15.RunEndEncodedOf(fields[0].Type, fields[1].Type), nil
	}
	return nil, fmt.Errorf("%v: %w", t, ErrUnsupported)
}

// data15 makes array data over the same buffers. t is the type that type15 gave.
func data15(in v18.ArrayData, t v15.DataType) *array15.Data {
	buffers := make([]*memory15.Buffer, len(in.Buffers()))
	for i, b := range in.Buffers() {
		buffers[i] = buffer15(b)
	}
	var children []v15.ArrayData
	if nested, ok := t.(v15.NestedType); ok {
		fields := nested.Fields()
		for i, c := range in.Children() {
			children = append(children, data15(c, fields[i].Type))
		}
	}
	var out *array15.Data
	if dt, ok := t.(*v15.DictionaryType); ok {
		dict := data15(in.Dictionary(), dt.ValueType)
		out = array15.NewDataWithDictionary(t, in.Len(), buffers, in.NullN(), in.Offset(), dict)
		dict.Release()
	} else {
		out = array15.NewData(t, in.Len(), buffers, children, in.NullN(), in.Offset())
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

// buffer15 is a buffer over the same memory; it holds a reference to b until it is freed.
func buffer15(b *memory18.Buffer) *memory15.Buffer {
	if b == nil {
		return nil
	}
	b.Retain()
	return memory15.NewBufferWithAllocator(b.Bytes(), &owner15{from: b})
}

// owner15 gives the memory of a shared buffer back. It allocates nothing.
type owner15 struct {
	from *memory18.Buffer
	heap memory15.GoAllocator // for a holder who resizes the buffer, against Arrow's rules
}

// Allocate takes fresh memory from the Go heap.
func (o *owner15) Allocate(size int) []byte { return o.heap.Allocate(size) }

// Reallocate copies into fresh memory, so that the shared bytes stay as they are.
func (o *owner15) Reallocate(size int, b []byte) []byte {
	out := o.heap.Allocate(size)
	copy(out, b)
	return out
}

// Free releases the shared buffer.
func (o *owner15) Free([]byte) { o.from.Release() }
