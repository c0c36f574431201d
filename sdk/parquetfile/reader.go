package parquetfile

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/fault"
)

// ReaderOptions say what to read. The zero value reads everything.
type ReaderOptions struct {
	// Columns are the top-level columns to read, by name, in this order. nil is all.
	Columns []string
	// Fields, instead of Columns, states the schema wanted: each field is found by its field id (or by
	// its name, where field or file have no ids), widened to the field's type where that loses nothing, and
	// null throughout where the file lacks it, if the field is nullable. A dictionary<int32, string> type reads texts by number.
	Fields []arrow.Field
	// Dictionaries are text columns to read as dictionary<int32, string>, which saves their repetition. The
	// dictionary changes from row group to row group.
	Dictionaries []string
	// RowGroups are the row groups to read, in this order. nil is all.
	RowGroups []int
	// BatchRows is how many rows a batch holds at most; batches do not cross row groups. 0: 16,384.
	BatchRows int
	// PrefetchBytes bounds the stored bytes of two row groups' columns, one being decoded and one read
	// ahead. Row groups larger than half of it are read in pieces, not ahead. 0: 128 MiB.
	PrefetchBytes int64
	// Where, if set, leaves out batches without any wanted row.
	Where *Where
	// Allocator is where batches' buffers come from. nil: Go's heap.
	Allocator memory.Allocator
}

func (o *ReaderOptions) fill() {
	if o.BatchRows <= 0 {
		o.BatchRows = 1 << 14
	}
	if o.PrefetchBytes <= 0 {
		o.PrefetchBytes = 128 << 20
	}
	if o.Allocator == nil {
		o.Allocator = memory.DefaultAllocator
	}
}

// Reader streams batches of a file. It is not safe for concurrent use; readers of one file are independent of each other.
type Reader struct {
	file   *File
	opts   ReaderOptions
	schema *arrow.Schema
	cols   []readColumn
	leaves []*leafReader // of all columns
	fetch  *fetcher

	group int   // index in opts.RowGroups of the open row group, -1 before the first
	left  int64 // its rows still to come
	row   int64 // of the file, of the last batch's first row
	end   int64 // row of the file at which the next batch begins
	err   error
}

// readColumn is one output column. Without a node it is null throughout.
type readColumn struct {
	node   *node
	leaves map[int]*leafReader // of a nested column
	flat   *leafReader
	nulls  arrow.Array
	owed   int // rows to pass over before the next that is read
}

// Open opens a file and a reader of it.
func Open(r io.ReaderAt, size int64, opts ReaderOptions) (*Reader, error) {
	f, err := OpenFile(r, size)
	if err != nil {
		return nil, err
	}
	return f.NewReader(context.Background(), opts)
}

// NewReader starts reading. Close the reader when done. ctx ends the reading ahead.
func (f *File) NewReader(ctx context.Context, opts ReaderOptions) (*Reader, error) {
	opts.fill()
	r := &Reader{file: f, opts: opts, group: -1}
	if opts.RowGroups == nil {
		for i := range f.meta.RowGroups {
			r.opts.RowGroups = append(r.opts.RowGroups, i)
		}
	}
	for _, g := range r.opts.RowGroups {
		if g < 0 || g >= len(f.meta.RowGroups) {
			return nil, fault.Usagef("reading parquet: row group %d is wanted of a file with %d", g, len(f.meta.RowGroups))
		}
	}
	if err := r.choose(); err != nil {
		return nil, err
	}
	if opts.Where != nil {
		if err := opts.Where.validate(len(r.cols)); err != nil {
			return nil, err
		}
	}
	r.fetch = newFetcher(ctx, f.r)
	return r, nil
}

// Schema is the schema of the batches.
func (r *Reader) Schema() *arrow.Schema { return r.schema }

// File is the file that is read.
func (r *Reader) File() *File { return r.file }

// Next gives the next batch, which the caller releases, or io.EOF.
func (r *Reader) Next() (arrow.RecordBatch, error) {
	if r.err != nil {
		return nil, r.err
	}
	rec, err := r.next()
	for rec == nil && err == nil { // no row was wanted
		rec, err = r.next()
	}
	if err != nil {
		if !errors.Is(err, io.EOF) {
			err = fmt.Errorf("reading parquet: %w", err)
		}
		r.err = err
	}
	return rec, err
}

