package demo

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/ledgergen"
)

// keyed are the columns that a table is compared by: its key and, where it has one, an exact amount.
var keyed = map[string]string{ledgergen.Accounts: "balance", ledgergen.Entries: "amount", ledgergen.Loans: "outstanding"}

// compare holds every table of the lake against the truth, row by row by key and
// amount, and returns the tables' rows. A difference is an error that names the row.
func compare(ctx context.Context, lake *catalog.Lake, truth *ledgergen.Truth) (map[string]int64, error) {
	rows := map[string]int64{}
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		return nil, fmt.Errorf("compare with the source: %w", err)
	}
	for _, t := range ledgergen.TableNames() {
		seen := map[int64]bool{}
		cols := []string{ledgergen.Key(t)}
		if keyed[t] != "" {
			cols = append(cols, keyed[t])
		}
		plan, err := cut.PlanScan(ctx, "ledger."+t, catalog.ScanOptions{Columns: cols})
		if err != nil {
			return nil, fmt.Errorf("compare %s with the source: %w", t, err)
		}
		for _, sp := range plan.Splits {
			in, err := lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{})
			if err != nil {
				return nil, fmt.Errorf("compare %s with the source: %w", t, err)
			}
			err = catalog.EachBatch(ctx, in, func(rec arrow.RecordBatch) error { return compareBatch(rec, truth.Tables[t], seen) })
			if err != nil {
				return nil, fmt.Errorf("compare %s with the source: %w", t, err)
			}
		}
		if len(seen) != len(truth.Tables[t]) {
			return nil, fmt.Errorf("compare %s with the source: %d rows in the lake, %d in the source", t, len(seen), len(truth.Tables[t]))
		}
		rows["ledger."+t] = int64(len(seen))
	}
	return rows, nil
}

func compareBatch(rec arrow.RecordBatch, want map[int64]ledgergen.Row, seen map[int64]bool) error {
	ids, ok := rec.Column(0).(*array.Int64)
	if !ok {
		return fmt.Errorf("the key is %s, not a bigint", rec.Column(0).DataType())
	}
	for i := range int(rec.NumRows()) {
		id := ids.Value(i)
		row, ok := want[id]
		if !ok {
			return fmt.Errorf("row %d is in the lake, not in the source", id)
		}
		if seen[id] {
			return fmt.Errorf("row %d is in the lake twice", id)
		}
		seen[id] = true
		if rec.NumCols() < 2 {
			continue
		}
		have := rec.Column(1).(*array.Decimal128).Value(i)
		if amount := amountOf(row); int64(have.LowBits()) != amount {
			return fmt.Errorf("row %d: %d in the lake, %d in the source (smallest unit)", id, int64(have.LowBits()), amount)
		}
	}
	return nil
}

func amountOf(r ledgergen.Row) int64 {
	switch r := r.(type) {
	case *ledgergen.Account:
		return r.Balance
	case *ledgergen.Entry:
		return r.Amount
	case *ledgergen.Loan:
		return r.Outstanding
	}
	return 0
}
