package killsuite

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// lastLine is a life's last word: the error that it ended with.
func lastLine(c *child) string {
	lines := strings.Split(strings.TrimSpace(c.errs.String()), "\n")
	return lines[len(lines)-1]
}

// fails lets a life run into the trouble that it is in, and demands that it ends with an error
// that says so, having left every cut whole.
func (w *world) fails(j job, says string) {
	w.t.Helper()
	c := w.start(j)
	w.stats.started++
	for {
		s, more, _ := c.next(nil)
		if !more {
			break
		}
		if s.Idle {
			w.produce(300)
		}
	}
	if f := c.fate(); f != failed {
		w.t.Fatalf("the life did not fail: %v\n%s", c.err, c.errs.String())
	}
	w.stats.failures++
	if last := lastLine(c); !strings.Contains(last, says) || strings.Contains(last, "panic") {
		w.t.Errorf("the life ended with %q, which does not say %q", last, says)
	}
	w.follow("after a life that ended with: " + lastLine(c))
}

// TestFullStorage fills the storage at various moments of an epoch.
func TestFullStorage(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{}, {files: true, s3: true}} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, *seedFlag, s)
			defer w.end("TestFullStorage", *killsFlag)
			w.produce(300)
			for _, writes := range []int{40, 70, 3 + int(w.seed%60)} {
				j := w.job
				j.FullAfter = writes
				w.fails(j, "no space left")
			}
			w.finish() // there is room again
		})
	}
}

// TestFullFileSystem fills a file system that holds the catalog and the storage, and then makes it larger.
func TestFullFileSystem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mount := func(flags uintptr, size string) error {
		return syscall.Mount("tmpfs", dir, "tmpfs", flags, "size="+size)
	}
	if err := mount(0, "1m"); err != nil {
		if os.Getenv(namespaceEnv) != "" {
			t.Fatalf("a small file system cannot be mounted in a namespace of its own: %v", err)
		}
		inNamespace(t, err)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	w := newWorld(t, *seedFlag, setup{dir: dir})
	defer w.end("TestFullFileSystem", *killsFlag)
	w.produce(300)
	w.fails(w.job, "full")
	w.fails(w.job, "full") // it is full from the beginning
	if err := mount(syscall.MS_REMOUNT, "256m"); err != nil {
		t.Fatal(err)
	}
	w.finish()
}

// namespaceEnv says that a test runs in a namespace of its own, where it may mount.
const namespaceEnv = "MILLRACE_KILLSUITE_NAMESPACE"

// inNamespace runs the test once more, as the root of a namespace of users and mounts. Where the kernel gives none, the test is as
// good as not there, which is said: TestFullStorage, which makes the storage alone say that it is full, has to do.
func inNamespace(t *testing.T, refused error) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v", fmt.Sprintf("-seed=%d", *seedFlag), fmt.Sprintf("-kills=%d", *killsFlag))
	cmd.Env = append(os.Environ(), namespaceEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Logf("a small file system cannot be mounted (%v), nor a namespace made (%v): only TestFullStorage shows what happens when it is full", refused, err)
		return
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("in a namespace: %v\n%s", err, out.String())
	}
}

// TestKeysChange changes the secret of the S3 service under an ingest, and then gives the next one the new secret.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, *seedFlag, setup{s3: true})
	defer w.end("TestKeysChange", *killsFlag)
	w.produce(300)
	c := w.start(w.job)
	w.awaitEpoch(c)
	u, err := url.Parse(w.s3.Endpoint())
	w.check(err)
	w.check(w.s3.Close())
	const changed = "another-secret"
	w.serveS3(u.Host, changed)
	for {
		s, more, _ := c.next(nil)
		if !more {
			break
		}
		if s.Idle {
			w.produce(100)
		}
	}
	if last := lastLine(c); c.fate() != failed || !strings.Contains(last, accessKey) || strings.Contains(last, secretKey) {
		t.Errorf("after its key was changed the life ended with %q: %v", last, c.err)
	}
	w.follow("after the key was changed")
	w.job.Secret = changed
	w.finish()
}
