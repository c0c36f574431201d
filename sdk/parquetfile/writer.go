package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/sdk/fault"
)

// Encoding is how a column's values are laid out. The writer chooses well by itself; see [WriterOptions].
type Encoding int

// The encodings of a column.
const (
	// Auto looks at the data: integers as packed differences where that is smaller, texts
	// by dictionary where they repeat, else with their lengths apart.
	Auto Encoding = iota
	// Plain is the format's PLAIN, which every reader knows.
	Plain
	// Dictionary is for texts only: by dictionary, and PLAIN once that has grown too large.
	Dictionary
	// DeltaLength is for texts only: lengths apart from bytes. Best for keys and other near-unique texts.
	DeltaLength
)

// WriterOptions shape a file. The zero value is right for tables.
type WriterOptions struct {
	RowGroupBytes int64 // target for a row group, compressed; 0: 64 MiB
	RowGroupRows  int64 // most rows of a row group; 0: 1,048,576
	PageBytes     int   // target for a page of texts or floats, uncompressed; 0: 1 MiB. Pages hold at most 65,536 rows.
	Codec         Codec
	Encodings     map[string]Encoding // by column name, or path as "a.b"; Auto where absent
	SortedBy      []string            // top-level columns that the rows are sorted by, ascending; recorded in the file, not checked
	Metadata      map[string]string   // key-value metadata of the footer
	Beside        bool                // compress pages beside what is written next: for a single large file, not where many writers keep all cores busy
	Buffers       *Buffers            // where the writer's memory comes from and goes to between files; nil: its own
}

func (o *WriterOptions) fill() {
	if o.RowGroupBytes == 0 {
		o.RowGroupBytes = 64 << 20
	}
	if o.RowGroupRows == 0 {
		o.RowGroupRows = 1 << 20
	}
	if o.PageBytes == 0 {
		o.PageBytes = 1 << 20
	}
}

func (o *WriterOptions) validate(t *tree) error {
	var errs []error
	known := map[string]*leaf{}
	for _, l := range t.leaves {
		known[l.name()] = l
	}
	for name, e := range o.Encodings {
		l := known[name]
		if l == nil {
			errs = append(errs, fault.Usagef("writing parquet: encoding given for column %s, which the schema does not have", name))
		} else if l.phys != format.ByteArray && e != Auto && e != Plain {
			errs = append(errs, fault.Usagef("writing parquet: column %s of type %s takes Auto or Plain encoding only", name, l.typ))
		}
	}
	for _, name := range o.SortedBy {
		if l := known[name]; l == nil || !l.flat() {
			errs = append(errs, fault.Usagef("writing parquet: sorted by %s, which is no top-level column of the schema", name))
		}
	}
	if o.RowGroupBytes < 0 || o.RowGroupRows < 0 || o.PageBytes < 0 || o.PageBytes > 1<<28 {
		errs = append(errs, fault.Usagef("writing parquet: sizes must be positive, and a page at most 256 MiB"))
	}
	return errors.Join(errs...)
}

// Writer writes files, one after another. It is not safe for concurrent use. Memory is about one row group, compressed, and a page a column.
type Writer struct {
	out     io.Writer
	schema  *arrow.Schema
	tree    *tree
	opts    WriterOptions
	cols    []*columnWriter
	offset  int64
	rows    int64 // of the open row group
	meta    format.FileMetaData
	failed  error
	closed  bool
	offsets []int64
}

// FileStats describe a finished file.
type FileStats struct {
	Rows, Bytes int64
	Columns     []ColumnStats // one a leaf, in file order
	RowGroups   []int64       // byte offsets of the row groups
}

// ColumnStats describe one leaf of a finished file.
type ColumnStats struct {
	Name    string // path, joined by dots
	FieldID int    // 0 if the schema gave none
	Bytes   int64  // compressed, with page headers
	Values  int64  // including nulls
	Nulls   int64
	// Min and Max are exact: int64 (integers, times, dates in days), uint64, float64 (NaN left out),
	// decimal128.Num, bool, string, or []byte. nil if there are no values but nulls (or NaN).
	Min, Max any
	// Lower and Upper are Iceberg's single-value binary form. Texts and binaries are cut to at most 16
	// bytes, Upper then rounded up. nil where there is no bound; a nil Upper beside a Lower means unbounded.
	Lower, Upper []byte
}

// NewWriter starts a file of the schema. Columns are required unless the schema says nullable; field
// ids come from the metadata key [FieldIDKey]. Nothing is closed or synced: w stays the caller's.
func NewWriter(w io.Writer, schema *arrow.Schema, opts WriterOptions) (*Writer, error) {
	t, err := newTree(schema)
	if err != nil {
		return nil, err
	}
	opts.fill()
	if err := opts.validate(t); err != nil {
		return nil, err
	}
	pw := &Writer{schema: schema, tree: t, opts: opts}
	for _, l := range t.leaves {
		pw.cols = append(pw.cols, newColumnWriter(l, &opts))
	}
	pw.Reset(w)
	return pw, nil
}

