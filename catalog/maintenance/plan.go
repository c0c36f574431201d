package maintenance

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/rawfile"
)

// reads is how many small files are read at once.
const reads = 16

// source is a data file as a compaction finds it.
type source struct {
	path     string
	bucket   int
	rows     int64
	bytes    int64
	sequence int64
	sorted   bool
	deletes  []string // delete files that may name it
	deleted  rawfile.Bitmap
	gone     int64 // rows deleted
}

// weight is the size of the rows that are left.
func (s *source) weight() int64 {
	if s.rows == 0 {
		return 0
	}
	return s.bytes * (s.rows - s.gone) / s.rows
}

// layout is a table's files at one snapshot.
type layout struct {
	table    *catalog.Table
	snapshot int64
	sources  map[string]*source
	deletes  []string // all delete files
}

// look lists the table's files as they are now.
func look(ctx context.Context, lake *catalog.Lake, name string) (*layout, error) {
	t, err := lake.Table(ctx, name)
	if err != nil {
		return nil, err
	}
	files, err := t.Files(ctx)
	if err != nil {
		return nil, err
	}
	l := &layout{table: t, snapshot: t.Snapshot(), sources: map[string]*source{}}
	for _, f := range files {
		if f.Content == catalog.PositionDeletes {
			l.deletes = append(l.deletes, f.Path)
			continue
		}
		l.sources[f.Path] = &source{path: f.Path, bucket: f.Bucket, rows: f.Rows, bytes: f.Bytes, sequence: f.Sequence, sorted: f.Sorted, deletes: f.Deletes}
	}
	return l, nil
}

// deleteReader reads delete files, each once.
type deleteReader struct {
	lake *catalog.Lake
	mu   sync.Mutex
	rows map[string]catalog.RowDeletes // by path of the delete file
}

// read makes the named delete files known.
func (d *deleteReader) read(ctx context.Context, paths []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(reads)
	for _, path := range paths {
		d.mu.Lock()
		_, known := d.rows[path]
		d.mu.Unlock()
		if known {
			continue
		}
		g.Go(func() error {
			rows := catalog.RowDeletes{}
			if err := rawfile.Deletes(ctx, d.lake, path, func(file string, row int64) { rows[file] = append(rows[file], row) }); err != nil {
				return err
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			d.rows[path] = rows
			return nil
		})
	}
	return g.Wait()
}

// mark notes in each source the rows that its delete files delete.
func (l *layout) mark(ctx context.Context, d *deleteReader) error {
	if err := d.read(ctx, l.deletes); err != nil {
		return err
	}
	for _, s := range l.sources {
		for _, path := range s.deletes {
			for _, row := range d.rows[path][s.path] {
				if s.deleted.Add(uint32(row), s.rows) {
					s.gone++
				}
			}
		}
	}
	return nil
}

// orphans are the delete files that name only data files that leave.
func (l *layout) orphans(leaving map[string]bool) []string {
	needed := map[string]bool{}
	for _, s := range l.sources {
		if leaving[s.path] {
			continue
		}
		for _, d := range s.deletes {
			needed[d] = true
		}
	}
	var out []string
	for _, d := range l.deletes {
		if !needed[d] {
			out = append(out, d)
		}
	}
	return out
}

// choose picks, for each bucket, the files to be merged.
func (l *layout) choose(o CompactOptions) [][]*source {
	byBucket := map[int][]*source{}
	for _, s := range l.sources {
		byBucket[s.bucket] = append(byBucket[s.bucket], s)
	}
	var out [][]*source
	for _, b := range slices.Sorted(maps.Keys(byBucket)) {
		if o.Buckets != nil && !slices.Contains(o.Buckets, b) {
			continue
		}
		if chosen := chooseFiles(byBucket[b], o); len(chosen) > 0 {
			slices.SortFunc(chosen, func(a, b *source) int {
				return cmp.Or(cmp.Compare(a.sequence, b.sequence), cmp.Compare(a.path, b.path))
			})
			out = append(out, chosen)
		}
	}
	return out
}

// chooseFiles picks among the files of one bucket: those with many deleted rows, and of the small ones
// as many as are about of one size, so that a large file is not written again for each tiny one that joins it.
func chooseFiles(files []*source, o CompactOptions) []*source {
	var dirty, small []*source
	for _, s := range files {
		switch {
		case s.gone > 0 && (o.Full || float64(s.gone) >= o.DeletedRatio*float64(s.rows)):
			dirty = append(dirty, s)
		case s.weight() < o.TargetBytes/2:
			small = append(small, s)
		}
	}
	slices.SortFunc(small, func(a, b *source) int {
		return cmp.Or(cmp.Compare(a.weight(), b.weight()), cmp.Compare(a.path, b.path))
	})
	sum := int64(0)
	for _, s := range dirty {
		sum += s.weight()
	}
	n := len(small)
	if !o.Full {
		n = 0
		for have := sum; n < len(small) && (n < o.MinFiles || small[n].weight() <= tier*have); n++ {
			have += small[n].weight()
		}
	}
	chosen := append(dirty, small[:n]...)
	if len(dirty) == 0 && (n < 2 || n < o.MinFiles && !o.Full) {
		return nil
	}
	return chosen[:min(len(chosen), o.FanIn)]
}

// tier is how many times larger than all smaller ones together a file may be to be merged with them.
const tier = 2
