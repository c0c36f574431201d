package catalog

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"
)

// Field ids of the two columns of position-delete files, fixed by the Iceberg specification.
const (
	DeletePathFieldID = 2147483546 // file_path
	DeletePosFieldID  = 2147483545 // pos
)

// liveFile is a data or delete file that a snapshot holds.
type liveFile struct {
	entry     iceberg.ManifestEntry // for writing it into another manifest
	path      string
	content   iceberg.ManifestEntryContent
	spec      int32
	partition string // canonical text of the partition's values
	bucket    int    // -1 where the partition is not one bucket
	rows      int64
	bytes     int64
	seq       int64 // data sequence number: deletes apply to files of their own or a smaller one
	order     int   // sort order id; 0 is unsorted
	offsets   []int64
	lower     map[int][]byte
	upper     map[int][]byte
	values    map[int]int64
	nulls     map[int]int64
	sizes     map[int]int64
}

func newLiveFile(e iceberg.ManifestEntry) *liveFile {
	df := e.DataFile()
	f := &liveFile{
		entry: e, path: df.FilePath(), content: df.ContentType(), spec: df.SpecID(), bucket: -1,
		rows: df.Count(), bytes: df.FileSizeBytes(), seq: e.SequenceNum(), offsets: df.SplitOffsets(),
		lower: df.LowerBoundValues(), upper: df.UpperBoundValues(),
		values: df.ValueCounts(), nulls: df.NullValueCounts(), sizes: df.ColumnSizes(),
	}
	if id := df.SortOrderID(); id != nil {
		f.order = *id
	}
	partition := df.Partition()
	for _, id := range slices.Sorted(maps.Keys(partition)) {
		f.partition += fmt.Sprintf("%d=%v;", id, partition[id])
	}
	if len(partition) == 1 {
		for _, v := range partition {
			if b, ok := v.(int32); ok {
				f.bucket = int(b)
			}
		}
	}
	return f
}

// mayDelete reports whether a position-delete file may hold rows of the data file at path: it is at
// least as new, of the same partition, and path lies between its bounds.
func (f *liveFile) mayDelete(data *liveFile) bool {
	return f.seq >= data.seq && f.spec == data.spec && f.partition == data.partition && f.mayName(data.path)
}

// mayName reports whether the delete file's bounds let it name the data file at path.
func (f *liveFile) mayName(path string) bool {
	lower, hasLower := f.lower[DeletePathFieldID]
	upper, hasUpper := f.upper[DeletePathFieldID]
	if hasLower && path < string(lower) {
		return false
	}
	return !hasUpper || path <= string(upper)
}

// namesOne returns the one data file that a delete file names, if its bounds say so.
func (f *liveFile) namesOne() (path string, ok bool) {
	lower, upper := f.lower[DeletePathFieldID], f.upper[DeletePathFieldID]
	return string(lower), lower != nil && string(lower) == string(upper)
}

// manifestCache holds what manifest lists and manifests say. Both never change once written.
type manifestCache struct {
	files *fileStores

	mu    sync.Mutex
	lists lru[[]iceberg.ManifestFile]
	live  lru[[]*liveFile]
}

// Budgets in bytes of the (compressed) files: in memory they take five to ten times as much.
const (
	listBudget     = 1 << 20
	manifestBudget = 8 << 20
)

func newManifestCache(files *fileStores) *manifestCache {
	return &manifestCache{files: files, lists: newLRU[[]iceberg.ManifestFile](listBudget), live: newLRU[[]*liveFile](manifestBudget)}
}

// list returns the manifests of a snapshot; none for nil.
func (c *manifestCache) list(ctx context.Context, s *table.Snapshot) ([]iceberg.ManifestFile, error) {
	if s == nil || s.ManifestList == "" {
		return nil, nil
	}
	c.mu.Lock()
	cached, ok := c.lists.get(s.ManifestList)
	c.mu.Unlock()
	if ok {
		return cached, nil
	}
	data, err := c.files.get(ctx, s.ManifestList)
	if err != nil {
		return nil, err
	}
	return c.keepList(s.ManifestList, data)
}

// keepList parses a manifest list and remembers it.
func (c *manifestCache) keepList(location string, data []byte) ([]iceberg.ManifestFile, error) {
	out, err := iceberg.ReadManifestList(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read manifest list %s: %w", location, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists.put(location, out, int64(len(data)))
	return out, nil
}

// filesOf returns the live files that a manifest lists.
func (c *manifestCache) filesOf(ctx context.Context, m iceberg.ManifestFile) ([]*liveFile, error) {
	c.mu.Lock()
	cached, ok := c.live.get(m.FilePath())
	c.mu.Unlock()
	if ok {
		return cached, nil
	}
	entries, err := c.entries(ctx, m, true)
	if err != nil {
		return nil, err
	}
	out := make([]*liveFile, len(entries))
	for i, e := range entries {
		out[i] = newLiveFile(e)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live.put(m.FilePath(), out, m.Length())
	return out, nil
}

func (c *manifestCache) entries(ctx context.Context, m iceberg.ManifestFile, liveOnly bool) ([]iceberg.ManifestEntry, error) {
	data, err := c.files.get(ctx, m.FilePath())
	if err != nil {
		return nil, err
	}
	entries, err := iceberg.ReadManifest(m, bytes.NewReader(data), liveOnly)
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", m.FilePath(), err)
	}
	return entries, nil
}

// all reads several manifests at once; the result has their order.
func (c *manifestCache) all(ctx context.Context, manifests []iceberg.ManifestFile) ([][]*liveFile, error) {
	out := make([][]*liveFile, len(manifests))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(stageWorkers)
	for i, m := range manifests {
		g.Go(func() (err error) {
			out[i], err = c.filesOf(ctx, m)
			return err
		})
	}
	return out, g.Wait()
}

// isLive reports whether a manifest lists any live file.
func isLive(m iceberg.ManifestFile) bool {
	return m.AddedDataFiles() != 0 || m.ExistingDataFiles() != 0 // -1 is unknown
}

// lru is a least-recently-used cache with a budget. It is not safe for concurrent use.
type lru[V any] struct {
	budget, used int64
	entries      map[string]*lruEntry[V]
	clock        int64
}

type lruEntry[V any] struct {
	value V
	size  int64
	used  int64
}

func newLRU[V any](budget int64) lru[V] {
	return lru[V]{budget: budget, entries: map[string]*lruEntry[V]{}}
}

func (c *lru[V]) get(key string) (v V, ok bool) {
	e, ok := c.entries[key]
	if !ok {
		return v, false
	}
	c.clock++
	e.used = c.clock
	return e.value, true
}

func (c *lru[V]) put(key string, v V, size int64) {
	if _, ok := c.entries[key]; ok || size > c.budget {
		return
	}
	c.clock++
	c.entries[key] = &lruEntry[V]{v, size, c.clock}
	c.used += size
	if c.used <= c.budget {
		return
	}
	// Make room for a quarter at once, so that this scan is rare.
	keys := slices.SortedFunc(maps.Keys(c.entries), func(a, b string) int {
		return int(c.entries[a].used - c.entries[b].used)
	})
	for _, k := range keys {
		if c.used <= c.budget-c.budget/4 || strings.Compare(k, key) == 0 {
			break
		}
		c.used -= c.entries[k].size
		delete(c.entries, k)
	}
}
