package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/millrace/millrace/sdk/fault"
)

// tableStage builds one table's new snapshot. Manifests of the added files do not depend on what
// the table holds, so they are written once and kept over all attempts.
type tableStage struct {
	lake     *Lake
	change   *TableChange
	snapshot int64 // the id of the new snapshot, the same in all attempts
	id       uuid.UUID
	attempt  int
	numbered int // of the manifests written

	own     []iceberg.ManifestFile // manifests of the added files
	ownSpec int                    // partition spec that they were written for
	garbage []string               // written by earlier attempts
	current []string               // written by this attempt
}

// stage writes the snapshot's files and returns the change of the table's metadata.
func (t *tableStage) stage(ctx context.Context, c *Commit, h head, cut int64, at time.Time) (tableUpdate, error) {
	t.garbage, t.current = append(t.garbage, t.current...), nil
	t.attempt++
	if v := h.meta.Version(); v != 2 {
		return tableUpdate{}, fault.Usagef("it has Iceberg format version %d: only version 2 is written", v)
	}
	up := tableUpdate{base: h, reqs: headUnmoved(h)}
	sc := h.meta.CurrentSchema()
	if t.change.Schema != nil {
		ch, err := evolveFor(t.change.Table, h.meta, t.change.Schema, true)
		if err != nil {
			return up, err
		}
		sc, up.updates, up.reqs = ch.schema, ch.updates, append(up.reqs, ch.reqs...)
	}
	w := &snapshotWork{tableStage: t, meta: h.meta, parent: h.meta.CurrentSnapshot(), schema: sc}
	if err := w.build(ctx); err != nil {
		return up, err
	}
	snap, err := w.finish(ctx, c, cut, at)
	if err != nil {
		return up, err
	}
	up.updates = append(up.updates, table.NewAddSnapshotUpdate(snap), moveMain(h.meta, snap.SnapshotID), setTag(TagCut, snap.SnapshotID))
	if !c.BusinessDate.IsZero() {
		up.updates = append(up.updates, setTag(BusinessDateTag(c.BusinessDate), snap.SnapshotID))
	}
	return up, nil
}

// moveMain advances the main branch and keeps its retention settings.
func moveMain(m table.Metadata, snapshot int64) table.Update {
	var refAge, snapAge int64
	var keep int
	for name, ref := range m.Refs() {
		if name != table.MainBranch {
			continue
		}
		if ref.MaxRefAgeMs != nil {
			refAge = *ref.MaxRefAgeMs
		}
		if ref.MaxSnapshotAgeMs != nil {
			snapAge = *ref.MaxSnapshotAgeMs
		}
		if ref.MinSnapshotsToKeep != nil {
			keep = *ref.MinSnapshotsToKeep
		}
	}
	return table.NewSetSnapshotRefUpdate(table.MainBranch, snapshot, table.BranchRef, refAge, snapAge, keep)
}

// clean deletes what is not part of the table: all of it, or what earlier attempts left.
func (t *tableStage) clean(ctx context.Context, committed bool) {
	gone := t.garbage
	if !committed {
		gone = append(gone, t.current...)
		for _, m := range t.own {
			gone = append(gone, m.FilePath())
		}
	}
	for _, location := range gone {
		if err := t.lake.files.remove(ctx, location); err != nil {
			t.lake.cfg.Logger.DebugContext(ctx, "a file of a failed attempt stays until the garbage collection", "file", location, "reason", err)
		}
	}
}

// snapshotWork is one attempt at one table's snapshot.
type snapshotWork struct {
	*tableStage
	meta   table.Metadata
	parent *table.Snapshot
	schema *iceberg.Schema

	manifests []iceberg.ManifestFile // of the new snapshot
	removed   []*liveFile
}

func (w *snapshotWork) build(ctx context.Context) error {
	if err := w.writeOwn(ctx); err != nil {
		return err
	}
	inherited, err := w.lake.manifests.list(ctx, w.parent)
	if err != nil {
		return err
	}
	if err := w.checkSince(ctx, inherited); err != nil {
		return err
	}
	kept, err := w.remove(ctx, inherited)
	if err != nil {
		return err
	}
	if err := w.checkNewDeletes(ctx, inherited); err != nil {
		return err
	}
	if kept, err = w.mergeManifests(ctx, kept); err != nil {
		return err
	}
	w.manifests = append(append([]iceberg.ManifestFile{}, w.own...), kept...)
	return nil
}

