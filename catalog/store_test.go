package catalog

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/millrace/millrace/sdk/storage"
)

// folder is the smallest store that the tests of this package can do with: one directory, no retries, no syncing.
type folder struct{ root string }

// OpenFolder opens a folder as a store.
func OpenFolder(_ context.Context, url string) (storage.Store, error) {
	root := strings.TrimPrefix(url, "file://")
	if !filepath.IsAbs(root) {
		return nil, fmt.Errorf("folder %q is not absolute", url)
	}
	return folder{root}, nil
}

func (f folder) URL() string             { return "file://" + f.root }
func (f folder) path(name string) string { return filepath.Join(f.root, filepath.FromSlash(name)) }

func (f folder) Open(_ context.Context, name string) (storage.Reader, error) {
	r, err := os.Open(f.path(name))
	if err != nil {
		return nil, err
	}
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	return fileReader{r, info.Size()}, nil
}

type fileReader struct {
	*os.File
	size int64
}

func (r fileReader) Size() int64 { return r.size }

func (f folder) Get(_ context.Context, name string) ([]byte, error) { return os.ReadFile(f.path(name)) }

func (f folder) Create(ctx context.Context, name string) (storage.Writer, error) {
	return &bufWriter{f: f, ctx: ctx, name: name}, nil
}

type bufWriter struct {
	f    folder
	ctx  context.Context
	name string
	buf  []byte
}

func (w *bufWriter) Write(p []byte) (int, error) { w.buf = append(w.buf, p...); return len(p), nil }
func (w *bufWriter) Close() error                { return w.f.Put(w.ctx, w.name, w.buf, storage.PutOptions{}) }
func (w *bufWriter) Abort() error                { return nil }

func (f folder) Put(_ context.Context, name string, data []byte, _ storage.PutOptions) error {
	path := f.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	if _, err := tmp.Write(data); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

func (f folder) Stat(_ context.Context, name string) (storage.Info, error) {
	info, err := os.Stat(f.path(name))
	if err != nil {
		return storage.Info{}, err
	}
	return storage.Info{Name: name, Size: info.Size(), Modified: info.ModTime()}, nil
}

func (f folder) List(_ context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		var out []storage.Info
		err := filepath.WalkDir(f.root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name := filepath.ToSlash(strings.TrimPrefix(path, f.root+"/"))
			if strings.HasPrefix(name, prefix) {
				info, err := d.Info()
				if err != nil {
					return err
				}
				out = append(out, storage.Info{Name: name, Size: info.Size(), Modified: info.ModTime()})
			}
			return nil
		})
		sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
		for _, i := range out {
			if !yield(i, nil) {
				return
			}
		}
		if err != nil {
			yield(storage.Info{}, err)
		}
	}
}

func (f folder) Delete(_ context.Context, names ...string) error {
	for _, n := range names {
		if err := os.Remove(f.path(n)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

var _ io.Writer = (*bufWriter)(nil)
