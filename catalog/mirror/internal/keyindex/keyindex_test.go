package keyindex

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/catalog/internal/columns"
)

// TestIndexIsAMap compares an index with a Go map under random operations, with budgets that
// keep everything in memory and ones that spill nearly at once.
func TestIndexIsAMap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		memory := rapid.SampledFrom([]int64{1, Shards * minSlots * entrySize, 1 << 30}).Draw(t, "memory")
		x := New(Options{Memory: memory, Dir: dir})
		defer x.Reset()
		model := map[columns.Hash]Pos{}
		// Few keys in few shards, some that differ in Hi only, so that probing, pages and merges meet.
		key := rapid.Custom(func(t *rapid.T) columns.Hash {
			return columns.Hash{Lo: uint64(rapid.IntRange(0, 400).Draw(t, "lo")) * 0x0100_0000_0000_0001, Hi: uint64(rapid.IntRange(0, 2).Draw(t, "hi"))}
		})
		for range rapid.IntRange(0, 600).Draw(t, "steps") {
			k := key.Draw(t, "key")
			s := x.Shard(ShardOf(k))
			at, had, err := s.Get(k)
			if err != nil {
				t.Fatal(err)
			}
			if want, ok := model[k]; ok != had || ok && want != at {
				t.Fatalf("get %v: got %v %v, want %v %v", k, at, had, want, ok)
			}
			switch op := rapid.IntRange(0, 9).Draw(t, "op"); {
			case op < 6:
				p := Pos{rapid.Uint32Range(0, MaxFile).Draw(t, "file"), rapid.Uint32().Draw(t, "row")}
				err = s.Put(k, p, had)
				model[k] = p
			case op < 9 && had:
				err = s.Delete(k)
				delete(model, k)
			case op == 9:
				err = sweepOdd(x, model)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if x.Len() != int64(len(model)) {
			t.Fatalf("keys: got %d, want %d", x.Len(), len(model))
		}
		for k, want := range model {
			if at, ok, err := x.Shard(ShardOf(k)).Get(k); err != nil || !ok || at != want {
				t.Fatalf("at the end, get %v: got %v %v %v, want %v", k, at, ok, err, want)
			}
		}
	})
}

// sweepOdd takes out the keys whose file has an odd number in its low bits, rarely.
func sweepOdd(x *Index, model map[columns.Hash]Pos) error {
	keep := func(p Pos) bool { return p.File%16 != 1 }
	for i := range Shards {
		if err := x.Shard(i).Sweep(func(_ columns.Hash, at Pos) bool { return keep(at) }); err != nil {
			return err
		}
	}
	for k, p := range model {
		if !keep(p) {
			delete(model, k)
		}
	}
	return nil
}

func randomKey(r *rand.Rand) columns.Hash { return columns.Hash{Lo: r.Uint64(), Hi: r.Uint64()} }

func TestMemoryStaysWithinTheBudget(t *testing.T) {
	t.Parallel()
	const budget = 4 << 20
	x := New(Options{Memory: budget, Dir: t.TempDir()})
	defer x.Reset()
	r := rand.New(rand.NewPCG(1, 2))
	const n = 1_000_000 // 24 MB of entries
	for i := range n {
		k := randomKey(r)
		if err := x.Shard(ShardOf(k)).Put(k, Pos{1, uint32(i)}, false); err != nil {
			t.Fatal(err)
		}
		if i%100_000 == 0 && x.Memory() > budget {
			t.Fatalf("after %d keys the index holds %d bytes in memory; the budget is %d", i, x.Memory(), budget)
		}
	}
	if x.Disk() < n*entrySize/2 {
		t.Fatalf("only %d bytes on disk", x.Disk())
	}
	r = rand.New(rand.NewPCG(1, 2))
	for i := range n {
		k := randomKey(r)
		if i%97 != 0 {
			continue
		}
		if at, ok, err := x.Shard(ShardOf(k)).Get(k); err != nil || !ok || at.Row != uint32(i) {
			t.Fatalf("key %d: %v %v %v", i, at, ok, err)
		}
	}
}

func TestFilterRefusesMostAbsentKeys(t *testing.T) {
	t.Parallel()
	b := newBloom(100_000, 1<<20)
	r := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		b.add(randomKey(r))
	}
	passed := 0
	for range 100_000 {
		if b.mayHold(randomKey(r)) {
			passed++
		}
	}
	if passed > 3_000 {
		t.Errorf("%d of 100,000 absent keys pass the filter", passed)
	}
	if small := newBloom(1<<20, 1024); small.memory() != 0 || !small.mayHold(randomKey(r)) {
		t.Error("a filter that is too small to help must be left out and let all pass")
	}
}

func BenchmarkGet(b *testing.B) {
	for _, bc := range []struct {
		name   string
		memory int64
	}{{"memory", 1 << 30}, {"disk", 8 << 20}} {
		for _, present := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/present=%v", bc.name, present), func(b *testing.B) {
				x := New(Options{Memory: bc.memory, Dir: b.TempDir()})
				defer x.Reset()
				r := rand.New(rand.NewPCG(1, 2))
				const n = 2_000_000
				for i := range n {
					k := randomKey(r)
					if err := x.Shard(ShardOf(k)).Put(k, Pos{1, uint32(i)}, false); err != nil {
						b.Fatal(err)
					}
				}
				if present {
					r = rand.New(rand.NewPCG(1, 2))
				}
				i := 0
				for b.Loop() {
					if i++; present && i == n {
						r, i = rand.New(rand.NewPCG(1, 2)), 0
					}
					k := randomKey(r)
					if _, ok, err := x.Shard(ShardOf(k)).Get(k); err != nil || ok != present {
						b.Fatal(ok, err)
					}
				}
			})
		}
	}
}

func BenchmarkPut(b *testing.B) {
	for _, memory := range []int64{1 << 30, 16 << 20} {
		b.Run(fmt.Sprintf("memory=%dMiB", memory>>20), func(b *testing.B) {
			x := New(Options{Memory: memory, Dir: b.TempDir()})
			defer x.Reset()
			r := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				k := randomKey(r)
				if err := x.Shard(ShardOf(k)).Put(k, Pos{1, 1}, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
