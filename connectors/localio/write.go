package localio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// makeAttempts bounds how often a write starts over because a concurrent delete
// removed the folder that it was about to use.
const makeAttempts = 16

// Create starts a new object.
func (s *Store) Create(ctx context.Context, name string) (storage.Writer, error) {
	w, err := s.create(ctx, name)
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (s *Store) create(ctx context.Context, name string) (*writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("create %s in %s: %w", name, s.root, err)
	}
	path, err := s.checked(name)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, s.failed("create", name, syscall.EISDIR)
	}
	dir := filepath.Dir(path)
	for range makeAttempts {
		var f *os.File
		if err = s.mkdirAll(dir); err == nil {
			f, err = os.CreateTemp(dir, tempPrefix+"*")
		}
		if err == nil {
			return &writer{ctx: ctx, store: s, name: name, path: path, file: f}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return nil, s.failed("create", name, err)
}

// Put writes a whole object.
func (s *Store) Put(ctx context.Context, name string, data []byte, opts storage.PutOptions) error {
	if opts.IfAbsent { // a cheap look first; the link below decides
		if _, err := s.Stat(ctx, name); err == nil {
			return s.failed("put", name, fs.ErrExist)
		}
	}
	w, err := s.create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Abort()
	w.exclusive = opts.IfAbsent
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Close()
}

// writer fills a temporary file and then gives it its name.
type writer struct {
	ctx       context.Context
	store     *Store
	name      string
	path      string
	file      *os.File // nil once closed or aborted
	exclusive bool     // do not replace an object
	err       error    // the first failed write
}

func (w *writer) Write(p []byte) (int, error) {
	if w.file == nil {
		return 0, fmt.Errorf("write %s in %s: %w", w.name, w.store.root, fs.ErrClosed)
	}
	if w.err != nil {
		return 0, w.err
	}
	if err := w.ctx.Err(); err != nil {
		w.err = fmt.Errorf("write %s in %s: %w", w.name, w.store.root, err)
		return 0, w.err
	}
	n, err := w.file.Write(p)
	if err != nil {
		w.err = w.store.failed("write", w.name, err)
	}
	return n, w.err
}

func (w *writer) Close() error {
	if w.file == nil {
		return fmt.Errorf("close %s in %s: %w", w.name, w.store.root, fs.ErrClosed)
	}
	temp := w.file.Name()
	if err := w.finish(temp); err != nil {
		os.Remove(temp)
		return err
	}
	return nil
}

// finish makes the temporary file durable, visible, and durably visible, in that order.
func (w *writer) finish(temp string) error {
	f := w.file
	w.file = nil
	err := w.err
	if err == nil && w.ctx.Err() != nil {
		err = fmt.Errorf("close %s in %s: %w", w.name, w.store.root, w.ctx.Err())
	}
	if err == nil {
		err = w.sealed(f)
	}
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = w.store.failed("close", w.name, closeErr)
	}
	if err != nil {
		return err
	}
	if err := w.publish(temp); err != nil {
		return err
	}
	return w.store.syncDir(filepath.Dir(w.path))
}

// sealed gives the file an object's mode and syncs it.
func (w *writer) sealed(f *os.File) error {
	if err := f.Chmod(0o644); err != nil {
		return w.store.failed("set the mode of", w.name, err)
	}
	if w.store.opts.NoSync {
		return nil
	}
	if err := f.Sync(); err != nil {
		return w.store.failed("sync", w.name, err)
	}
	return nil
}

func (w *writer) publish(temp string) error {
	if !w.exclusive {
		if err := os.Rename(temp, w.path); err != nil {
			return w.store.failed("put", w.name, err)
		}
		return nil
	}
	err := os.Link(temp, w.path)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) {
		return fault.Usagef("put %s in %s: the file system has no hard links, which writing only if absent needs (%w); use another disk", w.name, w.store.root, err)
	}
	if err != nil {
		return w.store.failed("put", w.name, err)
	}
	os.Remove(temp) // a second name for the object: leaving it would cost nothing but a hidden file
	return nil
}

func (w *writer) Abort() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	f.Close()
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return w.store.failed("abort", w.name, err)
	}
	return nil
}

// Delete removes objects, and folders that become empty.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	touched := map[string]bool{}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("delete %s in %s: %w", name, s.root, err)
		}
		path, err := s.checked(name)
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err == nil && info.IsDir() {
			continue // a folder is not an object
		}
		if err == nil {
			err = os.Remove(path)
		}
		switch {
		case err == nil:
			touched[filepath.Dir(path)] = true
		case !errors.Is(absent(err), fs.ErrNotExist):
			return s.failed("delete", name, err)
		}
	}
	for dir := range touched {
		if err := s.prune(dir); err != nil {
			return err
		}
	}
	return nil
}

// prune removes dir and its parents as long as they are empty, and syncs the first that stays.
func (s *Store) prune(dir string) error {
	for dir != s.root && os.Remove(dir) == nil {
		dir = filepath.Dir(dir)
	}
	return s.syncDir(dir)
}

// Sweep removes unfinished files that were last written before cutoff, which
// killed processes left behind. Choose a cutoff older than any write can last.
func (s *Store) Sweep(ctx context.Context, cutoff time.Time) (removed int, err error) {
	err = filepath.WalkDir(s.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if entry.IsDir() || !isTemp(entry.Name()) {
			return nil
		}
		if info, err := entry.Info(); err != nil || !info.ModTime().Before(cutoff) {
			return nil
		}
		if os.Remove(path) == nil {
			removed++
		}
		return nil
	})
	if err != nil {
		return removed, s.failed("sweep", "", err)
	}
	return removed, nil
}

// mkdirAll creates dir and its parents, each durably.
func (s *Store) mkdirAll(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return syscall.ENOTDIR
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := s.mkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.syncDir(parent)
}

// syncDir makes the names in dir durable. A folder that is gone needs none.
func (s *Store) syncDir(dir string) error {
	if s.opts.NoSync {
		return nil
	}
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return s.failed("sync folder of", filepath.Base(dir), err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return s.failed("sync folder of", filepath.Base(dir), err)
	}
	return nil
}
