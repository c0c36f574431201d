package jsonio

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// batchBytes ends a batch of long records before it has Options.BatchRows.
const batchBytes = 8 << 20

// Splits cuts the files that glob matches, in the language of storage.Glob. Of a
// file that is larger than a split the first bytes are read, to tell NDJSON from an array.
func Splits(ctx context.Context, store storage.Store, glob string, opts Options) ([]files.Split, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	infos, err := files.Match(ctx, store, glob)
	if err != nil {
		return nil, err
	}
	var splits []files.Split
	for _, info := range infos {
		ranges := files.ByteRanges(info, opts.SplitBytes)
		if opts.Compression.Of(info.Name) != files.None {
			ranges = []files.Split{files.Whole(info)}
		}
		if len(ranges) > 1 {
			array, err := isArray(ctx, store, info, opts)
			if err != nil {
				return nil, err
			}
			if array {
				ranges = []files.Split{files.Whole(info)}
			}
		}
		splits = append(splits, ranges...)
	}
	return splits, nil
}

func isArray(ctx context.Context, store storage.Store, info storage.Info, opts Options) (bool, error) {
	s, recs, err := open(ctx, store, files.Whole(info), opts)
	if err != nil {
		return false, err
	}
	_, array := recs.(*elements)
	return array, s.close()
}

// Reader reads one split as record batches. It is used by one goroutine.
type Reader struct {
	split  files.Split
	opts   Options
	source *source
	recs   records
	dec    decoder
	parse  *files.Parser
	schema *arrow.Schema
	places map[string]int // of keys in the row; -1 for columns that are not read
	counts files.Counts
	err    error
}

// Open reads a split that Splits planned, with the same options. Close the reader.
func Open(ctx context.Context, store storage.Store, split files.Split, opts Options) (*Reader, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.Schema == nil {
		return nil, fault.Usagef("read %s: no schema; infer one with jsonio.Infer, once for all splits", split.Name)
	}
	schema, err := files.Project(opts.Schema, opts.Columns)
	if err != nil {
		return nil, err
	}
	r := &Reader{split: split, opts: opts, schema: schema, places: map[string]int{}}
	for _, f := range opts.Schema.Fields() {
		r.places[f.Name] = -1
	}
	for i, f := range schema.Fields() {
		r.places[f.Name] = i
	}
	if r.parse, err = files.NewParser(schema, opts.text()); err != nil {
		return nil, err
	}
	if r.source, r.recs, err = open(ctx, store, split, opts); err != nil {
		r.parse.Release()
		return nil, err
	}
	return r, nil
}

// Schema is the batches' schema.
func (r *Reader) Schema() *arrow.Schema { return r.schema }

// Counts says what was read so far.
func (r *Reader) Counts() files.Counts { return r.counts }

// Next returns the next batch, which the caller releases, or io.EOF.
func (r *Reader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows := r.opts.BatchRows
	if rows == 0 {
		rows = DefaultBatchRows
	}
	end := r.counts.Bytes + batchBytes
	for r.parse.Rows() < rows && r.counts.Bytes < end {
		if r.err = r.row(ctx); r.err != nil {
			break
		}
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		r.err = fmt.Errorf("read %s: %w", r.split, r.err)
		return nil, r.err
	}
	if r.parse.Rows() == 0 {
		return nil, r.err
	}
	return r.parse.Batch(), nil
}

// row reads one record, good or bad.
func (r *Reader) row(ctx context.Context) error {
	rec, err := r.recs.next()
	if err != nil {
		return err
	}
	r.counts.Records++
	r.counts.Bytes += int64(len(rec.raw))
	bad := rec.bad
	if bad == "" {
		r.parse.Begin()
		err := r.dec.record(rec.raw, r.member)
		if err == nil {
			err = r.parse.Add()
		}
		if err == nil {
			r.counts.Rows++
			return nil
		}
		bad = err.Error()
	}
	return r.counts.Rejected(ctx, r.opts.OnReject, files.Reject{File: r.split.Name, Offset: rec.offset, Line: rec.line, Reason: bad, Raw: rec.raw})
}

// member takes one member of a record.
func (r *Reader) member(m member) error {
	if r.opts.Flatten && m.token == tObject {
		return r.nested(m)
	}
	to, known := r.places[string(m.key)]
	switch {
	case !known && r.opts.Extra == IgnoreExtra, known && to < 0:
		return nil
	case !known:
		return fmt.Errorf("the key %q is not in the schema", m.key)
	case r.parse.IsSet(to):
		return fmt.Errorf("the key %q comes twice", m.key)
	case m.token == tNull:
		return r.parse.Null(to)
	case m.token == tString:
		text, err := r.dec.unescape(m.raw)
		if err != nil {
			return err
		}
		return r.parse.Text(to, text)
	}
	return r.parse.Text(to, m.raw)
}

// nested takes the members of a nested object, whose text has been checked, under their path.
func (r *Reader) nested(m member) error {
	return r.dec.nested(m, r.member)
}

// Close frees what the reader holds. It may be called early and more than once.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	if r.source == nil {
		return nil
	}
	s := r.source
	r.source = nil
	r.parse.Release()
	return s.close()
}
