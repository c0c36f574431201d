package mirror

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/catalog/internal/rawfile"
	"github.com/millrace/millrace/catalog/mirror/internal/keyindex"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// refresh makes index and files describe the table as it stands now: from what changed since the
// snapshot that they describe, or from nothing.
func (m *Mirror) refresh(ctx context.Context) error {
	t, err := m.load(ctx)
	if err != nil {
		return err
	}
	if m.policy.appendOnly {
		m.valid, m.based = true, 0
		return nil
	}
	files, err := t.Files(ctx)
	if err != nil {
		return err
	}
	rebuild := !m.valid
	if rebuild {
		m.invalidate()
	}
	n, err := m.catchUp(ctx, files)
	if err != nil {
		m.invalidate()
		return fmt.Errorf("build the key index: %w", err)
	}
	m.valid, m.checked, m.based = true, true, t.Snapshot()
	if rebuild {
		m.stats.Rebuilds++
	} else {
		m.stats.Refreshes++
	}
	m.opts.Logger.InfoContext(ctx, "key index is up to date", "table", m.name, "snapshot", m.based, "from-nothing", rebuild, "files-read", n, "keys", m.index.Len())
	return nil
}

// catchUp takes over the files that came and went, and returns how many it read.
func (m *Mirror) catchUp(ctx context.Context, files []catalog.TableFile) (int, error) {
	present := map[string]bool{}
	var added []uint32
	more := map[string]bool{} // delete files to be read
	for _, f := range files {
		present[f.Path] = true
		if f.Content != catalog.Rows {
			continue
		}
		id, known := m.files.byPath[f.Path]
		if !known {
			id = m.files.reserve(&file{path: f.Path, bucket: f.Bucket, rows: f.Rows, deletes: slices.Clone(f.Deletes)})
			m.files.enter(id)
			added = append(added, id)
			for _, d := range f.Deletes {
				more[d] = true
			}
			continue
		}
		for _, d := range f.Deletes {
			if !slices.Contains(m.files.files[id].deletes, d) {
				m.files.name(id, d)
				more[d] = true
			}
		}
	}
	gone := m.dropAbsent(present)
	if err := m.readDeletes(ctx, more); err != nil {
		return 0, err
	}
	if len(gone) > 0 || len(more) > 0 {
		if err := m.sweep(gone); err != nil {
			return 0, err
		}
	}
	for id := range gone {
		m.files.release(id)
	}
	return len(added), m.readKeys(ctx, added)
}

// dropAbsent takes out the files that the table does not hold any more. The numbers of the data
// files stay taken until the index is swept.
func (m *Mirror) dropAbsent(present map[string]bool) map[uint32]bool {
	for path := range m.files.deletes {
		if !present[path] {
			m.files.dropDeletes(path)
		}
	}
	gone := map[uint32]bool{}
	for path, id := range m.files.byPath {
		if !present[path] {
			gone[id] = true
		}
	}
	for id := range gone {
		m.files.forget(id)
	}
	return gone
}

// readDeletes marks the rows that the given delete files name.
func (m *Mirror) readDeletes(ctx context.Context, paths map[string]bool) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for path := range paths {
		g.Go(func() error {
			return rawfile.Deletes(ctx, m.lake, path, func(name string, row int64) {
				mu.Lock()
				defer mu.Unlock()
				id, ok := m.files.byPath[name]
				if !ok {
					return // the data file left the table before
				}
				if f := m.files.files[id]; slices.Contains(f.deletes, path) {
					f.markDeleted([]int64{row})
				}
			})
		})
	}
	return g.Wait()
}

// sweep takes out of the index the keys of rows that are not in the table any more.
func (m *Mirror) sweep(gone map[uint32]bool) error {
	var g errgroup.Group
	g.SetLimit(m.opts.Workers)
	for n := range keyindex.Shards {
		g.Go(func() error {
			return m.index.Shard(n).Sweep(func(_ columns.Hash, at keyindex.Pos) bool {
				return !gone[at.File] && !m.files.files[at.File].deleted.Has(at.Row)
			})
		})
	}
	return g.Wait()
}

// loader puts the keys of files into the index.
type loader struct {
	m      *Mirror
	locks  [keyindex.Shards]sync.Mutex
	fields []arrow.Field // of the key
	twice  [keyindex.Shards]int64
}

// readKeys enters the rows of new files.
func (m *Mirror) readKeys(ctx context.Context, ids []uint32) error {
	l := &loader{m: m}
	for _, k := range m.spec.Key {
		l.fields = append(l.fields, m.spec.Schema.Field(columns.Index(m.spec.Schema, k)))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.opts.Workers)
	for _, id := range ids {
		g.Go(func() error { return l.file(ctx, id) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	n := int64(0)
	for _, t := range l.twice {
		n += t
	}
	if n > 0 {
		m.opts.Logger.WarnContext(ctx, "the table has several rows of one key; only one of them will be updated", "table", m.name, "keys", n)
	}
	return nil
}

func (l *loader) file(ctx context.Context, id uint32) error {
	f := l.m.files.files[id]
	at := uint32(0)
	var keys []columns.Hash
	return rawfile.Read(ctx, l.m.lake, f.path, parquetfile.ReaderOptions{Fields: l.fields}, func(rec arrow.RecordBatch) error {
		var err error
		if keys, err = columns.HashKeys(keys[:0], rec.Columns()); err != nil {
			return err
		}
		var parts [keyindex.Shards][]move
		for r, k := range keys {
			if row := at + uint32(r); !f.deleted.Has(row) {
				n := keyindex.ShardOf(k)
				parts[n] = append(parts[n], move{k, keyindex.Pos{File: id, Row: row}})
			}
		}
		at += uint32(len(keys))
		for n, part := range parts {
			if err := l.put(n, part); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *loader) put(n int, part []move) error {
	if len(part) == 0 {
		return nil
	}
	l.locks[n].Lock()
	defer l.locks[n].Unlock()
	shard := l.m.index.Shard(n)
	for _, mv := range part {
		_, had, err := shard.Get(mv.key)
		if err != nil {
			return err
		}
		if had {
			l.twice[n]++
		}
		if err := shard.Put(mv.key, mv.at, had); err != nil {
			return err
		}
	}
	return nil
}
