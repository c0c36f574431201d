package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

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
