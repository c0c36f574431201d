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
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

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
