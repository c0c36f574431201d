package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
)

// The generated ledger: a year of entries of rows/100 accounts.
const (
	days    = 365
	each    = 100 // entries an account
	buckets = 8
)

var (
	begin    = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	timezone = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	entries  = arrow.NewSchema([]arrow.Field{
		{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "account_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
		{Name: "currency", Type: arrow.BinaryTypes.String},
		{Name: "booked_at", Type: timezone},
	}, nil)
	accounts = arrow.NewSchema([]arrow.Field{
		{Name: "account_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "currency", Type: arrow.BinaryTypes.String},
	}, nil)
)

func openLake(ctx context.Context, dir string) (*catalog.Lake, error) {
	return catalog.Open(ctx, catalog.Config{Catalog: "sqlite://" + filepath.Join(dir, "catalog.db"), Warehouse: "file://" + filepath.Join(dir, "warehouse"),
		Storage: localio.Opener(localio.Options{})})
}

// generate makes the ledger, unless it is there.
func generate(ctx context.Context, dir string, rows int) error {
	done := filepath.Join(dir, "complete")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	l, err := openLake(ctx, dir)
	if err != nil {
		return err
	}
	defer l.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	n := max(1, rows/each)
	currency := func(account int64) string { return []string{"CZK", "EUR", "USD"}[account%3] }
	spec := catalog.TableSpec{Name: "ledger.entries", Schema: entries, Key: []string{"entry_id"}, BucketBy: "account_id", Buckets: buckets, SortBy: []string{"account_id", "booked_at"}}
	err = write(ctx, l, spec, rows, func(b *array.RecordBuilder, i int) {
		account := 1 + rnd.Int64N(int64(n))
		if account%50 == 0 { // these have no history
			account++
		}
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.Int64Builder).Append(account)
		b.Field(2).(*array.Decimal128Builder).Append(decimal128.FromI64(rnd.Int64N(2_000_00) - 1_200_00))
		b.Field(3).(*array.StringBuilder).Append(currency(account))
		b.Field(4).(*array.TimestampBuilder).Append(arrow.Timestamp(begin.UnixMicro() + rnd.Int64N(days*86_400_000_000)))
	})
	if err != nil {
		return err
	}
	err = write(ctx, l, catalog.TableSpec{Name: "ledger.accounts", Schema: accounts, Key: []string{"account_id"}}, n+1, func(b *array.RecordBuilder, i int) {
		b.Field(0).(*array.Int64Builder).Append(int64(i + 1))
		b.Field(1).(*array.StringBuilder).Append(currency(int64(i + 1)))
	})
	if err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o600)
}

// write makes a table of one commit.
func write(ctx context.Context, l *catalog.Lake, spec catalog.TableSpec, rows int, row func(*array.RecordBuilder, int)) error {
	if err := l.EnsureTable(ctx, spec); err != nil {
		return err
	}
	t, err := l.Table(ctx, spec.Name)
	if err != nil {
		return err
	}
	have, err := t.Spec()
	if err != nil {
		return err
	}
	w, err := l.NewFileWriter(catalog.Target{Location: t.Location(), Spec: have}, catalog.WriterOptions{EpochID: "data", Nonce: "1"})
	if err != nil {
		return err
	}
	defer func() { _ = w.Abort(context.WithoutCancel(ctx)) }() // does nothing after Close
	b := array.NewRecordBuilder(memory.DefaultAllocator, have.Schema)
	defer b.Release()
	for i := 0; i < rows; {
		for end := min(rows, i+1<<16); i < end; i++ {
			row(b, i)
		}
		rec := b.NewRecordBatch()
		err := w.Write(ctx, rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
	files, err := w.Close(ctx)
	if err != nil {
		return err
	}
	if _, err := l.Commit(ctx, catalog.Commit{Epoch: "data of " + spec.Name, Tables: []catalog.TableChange{{Table: spec.Name, Add: files}}}); err != nil {
		return fmt.Errorf("generate %s: %w", spec.Name, err)
	}
	return nil
}

// filesOf are the paths of a table's files.
func filesOf(ctx context.Context, l *catalog.Lake, table string) ([]string, error) {
	t, err := l.Table(ctx, table)
	if err != nil {
		return nil, err
	}
	files, err := t.Files(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range files {
		out = append(out, f.Path[len("file://"):])
	}
	return out, nil
}
