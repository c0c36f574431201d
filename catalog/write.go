package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// Target is the table that data files are written for.
type Target struct {
	Location string    // the table's root, such as s3://lake/wh/ledger/entries
	Spec     TableSpec // layout and schema; the schema carries field ids, as Table.Spec and ResolveSchema give them
}

// WriterOptions govern a FileWriter. EpochID and Nonce are required.
type WriterOptions struct {
	// EpochID names the epoch or run. It becomes part of file names: letters, digits, "-", "_" and "." only.
	EpochID string
	// Nonce is new for each attempt at an epoch, so that two attempts never write the same name.
	Nonce string
	// TargetBytes is the size, compressed, at which a bucket goes on in another file. 0: 128 MiB.
	TargetBytes int64
	// MemoryBytes is how much of the rows is held before they are spilled to disk, sorted. 0: 128 MiB.
	MemoryBytes int64
	// TempDir is where rows are spilled to. "": the system's folder for temporary files.
	TempDir string
	// Parallelism is how many files are encoded at once. 0: 2.
	Parallelism int
	// Parquet shapes the files. SortedBy is set from the table, Buffers to the lake's.
	Parquet parquetfile.WriterOptions
}

func (o *WriterOptions) fill() error {
	for what, text := range map[string]string{"epoch id": o.EpochID, "nonce": o.Nonce} {
		if !plainFileName.MatchString(text) {
			return fault.Usagef("write data files: %s %q: use letters, digits, -, _ and . (1 to 100)", what, text)
		}
	}
	if o.TargetBytes <= 0 {
		o.TargetBytes = 128 << 20
	}
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = 128 << 20
	}
	if o.Parallelism <= 0 {
		o.Parallelism = 2
	}
	return nil
}

var plainFileName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// uploads is how many small files are sent to the storage at once; encoding is bounded by Parallelism.
const uploads = 16

// FileWriter writes the rows of one table's epoch as data files: split into the table's buckets, sorted
// by its sort order within each, with complete statistics. Nothing belongs to the table until the
// DataFiles that Close returns are committed. It is not safe for concurrent use.
//
// Rows of a table that is neither bucketed nor sorted stream through, and so do rows that come in
// the order of a table that is not bucketed, once there are many of them. Others are held until Close, or
// spilled as sorted runs beyond MemoryBytes.
type FileWriter struct {
	lake   *Lake
	to     Target
	opts   WriterOptions
	sort   []int // columns
	bucket int   // column; -1 if not bucketed

	set     []arrow.RecordBatch
	buckets []int32 // of the rows of set, in order
	bytes   int64   // of set
	spill   *spill

	stream  *bucketFiles // of rows that need not be held
	order   orderCheck   // of a sorted table without buckets
	encode  chan struct{}
	mu      sync.Mutex
	seq     int
	files   []DataFile
	writers []*parquetfile.Writer // to be used again
	done    bool
}

// NewFileWriter starts writing files for a table. The files lie under the table's location in
// data/bucket=N/ (data/ if it is not bucketed), named by epoch, nonce and a number.
func (l *Lake) NewFileWriter(to Target, opts WriterOptions) (*FileWriter, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	if err := checkFieldIDs(to.Spec.Schema); err != nil {
		return nil, err
	}
	w := &FileWriter{lake: l, to: to, opts: opts, bucket: -1, encode: make(chan struct{}, opts.Parallelism)}
	w.opts.Parquet.SortedBy, w.opts.Parquet.Buffers = to.Spec.SortBy, l.buffers
	for _, name := range to.Spec.SortBy {
		i := columns.Index(to.Spec.Schema, name)
		if i < 0 {
			return nil, fault.Usagef("write data files for %s: sort column %q is not in the schema", to.Spec.Name, name)
		}
		if err := columns.CheckSortType(name, to.Spec.Schema.Field(i).Type); err != nil {
			return nil, err
		}
		w.sort = append(w.sort, i)
	}
	if to.Spec.BucketBy != "" {
		if w.bucket = columns.Index(to.Spec.Schema, to.Spec.BucketBy); w.bucket < 0 {
			return nil, fault.Usagef("write data files for %s: bucket column %q is not in the schema", to.Spec.Name, to.Spec.BucketBy)
		}
	}
	pw, err := parquetfile.NewWriter(nil, to.Spec.Schema, w.opts.Parquet)
	if err != nil {
		return nil, fmt.Errorf("write data files for %s: %w", to.Spec.Name, err)
	}
	w.writers = append(w.writers, pw)
	return w, nil
}

