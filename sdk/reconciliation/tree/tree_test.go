package tree

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/money"
)

// row is a row of a test: a key and what it says.
type row struct {
	key    string
	amount money.Decimal
	text   string
}

func (r row) hashes(h *Hasher) (uint32, Hash) {
	h.Key()
	h.Text(r.key)
	h.Row()
	h.Number(r.amount)
	h.Text(r.text)
	return h.Sum()
}

func treeOf(t interface {
	Helper()
	Fatal(...any)
}, rows []row) *Tree {
	t.Helper()
	out := New(2)
	var h Hasher
	for _, r := range rows {
		b, x := r.hashes(&h)
		if err := out.Add(b, x, r.amount); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func drawRows(t *rapid.T, name string) []row {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) row {
		return row{strconv.Itoa(rapid.IntRange(0, 40).Draw(t, "key")), units(rapid.Int64Range(-500, 500).Draw(t, "cents"), 2), rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "text")}
	}), 0, 60).Draw(t, name)
}

// TestTheSameRowsInAnyOrder: neither the order of rows nor how they are spread over trees counts, and rows that are taken away were never there.
func TestTheSameRowsInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows, more := drawRows(t, "rows"), drawRows(t, "more")
		want := treeOf(t, rows)
		shuffled := rapid.Permutation(rows).Draw(t, "shuffled")
		cut := rapid.IntRange(0, len(rows)).Draw(t, "cut")
		got := treeOf(t, shuffled[:cut])
		for _, step := range []func(*Tree) error{got.Merge, got.Merge} {
			part := shuffled[cut:]
			if err := step(treeOf(t, part)); err != nil {
				t.Fatal(err)
			}
			shuffled, cut = more, 0
		}
		if err := got.Subtract(treeOf(t, more)); err != nil {
			t.Fatal(err)
		}
		b, err := Descend(want, got)
		if err != nil || !b.Equal() || b.Looked != 1 || b.Share() != 0 {
			t.Fatalf("%+v %v", b, err)
		}
		x, _ := want.MarshalBinary()
		y, _ := got.MarshalBinary()
		if !bytes.Equal(x, y) {
			t.Fatal("equal trees have different bytes")
		}
		var back Tree
		if err := back.UnmarshalBinary(x); err != nil || !slices.Equal(back.leaves, want.leaves) {
			t.Fatalf("a tree that was written and read: %v", err)
		}
	})
}

// TestDifferencesAreFound: the buckets that differ are those of the keys whose rows differ, as a multiset.
func TestDifferencesAreFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		left := drawRows(t, "left")
		right := slices.Clone(left)
		for range rapid.IntRange(0, 6).Draw(t, "edits") {
			if i := rapid.IntRange(0, 60).Draw(t, "at"); i < len(right) {
				switch rapid.IntRange(0, 2).Draw(t, "edit") {
				case 0:
					right = slices.Delete(right, i, i+1)
				case 1:
					right = append(right, right[i]) // doubled
				default:
					right[i].text += "x"
				}
			}
		}
		b, err := Descend(treeOf(t, left), treeOf(t, right))
		if err != nil {
			t.Fatal(err)
		}
		count := map[row]int{}
		for side, rows := range [][]row{left, right} {
			for _, r := range rows {
				count[r] += 1 - 2*side
			}
		}
		want := map[uint32]bool{}
		var h Hasher
		for r, n := range count {
			if n != 0 {
				at, _ := r.hashes(&h)
				want[at] = true
			}
		}
		got := map[uint32]bool{}
		for _, at := range b.Differ {
			got[at] = true
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || !slices.IsSorted(b.Differ) {
			t.Fatalf("buckets %v differ, want %v", got, want)
		}
	})
}

// TestDuplicatesDoNotCancel: an exclusive or would not see a row that is there twice more.
func TestDuplicatesDoNotCancel(t *testing.T) {
	t.Parallel()
	r := row{"k", units(0, 2), ""}
	b, err := Descend(treeOf(t, []row{r}), treeOf(t, []row{r, r, r}))
	if err != nil || len(b.Differ) != 1 || b.Left.Rows != 1 || b.Right.Rows != 3 {
		t.Fatalf("%+v %v", b, err)
	}
}

