package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/millrace/millrace/sdk/storage"
)

func create(t *testing.T, s storage.Store, name string) storage.Writer {
	t.Helper()
	w, err := s.Create(t.Context(), name)
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return w
}

func write(t *testing.T, w io.Writer, data []byte) {
	t.Helper()
	if n, err := w.Write(data); err != nil || n != len(data) {
		t.Fatalf("write: %d of %d bytes, error %v", n, len(data), err)
	}
}

func testWriterVisibility(t *testing.T, s storage.Store) {
	w := create(t, s, "out/file")
	write(t, w, []byte("hello "))
	wantAbsent(t, s, "out/file")
	wantList(t, s, "")
	write(t, w, []byte("world"))
	if err := w.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	wantText(t, s, "out/file", "hello world")
	wantList(t, s, "out", "out/file")
	if err := w.Abort(); err != nil {
		t.Errorf("abort after close: %v, want a no-op", err)
	}
	wantText(t, s, "out/file", "hello world")
	if _, err := w.Write([]byte("more")); err == nil {
		t.Error("write after close: want an error")
	}
	empty := create(t, s, "out/empty")
	if err := empty.Close(); err != nil {
		t.Fatalf("close of an empty object: %v", err)
	}
	wantText(t, s, "out/empty", "")
}

func testWriterAbort(t *testing.T, s storage.Store) {
	put(t, s, "kept", "old")
	for _, name := range []string{"kept", "dropped"} {
		for _, size := range []int{10, 6 << 20} {
			w := create(t, s, name)
			write(t, w, noise(1, size))
			if err := w.Abort(); err != nil {
				t.Fatalf("abort %s: %v", name, err)
			}
			if err := w.Abort(); err != nil {
				t.Errorf("abort %s again: %v, want a no-op", name, err)
			}
			if err := w.Close(); err == nil {
				t.Errorf("close %s after abort: want an error", name)
			}
		}
	}
	wantText(t, s, "kept", "old")
	wantAbsent(t, s, "dropped")
	wantList(t, s, "", "kept")
}

func testWriterCancelled(t *testing.T, s storage.Store) {
	for _, size := range []int{10, 6 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := s.Create(ctx, "cancelled")
		if err != nil {
			t.Fatal(err)
		}
		write(t, w, noise(2, size))
		cancel()
		if err := w.Close(); !errors.Is(err, context.Canceled) {
			t.Fatalf("close after cancel (%d bytes): got %v, want context.Canceled", size, err)
		}
		wantAbsent(t, s, "cancelled")
	}
	wantList(t, s, "")
}

func testWriterBig(t *testing.T, s storage.Store) {
	want := noise(3, bigSize)
	w := create(t, s, "big")
	defer w.Abort()
	for rest := want; len(rest) > 0; {
		n := min(len(rest), 300_001)
		write(t, w, rest[:n])
		rest = rest[n:]
	}
	wantAbsent(t, s, "big")
	if err := w.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	got, err := s.Get(t.Context(), "big")
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("get: %d bytes of %d, equal %v, error %v", len(got), len(want), bytes.Equal(got, want), err)
	}
	r, err := s.Open(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err = io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read in sections: %d bytes of %d, error %v", len(got), len(want), err)
	}
}

// testAtomicReplace has readers watch while writers replace: what they read is always one whole version.
func testAtomicReplace(t *testing.T, s storage.Store) {
	version := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, 10_000+100*i) }
	if err := s.Put(t.Context(), "hot", version(0), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got, err := s.Get(t.Context(), "hot")
				if err != nil {
					t.Errorf("get while replaced: %v", err)
					return
				}
				if i := (len(got) - 10_000) / 100; i < 0 || i > 20 || !bytes.Equal(got, version(i)) {
					t.Errorf("got %d bytes that are no version", len(got))
					return
				}
			}
		})
	}
	for i := 1; i <= 20; i++ {
		w := create(t, s, "hot")
		write(t, w, version(i)[:5000])
		write(t, w, version(i)[5000:])
		if err := w.Close(); err != nil {
			t.Errorf("replace: %v", err)
		}
	}
	close(done)
	group.Wait()
	wantText(t, s, "hot", string(version(20)))
}
