package storagetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/storage"
	"pgregory.net/rapid"
)

// modelTime is how long testModel begins new sequences.
const modelTime = 3 * time.Second

// testModel runs random sequences of operations on the store and on a map, which must agree after each.
func testModel(t *testing.T, s storage.Store) {
	names := []string{"a", "b/c", "b/d", "b/e/f", "g"} // none is another's folder: folders do not allow that
	var late atomic.Bool
	timer := time.AfterFunc(modelTime, func() { late.Store(true) })
	defer timer.Stop()
	rapid.Check(t, func(rt *rapid.T) {
		if late.Load() {
			return // a slow store gets fewer sequences
		}
		if err := s.Delete(t.Context(), names...); err != nil {
			rt.Fatalf("delete: %v", err)
		}
		m := model{t: t, rt: rt, store: s, want: map[string]string{}}
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			m.step(rapid.SampledFrom(names).Draw(rt, "name"))
			m.check()
		}
	})
}

type model struct {
	t     *testing.T
	rt    *rapid.T
	store storage.Store
	want  map[string]string
}

func (m *model) step(name string) {
	ctx := m.t.Context()
	text := rapid.StringN(0, 20, -1).Draw(m.rt, "text")
	_, there := m.want[name]
	switch op := rapid.SampledFrom([]string{"put", "put if absent", "create", "abort", "delete"}).Draw(m.rt, "op"); op {
	case "put":
		m.must(op, m.store.Put(ctx, name, []byte(text), storage.PutOptions{}))
		m.want[name] = text
	case "put if absent":
		err := m.store.Put(ctx, name, []byte(text), storage.PutOptions{IfAbsent: true})
		if there != errors.Is(err, storage.ErrExist) || !there && err != nil {
			m.rt.Fatalf("put if absent %s: there %v, error %v", name, there, err)
		}
		if !there {
			m.want[name] = text
		}
	case "create", "abort":
		w, err := m.store.Create(ctx, name)
		m.must(op, err)
		_, err = w.Write([]byte(text))
		m.must(op, err)
		if op == "abort" {
			m.must(op, w.Abort())
			return
		}
		m.must(op, w.Close())
		m.want[name] = text
	case "delete":
		m.must(op, m.store.Delete(ctx, name))
		delete(m.want, name)
	}
}

func (m *model) must(op string, err error) {
	if err != nil {
		m.rt.Fatalf("%s: %v", op, err)
	}
}

func (m *model) check() {
	prefix := rapid.SampledFrom([]string{"", "b", "b/", "b/e", "z"}).Draw(m.rt, "prefix")
	want := slices.Sorted(maps.Keys(m.want))
	want = slices.DeleteFunc(want, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	var got []string
	for info, err := range m.store.List(m.t.Context(), prefix) {
		m.must("list", err)
		got = append(got, info.Name)
		if info.Size != int64(len(m.want[info.Name])) {
			m.rt.Fatalf("list: %s has %d bytes, want %d", info.Name, info.Size, len(m.want[info.Name]))
		}
		data, err := m.store.Get(m.t.Context(), info.Name)
		m.must("get", err)
		if string(data) != m.want[info.Name] {
			m.rt.Fatalf("%s holds %q, want %q", info.Name, data, m.want[info.Name])
		}
	}
	if !slices.Equal(got, want) {
		m.rt.Fatalf("list %q: got %q, want %q", prefix, got, want)
	}
}
