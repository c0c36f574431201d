package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	if err := w.checkSince(ctx); err != nil {
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
