package features

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// totals are the control totals of some rows. They travel as JSON.
type totals struct {
	Rows      int64   `json:"rows"`
	NoHistory int64   `json:"no_history"`
	Balances  []group `json:"balances"` // Σ balance

	each map[groupKey]*money.Sum
	asOf map[int64]bool // instants told apart; nil if none are
}

// groupKey is a currency at an instant; of pairs, at none.
type groupKey struct {
	asOf     int64
	currency string
}

type group struct {
	AsOf     int64     `json:"as_of"`
	Currency string    `json:"currency"`
	Sum      money.Sum `json:"-"`
	Bytes    []byte    `json:"sum"`
}

func newTotals(asOf []int64) totals {
	t := totals{each: map[groupKey]*money.Sum{}}
	if asOf != nil {
		t.asOf = map[int64]bool{}
	}
	return t
}

// sum is the sum of a group, new if need be.
func sumOf(m map[groupKey]*money.Sum, k groupKey) *money.Sum {
	s := m[k]
	if s == nil {
		s = new(money.Sum)
		m[k] = s
	}
	return s
}

// add takes rows of features in: account, as-of, date, currency, balance, ….
func (t *totals) add(rec arrow.RecordBatch) {
	at, ccy := rec.Column(1).(*array.Timestamp), rec.Column(3).(*array.String)
	balance := rec.Column(4).(*array.Decimal128)
	t.Rows += rec.NumRows()
	last, lastSum := groupKey{}, (*money.Sum)(nil)
	for i := range int(rec.NumRows()) {
		if balance.IsNull(i) {
			t.NoHistory++
			continue
		}
		k := groupKey{}
		if t.asOf != nil {
			k.asOf = int64(at.Value(i))
		}
		if ccy.IsValid(i) {
			k.currency = ccy.Value(i)
		}
		if lastSum == nil || k != last {
			k.currency = strings.Clone(k.currency) // not the batch's memory
			last, lastSum = k, sumOf(t.each, k)
		}
		lastSum.Add(int128(balance, i))
	}
}

// seal makes the totals ready to travel.
func (t *totals) seal() error {
	t.Balances = t.Balances[:0]
	for k, s := range t.each {
		b, err := s.MarshalBinary()
		if err != nil {
			return fmt.Errorf("control totals: %w", err)
		}
		t.Balances = append(t.Balances, group{AsOf: k.asOf, Currency: k.currency, Bytes: b})
	}
	slices.SortFunc(t.Balances, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.AsOf, b.AsOf), cmp.Compare(a.Currency, b.Currency))
	})
	return nil
}

// merge adds what another task reports.
func (t *totals) merge(o totals) error {
	t.Rows += o.Rows
	t.NoHistory += o.NoHistory
	for _, g := range o.Balances {
		var s money.Sum
		if err := s.UnmarshalBinary(g.Bytes); err != nil {
			return fmt.Errorf("control totals: %w", err)
		}
		sumOf(t.each, groupKey{g.AsOf, g.Currency}).Merge(s)
	}
	return nil
}

// byCurrency are the sums over all rows, by currency.
func (t *totals) byCurrency(scale int32) (map[string]money.Decimal, error) {
	sums := map[string]*money.Sum{}
	for k, s := range t.each {
		if sums[k.currency] == nil {
			sums[k.currency] = new(money.Sum)
		}
		sums[k.currency].Merge(*s)
	}
	out := map[string]money.Decimal{}
	for ccy, s := range sums {
		d, err := s.Decimal(int(scale))
		if err != nil {
			return nil, fmt.Errorf("control total of %s: %w", ccy, err)
		}
		out[ccy] = d
	}
	return out, nil
}

// ledgerTotals sums the ledger's entries by currency as of each instant, from a scan of their own.
func (p *Plan) ledgerTotals(ctx context.Context) (map[groupKey]*money.Sum, int64, error) {
	sums, entries := map[groupKey]*money.Sum{}, int64(0)
	for _, sp := range p.entries.plan.Splits {
		in, err := p.entries.read(ctx, p.o.Lake, sp, nil)
		if err != nil {
			return nil, 0, err
		}
		m := movements{p: p}
		last, lastSum := groupKey{}, (*money.Sum)(nil)
		err = each(ctx, in, p.entries.table, 3, func(b arrow.RecordBatch) error {
			if err := m.load(b); err != nil {
				return err
			}
			for i := range m.len() {
				if m.skip(i) {
					continue
				}
				v := m.at(i)
				at := sort.Search(len(p.asOf), func(j int) bool { return p.asOf[j] >= v.SeenAt() })
				if at == len(p.asOf) {
					continue
				}
				entries++
				k := groupKey{p.asOf[at], m.currencyAt(i)}
				if lastSum == nil || k != last {
					k.currency = strings.Clone(k.currency) // not the batch's memory
					last, lastSum = k, sumOf(sums, k)
				}
				lastSum.Add(v.Amount)
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	p.accumulate(sums)
	return sums, entries, nil
}

// accumulate makes sums of what became seen between two instants to sums of all that is seen.
func (p *Plan) accumulate(sums map[groupKey]*money.Sum) {
	currencies := map[string]bool{}
	for k := range sums {
		currencies[k.currency] = true
	}
	for ccy := range currencies {
		for i := 1; i < len(p.asOf); i++ {
			if before := sums[groupKey{p.asOf[i-1], ccy}]; before != nil {
				sumOf(sums, groupKey{p.asOf[i], ccy}).Merge(*before)
			}
		}
	}
}

// balance holds the features' balances against the ledger.
func (p *Plan) balance(t *totals, ledger map[groupKey]*money.Sum) error {
	all := maps.Clone(ledger)
	maps.Copy(all, t.each)
	for k := range all {
		var have, want money.Sum
		if s := t.each[k]; s != nil {
			have = *s
		}
		if s := ledger[k]; s != nil {
			want = *s
		}
		want.Sub(have)
		if want.IsZero() {
			continue
		}
		off, err := want.Decimal(int(p.scale))
		if err != nil {
			return fmt.Errorf("control total: %w", err)
		}
		return fault.Findingsf("as of %s the balances in %q do not add up to the sum of the ledger's entries: %s are missing; nothing was written",
			time.UnixMicro(k.asOf).UTC().Format(time.RFC3339Nano), k.currency, off)
	}
	return nil
}
