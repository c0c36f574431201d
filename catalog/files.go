package catalog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	iceio "github.com/apache/iceberg-go/io"

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

// io is the view of the stores that iceberg-go reads and writes through. It is bound to one
// context, because iceberg-go's interface has none.
func (f *fileStores) io(ctx context.Context) iceio.WriteFileIO { return storeIO{ctx, f} }

type storeIO struct {
	ctx   context.Context
	files *fileStores
}

// Open reads metadata whole (it is small) and anything else by range.
func (s storeIO) Open(location string) (iceio.File, error) {
	store, name, err := s.files.resolve(s.ctx, location)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: location, Err: err}
	}
	if strings.HasSuffix(name, ".avro") || strings.Contains(name, ".metadata.json") {
		data, err := store.Get(s.ctx, name)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: location, Err: err}
		}
		return &memFile{bytes.NewReader(data), name}, nil
	}
	r, err := store.Open(s.ctx, name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: location, Err: err}
	}
	return &rangeFile{io.NewSectionReader(r, 0, r.Size()), r, name}, nil
}

// ReadFile reads a whole file.
func (s storeIO) ReadFile(location string) ([]byte, error) { return s.files.get(s.ctx, location) }

// Remove deletes a file; an absent one is no error.
func (s storeIO) Remove(location string) error { return s.files.remove(s.ctx, location) }

// WriteFile writes a whole file.
func (s storeIO) WriteFile(location string, data []byte) error {
	return s.files.put(s.ctx, location, data)
}

// Create starts a file that becomes visible when it is closed.
func (s storeIO) Create(location string) (iceio.FileWriter, error) {
	store, name, err := s.files.resolve(s.ctx, location)
	if err != nil {
		return nil, err
	}
	w, err := store.Create(s.ctx, name)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", location, err)
	}
	return fileWriter{w}, nil
}

type fileWriter struct{ storage.Writer }

// ReadFrom copies r into the file.
func (w fileWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{w.Writer}, r)
}

type memFile struct {
	*bytes.Reader
	name string
}

func (m *memFile) Close() error               { return nil }
func (m *memFile) Stat() (fs.FileInfo, error) { return fileInfo{m.name, m.Reader.Size()}, nil }

type rangeFile struct {
	*io.SectionReader
	r    storage.Reader
	name string
}

func (f *rangeFile) Close() error               { return f.r.Close() }
func (f *rangeFile) Stat() (fs.FileInfo, error) { return fileInfo{f.name, f.r.Size()}, nil }

type fileInfo struct {
	name string
	size int64
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return 0o444 }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return false }
func (i fileInfo) Sys() any           { return nil }
