// Package storagetest certifies that an implementation keeps the contract of
// package storage, and has a store in memory for tests of code that uses stores.
//
// Nouns. The suite ([Run]) is a set of subtests, each of which opens a store of
// its own and checks one invariant of the contract from outside.
//
// Invariants: the suite needs nothing but the Store interface, holds for any
// store that keeps the contract however slow or faulty its network, and leaves
// no goroutine behind. A store that passes under injected faults retries enough.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// Open gives a test an empty store of its own, and cleans up through t.
type Open func(t *testing.T) storage.Store

// bigSize spans three parts of an S3 multipart upload with the smallest legal part.
const bigSize = 11<<20 + 17

// Run checks every invariant of the storage contract on stores that open gives.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*testing.T, storage.Store)
	}{
		{"RoundTrip", testRoundTrip},
		{"Names", testNames},
		{"BadNames", testBadNames},
		{"Absent", testAbsent},
		{"Replace", testReplace},
		{"PutIfAbsent", testPutIfAbsent},
		{"PutIfAbsentRace", testPutIfAbsentRace},
		{"WriterVisibility", testWriterVisibility},
		{"WriterAbort", testWriterAbort},
		{"WriterCancelled", testWriterCancelled},
		{"WriterBig", testWriterBig},
		{"AtomicReplace", testAtomicReplace},
		{"ReadAt", testReadAt},
		{"ReadAtConcurrent", testReadAtConcurrent},
		{"ReaderKeepsItsObject", testReaderKeepsItsObject},
		{"Stat", testStat},
		{"ListOrder", testListOrder},
		{"ListPrefix", testListPrefix},
		{"ListStops", testListStops},
		{"Delete", testDelete},
		{"Cancelled", testCancelled},
		{"Model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

func put(t *testing.T, s storage.Store, name, text string) {
	t.Helper()
	if err := s.Put(t.Context(), name, []byte(text), storage.PutOptions{}); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}

func wantText(t *testing.T, s storage.Store, name, want string) {
	t.Helper()
	got, err := s.Get(t.Context(), name)
	if err != nil {
		t.Fatalf("get %s: %v", name, err)
	}
	if string(got) != want {
		t.Fatalf("get %s: got %.60q (%d bytes), want %.60q (%d bytes)", name, got, len(got), want, len(want))
	}
}

func wantAbsent(t *testing.T, s storage.Store, name string) {
	t.Helper()
	if data, err := s.Get(t.Context(), name); !errors.Is(err, storage.ErrNotExist) {
		t.Fatalf("get %s: got %d bytes and error %v, want ErrNotExist", name, len(data), err)
	}
}

func list(t *testing.T, s storage.Store, prefix string) []string {
	t.Helper()
	names := []string{}
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		names = append(names, info.Name)
	}
	return names
}

func wantList(t *testing.T, s storage.Store, prefix string, want ...string) {
	t.Helper()
	if got := list(t, s, prefix); !slices.Equal(got, append([]string{}, want...)) {
		t.Fatalf("list %q:\n got %q\nwant %q", prefix, got, want)
	}
}

// noise is size bytes that differ by seed and do not compress.
func noise(seed uint64, size int) []byte {
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	data := make([]byte, size)
	src.Read(data)
	return data
}

func testRoundTrip(t *testing.T, s storage.Store) {
	if url := s.URL(); !strings.Contains(url, "://") || strings.HasSuffix(url, "/") {
		t.Errorf("URL %q: want a scheme and no trailing slash", url)
	}
	for _, size := range []int{0, 1, 511, 4096, 1<<20 + 3} {
		name := fmt.Sprintf("size/%d", size)
		want := string(noise(uint64(size), size))
		put(t, s, name, want)
		wantText(t, s, name, want)
	}
}

func testNames(t *testing.T, s storage.Store) {
	names := []string{
		"a", "with space.txt", "deep/er/and/deeper/x", "plus+and&amp=1", "per%cent%20", "col:on", "tilde~(x)!'*",
		"ünïcødé/日本", "key=value/part-0.parquet", "q?uestion", "ha#sh", "back\\slash", "dots..in.name", ".hidden", "a,b;c@d$e",
		strings.Repeat("n", 200),
	}
	for _, name := range names {
		put(t, s, name, "bytes of "+name)
	}
	for _, name := range names {
		wantText(t, s, name, "bytes of "+name)
		info, err := s.Stat(t.Context(), name)
		if err != nil || info.Name != name {
			t.Errorf("stat %q: got name %q, error %v", name, info.Name, err)
		}
	}
	slices.Sort(names)
	wantList(t, s, "", names...)
	if err := s.Delete(t.Context(), names...); err != nil {
		t.Fatalf("delete: %v", err)
	}
	wantList(t, s, "")
}

func testBadNames(t *testing.T, s storage.Store) {
	ctx := t.Context()
	for _, name := range []string{"", "/abs", "trailing/", "a//b", "../up", "a/../b", "./a", "nul\x00", "bad\xff", strings.Repeat("x/", 600) + "x"} {
		_, openErr := s.Open(ctx, name)
		_, getErr := s.Get(ctx, name)
		_, createErr := s.Create(ctx, name)
		_, statErr := s.Stat(ctx, name)
		for op, err := range map[string]error{
			"open": openErr, "get": getErr, "create": createErr, "stat": statErr, "delete": s.Delete(ctx, name),
			"put": s.Put(ctx, name, nil, storage.PutOptions{}),
		} {
			if fault.Of(err) != fault.Usage {
				t.Errorf("%s %.20q: got %v, want a usage error", op, name, err)
			}
		}
	}
	wantList(t, s, "")
}

func testAbsent(t *testing.T, s storage.Store) {
	put(t, s, "folder/object", "x")
	for _, name := range []string{"nothing", "folder", "folder/objec", "folder/object2", "folder/object/x"} {
		wantAbsent(t, s, name)
		if _, err := s.Stat(t.Context(), name); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("stat %s: got %v, want ErrNotExist", name, err)
		}
		if _, err := s.Open(t.Context(), name); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("open %s: got %v, want ErrNotExist", name, err)
		}
	}
}

