package demo

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/ledgergen"
)

// compare holds every table of the lake against the truth, row by row by key and
// in every column, and returns the tables' rows. A difference is an error that names the row.
func compare(ctx context.Context, lake *catalog.Lake, truth *ledgergen.Truth) (map[string]int64, error) {
	rows := map[string]int64{}
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		return nil, fmt.Errorf("compare with the source: %w", err)
	}
	for _, t := range ledgergen.TableNames() {
		c := comparison{table: t, want: truth.Tables[t], seen: map[int64]bool{}}
		if err := c.run(ctx, lake, cut); err != nil {
			return nil, fmt.Errorf("compare %s with the source: %w", t, err)
		}
		rows["ledger."+t] = int64(len(c.seen))
	}
	return rows, nil
}

// comparison is one table's.
type comparison struct {
	table string
	want  map[int64]ledgergen.Row
	seen  map[int64]bool
}

func (c *comparison) run(ctx context.Context, lake *catalog.Lake, cut *catalog.Cut) error {
	plan, err := cut.PlanScan(ctx, "ledger."+c.table, catalog.ScanOptions{})
	if err != nil {
		return err
	}
	if err := sameColumns(plan.Schema, ledgergen.FinalSchema(c.table)); err != nil {
		return err
	}
	for _, sp := range plan.Splits {
		in, err := lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{})
		if err != nil {
			return err
		}
		if err := catalog.EachBatch(ctx, in, c.batch); err != nil {
			return err
		}
	}
	if len(c.seen) != len(c.want) {
		return fmt.Errorf("%d rows in the lake, %d in the source", len(c.seen), len(c.want))
	}
	return nil
}

// sameColumns says where the columns of a table are not those of the source.
func sameColumns(have, want *arrow.Schema) error {
	names := func(s *arrow.Schema) (out []string) {
		for _, f := range s.Fields() {
			out = append(out, f.Name)
		}
		return out
	}
	if h, w := names(have), names(want); !slices.Equal(h, w) {
		return fmt.Errorf("columns %v in the lake, %v in the source", h, w)
	}
	return nil
}

func (c *comparison) batch(rec arrow.RecordBatch) error {
	ids, ok := rec.Column(0).(*array.Int64)
	if !ok {
		return fmt.Errorf("the key is %s, not a bigint", rec.Column(0).DataType())
	}
	for i := range int(rec.NumRows()) {
		id := ids.Value(i)
		row, ok := c.want[id]
		if !ok {
			return fmt.Errorf("row %d is in the lake, not in the source", id)
		}
		if c.seen[id] {
			return fmt.Errorf("row %d is in the lake twice", id)
		}
		c.seen[id] = true
		for j, want := range ledgergen.Values(row) {
			have, err := ledgergen.Cell(rec.Column(j), i)
			if err != nil {
				return fmt.Errorf("column %s: %w", rec.ColumnName(j), err)
			}
			if have != want {
				return fmt.Errorf("row %d, column %s: %v in the lake, %v in the source", id, rec.ColumnName(j), have, want)
			}
		}
	}
	return nil
}
