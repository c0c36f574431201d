package faults

import (
	"context"
	"fmt"
	"iter"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// Op names an operation of a storage.Store.
type Op string

// The operations that a StoreRule can spoil.
const (
	OpOpen   Op = "open"
	OpReadAt Op = "read at"
	OpGet    Op = "get"
	OpCreate Op = "create"
	OpWrite  Op = "write"
	OpClose  Op = "close" // of a writer: the moment that its object becomes visible
	OpPut    Op = "put"
	OpStat   Op = "stat"
	OpList   Op = "list"
	OpDelete Op = "delete"
)

// ErrInjected is in every error that a Store makes up.
var ErrInjected = fault.Retryablef("injected fault")

// StoreRule spoils operations of a store. Op and Match narrow what it applies to; empty ones apply to all.
type StoreRule struct {
	Op    Op
	Match func(name string) bool
	When  When
	// Err is what the operation returns; nil is ErrInjected. Wrap
	// storage.ErrNoSpace for a full disk, storage.ErrTruncated for a short object.
	Err error
	// Executed lets the operation happen before its error is returned: a lost reply.
	Executed bool
	// Do is called first, once the rule hits; a test may stop its process here. With Executed it is called after the operation.
	Do func(op Op, name string)
	// Pass lets the operation succeed: for rules that only call Do.
	Pass bool
}

func (r StoreRule) matches(op Op, name string) bool {
	return (r.Op == "" || r.Op == op) && (r.Match == nil || r.Match(name))
}

// Store is a storage.Store that fails by rules. It is safe for concurrent use if the one below is.
type Store struct {
	inner    storage.Store
	rules    []StoreRule
	schedule *schedule
}

var _ storage.Store = (*Store)(nil)

// Wrap spoils operations of inner by rules. The first rule that hits decides.
func Wrap(inner storage.Store, seed uint64, rules ...StoreRule) *Store {
	return &Store{inner: inner, rules: rules, schedule: newSchedule(seed, len(rules))}
}

// Counts is how often each operation was spoilt, by its name.
func (s *Store) Counts() map[string]int { return s.schedule.counts() }

// run does an operation, or not, as the rules say.
func (s *Store) run(op Op, name string, do func() error) error {
	for i := range s.rules {
		r := &s.rules[i]
		if !r.matches(op, name) {
			continue
		}
		hit, _ := s.schedule.decide(i, r.When)
		if !hit {
			continue
		}
		s.schedule.count(string(op))
		return s.spoil(r, op, name, do)
	}
	return do()
}

func (s *Store) spoil(r *StoreRule, op Op, name string, do func() error) error {
	if !r.Executed && r.Do != nil {
		r.Do(op, name)
	}
	if r.Executed || r.Pass {
		if err := do(); err != nil {
			return err
		}
	}
	if r.Executed && r.Do != nil {
		r.Do(op, name)
	}
	if r.Pass {
		return nil
	}
	err := r.Err
	if err == nil {
		err = ErrInjected
	}
	return fmt.Errorf("%s %s in %s: %w", op, name, s.URL(), err)
}

// URL is the wrapped store's.
func (s *Store) URL() string { return s.inner.URL() }

// Open opens an object whose reads may be spoilt too.
func (s *Store) Open(ctx context.Context, name string) (storage.Reader, error) {
	var r storage.Reader
	err := s.run(OpOpen, name, func() (err error) { r, err = s.inner.Open(ctx, name); return err })
	if err != nil {
		if r != nil {
			r.Close()
		}
		return nil, err
	}
	return &reader{Reader: r, store: s, name: name}, nil
}

type reader struct {
	storage.Reader
	store *Store
	name  string
}

func (r *reader) ReadAt(p []byte, off int64) (n int, err error) {
	var end error // io.EOF belongs to a good read
	err = r.store.run(OpReadAt, r.name, func() error { n, end = r.Reader.ReadAt(p, off); return nil })
	if err != nil {
		return 0, err
	}
	return n, end
}

// Get reads a whole object.
func (s *Store) Get(ctx context.Context, name string) (data []byte, err error) {
	err = s.run(OpGet, name, func() (err error) { data, err = s.inner.Get(ctx, name); return err })
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Create starts an object whose writes and close may be spoilt too.
func (s *Store) Create(ctx context.Context, name string) (storage.Writer, error) {
	var w storage.Writer
	err := s.run(OpCreate, name, func() (err error) { w, err = s.inner.Create(ctx, name); return err })
	if err != nil {
		if w != nil {
			w.Abort()
		}
		return nil, err
	}
	return &writer{inner: w, store: s, name: name}, nil
}

type writer struct {
	inner storage.Writer
	store *Store
	name  string
	err   error // the first failed write; Close repeats it
}

func (w *writer) Write(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	w.err = w.store.run(OpWrite, w.name, func() (err error) { n, err = w.inner.Write(p); return err })
	return n, w.err
}

func (w *writer) Close() error {
	err := w.err
	if err == nil {
		err = w.store.run(OpClose, w.name, w.inner.Close)
	}
	if err != nil {
		w.inner.Abort()
	}
	return err
}

func (w *writer) Abort() error { return w.inner.Abort() }

// Put writes a whole object.
func (s *Store) Put(ctx context.Context, name string, data []byte, opts storage.PutOptions) error {
	return s.run(OpPut, name, func() error { return s.inner.Put(ctx, name, data, opts) })
}

// Stat describes an object.
func (s *Store) Stat(ctx context.Context, name string) (info storage.Info, err error) {
	err = s.run(OpStat, name, func() (err error) { info, err = s.inner.Stat(ctx, name); return err })
	return info, err
}

// List lists objects; a spoilt listing fails before its first object, or after its last with Executed.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		stopped := false
		err := s.run(OpList, prefix, func() error {
			for info, err := range s.inner.List(ctx, prefix) {
				if err != nil {
					return err
				}
				if !yield(info, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(storage.Info{}, err)
		}
	}
}

// Delete removes objects; rules see the first name.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		return s.inner.Delete(ctx)
	}
	return s.run(OpDelete, names[0], func() error { return s.inner.Delete(ctx, names...) })
}
