package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
	"github.com/millrace/millrace/sdk/source"
)

func init() { dataset.RegisterMaker(makeRowComparison) }

// Columns that spooled events have beside the table's own.
const (
	colSide  = "_side"
	colOp    = "_op"
	colTime  = "_committed_at"
	colLSN   = "_lsn"
	colOrder = "_offset"
)

// rowCheck compares a table row by row: the state that the stream leads to, with the mirror.
type rowCheck struct {
	run    *run
	table  *sourceTable
	schema *arrow.Schema // the mirror's columns
	spoolS *arrow.Schema // and the events' own before them
	file   rowFile
	sink   *outcomeSink
}

func spoolFields() []arrow.Field {
	i64 := arrow.PrimitiveTypes.Int64
	return []arrow.Field{{Name: colSide, Type: i64}, {Name: colOp, Type: utf8}, {Name: colTime, Type: i64}, {Name: colLSN, Type: i64}, {Name: colOrder, Type: i64}}
}

func (r *run) newRows(ctx context.Context, t *sourceTable, mirror *arrow.Schema) (*rowCheck, error) {
	c := &rowCheck{run: r, table: t, sink: &outcomeSink{store: r.work, base: "rows-" + t.Name}}
	fields := make([]arrow.Field, mirror.NumFields())
	for i, f := range mirror.Fields() {
		fields[i] = arrow.Field{Name: f.Name, Type: f.Type, Nullable: true} // a delete may carry the key only
	}
	c.schema = arrow.NewSchema(fields, nil)
	c.spoolS = arrow.NewSchema(slices.Concat(spoolFields(), fields), nil)
	return c, c.file.open(ctx, r.work, c.spoolName(), c.spoolS)
}

// rule is the name under which the table's breaks go.
func (c *rowCheck) rule() string { return "source." + c.table.Name }

func (c *rowCheck) spoolName() string { return "events-" + c.table.Name + ".parquet" }

// spool keeps the events of a batch that lie before end.
func (c *rowCheck) spool(_ context.Context, b *source.Batch, end int64) error {
	rows, err := conformed(b.Row, c.schema)
	if err != nil {
		return fmt.Errorf("table %s: %w", c.table.Name, err)
	}
	defer rows.Release()
	out := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(spoolFields(), nil))
	defer out.Release()
	n := b.Rows()
	for i := range n {
		out.Field(0).(*array.Int64Builder).Append(columnar.Left)
		out.Field(1).(*array.StringBuilder).Append(b.Ops[i].String())
	}
	out.Field(2).(*array.Int64Builder).AppendValues(b.CommittedAt, nil)
	out.Field(3).(*array.Int64Builder).AppendValues(b.LSN, nil)
	out.Field(4).(*array.Int64Builder).AppendValues(b.Offset, nil)
	own := out.NewRecordBatch()
	defer own.Release()
	all := array.NewRecordBatch(c.spoolS, slices.Concat(own.Columns(), rows.Columns()), int64(n))
	defer all.Release()
	kept, err := keepBefore(all, end)
	if err != nil {
		return err
	}
	defer kept.Release()
	return c.file.rows.Write(kept)
}

// keepBefore keeps the events at offsets before end.
func keepBefore(b arrow.RecordBatch, end int64) (arrow.RecordBatch, error) {
	within, err := expr.Bind(expr.Col(colOrder).Lt(end), b.Schema())
	if err != nil {
		return nil, err
	}
	return within.Filter(b)
}

// conformed gives rows the columns of a schema, by name, converted exactly; a column that they lack is null.
func conformed(rows arrow.RecordBatch, schema *arrow.Schema) (arrow.RecordBatch, error) {
	items := make([]expr.Named, schema.NumFields())
	for i, f := range schema.Fields() {
		have, ok := rows.Schema().FieldsByName(f.Name)
		e := expr.Col(f.Name)
		switch {
		case !ok:
			e = expr.Lit(nil).Cast(expr.TypeOf(f.Type))
		case !arrow.TypeEqual(have[0].Type, f.Type):
			e = e.Cast(expr.TypeOf(f.Type))
		}
		items[i] = expr.Named{Name: f.Name, Expr: e}
	}
	p, err := expr.BindProjection(rows.Schema(), items...)
	if err != nil {
		return nil, err
	}
	out, err := p.Apply(rows)
	if err != nil {
		return nil, err
	}
	defer out.Release()
	for i, f := range schema.Fields() {
		if !arrow.TypeEqual(out.Column(i).DataType(), f.Type) {
			return nil, fault.Usagef("column %s is %s in the stream and %s in the lake", f.Name, out.Column(i).DataType(), f.Type)
		}
	}
	return array.NewRecordBatch(schema, out.Columns(), out.NumRows()), nil
}