func (r *Reader) next() (rec arrow.RecordBatch, err error) {
	for r.left == 0 {
		if r.group+1 >= len(r.opts.RowGroups) {
			return nil, io.EOF
		}
		if err := r.openGroup(); err != nil {
			return nil, fmt.Errorf("row group %d: %w", r.opts.RowGroups[r.group], err)
		}
	}
	n := int(min(r.left, int64(r.opts.BatchRows)))
	defer func() {
		if p := recover(); p != nil { // the unpackers are not ours; their panics on damaged input end here
			rec, err = nil, fmt.Errorf("row group %d: %v: %w", r.opts.RowGroups[r.group], p, ErrCorrupt)
		}
	}()
	r.left -= int64(n)
	r.row, r.end = r.end, r.end+int64(n)
	if r.opts.Where != nil {
		return r.filtered(n)
	}
	cols := make([]arrow.Array, 0, len(r.cols))
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i := range r.cols {
		a, err := r.column(i, n)
		if err != nil {
			return nil, err
		}
		cols = append(cols, a)
	}
	return array.NewRecordBatch(r.schema, cols, int64(n)), nil
}

// column reads the next n rows of a column, after those that it owes.
func (r *Reader) column(i, n int) (arrow.Array, error) {
	c := &r.cols[i]
	err := c.skip(c.owed)
	c.owed = 0
	var a arrow.Array
	if err == nil {
		a, err = c.read(n, r.schema.Field(i).Type, r.opts.Allocator)
	}
	if err != nil {
		return nil, fmt.Errorf("row group %d, column %s: %w", r.opts.RowGroups[r.group], r.schema.Field(i).Name, err)
	}
	return a, nil
}

func (c *readColumn) read(n int, typ arrow.DataType, mem memory.Allocator) (arrow.Array, error) {
	switch {
	case c.flat != nil:
		return c.flat.readFlat(n)
	case c.node == nil:
		if c.nulls == nil || c.nulls.Len() < n {
			if c.nulls != nil {
				c.nulls.Release()
			}
			c.nulls = array.MakeArrayOfNull(mem, typ, n)
		}
		return array.NewSlice(c.nulls, 0, int64(n)), nil
	}
	a := assembler{leaves: c.leaves, parts: map[int]*shredded{}, mem: mem}
	for i, l := range c.leaves {
		s, err := l.readNested(n)
		if err != nil {
			return nil, err
		}
		a.parts[i] = &s
	}
	return a.build(c.node, 0, typ)
}

// Row is the position in the file, counted from 0 over all row groups, of the first row of the batch that Next gave last.
func (r *Reader) Row() int64 { return r.row }

// openGroup starts the next row group, and the reading of the one after it.
func (r *Reader) openGroup() error {
	r.group++
	rg := &r.file.meta.RowGroups[r.opts.RowGroups[r.group]]
	r.left, r.end = rg.NumRows, 0
	for i := range r.opts.RowGroups[r.group] {
		r.end += r.file.meta.RowGroups[i].NumRows
	}
	ranges, small := r.ranges(r.group)
	var got fetched
	if small {
		if r.fetch.ahead == nil {
			r.fetch.start(ranges)
		}
		if got = r.fetch.wait(); got.err != nil {
			return got.err
		}
	}
	if next, ok := r.ranges(r.group + 1); ok && len(next) > 0 {
		r.fetch.start(next)
	}
	for i, l := range r.leaves {
		m := &rg.Columns[l.pages.leaf.index].MetaData
		var src chunkSource
		if small {
			src = &memoryChunk{got.chunks[i]}
		} else {
			window := max(256<<10, r.opts.PrefetchBytes/2/int64(len(r.leaves)))
			src = &windowedChunk{r: r.file.r, off: ranges[i].off, end: ranges[i].off + ranges[i].size, window: int(min(window, readLimit))}
		}
		l.pages.startChunk(m, src)
		l.index.startChunk()
	}
	for i := range r.cols {
		r.cols[i].owed = 0
	}
	return nil
}

// ranges are where the wanted chunks of a row group lie; ok is false if it is too large to be read whole.
func (r *Reader) ranges(group int) (out []byteRange, ok bool) {
	if group >= len(r.opts.RowGroups) {
		return nil, false
	}
	rg := &r.file.meta.RowGroups[r.opts.RowGroups[group]]
	for _, l := range r.leaves {
		start, size := chunkRange(&rg.Columns[l.pages.leaf.index].MetaData)
		out = append(out, byteRange{start, size})
	}
	total := int64(0)
	for _, s := range joinRanges(out) {
		total += s.size
	}
	return out, total <= r.opts.PrefetchBytes/2
}

// Close stops reading ahead and lets go of the buffers. The batches that were given out stay good. It may be called more than once.
func (r *Reader) Close() error {
	r.fetch.close()
	for _, l := range r.leaves {
		l.dropBuffer()
		l.index.drop()
		l.pages.close()
	}
	for i := range r.cols {
		if r.cols[i].nulls != nil {
			r.cols[i].nulls.Release()
			r.cols[i].nulls = nil
		}
	}
	if r.err == nil {
		r.err = errors.New("reading parquet: the reader is closed")
	}
	return nil
}
