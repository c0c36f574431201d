package fixedio

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/storage"
)

// DefaultBatchRows is the most rows of a batch by default.
const DefaultBatchRows = 8192

// Options say how files are read. Layout is required.
type Options struct {
	Layout Layout `json:"layout"`
	// Compression of the files; by their names by default.
	Compression files.Compression `json:"compression,omitempty"`
	// BatchRows is the most rows of a batch; DefaultBatchRows by default.
	BatchRows int `json:"batch_rows,omitempty"`
	// OnReject takes malformed records; without it the first one refuses its file.
	OnReject files.RejectFunc `json:"-"`
}

// Schema of the files: the layout's columns as nullable texts, in the order of their names.
func (o Options) Schema() *arrow.Schema {
	var fields []arrow.Field
	for _, name := range o.Layout.names() {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	return arrow.NewSchema(fields, nil)
}

// Splits makes a split of each file that glob matches, in the language of storage.Glob.
func Splits(ctx context.Context, store storage.Store, glob string, opts Options) ([]files.Split, error) {
	if err := opts.Layout.Validate(); err != nil {
		return nil, err
	}
	return files.WholeSplits(ctx, store, glob)
}

// Reader reads one file as record batches. It is used by one goroutine.
type Reader struct {
	name    string
	opts    Options
	schema  *arrow.Schema
	close   func() error
	scan    *scanner
	types   map[string]bool
	names   []string
	carried []*string // values of columns of other record types
	row     []*string
	numbers map[string]money.Decimal // of the current row, for sums
	tallies []tally
	build   *array.RecordBuilder
	rows    int
	lines   []int64
	counts  files.Counts
	err     error
}

// Open reads a file that Splits planned, with the same options. Close the reader.
func Open(ctx context.Context, store storage.Store, split files.Split, opts Options) (*Reader, error) {
	if err := errors.Join(opts.Layout.Validate(), opts.Compression.Check()); err != nil {
		return nil, fault.Mark(fault.Usage, err)
	}
	in, err := files.OpenWhole(ctx, store, split, opts.Compression)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", split.Name, err)
	}
	r := newReader(split.Name, in, opts)
	r.close = in.Close
	return r, nil
}

func newReader(name string, in io.Reader, opts Options) *Reader {
	r := &Reader{name: name, opts: opts, schema: opts.Schema(), types: opts.Layout.types(), names: opts.Layout.names(), close: func() error { return nil }}
	r.scan = newScanner(bufio.NewReaderSize(in, 64<<10), &r.opts.Layout)
	r.carried, r.row = make([]*string, len(r.names)), make([]*string, len(r.names))
	for _, c := range opts.Layout.Checks {
		r.tallies = append(r.tallies, tally{check: c})
	}
	r.build = array.NewRecordBuilder(memory.DefaultAllocator, r.schema)
	return r
}

// Schema is the batches' schema.
func (r *Reader) Schema() *arrow.Schema { return r.schema }

// Counts says what was read so far. Bytes are those of the file, decompressed.
func (r *Reader) Counts() files.Counts {
	c := r.counts
	c.Records, c.Bytes = c.Rows+c.Rejects, r.scan.at
	if r.scan.lines != nil {
		c.Bytes = r.scan.lines.Offset()
	}
	return c
}

// Lines are the numbers, from 1, of the lines of the last batch's rows, or of their records where those are no lines. They are valid
// until the next call of Next.
func (r *Reader) Lines() []int64 { return r.lines }

// Next returns the next batch, which the caller releases, or io.EOF.
func (r *Reader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.lines = r.lines[:0]
	most := cmp.Or(r.opts.BatchRows, DefaultBatchRows)
	for r.rows < most && r.err == nil {
		r.err = r.record(ctx)
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		r.err = fmt.Errorf("read %s: %w", r.name, r.err)
		return nil, r.err
	}
	if r.rows == 0 {
		return nil, r.err
	}
	r.rows = 0
	return r.build.NewRecordBatch(), nil
}

// Close frees what the reader holds. It may be called early and more than once.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	if r.build != nil {
		r.build.Release()
		r.build = nil
	}
	return r.close()
}

// record reads a record: a row, or one that rows or checks look at.
func (r *Reader) record(ctx context.Context) error {
	var rec record
	err := r.scan.next(&rec)
	if errors.Is(err, io.EOF) {
		if missing := r.missing(ctx); missing != nil {
			return missing
		}
		return io.EOF
	}
	var bad *errRecord
	if err != nil && !errors.As(err, &bad) {
		return err
	}
	if err == nil {
		err = r.take(ctx, &rec)
	}
	if err == nil || isFinal(err) {
		return err
	}
	return r.reject(ctx, &rec, err)
}

