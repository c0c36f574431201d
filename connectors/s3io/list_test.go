package s3io

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/s3gateway/gatewaytest"
	"github.com/millrace/millrace/sdk/storage"
)

// Pages join without a gap or a repeat, whatever their size.
func TestListPages(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "lake")
	s, err := Open(t.Context(), "s3://lake/pages", Options{
		Endpoint: g.Endpoint(), Credentials: Credentials{AccessKey: gatewaytest.AccessKey, SecretKey: gatewaytest.SecretKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	const n = 23
	for i := range n {
		name := fmt.Sprintf("a/%02d/x-%d", i/3, i%3)
		if err := s.Put(t.Context(), name, nil, storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{1, 2, 7, 22, 23, 24, 1000} {
		last, count := "", 0
		for info, err := range s.list(t.Context(), "a/", size) {
			if err != nil {
				t.Fatal(err)
			}
			if info.Name <= last {
				t.Errorf("page size %d: %s after %s", size, info.Name, last)
			}
			last = info.Name
			count++
		}
		if count != n {
			t.Errorf("page size %d: %d objects, want %d", size, count, n)
		}
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	s := &Store{opts: Options{Backoff: 10 * time.Millisecond, MaxBackoff: time.Second}}
	for tries := 1; tries < 200; tries++ {
		bound := time.Second
		if tries < 8 {
			bound = min(bound, 10*time.Millisecond<<(tries-1))
		}
		if wait := s.backoff(tries); wait < 0 || wait > bound {
			t.Errorf("try %d waits %v, want at most %v", tries, wait, bound)
		}
	}
}
