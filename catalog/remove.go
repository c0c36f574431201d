package catalog

import (
	"context"
	"fmt"
	"math/bits"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// remove takes the change's files out of the inherited manifests: a manifest that lists any is
// written anew, with their entries marked as deleted by this snapshot.
func (w *snapshotWork) remove(ctx context.Context, inherited []iceberg.ManifestFile) ([]iceberg.ManifestFile, error) {
	w.removed = nil
	inherited = slices.DeleteFunc(slices.Clone(inherited), func(m iceberg.ManifestFile) bool { return !isLive(m) })
	if !w.change.ReplaceAll && len(w.change.Remove) == 0 {
		return inherited, nil
	}
	wanted := make(map[string]bool, len(w.change.Remove))
	for _, path := range w.change.Remove {
		wanted[path] = true
	}
	files, err := w.lake.manifests.all(ctx, inherited)
	if err != nil {
		return nil, err
	}
	var kept []iceberg.ManifestFile
	for i, m := range inherited {
		hit := slices.ContainsFunc(files[i], func(f *liveFile) bool { return w.change.ReplaceAll || wanted[f.path] })
		if !hit {
			kept = append(kept, m)
			continue
		}
		rest, err := w.rewriteWithout(ctx, m, files[i], wanted)
		if err != nil {
			return nil, err
		}
		kept = append(kept, rest)
	}
	for _, f := range w.removed {
		delete(wanted, f.path)
	}
	for path := range wanted {
		return nil, fmt.Errorf("file %s, which is to be removed, is not in the table: %w", path, ErrConflict)
	}
	return kept, nil
}

func (w *snapshotWork) rewriteWithout(ctx context.Context, m iceberg.ManifestFile, files []*liveFile, wanted map[string]bool) (iceberg.ManifestFile, error) {
	spec, err := w.specOf(m)
	if err != nil {
		return nil, err
	}
	out, err := w.writeManifest(ctx, spec, m.ManifestContent(), func(out *iceberg.ManifestWriter) error {
		for _, f := range files {
			if !w.change.ReplaceAll && !wanted[f.path] {
				if err := out.Existing(f.entry); err != nil {
					return err
				}
				continue
			}
			w.removed = append(w.removed, f)
			if err := out.Delete(f.entry); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		w.current = append(w.current, out.FilePath())
	}
	return out, err
}

func (w *snapshotWork) specOf(m iceberg.ManifestFile) (iceberg.PartitionSpec, error) {
	spec := w.meta.PartitionSpecByID(int(m.PartitionSpecID()))
	if spec == nil {
		return iceberg.PartitionSpec{}, fmt.Errorf("manifest %s has the unknown partition spec %d", m.FilePath(), m.PartitionSpecID())
	}
	return *spec, nil
}

// mergeWidth is how many manifests of one size class are merged into one of the next class.
// Each file's entry is then rewritten once a class, and a table has at most mergeWidth-1
// manifests a class.
const mergeWidth = 8

// manifestGroup is one manifest, or several that are to become one.
type manifestGroup struct {
	parts []iceberg.ManifestFile
	files int64
	bytes int64
}

// class is the logarithm of the number of files to the base mergeWidth.
func (g manifestGroup) class() int { return (bits.Len64(uint64(max(1, g.files))) - 1) / 3 }

// mergeManifests keeps the number of manifests small, so that planning stays fast however many
// commits there are. Manifests of this snapshot's removals are left alone: their deleted entries are its history.
func (w *snapshotWork) mergeManifests(ctx context.Context, kept []iceberg.ManifestFile) ([]iceberg.ManifestFile, error) {
	props := w.meta.Properties()
	if !props.GetBool(table.ManifestMergeEnabledKey, table.ManifestMergeEnabledDefault) {
		return kept, nil
	}
	target := props.GetInt64(table.ManifestTargetSizeBytesKey, table.ManifestTargetSizeBytesDefault)
	var out []iceberg.ManifestFile
	for _, g := range planMerges(kept, w.snapshot, target) {
		if len(g.parts) == 1 {
			out = append(out, g.parts[0])
			continue
		}
		m, err := w.merge(ctx, g)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

type groupKey struct {
	content iceberg.ManifestContent
	spec    int32
	class   int
}

// planMerges groups manifests by content, spec and size class, and merges full groups, also
// those that fill up by a merge.
func planMerges(manifests []iceberg.ManifestFile, own int64, target int64) []manifestGroup {
	var done []manifestGroup
	groups := map[groupKey][]manifestGroup{}
	var order []groupKey
	var add func(manifestGroup)
	add = func(g manifestGroup) {
		m := g.parts[0]
		if m.SnapshotID() == own || g.bytes >= target || m.AddedDataFiles() < 0 {
			done = append(done, g)
			return
		}
		k := groupKey{m.ManifestContent(), m.PartitionSpecID(), g.class()}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], g)
		if len(groups[k]) < mergeWidth {
			return
		}
		var all manifestGroup
		for _, part := range groups[k] {
			all.parts = append(all.parts, part.parts...)
			all.files += part.files
			all.bytes += part.bytes
		}
		groups[k] = nil
		order = slices.DeleteFunc(order, func(o groupKey) bool { return o == k })
		add(all)
	}
	for _, m := range manifests {
		add(manifestGroup{[]iceberg.ManifestFile{m}, int64(m.AddedDataFiles()) + int64(m.ExistingDataFiles()), m.Length()})
	}
	for _, k := range order {
		done = append(done, groups[k]...)
	}
	return done
}

func (w *snapshotWork) merge(ctx context.Context, g manifestGroup) (iceberg.ManifestFile, error) {
	files, err := w.lake.manifests.all(ctx, g.parts)
	if err != nil {
		return nil, err
	}
	spec, err := w.specOf(g.parts[0])
	if err != nil {
		return nil, err
	}
	m, err := w.writeManifest(ctx, spec, g.parts[0].ManifestContent(), func(out *iceberg.ManifestWriter) error {
		for _, fs := range files {
			for _, f := range fs {
				if err := out.Existing(f.entry); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		w.current = append(w.current, m.FilePath())
	}
	return m, err
}
