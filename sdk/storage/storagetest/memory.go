package storagetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/sdk/storage"
)

// Memory is a storage.Store in memory, for tests of code that uses stores. Its
// objects live as long as it does. It is safe for concurrent use.
type Memory struct {
	name  string
	clock func() time.Time

	mu      sync.RWMutex
	version int64
	objects map[string]object
}

type object struct {
	data []byte
	info storage.Info
}

var _ storage.Store = (*Memory)(nil)

// NewMemory makes an empty store with the URL mem://name. clock stamps objects; nil means time.Now.
func NewMemory(name string, clock func() time.Time) *Memory {
	if clock == nil {
		clock = time.Now
	}
	return &Memory{name: name, clock: clock, objects: map[string]object{}}
}

// URL is mem:// and the store's name.
func (m *Memory) URL() string { return "mem://" + m.name }

func (m *Memory) find(ctx context.Context, doing, name string) (object, error) {
	if err := ctx.Err(); err != nil {
		return object{}, fmt.Errorf("%s %s in %s: %w", doing, name, m.URL(), err)
	}
	if err := storage.CheckName(name); err != nil {
		return object{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	o, ok := m.objects[name]
	if !ok {
		return object{}, fmt.Errorf("%s %s in %s: %w", doing, name, m.URL(), storage.ErrNotExist)
	}
	return o, nil
}

// Open opens an object; later changes do not reach the reader.
func (m *Memory) Open(ctx context.Context, name string) (storage.Reader, error) {
	o, err := m.find(ctx, "open", name)
	if err != nil {
		return nil, err
	}
	return memReader{bytes.NewReader(o.data)}, nil
}

type memReader struct{ *bytes.Reader }

func (memReader) Close() error { return nil }

// Get returns a copy of an object's bytes.
func (m *Memory) Get(ctx context.Context, name string) ([]byte, error) {
	o, err := m.find(ctx, "get", name)
	return bytes.Clone(o.data), err
}

// Stat describes an object.
func (m *Memory) Stat(ctx context.Context, name string) (storage.Info, error) {
	o, err := m.find(ctx, "stat", name)
	return o.info, err
}

// Put stores a copy of data.
func (m *Memory) Put(ctx context.Context, name string, data []byte, opts storage.PutOptions) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put %s in %s: %w", name, m.URL(), err)
	}
	if err := storage.CheckName(name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[name]; ok && opts.IfAbsent {
		return fmt.Errorf("put %s in %s: %w", name, m.URL(), storage.ErrExist)
	}
	m.version++
	m.objects[name] = object{data: bytes.Clone(data), info: storage.Info{
		Name: name, Size: int64(len(data)), Modified: m.clock().UTC(), ETag: fmt.Sprintf("v%d", m.version),
	}}
	return nil
}

// Create starts an object that is kept apart until its writer is closed.
func (m *Memory) Create(ctx context.Context, name string) (storage.Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("create %s in %s: %w", name, m.URL(), err)
	}
	if err := storage.CheckName(name); err != nil {
		return nil, err
	}
	return &memWriter{ctx: ctx, store: m, name: name}, nil
}

type memWriter struct {
	ctx   context.Context
	store *Memory
	name  string
	buf   bytes.Buffer
	done  bool
}

func (w *memWriter) Write(p []byte) (int, error) {
	if w.done {
		return 0, fmt.Errorf("write %s: %w", w.name, fs.ErrClosed)
	}
	if err := w.ctx.Err(); err != nil {
		return 0, fmt.Errorf("write %s: %w", w.name, err)
	}
	return w.buf.Write(p)
}

func (w *memWriter) Close() error {
	if w.done {
		return fmt.Errorf("close %s: %w", w.name, fs.ErrClosed)
	}
	w.done = true
	return w.store.Put(w.ctx, w.name, w.buf.Bytes(), storage.PutOptions{})
}

func (w *memWriter) Abort() error {
	w.done = true
	return nil
}

// List yields what the store held when the iteration began.
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(storage.Info{}, fmt.Errorf("list %q in %s: %w", prefix, m.URL(), err))
			return
		}
		for _, info := range m.snapshot(prefix) {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (m *Memory) snapshot(prefix string) []storage.Info {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var found []storage.Info
	for name, o := range m.objects {
		if strings.HasPrefix(name, prefix) {
			found = append(found, o.info)
		}
	}
	slices.SortFunc(found, func(a, b storage.Info) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// Delete removes objects.
func (m *Memory) Delete(ctx context.Context, names ...string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete in %s: %w", m.URL(), err)
	}
	for _, name := range names {
		if err := storage.CheckName(name); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range names {
		delete(m.objects, name)
	}
	return nil
}

var _ io.ReaderAt = memReader{}
