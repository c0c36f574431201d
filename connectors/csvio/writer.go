package csvio

import (
	"bytes"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// WriteOptions says how CSV files are written. The zero value is RFC 4180 in
// UTF-8 with a header, LF line ends, and quotes where they are needed.
type WriteOptions struct {
	files.WriterOptions
	NoHeader  bool   `json:"no_header,omitempty"`
	Delimiter string `json:"delimiter,omitempty"` // one ASCII character, "," by default
	Null      string `json:"null,omitempty"`      // the marker of nulls, "" by default
	QuoteAll  bool   `json:"quote_all,omitempty"` // quotes around every value that is not null
	CRLF      bool   `json:"crlf,omitempty"`      // CR LF ends records
}

// NewWriter writes batches of the schema as <base>-00000.csv and so on, which
// Open reads back value by value with the same delimiter and marker. A text that is the marker, or empty, is quoted.
func NewWriter(store storage.Store, base string, schema *arrow.Schema, opts WriteOptions) (*files.Writer, error) {
	delim := byte(',')
	if opts.Delimiter != "" && (!ascii(opts.Delimiter, &delim) || delim == '"') {
		return nil, fault.Usagef("csv: delimiter %q: want one ASCII character that is no quote and no line break", opts.Delimiter)
	}
	if bytes.ContainsAny([]byte(opts.Null), "\"\r\n") || bytes.IndexByte([]byte(opts.Null), delim) >= 0 {
		return nil, fault.Usagef("csv: the null marker %q cannot have quotes, delimiters or line breaks", opts.Null)
	}
	if err := files.CheckSchema(schema); err != nil {
		return nil, err
	}
	format := func(w io.Writer, schema *arrow.Schema) (files.Encoder, error) {
		e := &encoder{w: w, opts: opts, delim: delim, end: "\n"}
		if opts.CRLF {
			e.end = "\r\n"
		}
		return e, e.header(schema)
	}
	return files.NewWriter(store, base, ".csv", schema, format, opts.WriterOptions)
}

type encoder struct {
	w     io.Writer
	opts  WriteOptions
	delim byte
	end   string
	buf   []byte
	text  []byte
}

func (e *encoder) header(schema *arrow.Schema) error {
	if e.opts.NoHeader {
		return nil
	}
	for i, f := range schema.Fields() {
		if i > 0 {
			e.buf = append(e.buf, e.delim)
		}
		e.append([]byte(f.Name))
	}
	e.buf = append(e.buf, e.end...)
	return e.flush()
}

func (e *encoder) Write(batch arrow.RecordBatch) error {
	columns := batch.Columns()
	for row := range int(batch.NumRows()) {
		for i, c := range columns {
			if i > 0 {
				e.buf = append(e.buf, e.delim)
			}
			if c.IsNull(row) {
				e.buf = append(e.buf, e.opts.Null...)
				continue
			}
			var err error
			if e.text, err = files.AppendValue(e.text[:0], c, row); err != nil {
				return fmt.Errorf("column %s: %w", batch.ColumnName(i), err)
			}
			if string(e.text) == e.opts.Null && c.DataType().ID() != arrow.STRING {
				return fault.Usagef("csv: column %s has the value %s, which is the null marker; choose another marker", batch.ColumnName(i), e.text)
			}
			e.append(e.text)
		}
		if len(columns) == 1 && columns[0].IsNull(row) && e.opts.Null == "" {
			return fault.Usagef("csv: a null in the only column would be a blank line, which readers skip; choose a null marker")
		}
		e.buf = append(e.buf, e.end...)
	}
	return e.flush()
}

// append appends a value, quoted where it must be to be read back as the same text.
func (e *encoder) append(text []byte) {
	if !e.opts.QuoteAll && !e.mustQuote(text) {
		e.buf = append(e.buf, text...)
		return
	}
	e.buf = append(e.buf, '"')
	for {
		i := bytes.IndexByte(text, '"')
		if i < 0 {
			break
		}
		e.buf = append(append(e.buf, text[:i]...), `""`...)
		text = text[i+1:]
	}
	e.buf = append(append(e.buf, text...), '"')
}

func (e *encoder) mustQuote(text []byte) bool {
	if len(text) == 0 || string(text) == e.opts.Null || text[0] == ' ' || text[len(text)-1] == ' ' {
		return true
	}
	for _, c := range text {
		if c == e.delim || c == '"' || c == '\n' || c == '\r' || c == '\t' {
			return true
		}
	}
	return false
}

func (e *encoder) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

func (e *encoder) Close() error { return e.flush() }
