package localio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/millrace/millrace/sdk/storage"
)

// Open opens an object for random reads. ctx is not used after it returns.
func (s *Store) Open(ctx context.Context, name string) (storage.Reader, error) {
	f, info, err := s.open(ctx, name)
	if err != nil {
		return nil, err
	}
	return &reader{store: s, name: name, file: f, size: info.Size()}, nil
}

// Get reads a whole object.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	f, info, err := s.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, info.Size())
	n, err := io.ReadFull(f, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, s.truncated(name, int64(n), info.Size())
	}
	if err != nil {
		return nil, s.failed("read", name, err)
	}
	return data, nil
}

func (s *Store) open(ctx context.Context, name string) (*os.File, fs.FileInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("open %s in %s: %w", name, s.root, err)
	}
	path, err := s.checked(name)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, s.failed("open", name, absent(err))
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a folder is not an object
	}
	if err != nil {
		f.Close()
		return nil, nil, s.failed("open", name, err)
	}
	return f, info, nil
}

// absent turns "an element of the path is a file" into "not there": that is what it means to a reader.
func absent(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fs.ErrNotExist
	}
	return err
}

func (s *Store) truncated(name string, got, want int64) error {
	return fmt.Errorf("read %s in %s: %d bytes of %d: %w", name, s.root, got, want, storage.ErrTruncated)
}

type reader struct {
	store *Store
	name  string
	file  *os.File
	size  int64
}

func (r *reader) Size() int64  { return r.size }
func (r *reader) Close() error { return r.file.Close() }

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.size && off >= 0 {
		return 0, io.EOF
	}
	short := off+int64(len(p)) > r.size
	if short {
		p = p[:r.size-off]
	}
	n, err := r.file.ReadAt(p, off)
	switch {
	case errors.Is(err, io.EOF) && n < len(p):
		return n, r.store.truncated(r.name, off+int64(n), r.size)
	case err != nil && !errors.Is(err, io.EOF):
		return n, r.store.failed("read", r.name, err)
	case short:
		return n, io.EOF
	}
	return n, nil
}

// Stat describes an object.
func (s *Store) Stat(ctx context.Context, name string) (storage.Info, error) {
	if err := ctx.Err(); err != nil {
		return storage.Info{}, fmt.Errorf("stat %s in %s: %w", name, s.root, err)
	}
	path, err := s.checked(name)
	if err != nil {
		return storage.Info{}, err
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return storage.Info{}, s.failed("stat", name, absent(err))
	}
	return describe(name, info), nil
}

func describe(name string, info fs.FileInfo) storage.Info {
	etag := fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size())
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		etag += fmt.Sprintf("-%x", sys.Ino)
	}
	return storage.Info{Name: name, Size: info.Size(), Modified: info.ModTime().UTC(), ETag: etag}
}

// List yields the objects whose names start with prefix, in byte order of their
// names. An object that is written or deleted meanwhile may or may not appear.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		dir := ""
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			dir = prefix[:i+1]
		}
		if strings.HasPrefix(prefix, "/") || slices.Contains(strings.Split(dir, "/"), "..") {
			return // no object has such a name
		}
		w := walk{store: s, ctx: ctx, prefix: prefix, yield: yield}
		w.dir(dir)
	}
}

// walk lists folders depth first. Its methods report whether to go on.
type walk struct {
	store  *Store
	ctx    context.Context
	prefix string
	yield  func(storage.Info, error) bool
}

// dir lists the folder named dir, which is empty or ends with a slash.
func (w *walk) dir(dir string) bool {
	if err := w.ctx.Err(); err != nil {
		w.yield(storage.Info{}, fmt.Errorf("list %q in %s: %w", w.prefix, w.store.root, err))
		return false
	}
	entries, err := os.ReadDir(w.store.Path(dir))
	if err != nil {
		if errors.Is(absent(err), fs.ErrNotExist) {
			return true // removed meanwhile, or never there
		}
		w.yield(storage.Info{}, w.store.failed("list", dir, err))
		return false
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		if name := w.entryName(dir, entry); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names) // with a folder's slash in place: "a-b" comes before "a/b"
	for _, name := range names {
		if strings.HasSuffix(name, "/") {
			if !w.dir(name) {
				return false
			}
		} else if !w.file(name) {
			return false
		}
	}
	return true
}

// entryName is the entry's name from the root, with a slash after a folder's; "" if it is of no interest.
func (w *walk) entryName(dir string, entry fs.DirEntry) string {
	if isTemp(entry.Name()) {
		return ""
	}
	name := dir + entry.Name()
	isDir := entry.IsDir()
	if entry.Type()&fs.ModeSymlink != 0 {
		info, err := os.Stat(filepath.Join(w.store.root, filepath.FromSlash(name)))
		isDir = err == nil && info.IsDir()
	}
	if isDir {
		name += "/"
		if !strings.HasPrefix(name, w.prefix) && !strings.HasPrefix(w.prefix, name) {
			return ""
		}
		return name
	}
	if !strings.HasPrefix(name, w.prefix) {
		return ""
	}
	return name
}

func (w *walk) file(name string) bool {
	info, err := os.Stat(w.store.Path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true
	case err != nil:
		w.yield(storage.Info{}, w.store.failed("stat", name, err))
		return false
	case !info.Mode().IsRegular():
		return true
	}
	return w.yield(describe(name, info), nil)
}
