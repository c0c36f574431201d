package localio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// smallDisk names, to a re-executed test, the folder on which to mount a disk of one megabyte.
const smallDisk = "MILLRACE_TEST_SMALL_DISK"

// A write that the disk cannot hold fails with advice and leaves the old object whole.
func TestDiskFull(t *testing.T) {
	if dir := os.Getenv(smallDisk); dir != "" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
			t.Fatalf("mount: %v", err)
		}
		fillDisk(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$")
	cmd.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) {
		t.Logf("this machine forbids mount namespaces (%v): TestFailed alone covers a full disk here", err)
		return
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func fillDisk(t *testing.T, dir string) {
	s, err := Open(filepath.Join(dir, "lake"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "x", []byte("old"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "x", make([]byte, 2<<20), storage.PutOptions{}); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("put: got %v, want ErrNoSpace", err)
	}
	w, err := s.Create(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = w.Write(make([]byte, 100_000))
	}
	closeErr := w.Close()
	if !errors.Is(closeErr, storage.ErrNoSpace) || fault.Of(closeErr) != fault.Fault {
		t.Errorf("close: got %v, want ErrNoSpace as a fault", closeErr)
	}
	if got, err := s.Get(t.Context(), "x"); err != nil || string(got) != "old" {
		t.Errorf("the old object: %d bytes, %v", len(got), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "lake", tempPrefix+"*")); len(left) > 0 {
		t.Errorf("unfinished files stay on the full disk: %q", left)
	}
	if err := s.Put(t.Context(), "y", make([]byte, 100_000), storage.PutOptions{}); err != nil {
		t.Errorf("a put that fits again: %v", err)
	}
}

func TestFailed(t *testing.T) {
	t.Parallel()
	s := &Store{root: "/data/lake"}
	for _, c := range []struct {
		err  error
		kind fault.Kind
		is   error
		says string
	}{
		{&fs.PathError{Op: "write", Path: "/data/lake/x", Err: syscall.ENOSPC}, fault.Fault, storage.ErrNoSpace, "free some space"},
		{&fs.PathError{Op: "write", Path: "/data/lake/x", Err: syscall.EDQUOT}, fault.Fault, storage.ErrNoSpace, "free some space"},
		{&os.LinkError{Op: "link", Old: "a", New: "b", Err: syscall.EEXIST}, fault.Fault, storage.ErrExist, "file exists"},
		{&fs.PathError{Op: "open", Path: "/data/lake/x", Err: syscall.EACCES}, fault.Usage, fs.ErrPermission, "let this user"},
		{syscall.EROFS, fault.Usage, syscall.EROFS, "let this user"},
		{syscall.ENOTDIR, fault.Usage, syscall.ENOTDIR, "one name"},
		{syscall.EIO, fault.Fault, syscall.EIO, "put x in /data/lake"},
	} {
		err := s.failed("put", "x", c.err)
		if fault.Of(err) != c.kind || !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Count(fmt.Sprint(err), "/data/lake") != 1 {
			t.Errorf("%v: got %q (%v)", c.err, err, fault.Of(err))
		}
	}
}