// Reset starts another file of the same schema and options in the same buffers. What was not closed is lost.
func (w *Writer) Reset(out io.Writer) {
	w.out, w.offset, w.rows, w.failed, w.closed = out, 0, 0, nil, false
	w.meta.RowGroups, w.meta.NumRows = nil, 0
	w.offsets = nil
	for _, c := range w.cols {
		c.startChunk()
		c.fileStat.reset()
		c.total = columnTotal{}
	}
}

// Rows is how many rows were written so far.
func (w *Writer) Rows() int64 { return w.meta.NumRows + w.rows }

// Size is about how many bytes the file has so far; what is still in pages counts uncompressed.
func (w *Writer) Size() int64 {
	n := w.offset
	for _, c := range w.cols {
		n += c.size()
	}
	return n
}

// Write appends a batch. Its columns must have the schema's types, in order; a text column may come as a
// dictionary. The batch is not kept. After an error the writer is of no more use.
func (w *Writer) Write(rec arrow.RecordBatch) error {
	if w.failed != nil {
		return w.failed
	}
	if w.closed {
		return errors.New("writing parquet: the file is closed")
	}
	w.borrow()
	w.failed = w.write(rec)
	return w.failed
}

// borrow gives the columns their memory.
func (w *Writer) borrow() {
	for _, c := range w.cols {
		if c.buffers == nil {
			c.buffers = w.opts.Buffers.take(c.leaf.phys)
		}
	}
}

// repay gives the columns' memory back, if it is borrowed.
func (w *Writer) repay() {
	for _, c := range w.cols {
		if c.buffers != nil && w.opts.Buffers.put(c.leaf.phys, c.buffers) {
			c.buffers = nil
		}
	}
}

func (w *Writer) write(rec arrow.RecordBatch) error {
	if int(rec.NumCols()) != len(w.tree.fields) {
		return fault.Usagef("writing parquet: the batch has %d columns, the file's schema %d", rec.NumCols(), len(w.tree.fields))
	}
	for at := int64(0); at < rec.NumRows(); {
		n := min(rec.NumRows()-at, w.opts.RowGroupRows-w.rows)
		part := rec
		if n < rec.NumRows() {
			part = rec.NewSlice(at, at+n)
		}
		err := w.writePart(part)
		if part != rec {
			part.Release()
		}
		if err != nil {
			return err
		}
		at += n
	}
	return nil
}

func (w *Writer) writePart(rec arrow.RecordBatch) error {
	for i, n := range w.tree.fields {
		if err := w.writeField(n, rec.Column(i)); err != nil {
			return err
		}
	}
	w.rows += rec.NumRows()
	size := int64(0)
	for _, c := range w.cols {
		size += c.size()
	}
	if w.rows >= w.opts.RowGroupRows || size >= w.opts.RowGroupBytes {
		return w.flushRowGroup()
	}
	return nil
}

func (w *Writer) writeField(n *node, a arrow.Array) error {
	if n.leaf != nil && n.leaf.flat() {
		return w.cols[n.leaf.index].append(a, w.opts.PageBytes)
	}
	return w.writeNested(n, a)
}

const magic = "PAR1"

func (w *Writer) put(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := w.out.Write(b)
	w.offset += int64(n)
	if err != nil {
		return fmt.Errorf("writing parquet at byte %d: %w", w.offset, err)
	}
	return nil
}

func (w *Writer) flushRowGroup() error {
	if w.rows == 0 {
		return nil
	}
	if w.offset == 0 {
		if err := w.put([]byte(magic)); err != nil {
			return err
		}
	}
	rg := format.RowGroup{NumRows: w.rows, FileOffset: w.offset, Ordinal: int16(min(len(w.offsets), 1<<15-1)), SortingColumns: w.sorting()}
	w.offsets = append(w.offsets, w.offset)
	if err := w.finishChunks(); err != nil {
		return err
	}
	for _, c := range w.cols {
		m := c.metadata(w.offset)
		rg.Columns = append(rg.Columns, format.ColumnChunk{MetaData: m})
		rg.TotalByteSize += m.TotalUncompressedSize
		rg.TotalCompressedSize += m.TotalCompressedSize
		if err := w.put(c.dictPage); err != nil {
			return err
		}
		if err := w.put(c.pages); err != nil {
			return err
		}
		c.endChunk()
	}
	w.meta.RowGroups = append(w.meta.RowGroups, rg)
	w.meta.NumRows += w.rows
	w.rows = 0
	return nil
}

