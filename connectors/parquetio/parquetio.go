// Package parquetio reads and writes sets of Parquet files.
//
// Nouns. A split is a run of row groups of one file. The schema is the files'
// own, or one that is asked for: its columns are found by field id, else by name,
// and widened where that loses nothing.
//
// Invariants: those of packages files and parquetfile. Every row group belongs
// to exactly one split, and only the columns asked for are read.
//
// What is not guaranteed: files that differ in their columns are not made one
// schema by guessing: [Infer] refuses them and says how they differ; give the schema that is meant.
//
// Errors: files that are damaged wrap parquetfile.ErrCorrupt, and name the file.
package parquetio

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/storage"
)

// Options says what to read.
type Options struct {
	// Schema wanted; nil infers it.
	Schema *arrow.Schema `json:"-"`
	// Columns to read, in this order; nil reads all of the schema.
	Columns []string `json:"columns,omitempty"`
	// SplitBytes is how many compressed bytes of row groups a split has at most, unless
	// one row group is larger; files.DefaultSplitBytes by default.
	SplitBytes int64 `json:"split_bytes,omitempty"`
	// BatchRows is the most rows of a batch; parquetfile's default by default.
	BatchRows int `json:"batch_rows,omitempty"`
}

// Validate reports a fault.Usage.
func (o Options) Validate() error {
	if o.SplitBytes < 0 || o.BatchRows < 0 {
		return fault.Usagef("parquet options: split bytes and batch rows cannot be negative")
	}
	return nil
}

