package catalog

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog/internal/columns"
)

// streamFrom is how many bytes of rows in order are held before they stream through: where the
// order ends later, it costs a file more, which should not be tiny.
const streamFrom = 4 << 20

// inOrder takes rec, with the target's types, where all rows up to its own have come in the table's order.
// It reports whether rec streams through; else the caller holds it.
func (w *FileWriter) inOrder(ctx context.Context, rec arrow.RecordBatch) (streamed bool, err error) {
	if !w.order.follows(rec, w.sort) {
		if w.stream != nil { // what came before is a file of its own
			return false, w.stream.finish()
		}
		return false, nil
	}
	if w.stream == nil {
		if w.bytes+batchBytes(rec) < streamFrom {
			return false, nil
		}
		if err := w.streamSet(ctx); err != nil {
			return true, err
		}
	}
	defer rec.Release()
	return true, w.stream.write(ctx, rec)
}

// streamSet lets the rows that are held, which are in order, through.
func (w *FileWriter) streamSet(ctx context.Context) error {
	if w.stream == nil {
		w.stream = &bucketFiles{w: w, bucket: -1}
	}
	for len(w.set) > 0 {
		rec := w.set[0]
		w.set = w.set[1:]
		err := w.stream.write(ctx, rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
	w.bytes = 0
	return nil
}

// orderCheck watches whether batches come in a sort order, each behind the one before.
type orderCheck struct {
	rows   *columns.Order // of the last batch and of the one that is looked at
	last   arrow.RecordBatch
	broken bool
}

// holds reports whether all batches so far came in order.
func (o *orderCheck) holds() bool { return !o.broken && o.last != nil }

// follows reports whether rec and all batches before it are in order. It keeps rec until the next call.
func (o *orderCheck) follows(rec arrow.RecordBatch, by []int) bool {
	if o.broken {
		return false
	}
	if o.rows == nil {
		o.rows = columns.OrderOf([]arrow.RecordBatch{rec}, by)
	}
	o.rows.Put(1, rec, by)
	if o.broken = !o.sorted(int(rec.NumRows())); o.broken {
		o.close()
		return false
	}
	o.rows.Move(1, 0)
	rec.Retain()
	if o.last != nil {
		o.last.Release()
	}
	o.last = rec
	return true
}

func (o *orderCheck) sorted(rows int) bool {
	if o.last != nil && o.rows.Compare(columns.Ref{Row: uint32(o.last.NumRows() - 1)}, columns.Ref{Batch: 1}) > 0 {
		return false
	}
	for r := 1; r < rows; r++ {
		if o.rows.Compare(columns.Ref{Batch: 1, Row: uint32(r - 1)}, columns.Ref{Batch: 1, Row: uint32(r)}) > 0 {
			return false
		}
	}
	return true
}

// close lets go of the batch that is kept.
func (o *orderCheck) close() {
	if o.last != nil {
		o.last.Release()
	}
	o.rows, o.last = nil, nil
}