// finishChunks ends the columns' chunks, and tells an output that wants to know how much is to come.
func (w *Writer) finishChunks() error {
	size := 0
	for _, c := range w.cols {
		if err := c.finishChunk(); err != nil {
			return err
		}
		size += len(c.dictPage) + len(c.pages)
	}
	if g, ok := w.out.(interface{ Grow(n int) }); ok {
		g.Grow(size + 256*len(w.cols)) // and a footer
	}
	return nil
}

func (w *Writer) sorting() []format.SortingColumn {
	var out []format.SortingColumn
	for _, name := range w.opts.SortedBy {
		for _, l := range w.tree.leaves {
			if l.flat() && l.path[0] == name {
				out = append(out, format.SortingColumn{ColumnIdx: int32(l.index), NullsFirst: true})
			}
		}
	}
	return out
}

// metadata describes the finished chunk, which starts at a byte of the file.
func (c *columnWriter) metadata(start int64) format.ColumnMetaData {
	k := &c.chunk
	m := format.ColumnMetaData{
		Type: c.leaf.phys, PathInSchema: c.leaf.path, Codec: c.codec.format(), NumValues: k.levels,
		TotalUncompressedSize: k.plainBytes, TotalCompressedSize: int64(len(c.dictPage) + len(c.pages)),
		DataPageOffset: start + int64(len(c.dictPage)),
		Statistics:     format.Statistics{NullCount: k.nulls},
	}
	m.Statistics.MinValue, m.Statistics.MaxValue = c.stats.plain(c.leaf)
	if len(c.dictPage) > 0 {
		m.DictionaryPageOffset = start
		m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: format.DictionaryPage, Encoding: format.Plain, Count: 1})
	}
	if c.leaf.maxDef > 0 {
		k.encodings[format.RLE] = true
	}
	for e, used := range k.encodings {
		if used {
			m.Encoding = append(m.Encoding, format.Encoding(e))
		}
		if n := k.dataPages[e]; n > 0 {
			m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: format.DataPageV2, Encoding: format.Encoding(e), Count: n})
		}
	}
	return m
}

// endChunk adds the chunk's statistics to the file's and starts the next chunk.
func (c *columnWriter) endChunk() {
	c.total.bytes += int64(len(c.dictPage) + len(c.pages))
	c.total.levels += c.chunk.levels
	c.total.nulls += c.chunk.nulls
	c.fileStat.merge(&c.stats, c.class)
	c.startChunk()
}

// Close ends the file with its footer. The writer can then be [Writer.Reset]. A file without rows is valid.
func (w *Writer) Close() (FileStats, error) {
	if w.failed != nil {
		return FileStats{}, w.failed
	}
	if w.closed {
		return FileStats{}, errors.New("writing parquet: the file is closed")
	}
	if w.failed = w.finish(); w.failed != nil {
		return FileStats{}, w.failed
	}
	w.closed = true
	w.repay()
	s := FileStats{Rows: w.meta.NumRows, Bytes: w.offset, RowGroups: w.offsets}
	for _, c := range w.cols {
		cs := ColumnStats{Name: c.leaf.name(), FieldID: c.leaf.id, Bytes: c.total.bytes, Values: c.total.levels, Nulls: c.total.nulls}
		cs.Min, cs.Max = c.fileStat.typed(c.leaf)
		cs.Lower, cs.Upper = c.fileStat.iceberg(c.leaf)
		s.Columns = append(s.Columns, cs)
	}
	return s, nil
}

func (w *Writer) finish() error {
	if err := w.flushRowGroup(); err != nil {
		return err
	}
	if w.offset == 0 {
		if err := w.put([]byte(magic)); err != nil {
			return err
		}
	}
	if w.meta.Schema == nil {
		w.describe()
	}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &w.meta)
	if err != nil {
		return fmt.Errorf("encoding the parquet footer: %w", err)
	}
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	return w.put(append(footer, magic...))
}

// describe fills what is the same in every footer of the writer.
func (w *Writer) describe() {
	w.meta.Version = 2
	w.meta.CreatedBy = createdBy
	w.meta.Schema = w.tree.elements()
	for range w.cols {
		w.meta.ColumnOrders = append(w.meta.ColumnOrders, format.ColumnOrder{Value: &format.TypeDefinedOrder{}})
	}
	for k, v := range w.opts.Metadata {
		w.meta.KeyValueMetadata = append(w.meta.KeyValueMetadata, format.KeyValue{Key: k, Value: v})
	}
	sort.Slice(w.meta.KeyValueMetadata, func(i, j int) bool {
		return w.meta.KeyValueMetadata[i].Key < w.meta.KeyValueMetadata[j].Key
	})
	w.meta.Schema = slices.Clip(w.meta.Schema)
}

// createdBy is what the footers of this package's files name as their writer.
const createdBy = "millrace"