// Infer returns the schema that all files that glob matches have.
func Infer(ctx context.Context, store storage.Store, glob string, opts Options) (*arrow.Schema, error) {
	infos, err := files.Match(ctx, store, glob)
	if err != nil {
		return nil, err
	}
	var schema *arrow.Schema
	for _, info := range infos {
		err := withFile(ctx, store, files.Whole(info), func(f *parquetfile.File) error {
			if schema == nil {
				schema = f.Schema()
				return nil
			}
			if how := differs(schema, f.Schema()); how != "" {
				return fault.Usagef("its columns are not those of %s: %s; give the schema that is meant", infos[0].Name, how)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return schema, nil
}

// differs says how two schemas differ; "" if they do not.
func differs(a, b *arrow.Schema) string {
	for _, f := range b.Fields() {
		if len(a.FieldIndices(f.Name)) == 0 {
			return fmt.Sprintf("it has the column %s", f.Name)
		}
	}
	for _, f := range a.Fields() {
		other, ok := b.FieldsByName(f.Name)
		switch {
		case !ok:
			return fmt.Sprintf("it lacks the column %s", f.Name)
		case !arrow.TypeEqual(f.Type, other[0].Type):
			return fmt.Sprintf("column %s is %s and not %s", f.Name, other[0].Type, f.Type)
		case f.Nullable != other[0].Nullable:
			return fmt.Sprintf("column %s is nullable in one of them only", f.Name)
		}
	}
	return ""
}

// withFile opens a split's file for f.
func withFile(ctx context.Context, store storage.Store, split files.Split, f func(*parquetfile.File) error) error {
	r, err := files.OpenSplit(ctx, store, split)
	if err != nil {
		return err
	}
	file, err := parquetfile.OpenFile(r, r.Size())
	if err == nil {
		err = f(file)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("%s in %s: %w", split.Name, store.URL(), err)
	}
	return nil
}

// Splits cuts the files that glob matches into runs of row groups. It reads each file's footer.
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
		err := withFile(ctx, store, files.Whole(info), func(f *parquetfile.File) error {
			splits = append(splits, runs(info, f.RowGroups(), opts.SplitBytes)...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return splits, nil
}

// runs cuts row groups into splits of at most size bytes.
func runs(info storage.Info, groups []parquetfile.RowGroup, size int64) []files.Split {
	if size == 0 {
		size = files.DefaultSplitBytes
	}
	var splits []files.Split
	bytes := int64(0)
	for i, g := range groups {
		if len(splits) == 0 || bytes+g.Bytes > size {
			s := files.Whole(info)
			s.From, s.To, bytes = int64(i), int64(i), 0
			splits = append(splits, s)
		}
		last := &splits[len(splits)-1]
		last.To++
		last.Rows += g.Rows
		bytes += g.Bytes
	}
	return splits
}

// Reader reads one split as record batches. It is used by one goroutine.
type Reader struct {
	name   string
	object storage.Reader
	rows   *parquetfile.Reader
	counts files.Counts
	done   bool
}

// Open reads a split that Splits planned. Close the reader. ctx governs its reads.
func Open(ctx context.Context, store storage.Store, split files.Split, opts Options) (*Reader, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	want := parquetfile.ReaderOptions{Columns: opts.Columns, BatchRows: opts.BatchRows, PrefetchBytes: prefetchBytes}
	if opts.Schema != nil {
		schema, err := files.Project(opts.Schema, opts.Columns)
		if err != nil {
			return nil, err
		}
		want.Columns, want.Fields = nil, schema.Fields()
	}
	object, err := files.OpenSplit(ctx, store, split)
	if err != nil {
		return nil, err
	}
	r := &Reader{name: split.String() + " in " + store.URL(), object: object}
	if r.rows, err = openRows(ctx, object, split, want); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", r.name, err), object.Close())
	}
	return r, nil
}

// prefetchBytes bounds the stored bytes that are held of one file. Others' files may be a single large row group: those are read in pieces.
const prefetchBytes = 32 << 20

func openRows(ctx context.Context, object storage.Reader, split files.Split, want parquetfile.ReaderOptions) (*parquetfile.Reader, error) {
	f, err := parquetfile.OpenFile(object, object.Size())
	if err != nil {
		return nil, err
	}
	if split.From < 0 || split.To > int64(len(f.RowGroups())) {
		return nil, fault.Usagef("the split names row groups %d to %d of %d; plan again", split.From, split.To, len(f.RowGroups()))
	}
	want.RowGroups = make([]int, 0, split.To-split.From)
	for i := split.From; i < split.To; i++ {
		want.RowGroups = append(want.RowGroups, int(i))
	}
	return f.NewReader(ctx, want)
}

// Schema is the batches' schema.
func (r *Reader) Schema() *arrow.Schema { return r.rows.Schema() }

// Counts says what was read so far. Rejects is always 0: a Parquet file is whole or damaged.
func (r *Reader) Counts() files.Counts { return r.counts }

// Next returns the next batch, which the caller releases, or io.EOF.
func (r *Reader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.done {
		return nil, io.ErrClosedPipe
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := r.rows.Next()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.name, err)
	}
	r.counts.Records += b.NumRows()
	r.counts.Rows += b.NumRows()
	return b, nil
}

// Close frees what the reader holds. It may be called early and more than once.
func (r *Reader) Close() error {
	if r.done {
		return nil
	}
	r.done = true
	return errors.Join(r.rows.Close(), r.object.Close())
}

// WriteOptions says how Parquet files are written.
type WriteOptions struct {
	files.WriterOptions
	// File shapes each file; see parquetfile.WriterOptions.
	File parquetfile.WriterOptions `json:"file,omitzero"`
}

// NewWriter writes batches of the schema as <base>-00000.parquet and so on.
func NewWriter(store storage.Store, base string, schema *arrow.Schema, opts WriteOptions) (*files.Writer, error) {
	if opts.Compression != files.Auto && opts.Compression != files.None {
		return nil, fault.Usagef("parquet: compression %q of the whole file; Parquet compresses inside, by its codec", opts.Compression)
	}
	if _, err := parquetfile.NewWriter(io.Discard, schema, opts.File); err != nil {
		return nil, err
	}
	format := func(w io.Writer, schema *arrow.Schema) (files.Encoder, error) {
		p, err := parquetfile.NewWriter(w, schema, opts.File)
		return encoder{p}, err
	}
	return files.NewWriter(store, base, ".parquet", schema, format, opts.WriterOptions)
}

type encoder struct{ *parquetfile.Writer }

// Close ends the file.
func (e encoder) Close() error {
	_, err := e.Writer.Close()
	return err
}
