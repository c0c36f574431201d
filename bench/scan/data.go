package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
)

const tableName = "bench.entries"

var (
	stamp  = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	money  = &arrow.Decimal128Type{Precision: 18, Scale: 2}
	schema = arrow.NewSchema([]arrow.Field{
		{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "amount", Type: money},
		{Name: "balance", Type: money},
		{Name: "posted_at", Type: stamp},
		{Name: "value_at", Type: stamp},
		{Name: "created_at", Type: stamp},
		{Name: "seq", Type: arrow.PrimitiveTypes.Int64},
		{Name: "branch_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "currency", Type: arrow.BinaryTypes.String},
		{Name: "kind", Type: arrow.BinaryTypes.String},
		{Name: "status", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "ref", Type: arrow.BinaryTypes.String},
	}, nil)
)

func openLake(ctx context.Context, dir string) (*catalog.Lake, error) {
	return catalog.Open(ctx, catalog.Config{
		Catalog:   "sqlite://" + filepath.Join(dir, "catalog.db"),
		Warehouse: "file://" + filepath.Join(dir, "warehouse"),
		Storage:   localio.Opener(localio.Options{NoSync: true}),
	})
}

// ensureData makes the table unless a finished one of the same size is there.
func ensureData(ctx context.Context, dir string, rows int) error {
	done := filepath.Join(dir, fmt.Sprintf("rows-%d", rows))
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	for _, old := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm", "warehouse"} {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			return err
		}
	}
	l, err := openLake(ctx, dir)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.EnsureTable(ctx, catalog.TableSpec{Name: tableName, Schema: schema}); err != nil {
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
	w, err := l.NewFileWriter(catalog.Target{Location: t.Location(), Spec: spec}, catalog.WriterOptions{EpochID: "gen", Nonce: "1"})
	if err != nil {
		return err
	}
	g := &generator{random: 88172645463325252, balance: 1e9}
	for left := rows; left > 0; left -= batchRows {
		rec := g.batch(min(left, batchRows))
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
	if _, err := l.Commit(ctx, catalog.Commit{Epoch: "gen", Tables: []catalog.TableChange{{Table: tableName, Add: files}}}); err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o644)
}

const batchRows = 1 << 16

// generator makes rows like a ledger's: growing ids and times, random amounts, few-valued texts and a unique reference.
type generator struct {
	random  uint64
	balance int64
	row     int64
}

func (g *generator) next() uint64 {
	g.random ^= g.random << 13
	g.random ^= g.random >> 7
	g.random ^= g.random << 17
	return g.random
}

func (g *generator) batch(n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	b.Reserve(n)
	for range n {
		g.append(b)
	}
	return b.NewRecordBatch()
}

func (g *generator) append(b *array.RecordBuilder) {
	const hex = "0123456789ABCDEF"
	r := g.next()
	amount := int64(r%2_000_000) - 1_000_000
	g.balance += amount
	t := 1_764_000_000_000_000 + g.row*1500 + int64(r>>50)
	ints := func(c int, v int64) { b.Field(c).(*array.Int64Builder).Append(v) }
	texts := func(c int, s string) { b.Field(c).(*array.StringBuilder).Append(s) }
	times := func(c int, v int64) { b.Field(c).(*array.TimestampBuilder).Append(arrow.Timestamp(v)) }
	ints(0, g.row)
	b.Field(1).(*array.Decimal128Builder).Append(decimal128.FromI64(amount))
	b.Field(2).(*array.Decimal128Builder).Append(decimal128.FromI64(g.balance))
	times(3, t)
	times(4, t-t%86_400_000_000)
	times(5, t+77)
	ints(6, g.row/3)
	ints(7, int64(r>>20)%700)
	texts(8, "CU"+strconv.Itoa(int(r>>8)%20))
	texts(9, "POSTING_KIND_"+strconv.Itoa(int(r>>16)%12))
	if s := int(r>>24) % 20; s < 19 {
		texts(10, []string{"BOOKED", "PENDING", "REVERSED", "HELD", "REJECTED"}[s%5])
	} else {
		b.Field(10).AppendNull()
	}
	var ref [16]byte
	x := g.next()
	for j := range ref {
		ref[j] = hex[x&15]
		x >>= 4
	}
	texts(11, string(ref[:]))
	g.row++
}