func (r *Reader) reject(ctx context.Context, rec *record, reason error) error {
	err := r.counts.Rejected(ctx, r.opts.OnReject, files.Reject{File: r.name, Offset: rec.offset, Line: rec.line, Reason: reason.Error(),
		Raw: slices.Clone(rec.raw[:min(len(rec.raw), files.MaxRaw)])})
	if r.opts.OnReject == nil { // the file is refused
		return fault.Mark(fault.Usage, err)
	}
	return err
}

// final is an error that is no malformed record.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

func isFinal(err error) bool {
	var f final
	return errors.As(err, &f)
}

// take reads a record by its type.
func (r *Reader) take(ctx context.Context, rec *record) error {
	layout := &r.opts.Layout
	kind := ""
	for i := range r.tallies {
		r.tallies[i].records++
	}
	if p := layout.Type; p != nil {
		raw, ok := rec.bytes(p.Start, p.Length)
		text, err := decodeText(layout.Encoding, raw)
		if err != nil {
			return fmt.Errorf("record type: %w", err)
		}
		if kind = strings.TrimRight(text, " "); !ok || !r.types[kind] {
			return fmt.Errorf("records of type %q are not in the layout", kind)
		}
	}
	isRow := layout.Type == nil || slices.Contains(layout.Rows, kind)
	if isRow {
		for i := range r.tallies {
			r.tallies[i].rows++
		}
	}
	if err := r.fields(rec, kind, isRow); err != nil {
		for i := range r.tallies {
			r.tallies[i].apart++
		}
		for i, name := range r.names { // rows must not take what an earlier record said
			if !isRow && r.opts.Layout.Columns[name].Record == kind {
				r.carried[i] = nil
			}
		}
		return err
	}
	if isRow {
		return r.add(rec)
	}
	return r.prove(ctx, rec, kind)
}

// fields reads the columns of a record.
func (r *Reader) fields(rec *record, kind string, isRow bool) error {
	r.numbers = map[string]money.Decimal{}
	for i, name := range r.names {
		c := r.opts.Layout.Columns[name]
		if isRow {
			r.row[i] = r.carried[i]
		}
		if c.Record != kind && !(c.Record == "" && isRow) {
			continue
		}
		value, d, err := r.field(rec, Place{c.Start, c.Length}, cmp.Or(c.Type, Text), c.Decimals)
		if err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
		if isRow {
			r.row[i] = value
		} else {
			r.carried[i] = value
		}
		if value != nil && c.Type != "" && c.Type != Text {
			r.numbers[name] = d
		}
	}
	return nil
}

// field reads a value, nil where it is blank.
func (r *Reader) field(rec *record, p Place, kind string, decimals int) (*string, money.Decimal, error) {
	raw, whole := rec.bytes(p.Start, p.Length)
	if !whole && !r.opts.Layout.ShortLines {
		return nil, money.Decimal{}, fmt.Errorf("the record ends before character %d", p.Start+p.Length-1)
	}
	if kind == Packed {
		d, _, err := parseNumber(kind, raw, "", decimals)
		text := d.String()
		return &text, d, err
	}
	text, err := decodeText(r.opts.Layout.Encoding, raw)
	if err != nil {
		return nil, money.Decimal{}, err
	}
	if kind == Text {
		if text = strings.Trim(text, " \x00"); text == "" {
			return nil, money.Decimal{}, nil
		}
		return &text, money.Decimal{}, nil
	}
	d, ok, err := parseNumber(kind, raw, text, decimals)
	if err != nil || !ok {
		return nil, d, err
	}
	text = d.String()
	return &text, d, nil
}

// add adds the row to the batch and to the sums.
func (r *Reader) add(rec *record) error {
	for i := range r.tallies {
		t := &r.tallies[i]
		if d, ok := r.numbers[t.check.Sum]; ok && t.check.Sum != "" {
			if t.check.Absolute {
				d = d.Abs()
			}
			var err error
			if t.sum, err = t.sum.Add(d); err != nil {
				return final{fmt.Errorf("%s: sum of %s: %w", r.name, t.check.Sum, err)}
			}
		}
	}
	for i, v := range r.row {
		b := r.build.Field(i).(*array.StringBuilder)
		if v == nil {
			b.AppendNull()
		} else {
			b.Append(*v)
		}
	}
	r.rows++
	r.counts.Rows++
	r.lines = append(r.lines, rec.line)
	return nil
}
