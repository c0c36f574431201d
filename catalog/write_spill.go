package catalog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/spillfile"
)

// spill holds sorted runs of a FileWriter's rows in one unlinked temporary file.
type spill struct {
	file *spillfile.File
	size int64
	runs []map[int]segment // by bucket
}

// segment is a part of the spill file: one bucket's rows of one run, as an Arrow stream.
type segment struct{ from, size int64 }

func newSpill(dir string) (*spill, error) {
	f, err := spillfile.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("spill rows to disk: %w; give a folder with room", err)
	}
	return &spill{file: f}, nil
}

func (s *spill) close() { _ = s.file.Close() } // nothing in it is wanted any more

func (s *spill) buckets() []int {
	seen := map[int]bool{}
	for _, r := range s.runs {
		for b := range r {
			seen[b] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// spillSet writes the rows that are held as one more run and lets go of them.
func (w *FileWriter) spillSet(ctx context.Context) error {
	if len(w.set) == 0 {
		return nil
	}
	if w.spill == nil {
		s, err := newSpill(w.opts.TempDir)
		if err != nil {
			return err
		}
		w.spill = s
	}
	refs, order, run := w.refsByBucket(), w.sorter(), map[int]segment{}
	for _, b := range slices.Sorted(maps.Keys(refs)) {
		from := w.spill.size
		out := bufio.NewWriterSize(io.NewOffsetWriter(w.spill.file, from), 1<<20)
		count := &countingWriter{w: out}
		iw := ipc.NewWriter(count, ipc.WithSchema(w.to.Spec.Schema))
		err := w.gather(ctx, order, refs[b], func(_ context.Context, rec arrow.RecordBatch) error { return iw.Write(rec) })
		if err = errors.Join(err, iw.Close(), out.Flush()); err != nil {
			return fmt.Errorf("spill rows of %s to disk: %w", w.to.Spec.Name, err)
		}
		run[b] = segment{from, count.n}
		w.spill.size += count.n
	}
	w.spill.runs = append(w.spill.runs, run)
	for _, r := range w.set {
		r.Release()
	}
	w.set, w.buckets, w.bytes = w.set[:0], w.buckets[:0], 0
	return nil
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// mergeBucket writes one bucket's files from the runs.
func (w *FileWriter) mergeBucket(ctx context.Context, bucket int) error {
	files := &bucketFiles{w: w, bucket: bucket}
	defer files.abort()
	err := w.encoding(ctx, func() error {
		in, err := w.spill.open(bucket)
		if err != nil {
			return err
		}
		var rows Batches = concatBatches(in)
		if len(w.sort) > 0 {
			rows = newRowMerger(w.to.Spec.Schema, w.sort, in, gatherRows)
		}
		err = EachBatch(ctx, rows, func(rec arrow.RecordBatch) error { return files.write(ctx, rec) })
		if err != nil {
			return err
		}
		return files.seal()
	})
	if err != nil {
		return err
	}
	return files.publish()
}

// open gives a stream of each run's rows of a bucket.
func (s *spill) open(bucket int) ([]Batches, error) {
	var out []Batches
	for _, run := range s.runs {
		seg, ok := run[bucket]
		if !ok {
			continue
		}
		r, err := ipc.NewReader(bufio.NewReaderSize(io.NewSectionReader(s.file, seg.from, seg.size), 256<<10), ipc.WithAllocator(memory.DefaultAllocator))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read spilled rows: %w", err), closeBatches(out))
		}
		out = append(out, &ipcBatches{r, r.Schema()})
	}
	return out, nil
}

type ipcBatches struct {
	r      *ipc.Reader
	schema *arrow.Schema
}

func (b *ipcBatches) Schema() *arrow.Schema { return b.schema }

func (b *ipcBatches) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.r == nil {
		return nil, io.EOF
	}
	rec, err := b.r.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("read spilled rows: %w", err)
	}
	rec.Retain()
	return rec, nil
}

func (b *ipcBatches) Close() error {
	if b.r != nil {
		b.r.Release()
		b.r = nil
	}
	return nil
}

// decodeDictionary gives the texts that a dictionary column stands for.
func decodeDictionary(d *array.Dictionary) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, d.DataType().(*arrow.DictionaryType).ValueType)
	defer b.Release()
	b.Reserve(d.Len())
	dict := d.Dictionary()
	for i := range d.Len() {
		if d.IsNull(i) {
			b.AppendNull()
			continue
		}
		k := d.GetValueIndex(i)
		switch v := dict.(type) {
		case *array.String:
			b.(*array.StringBuilder).Append(v.Value(k))
		case *array.Binary:
			b.(*array.BinaryBuilder).Append(v.Value(k))
		default:
			if err := b.AppendValueFromString(v.ValueStr(k)); err != nil {
				b.AppendNull()
			}
		}
	}
	return b.NewArray()
}

// batchBytes is about how much memory a batch's own rows take.
func batchBytes(rec arrow.RecordBatch) int64 {
	n := int64(0)
	for _, c := range rec.Columns() {
		n += arrayBytes(c.Data())
	}
	return n
}

func arrayBytes(d arrow.ArrayData) int64 {
	n := int64(d.Len()+7) / 8
	switch t := d.DataType().(type) {
	case arrow.FixedWidthDataType:
		n += int64(d.Len()*t.BitWidth()) / 8
	case *arrow.StringType, *arrow.BinaryType:
		if offs := d.Buffers()[1]; d.Len() > 0 && offs != nil {
			o := arrow.Int32Traits.CastFromBytes(offs.Bytes())
			n += int64(o[d.Offset()+d.Len()]-o[d.Offset()]) + int64(4*d.Len())
		}
	default:
		for _, b := range d.Buffers() {
			if b != nil {
				n += int64(b.Len())
			}
		}
		for _, c := range d.Children() {
			n += arrayBytes(c)
		}
	}
	return n
}
