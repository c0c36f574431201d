package localio_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

func open(t *testing.T, opts localio.Options) *localio.Store {
	t.Helper()
	s, err := localio.Open(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store { return open(t, localio.Options{}) })
}

func TestContractWithoutSync(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store { return open(t, localio.Options{NoSync: true}) })
}

// TestContractWhereTheFolderIsNotYet keeps the contract in a folder that the first write makes.
func TestContractWhereTheFolderIsNotYet(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store {
		dir := filepath.Join(t.TempDir(), "later", "still")
		s, err := localio.Open(dir, localio.Options{NoSync: true, Lazy: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range s.List(t.Context(), "") {
			t.Errorf("list: %v", err)
		}
		if _, err := s.Stat(t.Context(), "x"); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("stat: %v", err)
		}
		if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("reading made the folder: %v", err)
		}
		return s
	})
}

func TestOpenLocation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, location string
		opts           localio.Options
		usage          bool
	}{
		{"new nested folder", filepath.Join(dir, "a", "b"), localio.Options{}, false},
		{"url", "file://" + dir, localio.Options{}, false},
		{"empty", "", localio.Options{}, true},
		{"relative url", "file://relative", localio.Options{}, true},
		{"a file", file, localio.Options{}, true},
		{"under a file", filepath.Join(file, "x"), localio.Options{}, true},
		{"absent", filepath.Join(dir, "absent"), localio.Options{MustExist: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := localio.Open(c.location, c.opts)
			if c.usage != (err != nil && fault.Of(err) == fault.Usage) || !c.usage && err != nil {
				t.Errorf("got %v, want a usage error: %v", err, c.usage)
			}
		})
	}
}

func TestFolderAndObjectExclude(t *testing.T) {
	t.Parallel()
	s := open(t, localio.Options{NoSync: true})
	if err := s.Put(t.Context(), "a/b", nil, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "a/b/c"} {
		if err := s.Put(t.Context(), name, nil, storage.PutOptions{}); fault.Of(err) != fault.Usage {
			t.Errorf("put %s beside a/b: got %v, want a usage error", name, err)
		}
	}
}

// A file that shrinks under its reader must not look like the end of the object.
func TestTruncated(t *testing.T) {
	t.Parallel()
	s := open(t, localio.Options{NoSync: true})
	if err := s.Put(t.Context(), "x", make([]byte, 1000), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Truncate(s.Path("x"), 600); err != nil {
		t.Fatal(err)
	}
	n, err := r.ReadAt(make([]byte, 300), 400)
	if n != 200 || !errors.Is(err, storage.ErrTruncated) || errors.Is(err, io.EOF) {
		t.Errorf("got %d bytes and %v, want 200 and ErrTruncated", n, err)
	}
}

func TestUnfinishedFilesAreHiddenAndSwept(t *testing.T) {
	t.Parallel()
	s := open(t, localio.Options{NoSync: true})
	w, err := s.Create(t.Context(), "dir/object")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("lost in a crash")); err != nil {
		t.Fatal(err)
	}
	for info, err := range s.List(t.Context(), "") {
		t.Errorf("listed %s (%v) before it was closed", info.Name, err)
	}
	left, err := filepath.Glob(filepath.Join(s.Path("dir"), ".millrace-tmp-*"))
	if err != nil || len(left) != 1 {
		t.Fatalf("unfinished files: %q, %v", left, err)
	}
	if _, err := s.Get(t.Context(), "dir/"+filepath.Base(left[0])); fault.Of(err) != fault.Usage {
		t.Errorf("get of an unfinished file: got %v, want a usage error", err)
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("sweep of old files removed %d, %v: this one is young", n, err)
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("sweep removed %d, %v, want 1", n, err)
	}
}

func TestSymbolicLinksAreFollowed(t *testing.T) {
	t.Parallel()
	s := open(t, localio.Options{NoSync: true})
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "f"), []byte("far"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, s.Path("link")); err != nil {
		t.Fatal(err)
	}
	var names []string
	for info, err := range s.List(t.Context(), "li") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	if len(names) != 1 || names[0] != "link/f" {
		t.Errorf("listed %q, want link/f", names)
	}
}