func (w *FileWriter) laid() bool { return w.bucket >= 0 || len(w.sort) > 0 }

// Write adds a batch of rows with the schema's columns in order; texts may come as dictionaries. The batch
// is retained as long as it is needed. After an error only Abort is of use.
func (w *FileWriter) Write(ctx context.Context, rec arrow.RecordBatch) error {
	if w.done {
		return errors.New("write data files: the writer is closed")
	}
	if rec.NumRows() == 0 {
		return nil
	}
	if !w.laid() {
		if w.stream == nil {
			w.stream = &bucketFiles{w: w, bucket: -1}
		}
		return w.stream.write(ctx, rec)
	}
	rec, err := w.conform(rec)
	if err != nil {
		return fmt.Errorf("write data files for %s: %w", w.to.Spec.Name, err)
	}
	if w.bucket < 0 {
		if streamed, err := w.inOrder(ctx, rec); streamed || err != nil {
			return err
		}
	} else {
		if w.buckets, err = BucketRows(w.buckets, rec.Column(w.bucket), w.to.Spec.Buckets); err != nil {
			return fmt.Errorf("write data files for %s: bucket column %q: %w", w.to.Spec.Name, w.to.Spec.BucketBy, err)
		}
	}
	w.set = append(w.set, rec)
	w.bytes += batchBytes(rec)
	if w.bytes < w.opts.MemoryBytes {
		return nil
	}
	return w.spillSet(ctx)
}

// conform gives a batch of its own, with dictionaries decoded, that has exactly the target's types.
func (w *FileWriter) conform(rec arrow.RecordBatch) (arrow.RecordBatch, error) {
	schema := w.to.Spec.Schema
	if int(rec.NumCols()) != schema.NumFields() {
		return nil, fault.Usagef("the batch has %d columns, the table %d", rec.NumCols(), schema.NumFields())
	}
	cols := make([]arrow.Array, schema.NumFields())
	var made []arrow.Array
	defer func() {
		for _, a := range made {
			a.Release()
		}
	}()
	for i, f := range schema.Fields() {
		cols[i] = rec.Column(i)
		if d, ok := cols[i].(*array.Dictionary); ok {
			cols[i] = decodeDictionary(d)
			made = append(made, cols[i])
		}
		if !arrow.TypeEqual(cols[i].DataType(), f.Type) {
			a, err := columns.Conform(cols[i], f.Type)
			if err != nil {
				return nil, fault.Usagef("column %q: %w", f.Name, err)
			}
			cols[i] = a
			made = append(made, a)
		}
	}
	return array.NewRecordBatch(schema, cols, rec.NumRows()), nil
}

// Close writes what is held, and describes all files. It makes no file where there were no rows.
func (w *FileWriter) Close(ctx context.Context) ([]DataFile, error) {
	if w.done {
		return nil, errors.New("write data files: the writer is closed")
	}
	err := w.finish(ctx)
	w.release()
	if err != nil {
		return nil, errors.Join(err, w.Abort(ctx))
	}
	w.done = true
	slices.SortFunc(w.files, func(a, b DataFile) int {
		if a.Bucket != b.Bucket {
			return a.Bucket - b.Bucket
		}
		return slices.Compare([]byte(a.Path), []byte(b.Path))
	})
	return w.files, nil
}

// Abort gives up and deletes the files that were written. It does nothing after Close returned files.
func (w *FileWriter) Abort(ctx context.Context) error {
	if w.done {
		return nil
	}
	w.done = true
	w.release()
	if w.stream != nil {
		w.stream.abort()
	}
	var errs []error
	for _, f := range w.files {
		errs = append(errs, w.lake.files.remove(context.WithoutCancel(ctx), f.Path))
	}
	return errors.Join(errs...)
}

