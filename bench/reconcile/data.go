package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/parquetfile"
)

const (
	ledgerName    = "bench.ledger"
	statementName = "bench.statement"
	ledgerFile    = "ledger.parquet"
	statementFile = "statement.parquet"
	batchRows     = 8192
)

var (
	decimal = &arrow.Decimal128Type{Precision: 18, Scale: 2}
	entries = arrow.NewSchema([]arrow.Field{
		{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64}, {Name: "reference", Type: arrow.BinaryTypes.String}, {Name: "amount", Type: decimal},
		{Name: "currency", Type: arrow.BinaryTypes.String}, {Name: "value_date", Type: arrow.FixedWidthTypes.Date32},
	}, nil)
)

func openLake(ctx context.Context, dir string) (*catalog.Lake, error) {
	return catalog.Open(ctx, catalog.Config{
		Catalog: "sqlite://" + filepath.Join(dir, "catalog.db"), Warehouse: "file://" + filepath.Join(dir, "warehouse"),
		Storage: localio.Opener(localio.Options{NoSync: true}),
	})
}

// movement is the i-th of the books, as either side has it.
type movement struct {
	times     int // how often it is there
	reference string
	amount    int64 // cents
	currency  string
	day       int32
}

// mix spreads numbers over 64 bits (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// both is the i-th movement on the ledger and on the statement. One in every of them differs: it is missing on the one side, or on the other, its amount is
// wrong, or, where there are duplicates, the statement has it twice. On a statement that is no replica every second one is dated a day later.
func both(i, every int, duplicates, replica bool) (left, right movement) {
	h := mix(uint64(i))
	left = movement{1, fmt.Sprintf("%016X", mix(h)), int64(h%10_000_000) - 5_000_000, [...]string{"EUR", "CZK", "USD"}[h>>40%3], int32(20_000 + h>>50%30)}
	right = left
	if !replica {
		right.day += int32(h >> 33 & 1)
	}
	if every == 0 || i%every != every/2 {
		return left, right
	}
	kinds := 3
	if duplicates {
		kinds = 4
	}
	switch i / every % kinds {
	case 0:
		left.times = 0
	case 1:
		right.times = 0
	case 2:
		right.amount += 1_00
	default:
		right.times = 2
	}
	return left, right
}

// sides writes both sides, as files and as tables of a lake: the ledger in order, the statement in another.
func sides(ctx context.Context, f flags, every int) error {
	for _, old := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm", "warehouse", ledgerFile, statementFile} {
		if err := os.RemoveAll(filepath.Join(f.dir, old)); err != nil {
			return err
		}
	}
	const stride = 15_485_863 // a prime: every movement comes once, in another order
	if f.rows%stride == 0 {
		return fmt.Errorf("%d rows: choose another number", f.rows)
	}
	ledger := func(i int) movement { l, _ := both(i, every, f.duplicates, f.tree); return l }
	statement := func(i int) movement {
		_, r := both(int(uint64(i)*stride%uint64(f.rows)), every, f.duplicates, f.tree)
		return r
	}
	return errors.Join(writeFile(filepath.Join(f.dir, ledgerFile), f.rows, ledger), writeFile(filepath.Join(f.dir, statementFile), f.rows, statement),
		writeTables(ctx, f, map[string]func(int) movement{ledgerName: ledger, statementName: statement}))
}

// writeTables commits both tables at once.
func writeTables(ctx context.Context, f flags, of map[string]func(int) movement) error {
	l, err := openLake(ctx, f.dir)
	if err != nil {
		return err
	}
	defer l.Close()
	commit := catalog.Commit{Epoch: "gen"}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if err := l.EnsureTable(ctx, catalog.TableSpec{Name: name, Schema: entries, Key: []string{"entry_id"}}); err != nil {
			return err
		}
		t, err := l.Table(ctx, name)
		if err != nil {
			return err
		}
		spec, err := t.Spec()
		if err != nil {
			return err
		}
		w, err := l.NewFileWriter(catalog.Target{Location: t.Location(), Spec: spec}, catalog.WriterOptions{EpochID: "gen", Nonce: "1", TargetBytes: 32 << 20})
		if err != nil {
			return err
		}
		if err = batches(spec.Schema, f.rows, of[name], func(b arrow.RecordBatch) error { return w.Write(ctx, b) }); err != nil {
			return err
		}
		files, err := w.Close(ctx)
		if err != nil {
			return err
		}
		commit.Tables = append(commit.Tables, catalog.TableChange{Table: name, Add: files})
	}
	_, err = l.Commit(ctx, commit)
	return err
}

func writeFile(path string, rows int, at func(int) movement) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w, err := parquetfile.NewWriter(f, entries, parquetfile.WriterOptions{})
	if err != nil {
		return err
	}
	if err := batches(entries, rows, at, w.Write); err != nil {
		return err
	}
	_, err = w.Close()
	return err
}

// batches gives the movements that are there as batches.
func batches(schema *arrow.Schema, rows int, at func(int) movement, add func(arrow.RecordBatch) error) error {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	n, id := 0, int64(0)
	flush := func() error {
		rec := b.NewRecordBatch()
		defer rec.Release()
		n = 0
		return add(rec)
	}
	for i := range rows {
		m := at(i)
		for range m.times {
			id++
			b.Field(0).(*array.Int64Builder).Append(id)
			b.Field(1).(*array.StringBuilder).Append(m.reference)
			b.Field(2).(*array.Decimal128Builder).Append(decimal128.FromI64(m.amount))
			b.Field(3).(*array.StringBuilder).Append(m.currency)
			b.Field(4).(*array.Date32Builder).Append(arrow.Date32(m.day))
			if n++; n == batchRows {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}
