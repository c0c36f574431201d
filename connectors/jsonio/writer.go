package jsonio

import (
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// Decimals says how decimals are written.
type Decimals string

// The ways to write decimals.
const (
	// AsStrings is the default, since many readers turn JSON numbers into floating point.
	AsStrings Decimals = ""
	AsNumbers Decimals = "numbers"
)

// WriteOptions says how NDJSON files are written.
type WriteOptions struct {
	files.WriterOptions
	Decimals  Decimals `json:"decimals,omitempty"`
	OmitNulls bool     `json:"omit_nulls,omitempty"` // leave null columns out instead of writing null
}

// NewWriter writes batches of the schema as NDJSON, <base>-00000.ndjson and so
// on, which Open reads back value by value. Integers of 64 bits are numbers:
// a reader that knows only floating point loses digits of those above 2^53.
func NewWriter(store storage.Store, base string, schema *arrow.Schema, opts WriteOptions) (*files.Writer, error) {
	if opts.Decimals != AsStrings && opts.Decimals != AsNumbers {
		return nil, fault.Usagef("json: decimals %q: want numbers, or nothing for strings", opts.Decimals)
	}
	if err := files.CheckSchema(schema); err != nil {
		return nil, err
	}
	format := func(w io.Writer, schema *arrow.Schema) (files.Encoder, error) { return newEncoder(w, schema, opts) }
	return files.NewWriter(store, base, ".ndjson", schema, format, opts.WriterOptions)
}

type encoder struct {
	w      io.Writer
	opts   WriteOptions
	keys   [][]byte // with quotes and colon
	quoted []bool
	buf    []byte
	text   []byte
}

func newEncoder(w io.Writer, schema *arrow.Schema, opts WriteOptions) (*encoder, error) {
	e := &encoder{w: w, opts: opts}
	for _, f := range schema.Fields() {
		key, err := appendString(nil, []byte(f.Name))
		if err != nil {
			return nil, fault.Usagef("json: column name %q: %w", f.Name, err)
		}
		e.keys = append(e.keys, append(key, ':'))
		e.quoted = append(e.quoted, isQuoted(f.Type, opts.Decimals))
	}
	return e, nil
}

func isQuoted(t arrow.DataType, decimals Decimals) bool {
	switch t.ID() {
	case arrow.STRING, arrow.DATE32, arrow.TIMESTAMP:
		return true
	case arrow.DECIMAL128:
		return decimals == AsStrings
	}
	return false
}

func (e *encoder) Write(batch arrow.RecordBatch) error {
	columns := batch.Columns()
	for row := range int(batch.NumRows()) {
		e.buf = append(e.buf, '{')
		first := true
		for i, c := range columns {
			null := c.IsNull(row)
			if null && e.opts.OmitNulls {
				continue
			}
			if !first {
				e.buf = append(e.buf, ',')
			}
			first = false
			e.buf = append(e.buf, e.keys[i]...)
			if null {
				e.buf = append(e.buf, "null"...)
			} else if err := e.value(i, c, row); err != nil {
				return fmt.Errorf("column %s: %w", batch.ColumnName(i), err)
			}
		}
		e.buf = append(e.buf, '}', '\n')
	}
	return e.flush()
}

func (e *encoder) value(i int, c arrow.Array, row int) error {
	var err error
	if !e.quoted[i] {
		e.buf, err = files.AppendValue(e.buf, c, row)
		return err
	}
	if e.text, err = files.AppendValue(e.text[:0], c, row); err != nil {
		return err
	}
	if _, isText := c.(*array.String); !isText {
		e.buf = append(append(append(e.buf, '"'), e.text...), '"') // nothing to escape
		return nil
	}
	e.buf, err = appendString(e.buf, e.text)
	return err
}

const hex = "0123456789abcdef"

// appendString appends a text as a JSON string.
func appendString(dst, text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return dst, fmt.Errorf("a text that is not valid UTF-8")
	}
	dst = append(dst, '"')
	start := 0
	for i, c := range text {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, text[start:]...), '"'), nil
}

func (e *encoder) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

func (e *encoder) Close() error { return e.flush() }