func (w *FileWriter) release() {
	for _, r := range w.set {
		r.Release()
	}
	w.set, w.buckets, w.bytes = nil, nil, 0
	w.order.close()
	if w.spill != nil {
		w.spill.close()
		w.spill = nil
	}
}

func (w *FileWriter) finish(ctx context.Context) error {
	if w.order.holds() && w.spill == nil && len(w.set) > 0 {
		if err := w.streamSet(ctx); err != nil {
			return err
		}
	}
	if w.stream != nil {
		if err := w.stream.finish(); err != nil {
			return err
		}
	}
	if len(w.set) == 0 && w.spill == nil {
		return nil
	}
	if w.spill != nil {
		if err := w.spillSet(ctx); err != nil {
			return err
		}
		return w.eachBucket(ctx, w.spill.buckets(), func(ctx context.Context, b int) error { return w.mergeBucket(ctx, b) })
	}
	refs, order := w.refsByBucket(), w.sorter()
	return w.eachBucket(ctx, slices.Sorted(maps.Keys(refs)), func(ctx context.Context, b int) error {
		files := &bucketFiles{w: w, bucket: b}
		defer files.abort()
		if err := w.encoding(ctx, func() error {
			if err := w.gather(ctx, order, refs[b], files.write); err != nil {
				return err
			}
			return files.seal()
		}); err != nil {
			return err
		}
		return files.publish()
	})
}

// eachBucket works on buckets in parallel; encoding is bounded inside by the encode slots.
func (w *FileWriter) eachBucket(ctx context.Context, buckets []int, do func(ctx context.Context, b int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for _, b := range buckets {
		g.Go(func() error { return do(ctx, b) })
	}
	return g.Wait()
}

// refsByBucket names the rows of the set by bucket, in order of arrival.
func (w *FileWriter) refsByBucket() map[int][]columns.Ref {
	total := 0
	for _, r := range w.set {
		total += int(r.NumRows())
	}
	count := map[int]int{-1: total}
	if w.bucket >= 0 {
		delete(count, -1)
		for _, b := range w.buckets {
			count[int(b)]++
		}
	}
	out := make(map[int][]columns.Ref, len(count))
	all := make([]columns.Ref, total)
	for b, n := range count {
		out[b], all = all[:0:n], all[n:]
	}
	at := 0
	for i, r := range w.set {
		for row := range int(r.NumRows()) {
			b := -1
			if w.bucket >= 0 {
				b = int(w.buckets[at])
			}
			out[b] = append(out[b], columns.Ref{Batch: uint32(i), Row: uint32(row)})
			at++
		}
	}
	return out
}

// sorter sorts by the table's sort order over the set; nil if it has none.
func (w *FileWriter) sorter() *columns.Order {
	if len(w.sort) == 0 {
		return nil
	}
	return columns.OrderOf(w.set, w.sort)
}

// gatherRows is how many rows are gathered into one batch on their way to a file.
const gatherRows = 1 << 14

// gather sorts refs and passes their rows on in batches, which out must not keep.
func (w *FileWriter) gather(ctx context.Context, order *columns.Order, refs []columns.Ref, out func(context.Context, arrow.RecordBatch) error) error {
	if order != nil {
		order.Sort(refs)
	}
	for len(refs) > 0 {
		n := min(len(refs), gatherRows)
		rec, err := columns.Gather(w.to.Spec.Schema, w.set, refs[:n])
		if err == nil {
			err = out(ctx, rec)
			rec.Release()
		}
		if err != nil {
			return err
		}
		refs = refs[n:]
	}
	return nil
}

// encoding runs do in one of the encode slots.
func (w *FileWriter) encoding(ctx context.Context, do func() error) error {
	select {
	case w.encode <- struct{}{}:
		defer func() { <-w.encode }()
		return do()
	case <-ctx.Done():
		return fmt.Errorf("write data files for %s: %w", w.to.Spec.Name, ctx.Err())
	}
}
