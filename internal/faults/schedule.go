// Package faults breaks things on purpose, reproducibly.
//
// Nouns. A [Proxy] is an HTTP server in front of an S3 endpoint that spoils
// some of the traffic; a [PostgresProxy] stands in front of a database and spoils
// commits; a [Store] wraps a storage.Store and spoils some of its operations. A
// rule ([HTTPRule], [CommitRule], [StoreRule]) says what to spoil and how; its
// [When] says which of the matching requests. Counts say what was spoilt.
//
// Invariants: which of a rule's matching requests are hit depends only on the
// seed, the rule's place and the request's number among the matching ones, so a
// run with the same order of requests meets the same faults, and a seed that was
// printed replays a failure. The first rule that hits decides; a request that no
// rule hits passes unchanged.
//
// What is not guaranteed: requests made at once by several goroutines are
// numbered in the order of their arrival, which may differ between runs.
package faults

import (
	"maps"
	"sync"
)

// When says which of a rule's matching requests are hit. The zero value is all of them.
type When struct {
	Skip    int // pass the first so many
	Times   int // hit at most so many; 0 is no limit
	Percent int // hit so many in a hundred, at random by the seed; 0 is all
}

// schedule counts and decides.
type schedule struct {
	seed uint64

	mu   sync.Mutex
	seen []int // matching requests, by rule
	hits []int // hit requests, by rule
	name map[string]int
}

func newSchedule(seed uint64, rules int) *schedule {
	return &schedule{seed: seed, seen: make([]int, rules), hits: make([]int, rules), name: map[string]int{}}
}

// decide counts a request that matches rule i and says whether to hit it, and
// gives it a random number of its own.
func (s *schedule) decide(i int, w When) (hit bool, random uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.seen[i]
	s.seen[i]++
	random = mix(s.seed + uint64(i)<<32 + uint64(n))
	switch {
	case n < w.Skip, w.Times > 0 && s.hits[i] >= w.Times:
		return false, random
	case w.Percent > 0 && random%100 >= uint64(w.Percent):
		return false, random
	}
	s.hits[i]++
	return true, mix(random)
}

func (s *schedule) count(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name[name]++
}

func (s *schedule) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.name)
}

// mix is SplitMix64's finaliser: it spreads consecutive numbers over all bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
