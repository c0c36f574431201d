package features

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
)

// kind names this package's readers and sinks.
const kind = "millrace.features"

// part is a split: a bucket of the entries with whoever is asked for in it, or some rows of one input.
type part struct {
	Input  int32              `json:"input"` // rowAccount, rowMovement or rowAsk; of an exchange
	Bucket int                `json:"bucket"`
	Split  *catalog.ScanSplit `json:"split,omitempty"`
	Pairs  *dataset.Split     `json:"pairs,omitempty"`
}

// reader reads the ledger: as features, bucket by bucket, where the plan merges, else as the rows of an exchange.
type reader struct{ p *Plan }

var _ dataset.Reader = reader{}

// Ref names the reader. Its plan lives in this process: a remote worker cannot open it.
func (r reader) Ref() dataset.Ref { return dataset.Ref{Kind: kind, Config: r.p.id()} }

// Schema is that of the features or of the exchanged rows.
func (r reader) Schema() *arrow.Schema {
	if r.p.merge {
		return r.p.schema
	}
	return eventSchema(r.p.account.Type, r.p.scale)
}

// Plan makes one split a bucket, or the inputs' own.
func (r reader) Plan(ctx context.Context) ([]dataset.Split, error) {
	if r.p.merge {
		return r.buckets()
	}
	var parts []part
	add := func(input int32, s *source) {
		if s != nil {
			for i := range s.plan.Splits {
				parts = append(parts, part{Input: input, Bucket: -1, Split: &s.plan.Splits[i]})
			}
		}
	}
	add(rowMovement, r.p.entries)
	add(rowAccount, r.p.accounts)
	add(rowAsk, r.p.spine)
	if r.p.o.Spine.Pairs != nil {
		splits, err := r.p.o.Spine.Pairs.Plan(ctx)
		if err != nil {
			return nil, fmt.Errorf("plan the spine: %w", err)
		}
		for i := range splits {
			parts = append(parts, part{Input: rowAsk, Bucket: -1, Pairs: &splits[i]})
		}
	}
	return encodeParts(parts)
}

func (r reader) buckets() ([]dataset.Split, error) {
	parts := make([]part, r.p.entries.plan.Layout.Buckets)
	for b := range parts {
		parts[b] = part{Input: rowMovement, Bucket: b}
	}
	splits := r.p.entries.plan.Splits
	for i := range splits {
		if splits[i].Bucket < 0 {
			return nil, fault.Usagef("%s has entries without an account", r.p.entries.table)
		}
		pt := &parts[splits[i].Bucket]
		if pt.Split != nil {
			return nil, fmt.Errorf("bucket %d of %s is planned twice", splits[i].Bucket, r.p.entries.table)
		}
		pt.Split = &splits[i]
	}
	return encodeParts(parts)
}

func encodeParts(parts []part) ([]dataset.Split, error) {
	out := make([]dataset.Split, len(parts))
	for i, pt := range parts {
		data, err := json.Marshal(pt)
		if err != nil {
			return nil, fmt.Errorf("encode a split: %w", err)
		}
		out[i] = dataset.Split{Bucket: -1, Data: data}
		if pt.Pairs != nil {
			out[i].Rows, out[i].Bytes = pt.Pairs.Rows, pt.Pairs.Bytes
		}
		if pt.Split == nil {
			continue
		}
		for _, f := range pt.Split.Files {
			out[i].Rows += f.Rows
			out[i].Bytes += f.Bytes
		}
	}
	return out, nil
}

// Open reads one split.
func (r reader) Open(ctx context.Context, split dataset.Split, batchRows int) (dataset.BatchReader, error) {
	var pt part
	if err := json.Unmarshal(split.Data, &pt); err != nil {
		return nil, fmt.Errorf("decode a split: %w", err)
	}
	if r.p.merge {
		return r.p.openBucket(ctx, pt, batchRows)
	}
	return r.p.openEvents(ctx, pt, batchRows)
}

// events turns batches of one input into the rows of an exchange.
type events struct {
	p     *Plan
	in    dataset.BatchReader
	input int32
	moved movements
	b     *array.RecordBuilder
}

func (p *Plan) openEvents(ctx context.Context, pt part, batchRows int) (*events, error) {
	e := &events{p: p, input: pt.Input, moved: movements{p: p}}
	var err error
	switch {
	case pt.Pairs != nil:
		e.in, err = p.openPairs(ctx, *pt.Pairs, batchRows)
	case pt.Input == rowMovement:
		e.in, err = p.entries.read(ctx, p.o.Lake, *pt.Split, nil)
	case pt.Input == rowAccount:
		e.in, err = p.accounts.read(ctx, p.o.Lake, *pt.Split, nil)
	default:
		e.in, err = p.spine.read(ctx, p.o.Lake, *pt.Split, nil)
	}
	if err != nil {
		return nil, err
	}
	e.b = array.NewRecordBuilder(memory.DefaultAllocator, eventSchema(p.account.Type, p.scale))
	return e, nil
}

// Schema is that of the exchanged rows.
func (e *events) Schema() *arrow.Schema { return e.b.Schema() }

// Close ends the input.
func (e *events) Close() error {
	e.b.Release()
	return e.in.Close()
}

