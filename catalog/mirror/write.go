package mirror

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/catalog/mirror/internal/keyindex"
	"github.com/millrace/millrace/sdk/fault"
)

const (
	// uploads is how many files are sent to the storage at once; what computes is bounded by Options.Workers.
	uploads = 16
	// gatherRows is how many rows are gathered into one batch on their way to a file.
	gatherRows = 1 << 14
	unbucketed = -1
)

// output is one data file being written.
type output struct {
	id     uint32
	bucket int
	path   string
	refs   []columns.Ref
	moves  []move // the rows of rewritten files
}

// write writes the new data files and delete files, and notes where each row comes to lie.
func (e *epoch) write(ctx context.Context) error {
	if err := e.distribute(); err != nil {
		return err
	}
	if err := e.leave(ctx); err != nil {
		return err
	}
	order := e.order()
	for _, rows := range e.set { // Arrow keeps a slice's null count without a lock: it is taken before files are written side by side
		for _, col := range rows.Columns() {
			col.NullN()
		}
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	g.Go(func() error {
		e.sums = changelog.NewControl(e.m.ctls)
		e.sum()
		return nil
	})
	for _, out := range e.outputs() {
		g.Go(func() error {
			f, err := e.writeFile(ctx, out, order)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			e.change.Add = append(e.change.Add, f)
			e.staged.moves = append(e.staged.moves, out.moves...)
			return nil
		})
	}
	e.staged.deletes = e.deleteOutputs()
	deletes := make([]catalog.DataFile, len(e.staged.deletes))
	for i, d := range e.staged.deletes {
		g.Go(func() (err error) {
			deletes[i], err = e.m.lake.WritePositionDeletes(ctx, d.path, d.bucket, d.rows)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	slices.SortFunc(e.change.Add, func(a, b catalog.DataFile) int { return strings.Compare(a.Path, b.Path) })
	e.change.Add = append(e.change.Add, deletes...)
	return nil
}

// distribute lists the rows that stay by bucket, in the order of the stream.
func (e *epoch) distribute() error {
	e.refs = map[int][]columns.Ref{}
	by := e.m.spec.BucketBy
	for i := range e.events.batches {
		var buckets []int32
		if by != "" {
			var err error
			if buckets, err = e.bucketsOf(i); err != nil {
				return err
			}
		}
		lists := e.refs
		for r := range int(e.set[i].NumRows()) {
			if !e.stays(i, r) {
				continue
			}
			b := unbucketed
			if buckets != nil {
				b = int(buckets[r])
			}
			lists[b] = append(lists[b], columns.Ref{Batch: uint32(i), Row: uint32(r)})
		}
	}
	return nil
}

// bucketsOf computes the bucket of each row of a batch. A row that stays must have a bucket.
func (e *epoch) bucketsOf(batch int) ([]int32, error) {
	by := e.m.spec.BucketBy
	col := e.set[batch].Column(columns.Index(e.schema, by))
	if col.NullN() > 0 {
		for r := range col.Len() {
			if col.IsNull(r) && e.stays(batch, r) {
				b := e.events.batches[batch]
				return nil, fault.Usagef("the event at offset %d of shard %s has no %q, by which the table is bucketed", b.Offset[r], b.Shard, by)
			}
		}
		col = withoutNulls(col)
		defer col.Release()
	}
	buckets, err := catalog.BucketRows(make([]int32, 0, col.Len()), col, e.m.spec.Buckets)
	if err != nil {
		return nil, fmt.Errorf("bucket column %q: %w", by, err)
	}
	return buckets, nil
}

// order is the table's sort order over the set, nil if it has none.
func (e *epoch) order() *columns.Order {
	if len(e.m.spec.SortBy) == 0 || len(e.refs) == 0 {
		return nil
	}
	o := columns.NewOrder()
	for _, rec := range e.set {
		o.Add(keyColumns(rec, e.m.spec.SortBy))
	}
	return o
}

// outputs plans the data files and reserves their numbers.
func (e *epoch) outputs() []*output {
	var out []*output
	for _, b := range slices.Sorted(maps.Keys(e.refs)) {
		path := e.path(b, len(out), "")
		id := e.m.files.reserve(&file{path: path, bucket: b})
		e.staged.newFiles = append(e.staged.newFiles, id)
		out = append(out, &output{id: id, bucket: b, path: path, refs: e.refs[b]})
	}
	return out
}

func (e *epoch) path(bucket, n int, suffix string) string {
	folder := "data"
	if bucket != unbucketed {
		folder = fmt.Sprintf("data/bucket=%d", bucket)
	}
	return fmt.Sprintf("%s/%s/%s-%s-%05d%s.parquet", e.m.root, folder, e.id, e.nonce, n, suffix)
}

// writeFile sorts the rows of one file, writes them and notes their places. It computes in one of the
// mirror's slots and uploads outside of it.
func (e *epoch) writeFile(ctx context.Context, out *output, order *columns.Order) (catalog.DataFile, error) {
	rows := func(yield func(arrow.RecordBatch, error) bool) {
		var g *columns.Gatherer
		select {
		case g = <-e.m.slots:
			defer func() { e.m.slots <- g }()
		case <-ctx.Done():
			yield(nil, ctx.Err())
			return
		}
		if order != nil {
			order.Sort(out.refs)
		}
		e.settleRows(out)
		e.gather(g, out.refs, yield)
	}
	sortBy := e.m.spec.SortBy
	f, err := e.m.lake.WriteFile(ctx, out.path, e.schema, iter.Seq2[arrow.RecordBatch, error](rows), catalog.FileOptions{
		Bucket: out.bucket, Bucketed: out.bucket != unbucketed, SortBy: sortBy,
	})
	if err != nil {
		return catalog.DataFile{}, err
	}
	e.m.files.files[out.id].rows = f.Rows
	return f, nil
}

func (e *epoch) gather(g *columns.Gatherer, refs []columns.Ref, yield func(arrow.RecordBatch, error) bool) {
	for part := range slices.Chunk(refs, gatherRows) {
		rec, err := g.Gather(e.schema, e.set, part)
		if err != nil {
			yield(nil, err)
			return
		}
		more := yield(rec, nil)
		rec.Release()
		if !more {
			return
		}
	}
}

// settleRows notes the place of each row of a file, which is its place in the sorted list.
func (e *epoch) settleRows(out *output) {
	if e.m.policy.appendOnly {
		return
	}
	events := uint32(len(e.events.batches))
	for i, at := range out.refs {
		pos := keyindex.Pos{File: out.id, Row: uint32(i)}
		if at.Batch < events {
			key := e.events.keys[at.Batch][at.Row]
			e.staged.outcomes[keyindex.ShardOf(key)][e.owner[at.Batch][at.Row]].at = pos
			continue
		}
		out.moves = append(out.moves, move{e.carried[at.Batch-events][at.Row], pos})
	}
}
