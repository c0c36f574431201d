package record

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
)

// chunkRows is how many rows are taken out of the columns at a time: enough to amortise the
// step from column to column, few enough to stay in the processor's cache.
const chunkRows = 512

// Reader takes rows of type T out of record batches of one schema. It is safe for concurrent use.
type Reader[T any] struct {
	schema *arrow.Schema
	cols   []column
	index  []int // of each column in the schema
}

// NewReader makes a reader for batches of a schema, which must have a column for each field
// of T, in any order; other columns are ignored. Columns may be narrower integers or floats,
// decimals of the same scale and any precision, timestamps of any unit, and dictionaries
// or large texts. A nullable column is taken for a field that is no pointer, but a null in it is not. It fails with
// ErrType and ErrSchema; the latter lists every field that does not fit.
func NewReader[T any](schema *arrow.Schema) (*Reader[T], error) {
	t := reflect.TypeFor[T]()
	cols, err := layoutOf(t)
	if err != nil {
		return nil, err
	}
	r := &Reader[T]{schema: schema, cols: cols}
	var problems []string
	for i := range cols {
		at := schema.FieldIndices(cols[i].name)
		if len(at) != 1 {
			problems = append(problems, fmt.Sprintf("field %s: want column %s %v, got %s", cols[i].goName, cols[i].name, cols[i].arrow, missing(len(at), schema)))
			continue
		}
		if got := schema.Field(at[0]).Type; !cols[i].takes(got) {
			problems = append(problems, fmt.Sprintf("field %s: column %s: want %v, got %v", cols[i].goName, cols[i].name, cols[i].arrow, got))
		}
		r.index = append(r.index, at[0])
	}
	if problems != nil {
		return nil, fault.Usagef("%w: rows of %v: %s", ErrSchema, t, strings.Join(problems, "; "))
	}
	return r, nil
}

func missing(found int, schema *arrow.Schema) string {
	if found > 1 {
		return fmt.Sprintf("%d columns of that name", found)
	}
	names := make([]string, schema.NumFields())
	for i := range names {
		names[i] = schema.Field(i).Name
	}
	return "none among " + strings.Join(names, ", ")
}

// Rows yields the batch's rows in order. It ends after the first error: ErrValue for a null or value that does not
// fit its field, ErrSchema for a batch with other columns than the reader was made for. The
// batch must not be released before the iteration ends; the rows may be kept for longer.
func (r *Reader[T]) Rows(rec arrow.RecordBatch) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		rows := make([]T, min(chunkRows, int(rec.NumRows())))
		sources, err := r.open(rec)
		for from := 0; err == nil && from < int(rec.NumRows()); from += chunkRows {
			chunk := rows[:min(chunkRows, int(rec.NumRows())-from)]
			if from > 0 {
				clear(chunk)
			}
			var good int
			good, err = r.fill(chunk, sources, from)
			for i := range good {
				if !yield(chunk[i], nil) {
					return
				}
			}
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

// AppendTo appends the batch's rows to dst. On error, as for Rows, it returns dst as it was.
func (r *Reader[T]) AppendTo(dst []T, rec arrow.RecordBatch) ([]T, error) {
	sources, err := r.open(rec)
	if err != nil {
		return dst, err
	}
	n := len(dst)
	out := append(dst, make([]T, rec.NumRows())...)
	for from := n; from < len(out); from += chunkRows {
		if _, err := r.fill(out[from:min(from+chunkRows, len(out))], sources, from-n); err != nil {
			return dst, err
		}
	}
	return out, nil
}

// Rows yields the rows of a single batch: NewReader for its schema, then Reader.Rows.
func Rows[T any](rec arrow.RecordBatch) iter.Seq2[T, error] {
	r, err := NewReader[T](rec.Schema())
	if err != nil {
		return func(yield func(T, error) bool) {
			var none T
			yield(none, err)
		}
	}
	return r.Rows(rec)
}

// All returns the rows of a single batch.
func All[T any](rec arrow.RecordBatch) ([]T, error) {
	r, err := NewReader[T](rec.Schema())
	if err != nil {
		return nil, err
	}
	return r.AppendTo(nil, rec)
}

// open finds the values of a batch's columns.
func (r *Reader[T]) open(rec arrow.RecordBatch) ([]origin, error) {
	same := rec.Schema() == r.schema
	out := make([]origin, len(r.cols))
	for i := range r.cols {
		c, at := &r.cols[i], r.index[i]
		if !same && (at >= int(rec.NumCols()) || rec.ColumnName(at) != c.name || !c.takes(rec.Column(at).DataType())) {
			return nil, fmt.Errorf("read rows: %w: the batch's column %d is not %s %v: make a reader for each schema", ErrSchema, at, c.name, c.arrow)
		}
		out[i] = newOrigin(c, rec.Column(at))
	}
	return out, nil
}

// fill sets the fields of rows, which are zero, from the columns. On error it returns how many rows before it are whole.
func (r *Reader[T]) fill(rows []T, sources []origin, from int) (good int, err error) {
	good = len(rows)
	dst := span{unsafe.Pointer(unsafe.SliceData(rows)), unsafe.Sizeof(rows[0]), len(rows)}
	for i, s := range sources {
		dst.n = good // rows after the first bad one are not needed
		row, colErr := s.read(dst.field(&r.cols[i]), from)
		if colErr != nil {
			good = row
			err = fmt.Errorf("read row %d: field %s, column %s: %w: %w", from+row, r.cols[i].goName, r.cols[i].name, ErrValue, colErr)
		}
	}
	return good, err
}

// takes reports whether values of an Arrow type fit the field without losing anything.
func (c *column) takes(got arrow.DataType) bool {
	if d, ok := got.(*arrow.DictionaryType); ok && (c.kind == kindString || c.kind == kindCurrency) {
		got = d.ValueType
	}
	switch c.kind {
	case kindDecimal:
		d, ok := got.(*arrow.Decimal128Type)
		return ok && int(d.Scale) == c.scale
	case kindTimestamp, kindLocal:
		t, ok := got.(*arrow.TimestampType)
		return ok && (t.TimeZone == "") == (c.kind == kindLocal)
	case kindString, kindCurrency:
		return got.ID() == arrow.STRING || got.ID() == arrow.LARGE_STRING || got.ID() == arrow.STRING_VIEW
	case kindBytes:
		return got.ID() == arrow.BINARY || got.ID() == arrow.LARGE_BINARY || got.ID() == arrow.BINARY_VIEW || got.ID() == arrow.FIXED_SIZE_BINARY
	}
	return got.ID() == c.arrow.ID() || widens(got.ID(), c.arrow.ID())
}

// widens reports whether each value of the number type from is one of to.
func widens(from, to arrow.Type) bool {
	signed := []arrow.Type{arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64}
	unsigned := []arrow.Type{arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64}
	place := func(of []arrow.Type, t arrow.Type) int {
		for i, x := range of {
			if x == t {
				return i
			}
		}
		return -1
	}
	fs, fu, ts, tu := place(signed, from), place(unsigned, from), place(signed, to), place(unsigned, to)
	switch {
	case from == arrow.FLOAT32 && to == arrow.FLOAT64:
		return true
	case ts >= 0:
		return fs >= 0 && fs < ts || fu >= 0 && fu < ts
	}
	return tu >= 0 && fu >= 0 && fu < tu
}
