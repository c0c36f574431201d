package catalog

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
)

// lossyBackend loses the replies of commits, after or before they were applied.
type lossyBackend struct {
	backend
	applied, dropped int   // so many commits are applied and then lost, and so many lost on the way
	blind            error // if set, reading fails after a lost reply
	lost             bool
}

func (b *lossyBackend) commit(ctx context.Context, next *cutStep, updates []tableUpdate) error {
	lose := errors.Join(errUnknown, errors.New("connection reset"))
	switch {
	case b.applied > 0:
		b.applied--
		b.lost = true
		if err := b.backend.commit(ctx, next, updates); err != nil {
			return err
		}
		return lose
	case b.dropped > 0:
		b.dropped--
		b.lost = true
		return lose
	}
	return b.backend.commit(ctx, next, updates)
}

func (b *lossyBackend) read(ctx context.Context) (state, error) { return b.readTables(ctx, nil) }

func (b *lossyBackend) readTables(ctx context.Context, names []string) (state, error) {
	if b.lost && b.blind != nil {
		return state{}, b.blind
	}
	return b.backend.readTables(ctx, names)
}

func pair(l *Lake, n int64) Commit {
	c := Commit{Stream: "s", Epoch: fmt.Sprint(n), From: at(n), To: at(n + 1)}
	for i, name := range []string{"ledger.entries", "ledger.accounts"} {
		c.Tables = append(c.Tables, TableChange{Table: name, Schema: entrySchema, Add: []DataFile{file(l, name, int(n)*2+i, 0)}})
	}
	return c
}

func lossyLake(t *testing.T) (*Lake, *lossyBackend) {
	l := openTestLake(t)
	for _, name := range []string{"ledger.entries", "ledger.accounts"} {
		if err := l.EnsureTable(t.Context(), entrySpec(name)); err != nil {
			t.Fatal(err)
		}
	}
	b := &lossyBackend{backend: l.backend}
	l.backend = b
	return l, b
}

// checkEntries demands that the tables hold exactly the files of epochs 0 … n-1.
func checkEntries(t *testing.T, l *Lake, n int64) {
	t.Helper()
	c, err := l.At(t.Context(), At{})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"ledger.entries", "ledger.accounts"} {
		tab, err := c.Table(name)
		if err != nil {
			t.Fatal(err)
		}
		files, err := tab.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, f := range files {
			got = append(got, f.Path)
		}
		for e := range n {
			want = append(want, file(l, name, int(e)*2+i, 0).Path)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("table %s holds %v, want %v", name, got, want)
		}
	}
	if pos, err := l.StreamPosition(t.Context(), "s"); err != nil || pos.Compare(at(n)) != change.Equal {
		t.Errorf("the stream stands at %v, %v", pos, err)
	}
}

func TestLostReplies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		applied, dropped, attempts int
	}{
		"applied": {1, 0, 1}, "on the way": {0, 3, 4},
	} {
		l, b := lossyLake(t)
		b.applied, b.dropped = c.applied, c.dropped
		out, err := l.Commit(t.Context(), pair(l, 0))
		if err != nil || out.Dropped || out.Cut != 1 || out.Attempts != c.attempts || len(out.Snapshots) != 2 {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
		checkEntries(t, l, 1)
	}
}

// TestUnknownOutcome: where nothing can be read back, no file may be deleted, and committing again tells.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	l, b := lossyLake(t)
	b.applied, b.blind = 1, errors.New("catalog unreachable")
	if _, err := l.Commit(t.Context(), pair(l, 0)); !fault.IsRetryable(err) {
		t.Errorf("an outage after a lost reply: %v", err)
	}
	b.blind = nil
	checkEntries(t, l, 1)
	out, err := l.Commit(t.Context(), pair(l, 0))
	if err != nil || out.Dropped || out.Cut != 1 {
		t.Errorf("committing again: %+v, %v", out, err)
	}
	checkEntries(t, l, 1)
}

// TestLateCommit: a commit whose outcome was unknown lands after all, before it is tried again, or while it is.
func TestLateCommit(t *testing.T) {
	t.Parallel()
	for reads := 1; reads <= 2; reads++ {
		l, b := lossyLake(t)
		l.backend = &lateBackend{backend: b.backend, reads: reads}
		out, err := l.Commit(t.Context(), pair(l, 0))
		if err != nil || out.Dropped || out.Cut != 1 || out.Attempts != reads+1 {
			t.Errorf("%+v, %v", out, err)
		}
		checkEntries(t, l, 1) // also that the snapshot's own files are still there
		if _, err := reopened(t, l).Commit(t.Context(), pair(l, 1)); err != nil {
			t.Error(err)
		}
		checkEntries(t, l, 2)
	}
}

func reopened(t *testing.T, l *Lake) *Lake {
	t.Helper()
	again, err := Open(t.Context(), l.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() })
	return again
}

// lateBackend answers the first commit with "unknown", shows the old state so many times, and then applies it.
type lateBackend struct {
	backend
	held  func() error
	reads int
}

func (b *lateBackend) read(ctx context.Context) (state, error) { return b.readTables(ctx, nil) }

func (b *lateBackend) commit(ctx context.Context, next *cutStep, updates []tableUpdate) error {
	if b.held == nil {
		b.held = func() error { return b.backend.commit(ctx, next, updates) }
		return errUnknown
	}
	return b.backend.commit(ctx, next, updates)
}

func (b *lateBackend) readTables(ctx context.Context, names []string) (state, error) {
	st, err := b.backend.readTables(ctx, names)
	if b.held != nil {
		if b.reads--; b.reads == 0 {
			return st, errors.Join(err, b.held())
		}
	}
	return st, err
}

func TestRESTFaults(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	behind := testConfig(t.TempDir())
	s, err := NewRESTServer(ctx, behind)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := httptest.NewServer(s)
	defer h.Close()
	cfg := behind
	cfg.Catalog = h.URL
	l, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, name := range []string{"ledger.entries", "ledger.accounts"} {
		if err := l.EnsureTable(ctx, entrySpec(name)); err != nil {
			t.Fatal(err)
		}
	}
	s.LoseReplies.Store(1)
	if out, err := l.Commit(ctx, pair(l, 0)); err != nil || out.Dropped || out.Attempts != 1 {
		t.Errorf("a lost reply: %+v, %v", out, err)
	}
	s.LoseReplies.Store(0)
	s.FailCommits.Store(2)
	if out, err := l.Commit(ctx, pair(l, 1)); err != nil || out.Dropped || out.Attempts != 3 {
		t.Errorf("two refusals: %+v, %v", out, err)
	}
	checkEntries(t, l, 2)

	cfg.REST.Token = "stale"
	s.Token = "fresh"
	if _, err := Open(ctx, cfg); fault.Of(err) != fault.Usage {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, spoil := range map[string]func(*Config){
		"no catalog":     func(c *Config) { c.Catalog = "" },
		"scheme":         func(c *Config) { c.Catalog = "mongodb://x" },
		"no path":        func(c *Config) { c.Catalog = "sqlite://" },
		"no warehouse":   func(c *Config) { c.Warehouse = "" },
		"no storage":     func(c *Config) { c.Storage = nil },
		"must exist":     func(c *Config) { c.Existing = true },
		"folder as file": func(c *Config) { c.Catalog = "sqlite://" + dir },
		"postgres url":   func(c *Config) { c.Catalog = "postgres://x:notaport/db" },
	} {
		cfg := testConfig(dir)
		spoil(&cfg)
		l, err := Open(t.Context(), cfg)
		if fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			l.Close()
		}
	}
}
