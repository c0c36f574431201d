package killsuite

import (
	"net/url"
	"os"
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
		if os.Geteuid() == 0 {
			t.Logf("a small file system cannot be mounted here (%v): only TestFullStorage shows what happens when it is full", err)
			return
		}
		t.Logf("only root can mount a small file system (%v): only TestFullStorage shows what happens when it is full", err)
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