func testReplace(t *testing.T, s storage.Store) {
	put(t, s, "x", "a long first version")
	put(t, s, "x", "short")
	wantText(t, s, "x", "short")
	put(t, s, "x", "")
	wantText(t, s, "x", "")
}

func testPutIfAbsent(t *testing.T, s storage.Store) {
	only := storage.PutOptions{IfAbsent: true}
	if err := s.Put(t.Context(), "lock/x", []byte("first"), only); err != nil {
		t.Fatalf("first put: %v", err)
	}
	for _, text := range []string{"second", "first"} { // also with the same bytes: it was not this call that wrote them
		if err := s.Put(t.Context(), "lock/x", []byte(text), only); !errors.Is(err, storage.ErrExist) {
			t.Fatalf("put over it: got %v, want ErrExist", err)
		}
	}
	wantText(t, s, "lock/x", "first")
	if err := s.Delete(t.Context(), "lock/x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "lock/x", []byte("third"), only); err != nil {
		t.Fatalf("put after delete: %v", err)
	}
	wantText(t, s, "lock/x", "third")
}

func testPutIfAbsentRace(t *testing.T, s storage.Store) {
	for round := range 4 {
		name := fmt.Sprintf("race/%d", round)
		var winner atomic.Int32
		winner.Store(-1)
		var won atomic.Int32
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				// Racers come in pairs with equal bytes, so that equality cannot stand in for having won.
				err := s.Put(t.Context(), name, fmt.Appendf(nil, "by %d", i/2), storage.PutOptions{IfAbsent: true})
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(int32(i / 2))
				case !errors.Is(err, storage.ErrExist):
					t.Errorf("racer %d: %v", i, err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d: %d racers won, want 1", round, won.Load())
		}
		wantText(t, s, name, fmt.Sprintf("by %d", winner.Load()))
	}
}

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

func testDelete(t *testing.T, s storage.Store) {
	for _, name := range []string{"d/a", "d/ab", "d/b", "e"} {
		put(t, s, name, name)
	}
	if err := s.Delete(t.Context()); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
	if err := s.Delete(t.Context(), "d/a", "absent", "d/absent/too", "e", "e"); err != nil {
		t.Fatalf("delete: %v", err)
	}
	wantList(t, s, "", "d/ab", "d/b")
	if err := s.Delete(t.Context(), "d", "d/a"); err != nil {
		t.Fatalf("delete of a folder's name: %v", err)
	}
	wantList(t, s, "", "d/ab", "d/b")
	if err := s.Delete(t.Context(), "d/ab", "d/b"); err != nil {
		t.Fatal(err)
	}
	wantList(t, s, "")
	put(t, s, "d/e/f", "again") // where folders were pruned
	wantText(t, s, "d/e/f", "again")
}

func testCancelled(t *testing.T, s storage.Store) {
	put(t, s, "x", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, openErr := s.Open(ctx, "x")
	_, getErr := s.Get(ctx, "x")
	_, statErr := s.Stat(ctx, "x")
	var listErr error
	for _, listErr = range s.List(ctx, "") {
		break
	}
	for op, err := range map[string]error{
		"open": openErr, "get": getErr, "stat": statErr, "list": listErr,
		"put": s.Put(ctx, "y", nil, storage.PutOptions{}), "delete": s.Delete(ctx, "x"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context.Canceled", op, err)
		}
	}
	wantList(t, s, "", "x")
}
