// Package localio is a local folder as a storage.Store.
//
// Nouns. A [Store] is a folder. An object is a regular file under it; its name
// is the file's path relative to the folder, with slashes.
//
// Invariants, beyond those of package storage:
//   - A write goes to a hidden temporary file beside its target, is synced,
//     renamed over the target (or linked, where it must not replace one), and the
//     folder is synced: after a crash at any instruction an object is whole or absent.
//   - Temporary files are named ".millrace-tmp-…". They are never listed, opened
//     or deleted as objects. One that a killed process left behind costs disk
//     only; [Store.Sweep] removes it.
//   - A reader holds its file open, so it reads the same bytes to the end even
//     while the object is replaced or deleted.
//   - Symbolic links are followed, so that a folder may be spread over disks.
//
// What is not guaranteed: a name cannot be both an object and a folder, so "a"
// and "a/b" exclude each other (a fault.Usage), as they do not on S3. Names that
// differ in case only collide on a file system that ignores case. A folder on
// NFS is only as atomic as its server's rename and link.
//
// Errors: storage.ErrNotExist, ErrExist, ErrTruncated and ErrNoSpace by
// errors.Is; a missing permission or a path that is no folder is a fault.Usage.
package localio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// tempPrefix starts the name of every file that is not an object yet.
const tempPrefix = ".millrace-tmp-"

// Options alters a store. The zero value is durable.
type Options struct {
	// NoSync skips every sync of files and folders: writes stay atomic for readers
	// but may be lost, or be empty, after a power failure. For scratch data only.
	NoSync bool
	// MustExist refuses a folder that is not there instead of creating it.
	MustExist bool
	// Lazy leaves a folder that is not there to the first write, which creates it; until then it holds no object.
	Lazy bool
}

// Store is a folder that holds objects. It is safe for concurrent use, also by several processes.
type Store struct {
	root string
	opts Options
}

var _ storage.Store = (*Store)(nil)

// Opener opens folders with opts, for a storage.Resolver under the scheme "file".
func Opener(opts Options) storage.Opener {
	return func(_ context.Context, url string) (storage.Store, error) { return Open(url, opts) }
}

// Open opens the folder at location, a path or a file:// URL, and creates it
// unless opts.MustExist or opts.Lazy. A relative path is resolved against the working
// directory now, not later.
func Open(location string, opts Options) (*Store, error) {
	path, err := pathOf(location)
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.Usagef("open folder %q: %w", location, err)
	}
	s := &Store{root: root, opts: opts}
	info, err := os.Stat(root)
	switch {
	case err == nil && !info.IsDir():
		return nil, fault.Usagef("open folder %s: it is a file; give the folder that holds it", root)
	case err == nil:
		return s, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, s.failed("open folder", "", err)
	case opts.MustExist:
		return nil, fault.Usagef("open folder %s: there is no such folder", root)
	case opts.Lazy:
		return s, nil
	}
	if err := s.mkdirAll(root); err != nil {
		return nil, s.failed("create folder", "", err)
	}
	return s, nil
}

func pathOf(location string) (string, error) {
	if location == "" {
		return "", fault.Usagef("open folder: the path is empty")
	}
	rest, isURL := strings.CutPrefix(location, "file://")
	if !isURL {
		return location, nil
	}
	if !strings.HasPrefix(rest, "/") {
		return "", fault.Usagef("open folder %q: write an absolute path after file://, such as file:///data/lake", location)
	}
	return rest, nil
}

// URL is the folder's path after file://.
func (s *Store) URL() string { return "file://" + filepath.ToSlash(s.root) }

// Path is where the object's file is, for programs that read files themselves.
// The name is not checked and the file need not exist.
func (s *Store) Path(name string) string { return filepath.Join(s.root, filepath.FromSlash(name)) }

// checked is the path of an object, if name may be one.
func (s *Store) checked(name string) (string, error) {
	if err := storage.CheckName(name); err != nil {
		return "", err
	}
	for elem := range strings.SplitSeq(name, "/") {
		if isTemp(elem) {
			return "", fault.Usagef("object name %q: %s… is reserved for unfinished files", name, tempPrefix)
		}
	}
	return s.Path(name), nil
}

func isTemp(elem string) bool { return strings.HasPrefix(elem, tempPrefix) }

// failed explains what could not be done. It never hides the cause's identity from errors.Is.
func (s *Store) failed(doing, name string, err error) error {
	what := s.root
	if name != "" {
		what = fmt.Sprintf("%s in %s", name, s.root)
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // the path is in the message already
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		err = link.Err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Mark(fault.Fault, fmt.Errorf("%s %s: the disk is full (%w: %w); free some space or point the store at a larger disk", doing, what, storage.ErrNoSpace, err))
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return fault.Usagef("%s %s: a folder cannot hold an object and a folder of one name: %w", doing, what, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Usagef("%s %s: %w; let this user write and read there", doing, what, err)
	default:
		return fmt.Errorf("%s %s: %w", doing, what, err)
	}
}
