package catalog

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"

	"github.com/millrace/millrace/sdk/fault"
)

// DefaultTargetBytes is how many bytes of files a split holds where ScanOptions does not say.
const DefaultTargetBytes = 64 << 20

// TableFile is a file that a table holds.
type TableFile struct {
	DataFile
	Sequence int64    // deletes apply to data files of their own or a smaller number
	Deletes  []string // the position-delete files that may name rows of this data file
}

// Files lists the table's data and delete files, data first, in order of bucket, sequence and path.
// It fails on tables with deletes that this package does not read (equality deletes, deletion vectors).
func (t *Table) Files(ctx context.Context) ([]TableFile, error) {
	data, deletes, err := t.live(ctx, func(iceberg.ManifestFile) bool { return true })
	if err != nil {
		return nil, fmt.Errorf("files of table %s: %w", t.name, err)
	}
	index := indexDeletes(deletes)
	order := t.meta.DefaultSortOrder()
	out := make([]TableFile, 0, len(data)+len(deletes))
	for _, f := range data {
		out = append(out, TableFile{DataFile: f.dataFile(order), Sequence: f.seq, Deletes: index.of(f)})
	}
	for _, f := range deletes {
		out = append(out, TableFile{DataFile: f.dataFile(order), Sequence: f.seq})
	}
	return out, nil
}

func (f *liveFile) dataFile(order int) DataFile {
	d := DataFile{
		Path: f.path, Content: contentOf(f), Bucket: f.bucket, Rows: f.rows, Bytes: f.bytes,
		Sorted: f.sorted(order), SplitOffsets: slices.Clone(f.offsets), Columns: map[int]ColumnStats{},
	}
	for id, n := range f.values {
		d.Columns[id] = ColumnStats{Bytes: f.sizes[id], Values: n, Nulls: f.nulls[id], Lower: f.lower[id], Upper: f.upper[id]}
	}
	if path, one := f.namesOne(); one {
		d.References = []string{path}
	}
	return d
}

func (f *liveFile) sorted(order int) bool { return order != 0 && f.order == order }

// live returns the snapshot's data and delete files out of the manifests that want accepts.
func (t *Table) live(ctx context.Context, want func(iceberg.ManifestFile) bool) (data, deletes []*liveFile, err error) {
	manifests, err := t.lake.manifests.list(ctx, t.snap)
	if err != nil {
		return nil, nil, err
	}
	manifests = slices.DeleteFunc(slices.Clone(manifests), func(m iceberg.ManifestFile) bool { return !isLive(m) || !want(m) })
	files, err := t.lake.manifests.all(ctx, manifests)
	if err != nil {
		return nil, nil, err
	}
	for _, fs := range files {
		for _, f := range fs {
			switch {
			case f.content == iceberg.EntryContentData:
				data = append(data, f)
			case f.content == iceberg.EntryContentPosDeletes && f.entry.DataFile().FileFormat() == iceberg.ParquetFile:
				deletes = append(deletes, f)
			default:
				return nil, nil, fmt.Errorf("%s holds equality deletes or a deletion vector, which are not read: rewrite the table's files with the engine that wrote it", f.path)
			}
		}
	}
	byPlace := func(a, b *liveFile) int {
		return cmp.Or(cmp.Compare(a.bucket, b.bucket), cmp.Compare(a.seq, b.seq), cmp.Compare(a.path, b.path))
	}
	slices.SortFunc(data, byPlace)
	slices.SortFunc(deletes, byPlace)
	return data, deletes, nil
}

// deleteIndex finds the delete files of a data file: by path where they name one file, else by partition.
type deleteIndex struct {
	byPath      map[string][]*liveFile
	byPartition map[string][]*liveFile
}

func indexDeletes(deletes []*liveFile) deleteIndex {
	x := deleteIndex{map[string][]*liveFile{}, map[string][]*liveFile{}}
	for _, d := range deletes {
		if path, one := d.namesOne(); one {
			x.byPath[path] = append(x.byPath[path], d)
		} else {
			x.byPartition[d.partition] = append(x.byPartition[d.partition], d)
		}
	}
	return x
}

func (x deleteIndex) of(data *liveFile) []string {
	var out []string
	for _, list := range [][]*liveFile{x.byPath[data.path], x.byPartition[data.partition]} {
		for _, d := range list {
			if d.mayDelete(data) {
				out = append(out, d.path)
			}
		}
	}
	return out
}

// PlanScan plans a scan of one table at this cut, reading only metadata. Files are left out where
// their bucket or their column statistics show that no row of theirs can be true under the filter.
func (c *Cut) PlanScan(ctx context.Context, name string, opts ScanOptions) (ScanPlan, error) {
	t, err := c.Table(name)
	if err != nil {
		return ScanPlan{}, fmt.Errorf("plan scan: %w", err)
	}
	return t.PlanScan(ctx, opts)
}

// PlanScan is Cut.PlanScan for this table.
func (t *Table) PlanScan(ctx context.Context, opts ScanOptions) (ScanPlan, error) {
	plan, err := t.planScan(ctx, opts)
	if err != nil {
		return ScanPlan{}, fmt.Errorf("plan scan of table %s: %w", t.name, err)
	}
	return plan, nil
}

