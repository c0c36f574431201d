package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
	"github.com/millrace/millrace/sdk/storage"
)

// outcomeSink takes the outcomes of one check: breaks, and matches if they are
// wanted, go to Parquet files in the run's own store, and everything is counted and added up on the way.
type outcomeSink struct {
	store   storage.Store
	base    string // of the files' names: the check
	matches bool   // keep matches too
}

// part is what one task left.
type part struct {
	Partition int64            `json:"partition"`
	Breaks    string           `json:"breaks,omitempty"` // file; "" if there are none
	Matches   string           `json:"matches,omitempty"`
	Classes   ByClass          `json:"classes"`
	Sums      map[string]*sums `json:"sums"` // by currency
	// Held is what each side holds, by currency, added up apart from the comparison.
	Held [2]map[string]*held `json:"held"`
}

// held is what a side holds in one currency.
type held struct {
	Items int64  `json:"items"`
	Total []byte `json:"total"` // as it travels

	total money.Sum
}

// sums are the differences that one currency's outcomes explain, in the amounts' smallest unit.
type sums struct {
	LeftMatched  int64  `json:"left_matched"`
	RightMatched int64  `json:"right_matched"`
	LeftBreaks   int64  `json:"left_breaks"`
	RightBreaks  int64  `json:"right_breaks"`
	Matched      []byte `json:"matched"` // of matched, as it travels
	Breaks       []byte `json:"breaks"`

	matched, breaks money.Sum
}

// pack readies the sums to travel.
func (s *sums) pack() (err error) {
	if s.Matched, err = s.matched.MarshalBinary(); err != nil {
		return err
	}
	s.Breaks, err = s.breaks.MarshalBinary()
	return err
}

// unpack takes the sums that travelled.
func (s *sums) unpack() error {
	return errors.Join(s.matched.UnmarshalBinary(s.Matched), s.breaks.UnmarshalBinary(s.Breaks))
}

// Ref names the sink within this process.
func (s *outcomeSink) Ref() dataset.Ref {
	return dataset.Ref{Kind: "millrace.outcomes", Config: s.base + " in " + s.store.URL()}
}

// NewWriter starts one task's files.
func (s *outcomeSink) NewWriter(_ context.Context, schema *arrow.Schema, task dataset.TaskID) (dataset.Writer, error) {
	w := &outcomeWriter{sink: s, task: task, schema: schema, part: part{Partition: task.Partition, Classes: ByClass{}, Sums: map[string]*sums{}, Held: [2]map[string]*held{{}, {}}}}
	matched := expr.Col(columnar.ColClass).In(string(reconciliation.Matched), string(reconciliation.Holds), string(reconciliation.Unproved))
	var err error
	if w.isMatch, err = expr.Bind(matched, schema); err != nil {
		return nil, fmt.Errorf("outcomes: %w", err)
	}
	population := expr.Col(columnar.ColClass).In(string(columnar.PopulationLeft), string(columnar.PopulationRight))
	w.isBreak, err = expr.Bind(matched.Or(population).Not(), schema)
	return w, err
}

// Commit lists the parts for whoever reads them.
func (s *outcomeSink) Commit(ctx context.Context, _ string, reports [][]byte) error {
	parts := make([]part, len(reports))
	for i, r := range reports {
		if err := json.Unmarshal(r, &parts[i]); err != nil {
			return fmt.Errorf("outcomes: %w", err)
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.Partition, b.Partition) })
	data, err := json.Marshal(parts)
	if err != nil {
		return fmt.Errorf("outcomes: %w", err)
	}
	return s.store.Put(ctx, s.base+".json", data, storage.PutOptions{})
}

// parts reads what Commit wrote.
func (s *outcomeSink) parts(ctx context.Context) ([]part, error) {
	data, err := s.store.Get(ctx, s.base+".json")
	if err != nil {
		return nil, fmt.Errorf("outcomes of %s: %w", s.base, err)
	}
	var parts []part
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, fmt.Errorf("outcomes of %s: %w", s.base, err)
	}
	for _, p := range parts {
		for _, x := range p.Sums {
			if err := x.unpack(); err != nil {
				return nil, fmt.Errorf("outcomes of %s: %w", s.base, err)
			}
		}
		for _, side := range p.Held {
			for _, x := range side {
				if err := x.total.UnmarshalBinary(x.Total); err != nil {
					return nil, fmt.Errorf("outcomes of %s: %w", s.base, err)
				}
			}
		}
	}
	return parts, nil
}

type outcomeWriter struct {
	sink             *outcomeSink
	task             dataset.TaskID
	schema           *arrow.Schema
	isMatch, isBreak *expr.Bound
	breaks, matches  rowFile
	part             part
}

func (w *outcomeWriter) Write(ctx context.Context, b arrow.RecordBatch) error {
	w.count(b)
	if err := w.keep(ctx, b, w.isBreak, &w.breaks, &w.part.Breaks, "breaks"); err != nil {
		return err
	}
	if !w.sink.matches {
		return nil
	}
	return w.keep(ctx, b, w.isMatch, &w.matches, &w.part.Matches, "matches")
}

// keep writes the rows of a batch that are asked for to a file, which begins with the first.
func (w *outcomeWriter) keep(ctx context.Context, b arrow.RecordBatch, which *expr.Bound, f *rowFile, name *string, kind string) error {
	rows, err := which.Filter(b)
	if err != nil {
		return fmt.Errorf("outcomes: %w", err)
	}
	defer rows.Release()
	if rows.NumRows() == 0 {
		return nil
	}
	if *name == "" {
		*name = w.sink.base + "-" + kind + "-" + w.task.String() + ".parquet"
		if err := f.open(ctx, w.sink.store, *name, w.schema); err != nil {
			return err
		}
	}
	return f.rows.Write(rows)
}