// spooled ends the spool file.
func (c *rowCheck) spooled(whole bool) error {
	if !whole {
		c.file.abort()
		return nil
	}
	return c.file.close()
}

// build adds the comparison of every table to a pipeline.
func (s *sourceCheck) build(ctx context.Context, sc beam.Scope) error {
	sc = sc.Scope("source")
	for _, t := range s.tables {
		if t.rows == nil {
			continue
		}
		if err := t.rows.build(ctx, sc.Scope(t.Name)); err != nil {
			return fmt.Errorf("source: table %s: %w", t.Name, err)
		}
	}
	return nil
}

type rowConfig struct {
	Key  []string `json:"key"`
	Rule string   `json:"rule"`
}

func (c *rowCheck) build(ctx context.Context, s beam.Scope) error {
	src, err := parquetio.NewSource(ctx, c.run.work, c.spoolName(), parquetio.Options{Schema: c.spoolS})
	if err != nil {
		return err
	}
	items := []dataset.Item{dataset.As(colSide, expr.Lit(columnar.Right)), dataset.As(colOp, expr.Lit(change.Read.String()))}
	for _, n := range []string{colTime, colLSN, colOrder} {
		items = append(items, dataset.As(n, expr.Lit(0)))
	}
	for _, f := range c.schema.Fields() {
		items = append(items, dataset.Column(f.Name))
	}
	lake := dataset.Project(s, c.run.scan(ctx, s, c.table.lake), items...)
	config, err := json.Marshal(rowConfig{c.table.Key, c.rule()})
	if err != nil {
		return fmt.Errorf("compare rows: %w", err)
	}
	opts := []dataset.MapOption{dataset.Within(colSide, colTime, colLSN, colOrder), dataset.OutputSchema(columnar.OutcomeSchema(0))}
	if c.run.opts.Partitions > 0 {
		opts = append(opts, dataset.Spread(c.run.opts.Partitions))
	}
	found := dataset.MapGroups(s, dataset.Union(s, parquetio.Read(s, src), lake), c.table.Key, makeRowComparison, string(config), opts...)
	dataset.WriteTo(s, c.sink, found)
	return nil
}

// report adds up what the pipeline left.
func (c *rowCheck) report(ctx context.Context, to *SourceCount, rep *SourceReport) ([]part, error) {
	parts, err := c.sink.parts(ctx)
	if err != nil {
		return nil, err
	}
	to.Rows = &RowCounts{}
	for _, p := range parts {
		for class, n := range p.Classes {
			if class != reconciliation.MissingLeft {
				to.Rows.Source += n
			}
			if class != reconciliation.MissingRight {
				to.Rows.Lake += n
			}
			if class == reconciliation.Matched {
				to.Rows.Matched += n
			} else {
				rep.Breaks[class] += n
			}
		}
	}
	return parts, nil
}

// makeRowComparison makes the function that compares the last event of each key with the mirror's row.
func makeRowComparison(config string) (dataset.BatchFunc, error) {
	var c rowConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return nil, fmt.Errorf("compare rows: %w", err)
	}
	return func(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
		own := len(spoolFields())
		w := &rowWriter{rule: c.Rule, rows: b, values: own, out: array.NewRecordBuilder(memory.DefaultAllocator, columnar.OutcomeSchema(0))}
		defer w.out.Release()
		side, ok1 := b.Column(0).(*array.Int64)
		op, ok2 := b.Column(1).(*array.String)
		if !ok1 || !ok2 {
			return nil, errors.New("compare rows: the rows are no events")
		}
		for _, k := range c.Key {
			w.keys = append(w.keys, b.Schema().FieldIndices(k)[0])
		}
		for i, j := 0, 0; i < side.Len(); i = j {
			last, mirror := -1, -1 // rows; sorted by side, then by time
			for j = i; j < side.Len() && w.sameKey(i, j); j++ {
				if side.Value(j) == columnar.Left {
					last = j
				} else if mirror >= 0 {
					return nil, fmt.Errorf("compare rows: the mirror has the key %s twice", w.key(j))
				} else {
					mirror = j
				}
			}
			if last >= 0 && op.Value(last) == change.Delete.String() {
				last = -1
			}
			w.settle(last, mirror)
		}
		return w.out.NewRecordBatch(), nil
	}, nil
}
