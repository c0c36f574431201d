package mirror

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/catalog/internal/rawfile"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// How old rows leave under Auto. Rewriting costs by the rows that remain, and spares readers the
// deleted ones. So a file is rewritten only if what remains is at most remainTimes of what is deleted
// and newTimes of what the epoch writes to the bucket anyway; or if it is half deleted and has at most halfRows
// left; or if at most smallRows are left, which also keeps many small files from piling up. A bucket's delete files are
// folded into one where all they delete is at most foldTimes what the epoch deletes and foldRows, or once they are foldFiles.
const (
	remainTimes = 8
	newTimes    = 4
	halfRows    = 1 << 16
	smallRows   = 1 << 12
	foldTimes   = 8
	foldRows    = 1 << 12
	foldFiles   = 8
)

// deleteOutput is a delete file to be written.
type deleteOutput struct {
	path   string
	bucket int
	rows   catalog.RowDeletes
}

// leave decides, for each file that holds old rows, how they leave, and reads those that are rewritten.
func (e *epoch) leave(ctx context.Context) error {
	if e.events.truncated {
		e.staged.deleted = nil // everything leaves
		return nil
	}
	var rewrite []uint32
	for _, id := range slices.Sorted(maps.Keys(e.staged.deleted)) {
		f := e.m.files.files[id]
		left := f.live() - int64(len(e.staged.deleted[id]))
		switch {
		case left == 0:
			e.staged.gone = append(e.staged.gone, id)
		case e.rewrites(f, left):
			e.staged.gone = append(e.staged.gone, id)
			rewrite = append(rewrite, id)
		default:
			continue
		}
	}
	if err := e.carry(ctx, rewrite); err != nil {
		return err
	}
	for _, id := range e.staged.gone {
		delete(e.staged.deleted, id)
	}
	return nil
}

func (e *epoch) rewrites(f *file, left int64) bool {
	switch e.m.policy.deletes {
	case Position:
		return false
	case CopyOnWrite:
		return true
	}
	gone, written := f.rows-left, int64(len(e.refs[f.bucket]))
	switch {
	case left <= gone && left <= halfRows:
		return true
	case left <= newTimes*written:
		return left <= remainTimes*gone || left <= smallRows
	}
	return false
}

// carry reads the rows that stay of rewritten files into the set.
func (e *epoch) carry(ctx context.Context, ids []uint32) error {
	type rows struct {
		rec    arrow.RecordBatch
		keep   []uint32
		bucket int
	}
	read := make([][]rows, len(ids))
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for i, id := range ids {
		f := e.m.files.files[id]
		var leaves rawfile.Bitmap
		for _, r := range e.staged.deleted[id] {
			leaves.Add(uint32(r), f.rows)
		}
		g.Go(func() error {
			at := uint32(0)
			return rawfile.Read(gctx, e.m.lake, f.path, parquetfile.ReaderOptions{Fields: e.schema.Fields()}, func(rec arrow.RecordBatch) error {
				var keep []uint32
				for r := range uint32(rec.NumRows()) {
					if !f.deleted.Has(at+r) && !leaves.Has(at+r) {
						keep = append(keep, r)
					}
				}
				at += uint32(rec.NumRows())
				if len(keep) > 0 {
					rec.Retain()
					mu.Lock()
					defer mu.Unlock()
					read[i] = append(read[i], rows{rec, keep, f.bucket})
				}
				return nil
			})
		})
	}
	err := g.Wait()
	for _, f := range read {
		for _, r := range f {
			batch := uint32(len(e.set))
			e.set = append(e.set, r.rec)
			if err != nil {
				continue
			}
			keys, kerr := columns.HashKeys(make([]columns.Hash, 0, r.rec.NumRows()), keyColumns(r.rec, e.m.spec.Key))
			if kerr != nil {
				err = kerr
				continue
			}
			e.carried = append(e.carried, keys)
			for _, row := range r.keep {
				e.refs[r.bucket] = append(e.refs[r.bucket], columns.Ref{Batch: batch, Row: row})
			}
			e.staged.rewritten += int64(len(r.keep))
		}
	}
	if err != nil {
		return fmt.Errorf("rewrite files with changed rows: %w", err)
	}
	return nil
}

// deleteOutputs plans the delete files: one a bucket with rows deleted by position.
func (e *epoch) deleteOutputs() []deleteOutput {
	byBucket := map[int][]uint32{}
	for id := range e.staged.deleted {
		b := e.m.files.files[id].bucket
		byBucket[b] = append(byBucket[b], id)
	}
	var out []deleteOutput
	for _, b := range slices.Sorted(maps.Keys(byBucket)) {
		rows := catalog.RowDeletes{}
		for _, id := range byBucket[b] {
			rows[e.m.files.files[id].path] = e.staged.deleted[id]
		}
		if e.m.policy.deletes != Position {
			e.foldDeletes(b, rows)
		}
		out = append(out, deleteOutput{path: e.path(b, len(out), "-deletes"), bucket: b, rows: rows})
	}
	return out
}

// foldDeletes adds the rows that the bucket's delete files delete, so that the new one replaces them.
func (e *epoch) foldDeletes(bucket int, rows catalog.RowDeletes) {
	var old []*deleteFile
	files := map[uint32]bool{}
	for _, d := range e.m.files.deletes {
		if d.bucket == bucket {
			old = append(old, d)
			maps.Copy(files, d.names)
		}
	}
	for _, id := range e.staged.gone {
		delete(files, id)
	}
	total := int64(0)
	for id := range files {
		total += e.m.files.files[id].gone
	}
	fresh := int64(0)
	for _, r := range rows {
		fresh += int64(len(r))
	}
	if len(old) == 0 || total > foldTimes*fresh+foldRows && len(old) < foldFiles-1 {
		return
	}
	for id := range files {
		f := e.m.files.files[id]
		if f.gone == 0 {
			continue
		}
		merged := slices.Clone(rows[f.path])
		f.deleted.Each(func(row uint32) { merged = append(merged, int64(row)) })
		rows[f.path] = merged
	}
	for _, d := range old {
		e.staged.folded = append(e.staged.folded, d.path)
	}
}
