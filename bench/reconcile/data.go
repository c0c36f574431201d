package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/parquetfile"
)

const (
	tableName     = "bench.ledger"
	statementFile = "statement.parquet"
	batchRows     = 8192
)

var (
	decimal = &arrow.Decimal128Type{Precision: 18, Scale: 2}
	ledger  = arrow.NewSchema([]arrow.Field{
		{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64}, {Name: "reference", Type: arrow.BinaryTypes.String}, {Name: "amount", Type: decimal},
		{Name: "currency", Type: arrow.BinaryTypes.String}, {Name: "value_date", Type: arrow.FixedWidthTypes.Date32},
	}, nil)
	statement = arrow.NewSchema([]arrow.Field{
		{Name: "reference", Type: arrow.BinaryTypes.String}, {Name: "amount", Type: decimal},
		{Name: "currency", Type: arrow.BinaryTypes.String}, {Name: "settled_on", Type: arrow.FixedWidthTypes.Date32},
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
	there     bool
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

// both is the i-th movement on the ledger and on the statement. One in every of them differs: it
// is missing on the one side, or on the other, or its amount is wrong.
func both(i, every int) (left, right movement) {
	h := mix(uint64(i))
	left = movement{true, fmt.Sprintf("%016X", mix(h)), int64(h%10_000_000) - 5_000_000, [...]string{"EUR", "CZK", "USD"}[h>>40%3], int32(20_000 + h>>50%30)}
	right = left
	right.day += int32(h >> 33 & 1)
	if every == 0 || i%every != every/2 {
		return left, right
	}
	switch i / every % 3 {
	case 0:
		left.there = false
	case 1:
		right.there = false
	default:
		right.amount += 1_00
	}
	return left, right
}

// sides writes both sides: the table in order, the statement in another.
func sides(ctx context.Context, dir string, rows, every int) error {
	for _, old := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm", "warehouse", statementFile} {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			return err
		}
	}
	return errors.Join(writeLedger(ctx, dir, rows, every), writeStatement(dir, rows, every))
}

func writeLedger(ctx context.Context, dir string, rows, every int) error {
	l, err := openLake(ctx, dir)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.EnsureTable(ctx, catalog.TableSpec{Name: tableName, Schema: ledger, Key: []string{"entry_id"}}); err != nil {
		return err
	}
	t, err := l.Table(ctx, tableName)
	if err != nil {
		return err
	}
	spec, err := t.Spec()
	if err != nil {
		return err
	}
	w, err := l.NewFileWriter(catalog.Target{Location: t.Location(), Spec: spec}, catalog.WriterOptions{EpochID: "gen", Nonce: "1", TargetBytes: 8 << 20})
	if err != nil {
		return err
	}
	err = batches(spec.Schema, rows, func(i int) (int, movement) { m, _ := both(i, every); return i, m }, func(b arrow.RecordBatch) error { return w.Write(ctx, b) })
	if err != nil {
		return err
	}
	files, err := w.Close(ctx)
	if err != nil {
		return err
	}
	_, err = l.Commit(ctx, catalog.Commit{Epoch: "gen", Tables: []catalog.TableChange{{Table: tableName, Add: files}}})
	return err
}

func writeStatement(dir string, rows, every int) (err error) {
	f, err := os.Create(filepath.Join(dir, statementFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w, err := parquetfile.NewWriter(f, statement, parquetfile.WriterOptions{})
	if err != nil {
		return err
	}
	const stride = 15_485_863 // a prime: every movement comes once, in another order
	order := func(i int) int { return int(uint64(i) * stride % uint64(rows)) }
	if rows%stride == 0 {
		return fmt.Errorf("%d rows: choose another number", rows)
	}
	err = batches(statement, rows, func(i int) (int, movement) { i = order(i); _, m := both(i, every); return i, m }, w.Write)
	if err != nil {
		return err
	}
	_, err = w.Close()
	return err
}

// batches gives the movements that are there as batches of either schema.
func batches(schema *arrow.Schema, rows int, at func(i int) (int, movement), add func(arrow.RecordBatch) error) error {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	first := schema.FieldIndices("reference")[0]
	n := 0
	flush := func() error {
		rec := b.NewRecordBatch()
		defer rec.Release()
		n = 0
		return add(rec)
	}
	for i := range rows {
		id, m := at(i)
		if !m.there {
			continue
		}
		if first == 1 {
			b.Field(0).(*array.Int64Builder).Append(int64(id))
		}
		b.Field(first).(*array.StringBuilder).Append(m.reference)
		b.Field(first + 1).(*array.Decimal128Builder).Append(decimal128.FromI64(m.amount))
		b.Field(first + 2).(*array.StringBuilder).Append(m.currency)
		b.Field(first + 3).(*array.Date32Builder).Append(arrow.Date32(m.day))
		if n++; n == batchRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
