package catalog

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/storage"
)

// FileOptions shape a file that WriteFile writes. The zero value is an unbucketed, unsorted file of rows.
type FileOptions struct {
	Bucket int      // partition bucket of all rows; it is the caller's word. Ignored unless Bucketed.
	SortBy []string // order of the rows, recorded in the file and in DataFile.Sorted; it is the caller's word
	// Bucketed says that the table is bucketed; else DataFile.Bucket is -1.
	Bucketed bool
	Parquet  parquetfile.WriterOptions
}

// WriteFile writes batches as one Parquet file at a full location of the lake's storage, and describes it.
// The schema must carry field ids (see FieldIDKey). The file is visible only if the error is nil. The
// location must be new: what is there would be replaced.
func (l *Lake) WriteFile(ctx context.Context, location string, schema *arrow.Schema, batches iter.Seq2[arrow.RecordBatch, error], opts FileOptions) (DataFile, error) {
	if err := checkFieldIDs(schema); err != nil {
		return DataFile{}, err
	}
	opts.Parquet.SortedBy, opts.Parquet.Buffers = opts.SortBy, l.buffers
	pw, err := parquetfile.NewWriter(nil, schema, opts.Parquet)
	if err != nil {
		return DataFile{}, fmt.Errorf("write %s: %w", location, err)
	}
	out, err := l.openObject(ctx, location)
	if err != nil {
		return DataFile{}, err
	}
	defer out.abort()
	pw.Reset(out)
	for rec, err := range batches {
		if err == nil {
			err = pw.Write(rec)
		}
		if err != nil {
			return DataFile{}, fmt.Errorf("write %s: %w", location, err)
		}
		if err := ctx.Err(); err != nil {
			return DataFile{}, fmt.Errorf("write %s: %w", location, err)
		}
	}
	stats, err := pw.Close()
	if err != nil {
		return DataFile{}, fmt.Errorf("write %s: %w", location, err)
	}
	if err := out.close(); err != nil {
		return DataFile{}, err
	}
	f := describeFile(location, stats)
	f.Sorted = len(opts.SortBy) > 0
	if opts.Bucketed {
		f.Bucket = opts.Bucket
	}
	return f, nil
}

func checkFieldIDs(schema *arrow.Schema) error {
	for _, f := range schema.Fields() {
		if id, ok := fieldID(f); !ok || id < 1 {
			return fault.Usagef("write a data file: column %q has no field id (metadata key %s): take the schema from the table or from ResolveSchema", f.Name, FieldIDKey)
		}
	}
	return nil
}

// describeFile turns a finished file's statistics into a DataFile of an unbucketed table.
func describeFile(location string, s parquetfile.FileStats) DataFile {
	f := DataFile{Path: location, Bucket: -1, Rows: s.Rows, Bytes: s.Bytes, SplitOffsets: s.RowGroups, Columns: make(map[int]ColumnStats, len(s.Columns))}
	for _, c := range s.Columns {
		if c.FieldID > 0 {
			f.Columns[c.FieldID] = ColumnStats{Bytes: c.Bytes, Values: c.Values, Nulls: c.Nulls, Lower: c.Lower, Upper: c.Upper}
		}
	}
	return f
}

// putLimit is the size up to which an object is sent in one request.
const putLimit = 8 << 20

// object writes one object: small ones in one request when they are closed, large ones as a stream.
type object struct {
	ctx      context.Context
	location string
	store    storage.Store
	name     string
	buf      bytes.Buffer
	stream   storage.Writer // once the object has grown large
}

func (l *Lake) openObject(ctx context.Context, location string) (*object, error) {
	if l.cfg.ReadOnly {
		return nil, refused("write " + location)
	}
	store, name, err := l.files.resolve(ctx, location)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", location, err)
	}
	return &object{ctx: ctx, location: location, store: store, name: name}, nil
}

// Grow makes room for n more bytes, if the object stays small with them.
func (o *object) Grow(n int) {
	if o.stream == nil && o.buf.Len()+n <= putLimit {
		o.buf.Grow(n)
	}
}

// Write implements io.Writer.
func (o *object) Write(p []byte) (int, error) {
	if o.stream == nil {
		if o.buf.Len()+len(p) <= putLimit {
			return o.buf.Write(p)
		}
		w, err := o.store.Create(o.ctx, o.name)
		if err != nil {
			return 0, fmt.Errorf("create %s: %w", o.location, err)
		}
		o.stream = w
		if _, err := w.Write(o.buf.Bytes()); err != nil {
			return 0, fmt.Errorf("write %s: %w", o.location, err)
		}
		o.buf = bytes.Buffer{}
	}
	return o.stream.Write(p)
}

// close makes the object visible.
func (o *object) close() error {
	var err error
	if o.stream != nil {
		err = o.stream.Close()
	} else {
		err = o.store.Put(o.ctx, o.name, o.buf.Bytes(), storage.PutOptions{})
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", o.location, err)
	}
	return nil
}

// abort discards what was written; it does nothing after close.
func (o *object) abort() {
	if o.stream != nil {
		_ = o.stream.Abort() // the error that led here is the one to report; a leftover is garbage to be collected
	}
}
