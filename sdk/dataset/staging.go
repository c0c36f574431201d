package dataset

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/sdk/storage"
)

// staging is where the files of exchanges live while a run goes on.
type staging interface {
	create(ctx context.Context, name string) (storage.Writer, error)
	open(ctx context.Context, name string) (storage.Reader, error)
	// remove deletes everything.
	remove(ctx context.Context) error
}

// openStaging opens the run's staging area below a URL or local folder.
func openStaging(ctx context.Context, url, run string, stores storage.Resolver) (staging, error) {
	if storage.Scheme(url) == "file" {
		return diskStaging{filepath.Join(strings.TrimPrefix(url, "file://"), "run-"+run)}, nil
	}
	store, err := stores.Open(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("open staging area: %w", err)
	}
	return objectStaging{store, "run-" + run + "/"}, nil
}

// diskStaging stages in a local folder. Unlike a storage.Store it syncs nothing: what a crash loses is made again.
type diskStaging struct{ dir string }

func (d diskStaging) create(_ context.Context, name string) (storage.Writer, error) {
	path := filepath.Join(d.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make staging folder: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("make staging file: %w", err)
	}
	return &diskWriter{Writer: bufio.NewWriterSize(f, 256<<10), f: f, path: path}, nil
}

type diskWriter struct {
	*bufio.Writer
	f    *os.File
	path string
	done bool
}

func (w *diskWriter) Close() error {
	w.done = true
	err := errors.Join(w.Flush(), w.f.Close())
	if err == nil {
		err = os.Rename(w.f.Name(), w.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("finish staging file: %w", err), os.Remove(w.f.Name()))
	}
	return nil
}

func (w *diskWriter) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	return errors.Join(w.f.Close(), os.Remove(w.f.Name()))
}

func (d diskStaging) open(_ context.Context, name string) (storage.Reader, error) {
	f, err := os.Open(filepath.Join(d.dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, fmt.Errorf("open staged rows: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open staged rows: %w", err), f.Close())
	}
	return diskReader{f, info.Size()}, nil
}

type diskReader struct {
	*os.File
	size int64
}

func (r diskReader) Size() int64 { return r.size }

func (d diskStaging) remove(context.Context) error {
	if err := os.RemoveAll(d.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove staging folder: %w", err)
	}
	return nil
}

// objectStaging stages below a prefix of a store.
type objectStaging struct {
	store  storage.Store
	prefix string
}

func (o objectStaging) create(ctx context.Context, name string) (storage.Writer, error) {
	return o.store.Create(ctx, o.prefix+name)
}

func (o objectStaging) open(ctx context.Context, name string) (storage.Reader, error) {
	return o.store.Open(ctx, o.prefix+name)
}

func (o objectStaging) remove(ctx context.Context) error {
	var names []string
	for info, err := range o.store.List(ctx, o.prefix) {
		if err != nil {
			return fmt.Errorf("list staged files: %w", err)
		}
		names = append(names, info.Name)
	}
	return o.store.Delete(ctx, names...)
}

// stagedFiles opens each staged file once for one task.
type stagedFiles struct {
	area staging
	open map[string]storage.Reader
}

func (s *stagedFiles) file(ctx context.Context, name string) (io.ReaderAt, error) {
	if r, ok := s.open[name]; ok {
		return r, nil
	}
	r, err := s.area.open(ctx, name)
	if err != nil {
		return nil, err
	}
	if s.open == nil {
		s.open = map[string]storage.Reader{}
	}
	s.open[name] = r
	return r, nil
}

func (s *stagedFiles) close() error {
	var errs []error
	for _, r := range s.open {
		errs = append(errs, r.Close())
	}
	s.open = nil
	return errors.Join(errs...)
}
