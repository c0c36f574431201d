package ingesttest

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/jobs/verify"
)

// amounts are the columns that rows are compared by, beside their keys.
var amounts = map[string]string{ledgergen.Accounts: "balance", ledgergen.Entries: "amount", ledgergen.Loans: "outstanding"}

// Check holds the lake against the truth: every mirror row by row by key and amount, every log by its number of
// events, the dead letters by their number, and every cut by its books.
func (b *Bank) Check(lake *catalog.Lake) {
	b.T.Helper()
	if err := b.check(context.Background(), lake); err != nil {
		b.T.Error(err)
	}
}

func (b *Bank) check(ctx context.Context, lake *catalog.Lake) error {
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		return err
	}
	for _, t := range ledgergen.TableNames() {
		if err := b.compare(ctx, lake, cut, t); err != nil {
			return fmt.Errorf("table %s: %w", t, err)
		}
		log, err := cut.Table(Namespace + "." + t + "_changes")
		if err != nil {
			return err
		}
		if log.Rows() != b.Truth.Events[t] {
			return fmt.Errorf("the log of %s holds %d events, the source had %d", t, log.Rows(), b.Truth.Events[t])
		}
	}
	dead, err := cut.Table(Namespace + ".dead_letters")
	if err != nil {
		return err
	}
	if dead.Rows() != b.Sent[ledgergen.Malformed] {
		return fmt.Errorf("%d messages are in quarantine, %d were malformed", dead.Rows(), b.Sent[ledgergen.Malformed])
	}
	rep, err := verify.Cuts(ctx, lake, Namespace)
	if err != nil {
		return err
	}
	if len(rep.Findings) > 0 {
		return fmt.Errorf("%d of %d cuts do not hold: %+v", len(rep.Findings), rep.Cuts, rep.Findings[0])
	}
	return nil
}

// compare holds one mirror against the truth.
func (b *Bank) compare(ctx context.Context, lake *catalog.Lake, cut *catalog.Cut, t string) error {
	cols := []string{ledgergen.Key(t)}
	if amounts[t] != "" {
		cols = append(cols, amounts[t])
	}
	want, seen := b.Truth.Tables[t], map[int64]bool{}
	err := Scan(ctx, lake, cut, Namespace+"."+t, cols, func(rec arrow.RecordBatch) error {
		for i, id := range rec.Column(0).(*array.Int64).Int64Values() {
			row, ok := want[id]
			if !ok || seen[id] {
				return fmt.Errorf("row %d is in the lake twice, or not in the source", id)
			}
			seen[id] = true
			if len(cols) == 1 {
				continue
			}
			if have := int64(rec.Column(1).(*array.Decimal128).Value(i).LowBits()); have != amountOf(row) {
				return fmt.Errorf("row %d: %d in the lake, %d in the source (smallest unit)", id, have, amountOf(row))
			}
		}
		return nil
	})
	if err == nil && len(seen) != len(want) {
		err = fmt.Errorf("%d rows in the lake, %d in the source", len(seen), len(want))
	}
	return err
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

// Scan reads columns of a table at a cut.
func Scan(ctx context.Context, lake *catalog.Lake, cut *catalog.Cut, table string, cols []string, f func(arrow.RecordBatch) error) error {
	plan, err := cut.PlanScan(ctx, table, catalog.ScanOptions{Columns: cols})
	if err != nil {
		return err
	}
	for _, sp := range plan.Splits {
		in, err := lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{})
		if err != nil {
			return err
		}
		if err := catalog.EachBatch(ctx, in, f); err != nil {
			return err
		}
	}
	return nil
}
