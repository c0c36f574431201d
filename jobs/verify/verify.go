// Package verify proves the lake's cuts: at every cut that a reader can see, the
// entries sum to zero in each currency, and each account's balance is the sum of its entries.
//
// Nouns. A cut is the state of all tables after one commit. A [Finding] is a
// cut that does not hold, with the first account or currency that shows it.
//
// Errors are faults of reading; findings are not errors.
package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/money"
)

// Finding is a cut whose books do not hold.
type Finding struct {
	Cut    int64  `json:"cut"`
	Reason string `json:"reason"`
}

// Report is the outcome over all cuts.
type Report struct {
	Cuts     int       `json:"cuts"`
	Accounts int       `json:"accounts"` // at the last cut
	Entries  int64     `json:"entries"`  // at the last cut
	Findings []Finding `json:"findings"`
}

// Cuts proves every cut that the lake keeps, of the tables accounts and entries
// of a namespace. Cuts that have not both tables are passed over.
func Cuts(ctx context.Context, lake *catalog.Lake, namespace string) (Report, error) {
	rep := Report{Findings: []Finding{}}
	cuts, err := lake.Cuts(ctx)
	if err != nil {
		return rep, fmt.Errorf("verify: %w", err)
	}
	for _, info := range cuts {
		cut, err := lake.At(ctx, catalog.At{Cut: info.Cut})
		if err != nil {
			return rep, fmt.Errorf("verify cut %d: %w", info.Cut, err)
		}
		if !slices.Contains(cut.Tables(), namespace+".accounts") || !slices.Contains(cut.Tables(), namespace+".entries") {
			continue
		}
		b, err := read(ctx, lake, cut, namespace)
		if err != nil {
			return rep, fmt.Errorf("verify cut %d: %w", info.Cut, err)
		}
		rep.Cuts++
		rep.Accounts, rep.Entries = len(b.balances), b.entries
		if reason := b.check(); reason != "" {
			rep.Findings = append(rep.Findings, Finding{info.Cut, reason})
		}
	}
	return rep, nil
}

// books are the sums of one cut, in the amounts' smallest unit.
type books struct {
	balances map[int64]money.Int128
	sums     map[int64]*money.Sum
	currency map[string]*money.Sum
	entries  int64
}

func read(ctx context.Context, lake *catalog.Lake, cut *catalog.Cut, namespace string) (*books, error) {
	b := &books{balances: map[int64]money.Int128{}, sums: map[int64]*money.Sum{}, currency: map[string]*money.Sum{}}
	err := scan(ctx, lake, cut, namespace+".accounts", []string{"account_id", "balance"}, func(rec arrow.RecordBatch) error {
		ids, amounts, err := columns(rec)
		if err != nil {
			return err
		}
		for i := range int(rec.NumRows()) {
			if _, twice := b.balances[ids.Value(i)]; twice {
				return fmt.Errorf("account %d is in the table twice", ids.Value(i))
			}
			b.balances[ids.Value(i)] = int128(amounts, i)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, scan(ctx, lake, cut, namespace+".entries", []string{"account_id", "amount", "currency"}, b.entriesOf)
}

func (b *books) entriesOf(rec arrow.RecordBatch) error {
	ids, amounts, err := columns(rec)
	if err != nil {
		return err
	}
	ccy, ok := rec.Column(2).(*array.String)
	if !ok {
		return fmt.Errorf("the column currency is %s, not a text", rec.Column(2).DataType())
	}
	for i := range int(rec.NumRows()) {
		v := int128(amounts, i)
		sum(b.sums, ids.Value(i)).Add(v)
		sum(b.currency, ccy.Value(i)).Add(v)
	}
	b.entries += rec.NumRows()
	return nil
}

func sum[K comparable](m map[K]*money.Sum, k K) *money.Sum {
	s := m[k]
	if s == nil {
		s = new(money.Sum)
		m[k] = s
	}
	return s
}

func int128(a *array.Decimal128, i int) money.Int128 {
	n := a.Value(i)
	return money.Int128{Lo: n.LowBits(), Hi: n.HighBits()}
}

func columns(rec arrow.RecordBatch) (*array.Int64, *array.Decimal128, error) {
	ids, ok1 := rec.Column(0).(*array.Int64)
	amounts, ok2 := rec.Column(1).(*array.Decimal128)
	if !ok1 || !ok2 {
		return nil, nil, fmt.Errorf("expected a bigint and a decimal, found %s and %s", rec.Column(0).DataType(), rec.Column(1).DataType())
	}
	return ids, amounts, nil
}

// check returns the first reason why the books do not hold, or "".
func (b *books) check() string {
	for _, ccy := range slices.Sorted(maps.Keys(b.currency)) {
		if t, err := b.currency[ccy].Total(); err != nil || t.Sign() != 0 {
			return fmt.Sprintf("debits and credits in %s differ by %s", ccy, t)
		}
	}
	for id := range b.sums {
		if _, ok := b.balances[id]; !ok {
			return fmt.Sprintf("account %d has entries but is not in the table of accounts", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.balances)) {
		var have money.Int128
		if s := b.sums[id]; s != nil {
			t, err := s.Total()
			if err != nil {
				return fmt.Sprintf("account %d: %v", id, err)
			}
			have = t
		}
		if want := b.balances[id]; have != want {
			return fmt.Sprintf("account %d: balance %s, entries sum to %s (smallest unit)", id, want, have)
		}
	}
	return ""
}

// scan reads the columns of a table at a cut, in that order.
func scan(ctx context.Context, lake *catalog.Lake, cut *catalog.Cut, table string, cols []string, f func(arrow.RecordBatch) error) error {
	plan, err := cut.PlanScan(ctx, table, catalog.ScanOptions{Columns: cols})
	if err != nil {
		return err
	}
	for _, sp := range plan.Splits {
		in, err := lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{})
		if err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		if err := catalog.EachBatch(ctx, in, f); err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
	}
	return nil
}
