package parquetfile

import (
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

// choose finds the wanted columns in the file.
func (r *Reader) choose() error {
	fields, nodes := r.opts.Fields, []*node(nil)
	if fields == nil {
		var err error
		if fields, nodes, err = r.byName(); err != nil {
			return err
		}
	} else {
		for _, want := range fields {
			nodes = append(nodes, findField(r.file.tree.fields, want))
		}
	}
	out := make([]arrow.Field, len(fields))
	for i, want := range fields {
		n := nodes[i]
		if d := slices.Index(r.opts.Dictionaries, want.Name); d >= 0 && plainText(want.Type) {
			want.Type = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: want.Type}
		}
		out[i] = want
		c := readColumn{node: n}
		switch {
		case n == nil && !want.Nullable:
			return fault.Usagef("reading parquet: column %s is required, but the file does not have it", want.Name)
		case n == nil:
		case n.leaf != nil && n.leaf.flat():
			l, err := r.newLeaf(n.leaf, want.Type)
			if err != nil {
				return err
			}
			c.flat = l
		default:
			c.leaves = map[int]*leafReader{}
			if err := r.nestedLeaves(n, want.Type, c.leaves); err != nil {
				return err
			}
		}
		r.cols = append(r.cols, c)
	}
	r.schema = arrow.NewSchema(out, nil)
	return nil
}

// byName gives the wanted columns with their nodes.
func (r *Reader) byName() ([]arrow.Field, []*node, error) {
	all := r.file.schema.Fields()
	if r.opts.Columns == nil {
		return all, r.file.tree.fields, nil
	}
	fields := make([]arrow.Field, 0, len(r.opts.Columns))
	var nodes []*node
	for _, name := range r.opts.Columns {
		i := slices.IndexFunc(all, func(f arrow.Field) bool { return f.Name == name })
		if i < 0 {
			var names []string
			for _, f := range all {
				names = append(names, f.Name)
			}
			return nil, nil, fault.Usagef("reading parquet: the file has no column %s; it has %s", name, strings.Join(names, ", "))
		}
		fields, nodes = append(fields, all[i]), append(nodes, r.file.tree.fields[i])
	}
	return fields, nodes, nil
}

// child gives the node below n of the i-th field of a struct type that n is read as; nil if n lacks it.
func (n *node) child(t *arrow.StructType, i int) *node {
	f := t.Field(i)
	if t.NumFields() == len(n.children) {
		if c := n.children[i]; c.field.Name == f.Name && fieldID(c.field) == fieldID(f) {
			return c
		}
	}
	return findField(n.children, f)
}

// findField gives the node of a field among siblings: by id if both sides have ids, else by name.
func findField(nodes []*node, want arrow.Field) *node {
	id := fieldID(want)
	for _, n := range nodes {
		if have := fieldID(n.field); id > 0 && have > 0 {
			if id == have {
				return n
			}
			continue
		}
		if n.field.Name == want.Name {
			return n
		}
	}
	return nil
}

func (r *Reader) newLeaf(l *leaf, out arrow.DataType) (*leafReader, error) {
	p, err := newPlan(l, out)
	if err != nil {
		return nil, err
	}
	c := &leafReader{plan: p, mem: r.opts.Allocator, pages: pageReader{leaf: l}}
	r.leaves = append(r.leaves, c)
	return c, nil
}

// nestedLeaves plans the leaves below a node for a type of the same shape.
func (r *Reader) nestedLeaves(n *node, want arrow.DataType, into map[int]*leafReader) error {
	if n.leaf != nil {
		l, err := r.newLeaf(n.leaf, want)
		into[n.leaf.index] = l
		return err
	}
	refuse := fault.Usagef("reading parquet: column %s holds %s, which cannot be read as %s", n.field.Name, n.field.Type, want)
	switch t := want.(type) {
	case *arrow.StructType:
		if n.field.Type.ID() != arrow.STRUCT {
			return refuse
		}
		return r.structLeaves(n, t, into)
	case *arrow.ListType, *arrow.MapType:
		if n.field.Type.ID() != t.ID() {
			return refuse
		}
		return r.nestedLeaves(n.children[0].children[0], t.(arrow.ListLikeType).Elem(), into)
	}
	return refuse
}

// structLeaves plans the wanted fields of a struct. If the file has none of them, some leaf is read for its levels.
func (r *Reader) structLeaves(n *node, t *arrow.StructType, into map[int]*leafReader) error {
	before := len(into)
	for i, f := range t.Fields() {
		c := n.child(t, i)
		if c == nil {
			if !f.Nullable {
				return fault.Usagef("reading parquet: field %s of column %s is required, but the file does not have it", f.Name, n.field.Name)
			}
			continue
		}
		if err := r.nestedLeaves(c, f.Type, into); err != nil {
			return err
		}
	}
	if len(into) > before {
		return nil
	}
	l := n.firstLeaf()
	c, err := r.newLeaf(l, l.typ)
	into[l.index] = c
	return err
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
