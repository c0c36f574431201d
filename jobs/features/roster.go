package features

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/dataset"
)

// errLarge means that a spine is too large to be held in memory.
var errLarge = errors.New("the spine is large")

// roster is who is asked for, by bucket of the entries: accounts for all instants, or pairs.
type roster struct {
	accounts [][]member // by key
	asks     [][]ask    // by key and instant
}

type member struct {
	key      key
	currency string
}

type ask struct {
	key key
	at  int64
}

// loadRoster reads accounts and spine into memory.
func (p *Plan) loadRoster(ctx context.Context, buckets int) (*roster, error) {
	r := &roster{accounts: make([][]member, buckets), asks: make([][]ask, buckets)}
	if p.accounts != nil {
		currencies := map[string]string{} // one copy of each
		err := p.eachAccounts(ctx, func(b arrow.RecordBatch) error {
			of, keyAt := dataset.BucketNumbers(b.Column(0), buckets, nil), keys(b.Column(0))
			for i, n := range of {
				ccy := currencyAt(b, 1, i)
				own, ok := currencies[ccy]
				if !ok {
					own = strings.Clone(ccy)
					currencies[own] = own
				}
				r.accounts[n] = append(r.accounts[n], member{keyAt(i).clone(), own})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if p.asOf == nil {
		if err := p.loadAsks(ctx, r, buckets); err != nil {
			return nil, err
		}
	}
	for i := range r.accounts {
		slices.SortFunc(r.accounts[i], func(a, b member) int { return a.key.compare(b.key) })
		slices.SortFunc(r.asks[i], func(a, b ask) int { return cmp.Or(a.key.compare(b.key), cmp.Compare(a.at, b.at)) })
	}
	return r, nil
}

func (p *Plan) loadAsks(ctx context.Context, r *roster, buckets int) error {
	held := 0
	return p.eachPairs(ctx, func(b arrow.RecordBatch) error {
		if held += int(b.NumRows()); held > rosterRows {
			return errLarge
		}
		of, keyAt := dataset.BucketNumbers(b.Column(0), buckets, nil), keys(b.Column(0))
		at := micros(nil, b.Column(1), dayClose, p.o.Zone)
		for i, n := range of {
			r.asks[n] = append(r.asks[n], ask{keyAt(i).clone(), at[i]})
		}
		return nil
	})
}

// currencyAt is a row's currency; "" where it is null or there is no such column.
func currencyAt(b arrow.RecordBatch, col, row int) string {
	if col >= int(b.NumCols()) {
		return ""
	}
	c := b.Column(col).(*array.String)
	if c.IsNull(row) {
		return ""
	}
	return c.Value(row)
}

// eachAccounts gives the accounts' batches: account, currency.
func (p *Plan) eachAccounts(ctx context.Context, f func(arrow.RecordBatch) error) error {
	for _, sp := range p.accounts.plan.Splits {
		in, err := p.accounts.read(ctx, p.o.Lake, sp, nil)
		if err != nil {
			return err
		}
		if err := each(ctx, in, p.accounts.table, 1, f); err != nil {
			return err
		}
	}
	return nil
}

// eachPairs gives the spine's batches: account, as-of.
func (p *Plan) eachPairs(ctx context.Context, f func(arrow.RecordBatch) error) error {
	if p.spine != nil {
		for _, sp := range p.spine.plan.Splits {
			in, err := p.spine.read(ctx, p.o.Lake, sp, nil)
			if err != nil {
				return err
			}
			if err := each(ctx, in, p.spine.table, 2, f); err != nil {
				return err
			}
		}
		return nil
	}
	splits, err := p.o.Spine.Pairs.Plan(ctx)
	if err != nil {
		return fmt.Errorf("plan the spine: %w", err)
	}
	for _, sp := range splits {
		in, err := p.openPairs(ctx, sp, dataset.DefaultBatchRows)
		if err != nil {
			return err
		}
		if err := each(ctx, in, "the spine", 2, f); err != nil {
			return err
		}
	}
	return nil
}

// openPairs reads a split of the spine's reader as account, as-of.
func (p *Plan) openPairs(ctx context.Context, sp dataset.Split, batchRows int) (dataset.BatchReader, error) {
	in, err := p.o.Spine.Pairs.Open(ctx, sp, batchRows)
	if err != nil {
		return nil, fmt.Errorf("read the spine: %w", err)
	}
	whole := p.o.Spine.Pairs.Schema()
	return &projected{BatchReader: in, at: []int{whole.FieldIndices(p.o.Spine.Account)[0], whole.FieldIndices(p.o.Spine.AsOf)[0]}}, nil
}

// projected gives some columns of another reader.
type projected struct {
	dataset.BatchReader
	at []int
}

// Next is the next batch, of these columns only.
func (r *projected) Next(ctx context.Context) (arrow.RecordBatch, error) {
	b, err := r.BatchReader.Next(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	cols, fields := make([]arrow.Array, len(r.at)), make([]arrow.Field, len(r.at))
	for i, at := range r.at {
		cols[i], fields[i] = b.Column(at), b.Schema().Field(at)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, b.NumRows()), nil
}

// read opens a split of the source's plan, merged by some columns if they are given.
func (s *source) read(ctx context.Context, lake *catalog.Lake, sp catalog.ScanSplit, mergeBy []string) (dataset.BatchReader, error) {
	in, err := lake.OpenSplit(ctx, s.plan.Schema, sp, catalog.ReadOptions{Filter: s.filter, Table: s.whole, MergeBy: mergeBy, PrefetchBytes: 32 << 20})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.table, err)
	}
	return in, nil
}

// each calls f for the batches of in, whose first known columns must have no nulls, and closes in.
func each(ctx context.Context, in dataset.BatchReader, table string, known int, f func(arrow.RecordBatch) error) (err error) {
	defer func() { err = errors.Join(err, in.Close()) }()
	for {
		b, err := in.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		err = withoutNulls(b, table, known)
		if err == nil {
			err = f(b)
		}
		b.Release()
		if err != nil {
			return err
		}
	}
}

func withoutNulls(b arrow.RecordBatch, table string, known int) error {
	for i := range known {
		if err := noNulls(table, b.ColumnName(i), b.Column(i)); err != nil {
			return err
		}
	}
	return nil
}
