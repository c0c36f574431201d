package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// footerGuess is how much of a file's end is read at once in the hope that the footer is within.
const footerGuess = 64 << 10

// File is an opened file: its footer, and where to read the rest. It is safe for concurrent use.
type File struct {
	r      io.ReaderAt
	size   int64
	meta   *format.FileMetaData
	tree   *tree
	schema *arrow.Schema
}

// OpenFile reads and checks a file's footer, in one read of r for most files. r must stay open as long as the file is read.
func OpenFile(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size}
	footer, err := f.readFooter()
	if err != nil {
		return nil, fmt.Errorf("opening parquet: %w", err)
	}
	if f.meta, err = parseFooter(footer); err != nil {
		return nil, fmt.Errorf("opening parquet: %w", err)
	}
	if f.tree, err = inferTree(f.meta.Schema); err != nil {
		return nil, fmt.Errorf("opening parquet: schema: %w", err)
	}
	if err := f.validate(size - 8 - int64(len(footer))); err != nil {
		return nil, fmt.Errorf("opening parquet: %w", err)
	}
	fields := make([]arrow.Field, len(f.tree.fields))
	for i, n := range f.tree.fields {
		fields[i] = n.field
	}
	f.schema = arrow.NewSchema(fields, nil)
	return f, nil
}

func (f *File) readFooter() ([]byte, error) {
	if f.size < 12 {
		return nil, fmt.Errorf("%d bytes are too few for a parquet file: %w", f.size, ErrCorrupt)
	}
	tail := make([]byte, min(f.size, footerGuess))
	if err := readFull(f.r, tail, f.size-int64(len(tail))); err != nil {
		return nil, err
	}
	switch end := string(tail[len(tail)-4:]); end {
	case magic:
	case "PARE":
		return nil, fmt.Errorf("the footer is encrypted: %w", ErrUnsupported)
	default:
		return nil, fmt.Errorf("the file ends in %q instead of %q, it is cut off or no parquet: %w", end, magic, ErrCorrupt)
	}
	n := int64(binary.LittleEndian.Uint32(tail[len(tail)-8:]))
	if n > f.size-12 {
		return nil, fmt.Errorf("the footer's length of %d is more than the file has: %w", n, ErrCorrupt)
	}
	if n+8 <= int64(len(tail)) {
		return tail[int64(len(tail))-8-n : len(tail)-8], nil
	}
	footer := make([]byte, n)
	return footer, readFull(f.r, footer, f.size-8-n)
}

// readFull fills b from byte off.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("the file ends at byte %d, wanted %d: %w", off+int64(n), off+int64(len(b)), ErrCorrupt)
	}
	return fmt.Errorf("reading bytes %d to %d: %w", off, off+int64(len(b)), err)
}

// parseFooter decodes a footer after checking that its collections are no longer than it is.
func parseFooter(b []byte) (meta *format.FileMetaData, err error) {
	walk := &compactReader{b: b}
	walk.skip(tStruct, 0)
	if walk.err != nil {
		return nil, fmt.Errorf("footer: %w", walk.err)
	}
	defer func() { // the decoder is not ours; its panics on damaged input end here
		if r := recover(); r != nil {
			meta, err = nil, fmt.Errorf("footer: %v: %w", r, ErrCorrupt)
		}
	}()
	meta = new(format.FileMetaData)
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), b, meta); err != nil {
		return nil, fmt.Errorf("footer: %w: %w", err, ErrCorrupt)
	}
	return meta, nil
}

// validate checks the row groups against the schema and against the file's data, which ends at byte end.
func (f *File) validate(end int64) error {
	rows := int64(0)
	for g := range f.meta.RowGroups {
		rg := &f.meta.RowGroups[g]
		if rg.NumRows < 0 || len(rg.Columns) != len(f.tree.leaves) {
			return fmt.Errorf("row group %d has %d rows and %d columns, the schema %d columns: %w", g, rg.NumRows, len(rg.Columns), len(f.tree.leaves), ErrCorrupt)
		}
		if rows += rg.NumRows; rows < 0 {
			return fmt.Errorf("too many rows: %w", ErrCorrupt)
		}
		for i, l := range f.tree.leaves {
			c := &rg.Columns[i]
			m := &c.MetaData
			if c.FilePath != "" {
				return fmt.Errorf("column %s lies in another file: %w", l.name(), ErrUnsupported)
			}
			if c.CryptoMetadata.Value != nil {
				return fmt.Errorf("column %s is encrypted: %w", l.name(), ErrUnsupported)
			}
			start, size := chunkRange(m)
			if start < 4 || size < 0 || start > end || size > end-start || m.NumValues < 0 || m.Type != l.phys {
				return fmt.Errorf("row group %d, column %s: its place or type is impossible: %w", g, l.name(), ErrCorrupt)
			}
			if l.maxRep == 0 && m.NumValues != rg.NumRows {
				return fmt.Errorf("row group %d, column %s has %d values for %d rows: %w", g, l.name(), m.NumValues, rg.NumRows, ErrCorrupt)
			}
		}
	}
	if rows != f.meta.NumRows {
		return fmt.Errorf("the row groups have %d rows, the footer says %d: %w", rows, f.meta.NumRows, ErrCorrupt)
	}
	return nil
}

// chunkRange is where a column chunk lies.
func chunkRange(m *format.ColumnMetaData) (start, size int64) {
	start = m.DataPageOffset
	if d := m.DictionaryPageOffset; d > 0 && d < start {
		start = d
	}
	return start, m.TotalCompressedSize
}

// Schema is the file's schema as Arrow. Field ids are in the metadata key [FieldIDKey]. Decimals
// come as decimal128, INT96 as timestamps in microseconds without a zone.
func (f *File) Schema() *arrow.Schema { return f.schema }

// NumRows is how many rows the file holds.
func (f *File) NumRows() int64 { return f.meta.NumRows }

// Metadata is the footer's key-value metadata.
func (f *File) Metadata() map[string]string {
	out := make(map[string]string, len(f.meta.KeyValueMetadata))
	for _, kv := range f.meta.KeyValueMetadata {
		out[kv.Key] = kv.Value
	}
	return out
}

// CreatedBy is what the writer calls itself.
func (f *File) CreatedBy() string { return f.meta.CreatedBy }

// RowGroup describes one row group.
type RowGroup struct {
	Rows   int64
	Bytes  int64 // compressed
	Offset int64 // of its first byte
}

// RowGroups describes the row groups in order.
func (f *File) RowGroups() []RowGroup {
	out := make([]RowGroup, len(f.meta.RowGroups))
	for i := range f.meta.RowGroups {
		rg := &f.meta.RowGroups[i]
		out[i].Rows = rg.NumRows
		for c := range rg.Columns {
			start, size := chunkRange(&rg.Columns[c].MetaData)
			if c == 0 || start < out[i].Offset {
				out[i].Offset = start
			}
			out[i].Bytes += size
		}
	}
	return out
}