// Next is the next batch of rows.
func (e *events) Next(ctx context.Context) (arrow.RecordBatch, error) {
	b, err := e.in.Next(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	if e.input == rowMovement {
		err = e.movements(b)
	} else {
		err = e.asked(b)
	}
	if err != nil {
		return nil, err
	}
	return e.b.NewRecordBatch(), nil
}

func (e *events) movements(b arrow.RecordBatch) error {
	if err := e.moved.load(b); err != nil {
		return err
	}
	for i := range e.moved.len() {
		if e.moved.skip(i) {
			continue
		}
		m := e.moved.at(i)
		e.add(e.moved.key(i), m.SeenAt(), rowMovement, m.BookedAt, e.moved.currencyAt(i))
		e.b.Field(4).(*array.Decimal128Builder).Append(decimal128.New(m.Amount.Hi, m.Amount.Lo))
	}
	return nil
}

// beginning is before every instant.
const beginning = -1 << 62

// asked adds accounts or pairs.
func (e *events) asked(b arrow.RecordBatch) error {
	known, table := 1, e.p.o.Accounts
	var at []int64
	if e.input == rowAsk {
		known, table = 2, "the spine"
	}
	if err := withoutNulls(b, table, known); err != nil {
		return err
	}
	if e.input == rowAsk {
		at = micros(nil, b.Column(1), dayClose, e.p.o.Zone)
	}
	keyAt := keys(b.Column(0))
	for i := range int(b.NumRows()) {
		if e.input == rowAsk {
			e.add(keyAt(i), at[i], rowAsk, 0, "")
		} else {
			e.add(keyAt(i), beginning, rowAccount, 0, currencyAt(b, 1, i))
		}
		e.b.Field(4).(*array.Decimal128Builder).Append(decimal128.Num{})
	}
	return nil
}

// add appends all of a row but its amount.
func (e *events) add(k key, seenAt int64, kind int32, bookedAt int64, currency string) {
	switch b := e.b.Field(0).(type) {
	case *array.Int64Builder:
		b.Append(k.n)
	case *array.StringBuilder:
		b.Append(k.s)
	}
	e.b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(seenAt))
	e.b.Field(2).(*array.Int32Builder).Append(kind)
	e.b.Field(3).(*array.TimestampBuilder).Append(arrow.Timestamp(bookedAt))
	if b := e.b.Field(5).(*array.StringBuilder); currency == "" {
		b.AppendNull()
	} else {
		b.Append(currency)
	}
}

// bucket computes the features of one bucket's accounts, merging its entries with who is asked for.
type bucket struct {
	p         *Plan
	in        dataset.BatchReader // nil if there are no entries, or none are left
	batchRows int
	engine    engine
	moved     movements
	accounts  []member // still to come
	asks      []ask
	done      bool
}

func (p *Plan) openBucket(ctx context.Context, pt part, batchRows int) (*bucket, error) {
	out := newRowBuilder(p.schema, p.o.Zone)
	b := &bucket{p: p, batchRows: max(1, batchRows), engine: engine{account: p.account.Type, asOf: p.asOf, out: out}, moved: movements{p: p},
		accounts: p.roster.accounts[pt.Bucket], asks: p.roster.asks[pt.Bucket]}
	if pt.Split == nil {
		return b, nil
	}
	in, err := p.entries.read(ctx, p.o.Lake, *pt.Split, []string{p.o.Account, p.o.Booked})
	if err != nil {
		out.release()
		return nil, err
	}
	b.in = in
	return b, nil
}

// Schema is that of features.
func (b *bucket) Schema() *arrow.Schema { return b.p.schema }

// Close ends the reading of entries.
func (b *bucket) Close() error {
	b.engine.out.release()
	if b.in == nil {
		return nil
	}
	return b.in.Close()
}

// Next computes until there is a batch of rows.
func (b *bucket) Next(ctx context.Context) (arrow.RecordBatch, error) {
	for !b.done && b.engine.out.rows < b.batchRows {
		if err := b.step(ctx); err != nil {
			return nil, err
		}
	}
	if out := b.engine.out.batch(); out != nil {
		return out, nil
	}
	return nil, io.EOF
}

// step takes a batch of entries in, or what is left after the last.
func (b *bucket) step(ctx context.Context) error {
	if b.in != nil {
		rec, err := b.in.Next(ctx)
		if err == nil {
			defer rec.Release()
			return b.take(rec)
		}
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", b.p.entries.table, err)
		}
	}
	b.done = true
	if err := b.others(nil); err != nil {
		return err
	}
	return b.engine.finish()
}

func (b *bucket) take(rec arrow.RecordBatch) error {
	if err := b.moved.load(rec); err != nil {
		return err
	}
	pairs := b.p.asOf == nil
	for i := range b.moved.len() {
		k, m := b.moved.key(i), b.moved.at(i)
		if !b.engine.open || k != b.engine.cur {
			if err := b.others(&k); err != nil {
				return err
			}
		}
		if pairs {
			for len(b.asks) > 0 && b.asks[0].key == k && b.asks[0].at < m.SeenAt() {
				if err := b.ask(); err != nil {
					return err
				}
			}
			if len(b.asks) == 0 || b.asks[0].key != k {
				continue // nobody asks for what comes now
			}
			if err := b.engine.see(k); err != nil {
				return err
			}
			b.engine.walk.SkipTo(b.asks[0].at)
		}
		if err := b.engine.move(k, m, b.moved.currencyAt(i)); err != nil {
			return err
		}
	}
	return nil
}

// others asks for whoever comes before an account with entries, and for the account under way; nil is after all.
func (b *bucket) others(upTo *key) error {
	for len(b.accounts) > 0 && (upTo == nil || b.accounts[0].key.compare(*upTo) <= 0) {
		if err := b.engine.list(b.accounts[0].key, b.accounts[0].currency); err != nil {
			return err
		}
		b.accounts = b.accounts[1:]
	}
	for len(b.asks) > 0 && (upTo == nil || b.asks[0].key.compare(*upTo) < 0) {
		if err := b.ask(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bucket) ask() error {
	a := b.asks[0]
	b.asks = b.asks[1:]
	return b.engine.ask(a.key, a.at)
}
