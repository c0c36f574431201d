package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/storage"
)

func testReadAt(t *testing.T, s storage.Store) {
	want := noise(4, 700_001)
	put(t, s, "r", string(want))
	r, err := s.Open(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Size() != int64(len(want)) {
		t.Fatalf("size %d, want %d", r.Size(), len(want))
	}
	for _, c := range []struct {
		off, n int
		eof    bool
	}{
		{0, 1, false}, {0, 700_001, false}, {5, 1000, false}, {262_143, 2, false}, {262_100, 300_000, false},
		{700_000, 1, false}, {699_993, 8, false}, {700_000, 2, true}, {0, 700_002, true}, {700_001, 1, true}, {900_000, 5, true}, {100, 0, false},
	} {
		buf := make([]byte, c.n)
		n, err := r.ReadAt(buf, int64(c.off))
		wantN := max(0, min(c.n, len(want)-c.off))
		if n != wantN || !bytes.Equal(buf[:n], want[min(c.off, len(want)):min(c.off, len(want))+n]) {
			t.Errorf("ReadAt(%d bytes, %d): got %d bytes, want %d, or they differ", c.n, c.off, n, wantN)
		}
		if c.eof && !errors.Is(err, io.EOF) || !c.eof && err != nil {
			t.Errorf("ReadAt(%d bytes, %d): error %v, want EOF %v", c.n, c.off, err, c.eof)
		}
	}
	if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("ReadAt(-1): want an error")
	}
}

func testReadAtConcurrent(t *testing.T, s storage.Store) {
	want := noise(5, 1<<20)
	put(t, s, "r", string(want))
	r, err := s.Open(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var group sync.WaitGroup
	for g := range 6 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			for range 12 {
				off := rng.IntN(len(want))
				buf := make([]byte, 1+rng.IntN(min(len(want)-off, 100_000)))
				if n, err := r.ReadAt(buf, int64(off)); err != nil || !bytes.Equal(buf[:n], want[off:off+len(buf)]) {
					t.Errorf("ReadAt(%d bytes, %d): %d bytes, error %v", len(buf), off, n, err)
				}
			}
		})
	}
	group.Wait()
}

// testReaderKeepsItsObject replaces an object under an open reader: it may fail, but not mix.
func testReaderKeepsItsObject(t *testing.T, s storage.Store) {
	first, second := noise(6, 3<<20), noise(7, 3<<20)
	put(t, s, "r", string(first))
	r, err := s.Open(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	head := make([]byte, 1000)
	if _, err := r.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	put(t, s, "r", string(second))
	tail := make([]byte, 1<<20)
	n, err := r.ReadAt(tail, 2<<20)
	if err == nil && !bytes.Equal(tail, first[2<<20:]) {
		t.Errorf("a reader gave %d bytes of an object that replaced its own", n)
	}
}

func testStat(t *testing.T, s storage.Store) {
	put(t, s, "x", "12345")
	before, err := s.Stat(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if before.Name != "x" || before.Size != 5 || before.Modified.IsZero() || before.Modified.Location() != time.UTC {
		t.Errorf("stat: %+v", before)
	}
	for info, err := range s.List(t.Context(), "x") {
		if err != nil || info.ETag != before.ETag || info.Size != 5 || info.Modified.Sub(before.Modified).Abs() > 2*time.Second {
			t.Errorf("list says %+v (error %v), stat says %+v", info, err, before)
		}
	}
	put(t, s, "x", "54321")
	after, err := s.Stat(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if before.ETag != "" && before.ETag == after.ETag {
		t.Errorf("the ETag %q did not change with the bytes", before.ETag)
	}
}

func testListOrder(t *testing.T, s storage.Store) {
	// "-" and "." sort before "/", so a walk of folders in plain order would get these wrong.
	names := []string{"a-b", "a.b", "a/b", "a/b-c", "a/b.d", "a/c/d", "a0", "ab", "B", "é", "z/1", "z/10", "z/2"}
	slices.Sort(names)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(names)) {
		put(t, s, names[i], names[i])
	}
	wantList(t, s, "", names...)
}

func testListPrefix(t *testing.T, s storage.Store) {
	for _, name := range []string{"raw/2026-11/a.json", "raw/2026-11/b/c.json", "raw/2026-12/a.json", "raw/2027-01/a.json", "rawer/x", "top"} {
		put(t, s, name, name)
	}
	wantList(t, s, "raw/2026-1", "raw/2026-11/a.json", "raw/2026-11/b/c.json", "raw/2026-12/a.json")
	wantList(t, s, "raw/2026-11/b", "raw/2026-11/b/c.json")
	wantList(t, s, "raw/", "raw/2026-11/a.json", "raw/2026-11/b/c.json", "raw/2026-12/a.json", "raw/2027-01/a.json")
	wantList(t, s, "rawe", "rawer/x")
	wantList(t, s, "top", "top")
	wantList(t, s, "top/")
	wantList(t, s, "none/at/all")
	got, err := storage.Glob(t.Context(), s, "raw/2026-*/**/*.json")
	if err != nil || len(got) != 3 {
		t.Errorf("glob: %d objects, error %v, want 3", len(got), err)
	}
}

func testListStops(t *testing.T, s storage.Store) {
	for i := range 20 {
		put(t, s, fmt.Sprintf("n/%02d", i), "")
	}
	seen := 0
	for _, err := range s.List(t.Context(), "n/") {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("saw %d objects, want to stop at 3", seen)
	}
	again := s.List(t.Context(), "n/")
	for range 2 { // a sequence may be ranged over twice
		n := 0
		for range again {
			n++
		}
		if n != 20 {
			t.Errorf("listed %d objects, want 20", n)
		}
	}
}