// TestValuesSayWhatTheySay: equal values hash alike, and no two others do.
func TestValuesSayWhatTheySay(t *testing.T) {
	t.Parallel()
	sum := func(f func(*Hasher)) Hash {
		var h Hasher
		h.Key()
		h.Row()
		f(&h)
		_, x := h.Sum()
		return x
	}
	if sum(func(h *Hasher) { h.Number(units(150, 2)) }) != sum(func(h *Hasher) { h.Number(units(15, 1)) }) {
		t.Error("1.50 and 1.5 differ")
	}
	seen := map[Hash]int{}
	for i, f := range []func(*Hasher){
		func(h *Hasher) { h.Text("ab"); h.Text("c") }, func(h *Hasher) { h.Text("a"); h.Text("bc") }, func(h *Hasher) { h.Text("abc") }, func(h *Hasher) { h.Null() },
		func(h *Hasher) { h.Text("") }, func(h *Hasher) { h.Int(1) }, func(h *Hasher) { h.Number(units(1, 0)) }, func(h *Hasher) { h.Text("1") },
		func(h *Hasher) { h.Day(1) }, func(h *Hasher) { h.Number(units(-1, 0)) }, func(h *Hasher) {},
	} {
		x := sum(f)
		if j, ok := seen[x]; ok {
			t.Errorf("values %d and %d hash alike", i, j)
		}
		seen[x] = i
	}
}

// TestShare: the estimate of how many keys differ is near the truth, and tells when to read all.
func TestShare(t *testing.T) {
	t.Parallel()
	const rows = 400_000
	rnd := rand.New(rand.NewPCG(1, 2))
	base := New(2)
	for range rows {
		if err := base.Add(rnd.Uint32N(Leaves), Hash{rnd.Uint64(), rnd.Uint64()}, money.Decimal{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, differ := range []int{1, 400, 3_000, 20_000} {
		other := New(2)
		if err := other.Merge(base); err != nil {
			t.Fatal(err)
		}
		for range differ {
			if err := other.Add(rnd.Uint32N(Leaves), Hash{rnd.Uint64(), rnd.Uint64()}, money.Decimal{}); err != nil {
				t.Fatal(err)
			}
		}
		b, err := Descend(base, other)
		if err != nil {
			t.Fatal(err)
		}
		if off := b.Keys()/float64(differ) - 1; off > 0.1 || off < -0.1 {
			t.Errorf("%d keys differ, estimated %.0f", differ, b.Keys())
		}
		if full := float64(differ)/rows > FullMerge; b.Full() != full {
			t.Errorf("%d of %d keys differ: full merge %v", differ, rows, b.Full())
		}
		if differ == 1 && b.Looked != 1+16*Levels {
			t.Errorf("for one difference %d nodes were looked at", b.Looked)
		}
	}
	if empty, err := Descend(New(2), New(2)); err != nil || !empty.Equal() || empty.Full() {
		t.Errorf("empty trees: %+v %v", empty, err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	a := New(2)
	if err := a.Add(0, Hash{}, units(1, 3)); err == nil {
		t.Error("an amount of three digits after the point was added to a tree of two")
	}
	if err := a.Add(Leaves, Hash{}, money.Decimal{}); err == nil {
		t.Error("a bucket that is not there was taken")
	}
	if a.Merge(New(3)) == nil {
		t.Error("trees of two scales were merged")
	}
	if _, err := Descend(a, New(3)); err == nil {
		t.Error("trees of two scales were compared")
	}
	data, _ := treeOf(t, []row{{"a", units(1, 2), ""}}).MarshalBinary()
	for i := range data {
		bad := slices.Clone(data)
		bad[i] ^= 1
		if new(Tree).UnmarshalBinary(bad) == nil || new(Tree).UnmarshalBinary(data[:i]) == nil {
			t.Errorf("a tree that is spoilt at byte %d, or ends there, was read", i)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, rows := range [][]row{nil, {{"a", units(1, 2), ""}}, {{"a", units(1, 2), ""}, {"b", units(-1, 2), "x"}}} {
		data, err := treeOf(f, rows).MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var x Tree
		if x.UnmarshalBinary(data) != nil {
			return
		}
		again, err := x.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var y Tree
		if err := y.UnmarshalBinary(again); err != nil || !slices.Equal(x.leaves, y.leaves) {
			t.Fatalf("read, written and read again: %v", err)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	var h Hasher
	t := New(2)
	r := row{"0123456789abcdef", units(12345, 2), "EUR"}
	for b.Loop() {
		at, x := r.hashes(&h)
		if err := t.Add(at, x, r.amount); err != nil {
			b.Fatal(err)
		}
	}
}

// units are a decimal of so many smallest units.
func units(n int64, scale int) money.Decimal {
	d, err := money.New(n, scale)
	if err != nil {
		panic(err)
	}
	return d
}