func (t *Table) planScan(ctx context.Context, opts ScanOptions) (ScanPlan, error) {
	full, err := t.Schema()
	if err != nil {
		return ScanPlan{}, err
	}
	plan := ScanPlan{Table: t.name, Snapshot: t.Snapshot(), Cut: t.cut}
	if plan.Schema, err = project(full, opts.Columns); err != nil {
		return ScanPlan{}, err
	}
	pr, err := newPruner(t, full, opts)
	if err != nil {
		return ScanPlan{}, err
	}
	skipped := 0 // files of manifests that hold no wanted bucket
	data, deletes, err := t.live(ctx, func(m iceberg.ManifestFile) bool {
		if pr.wantsManifest(m) {
			return true
		}
		if m.ManifestContent() == iceberg.ManifestContentData {
			skipped += int(m.AddedDataFiles()) + int(m.ExistingDataFiles())
		}
		return false
	})
	if err != nil {
		return ScanPlan{}, err
	}
	plan.Pruned = Pruned{Files: len(data) + skipped, ByPartition: skipped}
	plan.Layout.BucketBy, plan.Layout.Buckets, plan.Layout.SortBy = layoutOf(t.meta, t.schema)
	spec := int32(t.meta.DefaultPartitionSpec())
	var kept []*liveFile
	for _, f := range data {
		switch {
		case !pr.wantsBucket(f, spec):
			plan.Pruned.ByPartition++
		case !pr.mayMatch(f):
			plan.Pruned.ByStatistics++
		default:
			kept = append(kept, f)
		}
	}
	t.relyOn(&plan.Layout, kept, spec)
	if opts.WholeBuckets && plan.Layout.BucketBy == "" {
		return ScanPlan{}, fault.Usagef("whole buckets were asked for, but the table is not bucketed, or some of its files are not")
	}
	plan.Splits = packSplits(kept, indexDeletes(deletes), t.meta.DefaultSortOrder(), plan.Layout, opts)
	return plan, nil
}

// relyOn takes back what the table's layout promises but some file does not keep.
func (t *Table) relyOn(l *Layout, files []*liveFile, spec int32) {
	order := t.meta.DefaultSortOrder()
	for _, f := range files {
		if f.spec != spec || f.bucket < 0 {
			l.BucketBy, l.Buckets = "", 0
		}
		if !f.sorted(order) {
			l.SortBy = nil
		}
	}
}

// project picks columns by name, in the order asked for.
func project(s *arrow.Schema, columns []string) (*arrow.Schema, error) {
	if columns == nil {
		return s, nil
	}
	fields := make([]arrow.Field, len(columns))
	for i, name := range columns {
		at := s.FieldIndices(name)
		if len(at) != 1 {
			return nil, fault.Usagef("no column %q: columns are %s", name, strings.Join(schemaNames(s), ", "))
		}
		if slices.Index(columns, name) != i {
			return nil, fault.Usagef("column %q is asked for twice", name)
		}
		fields[i] = s.Field(at[0])
	}
	return arrow.NewSchema(fields, nil), nil
}

func schemaNames(s *arrow.Schema) []string {
	names := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		names[i] = f.Name
	}
	return names
}

// packSplits cuts the files into splits of about the target size. Splits never mix buckets.
func packSplits(files []*liveFile, deletes deleteIndex, order int, layout Layout, opts ScanOptions) []ScanSplit {
	target := opts.TargetBytes
	if target <= 0 {
		target = DefaultTargetBytes
	}
	groups := map[int][]*liveFile{}
	for _, f := range files {
		bucket := -1
		if layout.BucketBy != "" {
			bucket = f.bucket
		}
		groups[bucket] = append(groups[bucket], f)
	}
	var out []ScanSplit
	for _, bucket := range slices.Sorted(maps.Keys(groups)) {
		open, size := ScanSplit{Bucket: bucket}, int64(0)
		for _, f := range groups[bucket] {
			for _, piece := range pieces(f, target, opts.WholeBuckets) {
				file := ScanFile{Path: f.path, Bytes: f.bytes, Rows: f.rows, Sorted: f.sorted(order), RowGroups: piece.groups, Deletes: deletes.of(f)}
				if len(open.Files) > 0 && size+piece.bytes > target && !opts.WholeBuckets {
					out = append(out, open)
					open, size = ScanSplit{Bucket: bucket}, 0
				}
				open.Files = append(open.Files, file)
				size += piece.bytes
			}
		}
		out = append(out, open)
	}
	return out
}

// piece is a file, or a run of its row groups.
type piece struct {
	groups []int // nil is all
	bytes  int64
}

// pieces cuts a file that is larger than a split at its row groups' offsets.
func pieces(f *liveFile, target int64, whole bool) []piece {
	if whole || f.bytes <= target+target/2 || len(f.offsets) < 2 {
		return []piece{{bytes: f.bytes}}
	}
	var out []piece
	var open piece
	for i, at := range f.offsets {
		end := f.bytes
		if i+1 < len(f.offsets) {
			end = f.offsets[i+1]
		}
		if len(open.groups) > 0 && open.bytes+end-at > target {
			out = append(out, open)
			open = piece{}
		}
		open.groups = append(open.groups, i)
		open.bytes += end - at
	}
	return append(out, open)
}
