package catalog

import (
	"context"
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// checkSince refuses a change whose files left the table since the snapshot that it was computed from.
func (w *snapshotWork) checkSince(ctx context.Context) error {
	need := w.change.needs()
	if len(need.files) == 0 && len(need.ranges) == 0 {
		return nil
	}
	if w.parent == nil {
		return fmt.Errorf("it has no files any more: %w", ErrConflict)
	}
	if w.parent.SnapshotID == w.change.Based {
		return nil
	}
	since, ok := ancestorsSince(w.meta, w.parent, w.change.Based)
	if !ok {
		return fmt.Errorf("snapshot %d, which the change was computed from, is not in the table's history: %w", w.change.Based, ErrConflict)
	}
	for _, s := range since {
		gone, err := w.lake.removedIn(ctx, s)
		if err != nil {
			return err
		}
		for _, path := range gone {
			if need.includes(path) {
				return fmt.Errorf("file %s left the table in snapshot %d: %w", path, s.SnapshotID, ErrConflict)
			}
		}
	}
	return nil
}

// needed are the files that must still be in the table: those that are removed, and those that
// position deletes name. A delete file that does not say which it names needs all within its bounds.
type needed struct {
	files  map[string]bool
	ranges [][2]string
}

func (n needed) includes(path string) bool {
	if n.files[path] {
		return true
	}
	for _, r := range n.ranges {
		if r[0] <= path && path <= r[1] {
			return true
		}
	}
	return false
}

func (tc *TableChange) needs() needed {
	out, own := needed{files: map[string]bool{}}, map[string]bool{}
	for _, f := range tc.Add {
		own[f.Path] = true
	}
	for _, path := range tc.Remove {
		out.files[path] = true
	}
	for _, f := range tc.Add {
		if f.Content != PositionDeletes {
			continue
		}
		bounds := f.Columns[DeletePathFieldID]
		lower, upper := string(bounds.Lower), string(bounds.Upper)
		if bounds.Upper == nil {
			upper = "\xff" // above every path
		}
		names := f.References
		if names == nil && bounds.Lower != nil && lower == upper {
			names = []string{lower}
		}
		if len(names) == 0 {
			out.ranges = append(out.ranges, [2]string{lower, upper})
		}
		for _, path := range names {
			if !own[path] {
				out.files[path] = true
			}
		}
	}
	return out
}

// ancestorsSince are the snapshots after base up to head, newest first; false if base is not an ancestor.
func ancestorsSince(m table.Metadata, head *table.Snapshot, base int64) ([]*table.Snapshot, bool) {
	var out []*table.Snapshot
	for s := head; s != nil; s = m.SnapshotByID(*s.ParentSnapshotID) {
		if s.SnapshotID == base {
			return out, true
		}
		out = append(out, s)
		if s.ParentSnapshotID == nil {
			return out, base == 0
		}
	}
	return nil, false
}

// removedIn lists the files that a snapshot removed: its own manifests hold their entries as deleted.
func (l *Lake) removedIn(ctx context.Context, s *table.Snapshot) ([]string, error) {
	if s.Summary != nil && s.Summary.Operation == table.OpAppend {
		return nil, nil
	}
	manifests, err := l.manifests.list(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, m := range manifests {
		if m.SnapshotID() != s.SnapshotID || m.DeletedDataFiles() == 0 {
			continue
		}
		entries, err := l.manifests.entries(ctx, m, false)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Status() == iceberg.EntryStatusDELETED {
				out = append(out, e.DataFile().FilePath())
			}
		}
	}
	return out, nil
}

// addedIn are the files that a snapshot added: its own manifests hold their entries as added.
func (l *Lake) addedIn(ctx context.Context, s *table.Snapshot) (map[string]bool, error) {
	manifests, err := l.manifests.list(ctx, s)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, m := range manifests {
		if m.SnapshotID() != s.SnapshotID || m.AddedDataFiles() == 0 {
			continue
		}
		files, err := l.manifests.filesOf(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if f.entry.Status() == iceberg.EntryStatusADDED {
				out[f.path] = true
			}
		}
	}
	return out, nil
}

// checkNewDeletes refuses to remove data files that got new position deletes since the snapshot
// that the change was computed from: their rows would come back. Every delete that may name a removed file counts.
func (w *snapshotWork) checkNewDeletes(ctx context.Context, inherited []iceberg.ManifestFile) error {
	if len(w.change.Remove) == 0 || w.parent.SnapshotID == w.change.Based {
		return nil
	}
	base := w.meta.SnapshotByID(w.change.Based)
	if base == nil {
		return fmt.Errorf("snapshot %d, which the change was computed from, is expired: %w", w.change.Based, ErrConflict)
	}
	for _, m := range inherited {
		if m.ManifestContent() != iceberg.ManifestContentDeletes || m.SequenceNum() <= base.SequenceNumber {
			continue
		}
		deletes, err := w.lake.manifests.filesOf(ctx, m)
		if err != nil {
			return err
		}
		for _, d := range deletes {
			if d.seq <= base.SequenceNumber {
				continue
			}
			if err := w.checkDelete(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkDelete looks into the delete file only where its bounds leave a doubt.
func (w *snapshotWork) checkDelete(ctx context.Context, d *liveFile) error {
	wanted := map[string]bool{}
	for _, data := range w.removed {
		if data.content == iceberg.EntryContentData && d.mayDelete(data) {
			wanted[data.path] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	named := map[string][]int64{}
	if path, one := d.namesOne(); one {
		named[path] = nil
	} else if err := w.lake.readDeleteFile(ctx, d.path, wanted, named); err != nil {
		return fmt.Errorf("read deletes %s: %w", d.path, err)
	}
	for path := range named {
		if wanted[path] {
			return fmt.Errorf("rows of file %s were deleted by %s meanwhile: %w", path, d.path, ErrConflict)
		}
	}
	return nil
}
