package catalog

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/millrace/millrace/sdk/storage"
)

// fileStores finds the store of a full location. The warehouse is opened once; tables that lie
// outside of it get the store of their bucket (or the file system's root).
type fileStores struct {
	open    storage.Opener
	encoder *metadataEncoder

	mu     sync.Mutex
	stores map[string]storage.Store // by root, normalized
	roots  []string                 // longest first would matter only if roots nest; the warehouse comes first
}

func newFileStores(open storage.Opener) *fileStores {
	return &fileStores{open: open, encoder: newMetadataEncoder(), stores: map[string]storage.Store{}}
}

// add opens the store at root and remembers it.
func (f *fileStores) add(ctx context.Context, root string) (storage.Store, error) {
	store, err := f.open(ctx, root)
	if err != nil {
		return nil, fmt.Errorf("open storage %s: %w", storage.Redact(root), err)
	}
	key := normalizeLocation(root)
	if old, ok := f.stores[key]; ok {
		return old, nil
	}
	f.stores[key] = store
	f.roots = append(f.roots, key)
	return store, nil
}

// resolve finds the store and the object's name in it.
func (f *fileStores) resolve(ctx context.Context, location string) (storage.Store, string, error) {
	loc := normalizeLocation(location)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, root := range f.roots {
		if name, ok := strings.CutPrefix(loc, root+"/"); ok {
			return f.stores[root], name, nil
		}
	}
	root := bucketRoot(loc)
	store, err := f.add(ctx, root)
	if err != nil {
		return nil, "", err
	}
	name, ok := strings.CutPrefix(loc, normalizeLocation(root)+"/")
	if !ok {
		return nil, "", fmt.Errorf("location %q is not below %s", location, root)
	}
	return store, name, nil
}

// normalizeLocation makes the spellings of one place equal: /a, file:/a and file:///a; s3a:// and s3n:// for s3://.
func normalizeLocation(location string) string {
	loc := strings.TrimRight(location, "/")
	if rest, ok := strings.CutPrefix(loc, "file:"); ok {
		return "file://" + "/" + strings.TrimLeft(rest, "/")
	}
	for _, alias := range []string{"s3a://", "s3n://"} {
		if rest, ok := strings.CutPrefix(loc, alias); ok {
			return "s3://" + rest
		}
	}
	if strings.HasPrefix(loc, "/") {
		return "file://" + loc
	}
	return loc
}

// bucketRoot is the widest place that can be opened for loc: the bucket, or the folder that holds a local file.
func bucketRoot(loc string) string {
	scheme, rest, ok := strings.Cut(loc, "://")
	if !ok || scheme == "file" {
		if i := strings.LastIndexByte(loc, '/'); i > len("file://") {
			return loc[:i]
		}
		return loc
	}
	bucket, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + bucket
}

func (f *fileStores) get(ctx context.Context, location string) ([]byte, error) {
	store, name, err := f.resolve(ctx, location)
	if err != nil {
		return nil, err
	}
	data, err := store.Get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", location, err)
	}
	return data, nil
}

func (f *fileStores) put(ctx context.Context, location string, data []byte) error {
	store, name, err := f.resolve(ctx, location)
	if err != nil {
		return err
	}
	if err := store.Put(ctx, name, data, storage.PutOptions{}); err != nil {
		return fmt.Errorf("write %s: %w", location, err)
	}
	return nil
}

func (f *fileStores) remove(ctx context.Context, location string) error {
	store, name, err := f.resolve(ctx, location)
	if err != nil {
		return err
	}
	if err := store.Delete(ctx, name); err != nil {
		return fmt.Errorf("delete %s: %w", location, err)
	}
	return nil
}
