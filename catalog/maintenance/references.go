package maintenance

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
)

// plain makes the spellings of one location equal.
func plain(location string) string {
	if rest, ok := strings.CutPrefix(location, "file:"); ok {
		return "/" + strings.TrimLeft(rest, "/")
	}
	for _, alias := range []string{"s3a://", "s3n://"} {
		if rest, ok := strings.CutPrefix(location, alias); ok {
			return "s3://" + rest
		}
	}
	return location
}

// references are the files that a table's metadata refers to: metadata versions, manifest lists, manifests,
// data and delete files of every retained snapshot, and statistics.
func references(ctx context.Context, lake *catalog.Lake, name string) (map[string]bool, error) {
	m, location, err := lake.Metadata(ctx, name)
	if err != nil {
		return nil, err
	}
	refs := map[string]bool{plain(location): true}
	for old := range m.PreviousFiles() {
		refs[plain(old.MetadataFile)] = true
	}
	for s := range m.Statistics() {
		refs[plain(s.StatisticsPath)] = true
	}
	for s := range m.PartitionStatistics() {
		refs[plain(s.StatisticsPath)] = true
	}
	manifests, err := manifestsOf(ctx, lake, m, refs)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(reads)
	for _, mf := range manifests {
		g.Go(func() error {
			data, err := get(ctx, lake, mf.FilePath())
			if err != nil {
				return err
			}
			entries, err := iceberg.ReadManifest(mf, bytes.NewReader(data), true)
			if err != nil {
				return fmt.Errorf("read manifest %s: %w", mf.FilePath(), err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, e := range entries {
				refs[plain(e.DataFile().FilePath())] = true
			}
			return nil
		})
	}
	return refs, g.Wait()
}

// manifestsOf lists the manifests of all snapshots, each once, and notes them and their lists.
func manifestsOf(ctx context.Context, lake *catalog.Lake, m table.Metadata, refs map[string]bool) ([]iceberg.ManifestFile, error) {
	var out []iceberg.ManifestFile
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(reads)
	for _, s := range m.Snapshots() {
		if s.ManifestList == "" {
			continue
		}
		refs[plain(s.ManifestList)] = true
	}
	for _, s := range m.Snapshots() {
		if s.ManifestList == "" {
			continue
		}
		g.Go(func() error {
			data, err := get(ctx, lake, s.ManifestList)
			if err != nil {
				return err
			}
			list, err := iceberg.ReadManifestList(bytes.NewReader(data))
			if err != nil {
				return fmt.Errorf("read manifest list %s: %w", s.ManifestList, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, mf := range list {
				if p := plain(mf.FilePath()); !refs[p] {
					refs[p] = true
					out = append(out, mf)
				}
			}
			return nil
		})
	}
	return out, g.Wait()
}

func get(ctx context.Context, lake *catalog.Lake, location string) ([]byte, error) {
	store, name, err := lake.Storage(ctx, location)
	if err != nil {
		return nil, err
	}
	data, err := store.Get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", location, err)
	}
	return data, nil
}