// writeOwn writes the manifests of the added files, one of data and one of deletes.
func (w *snapshotWork) writeOwn(ctx context.Context) error {
	spec := w.meta.PartitionSpec()
	if w.own != nil && w.ownSpec == spec.ID() {
		return nil
	}
	for _, m := range w.own {
		w.garbage = append(w.garbage, m.FilePath())
	}
	w.own, w.ownSpec = nil, spec.ID()
	for _, content := range []Content{Rows, PositionDeletes} {
		var entries []iceberg.ManifestEntry
		for _, f := range w.change.Add {
			if f.Content != content {
				continue
			}
			df, err := f.iceberg(spec, w.meta.DefaultSortOrder())
			if err != nil {
				return err
			}
			entries = append(entries, iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &w.snapshot, nil, nil, df))
		}
		if len(entries) == 0 {
			continue
		}
		kind := iceberg.ManifestContentData
		if content == PositionDeletes {
			kind = iceberg.ManifestContentDeletes
		}
		m, err := w.writeManifest(ctx, spec, kind, func(out *iceberg.ManifestWriter) error {
			for _, e := range entries {
				if err := out.Add(e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		w.own = append(w.own, m)
	}
	if w.own == nil {
		w.own = []iceberg.ManifestFile{}
	}
	return nil
}

func (w *snapshotWork) writeManifest(ctx context.Context, spec iceberg.PartitionSpec, content iceberg.ManifestContent, fill func(*iceberg.ManifestWriter) error) (iceberg.ManifestFile, error) {
	places, err := table.LoadLocationProvider(w.meta.Location(), w.meta.Properties())
	if err != nil {
		return nil, err
	}
	location := places.NewMetadataLocation(fmt.Sprintf("%s-m%d.avro", w.id, w.numbered))
	w.numbered++
	var buf bytes.Buffer
	out, err := iceberg.NewManifestWriter(2, &buf, spec, w.schema, w.snapshot, iceberg.WithManifestWriterContent(content))
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	if err := fill(out); err != nil {
		return nil, errors.Join(fmt.Errorf("write manifest: %w", err), out.Close())
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	m, err := out.ToManifestFile(location, int64(buf.Len()), iceberg.WithManifestFileContent(content))
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return m, w.lake.files.put(ctx, location, buf.Bytes())
}

// iceberg describes the file as Iceberg's manifests do.
func (f DataFile) iceberg(spec iceberg.PartitionSpec, order int) (iceberg.DataFile, error) {
	partition := map[int]any{}
	switch n, bucketed := bucketCount(spec); {
	case bucketed && (f.Bucket < 0 || f.Bucket >= n):
		return nil, fault.Usagef("file %s is of bucket %d: the table has buckets 0 to %d", f.Path, f.Bucket, n-1)
	case bucketed:
		partition[spec.Field(0).FieldID] = int32(f.Bucket)
	case spec.NumFields() > 0:
		return nil, fault.Usagef("the table is partitioned by %v: only bucketed and unpartitioned tables are written", spec)
	case f.Bucket > 0:
		return nil, fault.Usagef("file %s is of bucket %d: the table has no buckets", f.Path, f.Bucket)
	}
	content := iceberg.EntryContentData
	if f.Content == PositionDeletes {
		content = iceberg.EntryContentPosDeletes
	}
	b, err := iceberg.NewDataFileBuilder(spec, content, f.Path, iceberg.ParquetFile, partition, nil, nil, f.Rows, f.Bytes)
	if err != nil {
		return nil, fmt.Errorf("describe file %s: %w", f.Path, err)
	}
	sizes, values, nulls := map[int]int64{}, map[int]int64{}, map[int]int64{}
	lower, upper := map[int][]byte{}, map[int][]byte{}
	for id, s := range f.Columns {
		sizes[id], values[id], nulls[id] = s.Bytes, s.Values, s.Nulls
		if s.Lower != nil {
			lower[id] = s.Lower
		}
		if s.Upper != nil {
			upper[id] = s.Upper
		}
	}
	b.ColumnSizes(sizes).ValueCounts(values).NullValueCounts(nulls).LowerBoundValues(lower).UpperBoundValues(upper)
	if len(f.SplitOffsets) > 0 {
		b.SplitOffsets(f.SplitOffsets)
	}
	if f.Sorted && f.Content == Rows {
		b.SortOrderID(order)
	}
	return b.Build(), nil
}

// bucketCount is the number of buckets of a spec that is one bucket transform.
func bucketCount(spec iceberg.PartitionSpec) (int, bool) {
	if spec.NumFields() != 1 {
		return 0, false
	}
	b, ok := spec.Field(0).Transform.(iceberg.BucketTransform)
	return b.NumBuckets, ok
}

// finish writes the manifest list and describes the snapshot.
func (w *snapshotWork) finish(ctx context.Context, c *Commit, cut int64, at time.Time) (*table.Snapshot, error) {
	places, err := table.LoadLocationProvider(w.meta.Location(), w.meta.Properties())
	if err != nil {
		return nil, err
	}
	location := places.NewMetadataLocation(fmt.Sprintf("snap-%d-%d-%s.avro", w.snapshot, w.attempt, w.id))
	var parent *int64
	if w.parent != nil {
		parent = &w.parent.SnapshotID
	}
	seq := w.meta.LastSequenceNumber() + 1
	var buf bytes.Buffer
	if err := iceberg.WriteManifestList(2, &buf, w.snapshot, parent, &seq, 0, w.manifests); err != nil {
		return nil, fmt.Errorf("write manifest list: %w", err)
	}
	if err := w.lake.files.put(ctx, location, buf.Bytes()); err != nil {
		return nil, err
	}
	w.current = append(w.current, location)
	if _, err := w.lake.manifests.keepList(location, buf.Bytes()); err != nil {
		return nil, err
	}
	sum, err := w.summary(ctx, c, cut)
	if err != nil {
		return nil, err
	}
	return &table.Snapshot{
		SnapshotID: w.snapshot, ParentSnapshotID: parent, SequenceNumber: seq, TimestampMs: at.UnixMilli(),
		ManifestList: location, Summary: sum, SchemaID: &w.schema.ID,
	}, nil
}

// summary is the snapshot's: Iceberg's own counts, and what the commit says of itself.
func (w *snapshotWork) summary(ctx context.Context, c *Commit, cut int64) (*table.Summary, error) {
	var carried map[string]streamMark
	if last := lastOurs(w.meta); last != nil {
		var err error
		if carried, err = summaryOf(*last).streams(); err != nil {
			return nil, err
		}
	}
	props, err := writeSummary(c, w.change, cut, carried)
	if err != nil {
		return nil, err
	}
	before, err := w.totalsBefore(ctx)
	if err != nil {
		return nil, err
	}
	delta := w.delta()
	delta.put(props, before)
	return &table.Summary{Operation: w.operation(delta), Properties: props}, nil
}

func (w *snapshotWork) operation(d delta) table.Operation {
	switch {
	case w.change.Rewrite:
		return table.OpReplace
	case len(w.removed) == 0 && d.added[PositionDeletes].files == 0:
		return table.OpAppend
	case d.added[Rows].files == 0:
		return table.OpDelete
	}
	return table.OpOverwrite
}

// counts are files with their rows and bytes.
type counts struct{ files, rows, bytes int64 }

func (c *counts) add(rows, bytes int64) {
	c.files++
	c.rows += rows
	c.bytes += bytes
}

// delta is what a snapshot adds and removes, by content.
type delta struct{ added, removed [2]counts }

func (w *snapshotWork) delta() delta {
	var d delta
	for _, f := range w.change.Add {
		d.added[f.Content].add(f.Rows, f.Bytes)
	}
	for _, f := range w.removed {
		d.removed[contentOf(f)].add(f.rows, f.bytes)
	}
	return d
}

func contentOf(f *liveFile) Content {
	if f.content == iceberg.EntryContentData {
		return Rows
	}
	return PositionDeletes
}

// totalsBefore are the counts of the parent, from its summary or, if another engine left them out, from its manifests.
func (w *snapshotWork) totalsBefore(ctx context.Context) ([2]counts, error) {
	var out [2]counts
	if w.parent == nil {
		return out, nil
	}
	sum := summaryOf(*w.parent)
	if _, ok := sum["total-records"]; ok && sum["total-data-files"] != "" && sum["total-delete-files"] != "" {
		out[Rows] = counts{sum.integer("total-data-files"), sum.integer("total-records"), sum.integer("total-files-size")}
		out[PositionDeletes] = counts{files: sum.integer("total-delete-files"), rows: sum.integer("total-position-deletes")}
		return out, nil
	}
	manifests, err := w.lake.manifests.list(ctx, w.parent)
	if err != nil {
		return out, err
	}
	files, err := w.lake.manifests.all(ctx, manifests)
	if err != nil {
		return out, err
	}
	for _, fs := range files {
		for _, f := range fs {
			out[contentOf(f)].add(f.rows, f.bytes)
		}
	}
	return out, nil
}

// put writes Iceberg's counts. total-files-size covers data and delete files together.
func (d delta) put(into map[string]string, before [2]counts) {
	set := func(key string, n int64) { into[key] = strconv.FormatInt(n, 10) }
	some := func(key string, n int64) {
		if n > 0 {
			set(key, n)
		}
	}
	some("added-data-files", d.added[Rows].files)
	some("added-records", d.added[Rows].rows)
	some("added-delete-files", d.added[PositionDeletes].files)
	some("added-position-delete-files", d.added[PositionDeletes].files)
	some("added-position-deletes", d.added[PositionDeletes].rows)
	some("added-files-size", d.added[Rows].bytes+d.added[PositionDeletes].bytes)
	some("deleted-data-files", d.removed[Rows].files)
	some("deleted-records", d.removed[Rows].rows)
	some("removed-delete-files", d.removed[PositionDeletes].files)
	some("removed-position-delete-files", d.removed[PositionDeletes].files)
	some("removed-position-deletes", d.removed[PositionDeletes].rows)
	some("removed-files-size", d.removed[Rows].bytes+d.removed[PositionDeletes].bytes)
	set("total-data-files", before[Rows].files+d.added[Rows].files-d.removed[Rows].files)
	set("total-records", before[Rows].rows+d.added[Rows].rows-d.removed[Rows].rows)
	set("total-delete-files", before[PositionDeletes].files+d.added[PositionDeletes].files-d.removed[PositionDeletes].files)
	set("total-position-deletes", before[PositionDeletes].rows+d.added[PositionDeletes].rows-d.removed[PositionDeletes].rows)
	set("total-equality-deletes", 0)
	set("total-files-size", before[Rows].bytes+before[PositionDeletes].bytes+
		d.added[Rows].bytes+d.added[PositionDeletes].bytes-d.removed[Rows].bytes-d.removed[PositionDeletes].bytes)
}