// count adds a batch to the part's counts and sums. A row may stand for several matches, or for what a side holds.
func (w *outcomeWriter) count(b arrow.RecordBatch) {
	col := func(name string) arrow.Array { return b.Column(b.Schema().FieldIndices(name)[0]) }
	class := col(columnar.ColClass).(*array.String)
	left, right := col(columnar.ColAmountLeft).(*array.Decimal128), col(columnar.ColAmountRight).(*array.Decimal128)
	ccyL, ccyR := col(columnar.ColCurrencyLeft).(*array.String), col(columnar.ColCurrencyRight).(*array.String)
	var count *array.Int64
	if at := b.Schema().FieldIndices(columnar.ColCount); len(at) == 1 {
		count = b.Column(at[0]).(*array.Int64)
	}
	for i := range int(b.NumRows()) {
		c, n := reconciliation.Class(class.Value(i)), int64(1)
		if count != nil {
			n = count.Value(i)
		}
		switch c {
		case columnar.PopulationLeft:
			w.held(columnar.Left, ccyL.Value(i)).add(n, int128(left, i))
			continue
		case columnar.PopulationRight:
			w.held(columnar.Right, ccyR.Value(i)).add(n, int128(right, i))
			continue
		}
		w.part.Classes.add(c, n)
		if left.IsValid(i) {
			w.sum(ccyL.Value(i)).add(c, true, n, int128(left, i))
		}
		if right.IsValid(i) {
			w.sum(ccyR.Value(i)).add(c, false, n, int128(right, i))
		}
	}
}

func (w *outcomeWriter) held(side int, currency string) *held {
	h := w.part.Held[side][currency]
	if h == nil {
		h = new(held)
		w.part.Held[side][strings.Clone(currency)] = h
	}
	return h
}

func (h *held) add(n int64, total money.Int128) {
	h.Items += n
	h.total.Add(total)
}

// add counts n more of a class; the class is cloned only when it is new.
func (b ByClass) add(c reconciliation.Class, n int64) {
	if have, known := b[c]; known {
		b[c] = have + n
		return
	}
	b[reconciliation.Class(strings.Clone(string(c)))] = n
}

func int128(a *array.Decimal128, i int) money.Int128 {
	v := a.Value(i)
	return money.Int128{Lo: v.LowBits(), Hi: v.HighBits()}
}

func (w *outcomeWriter) sum(currency string) *sums {
	s := w.part.Sums[currency]
	if s == nil {
		s = new(sums)
		w.part.Sums[strings.Clone(currency)] = s
	}
	return s
}

// add adds one side of n outcomes, whose amounts are v together.
func (s *sums) add(c reconciliation.Class, left bool, count int64, v money.Int128) {
	to, n := &s.breaks, &s.LeftBreaks
	switch {
	case c == reconciliation.Matched && left:
		to, n = &s.matched, &s.LeftMatched
	case c == reconciliation.Matched:
		to, n = &s.matched, &s.RightMatched
	case !left:
		n = &s.RightBreaks
	}
	*n += count
	if left {
		to.Add(v)
		return
	}
	var one money.Sum
	one.Add(v)
	to.Sub(one)
}

func (w *outcomeWriter) Close(context.Context) ([][]byte, error) {
	if err := errors.Join(w.breaks.close(), w.matches.close()); err != nil {
		return nil, err
	}
	for _, s := range w.part.Sums {
		if err := s.pack(); err != nil {
			return nil, fmt.Errorf("outcomes: %w", err)
		}
	}
	for _, side := range w.part.Held {
		for _, h := range side {
			var err error
			if h.Total, err = h.total.MarshalBinary(); err != nil {
				return nil, fmt.Errorf("outcomes: %w", err)
			}
		}
	}
	data, err := json.Marshal(w.part)
	if err != nil {
		return nil, fmt.Errorf("outcomes: %w", err)
	}
	return [][]byte{data}, nil
}

func (w *outcomeWriter) Abort(context.Context) {
	w.breaks.abort()
	w.matches.abort()
}

// rowFile is a Parquet file being written. The zero value is none.
type rowFile struct {
	object storage.Writer
	rows   *parquetfile.Writer
}

func (f *rowFile) open(ctx context.Context, store storage.Store, name string, schema *arrow.Schema) (err error) {
	if f.object, err = store.Create(ctx, name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	f.rows, err = parquetfile.NewWriter(f.object, schema, parquetfile.WriterOptions{})
	return err
}

func (f *rowFile) close() error {
	if f.rows == nil {
		return nil
	}
	if _, err := f.rows.Close(); err != nil {
		return fmt.Errorf("finish a file of outcomes: %w", err)
	}
	return f.object.Close()
}

func (f *rowFile) abort() {
	if f.object != nil {
		_ = f.object.Abort() // after Close it does nothing
	}
}

// eachBatch reads a Parquet file of the run's store.
func eachBatch(ctx context.Context, store storage.Store, name string, f func(arrow.RecordBatch) error) (err error) {
	s, err := openRows(ctx, store, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for ctx.Err() == nil {
		b, err := s.rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		err = f(b)
		b.Release()
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// rowSource is a Parquet file being read.
type rowSource struct {
	object storage.Reader
	rows   *parquetfile.Reader
}

func openRows(ctx context.Context, store storage.Store, name string) (*rowSource, error) {
	r, err := store.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	p, err := parquetfile.Open(r, r.Size(), parquetfile.ReaderOptions{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", name, err), r.Close())
	}
	return &rowSource{r, p}, nil
}

func (s *rowSource) close() error { return errors.Join(s.rows.Close(), s.object.Close()) }
