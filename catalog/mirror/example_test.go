package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/laketest"
	"github.com/millrace/millrace/catalog/mirror"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// ingestEpoch applies one epoch of one table, commits it, and tells the mirror what became of it. A runner
// puts the changes of all tables of the epoch into the one commit.
func ingestEpoch(ctx context.Context, lake *catalog.Lake, m *mirror.Mirror, e source.Epoch, batches []*source.Batch) error {
	for {
		ch, err := m.Apply(ctx, e.ID, batches)
		if err != nil {
			return err
		}
		done, err := lake.Commit(ctx, catalog.Commit{Stream: "bank", Epoch: e.ID, From: e.From, To: e.To, Tables: []catalog.TableChange{ch}})
		if err == nil && !done.Dropped {
			m.Committed(done.Snapshots[ch.Table])
			return nil
		}
		m.Discard()
		if !errors.Is(err, catalog.ErrConflict) { // else a compaction was faster: apply again
			return err
		}
	}
}

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, quiet := storagetest.NewMemory("wh", nil), slog.New(slog.DiscardHandler)
	lake, err := catalog.Open(ctx, catalog.Config{
		Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: store.URL(), Logger: quiet,
		Storage: func(context.Context, string) (storage.Store, error) { return store, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lake.Close()
	if err := lake.EnsureTable(ctx, laketest.Spec("ledger.accounts")); err != nil {
		fmt.Println(err)
		return
	}
	m, err := mirror.Open(ctx, lake, "ledger.accounts", mirror.Options{Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	at := func(n int64) change.Position { return change.Position{Next: map[string]int64{"accounts-0": n}} }
	batch := laketest.Batch("accounts-0", 0,
		laketest.Event{Op: change.Create, ID: 1, Row: laketest.Row{Branch: 1, Cents: 100_00, Currency: "EUR"}},
		laketest.Event{Op: change.Update, ID: 1, Row: laketest.Row{Branch: 1, Cents: 75_00, Currency: "EUR"}})
	defer batch.Release()
	if err := ingestEpoch(ctx, lake, m, source.Epoch{ID: "e0", From: at(0), To: at(2)}, []*source.Batch{batch}); err != nil {
		fmt.Println(err)
		return
	}
	rows, err := laketest.Read(ctx, lake, "ledger.accounts", catalog.At{})
	fmt.Println(rows, err)
	// Output: map[1:{1 7500 EUR }] <nil>
}
