package reconcile

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// lakeScale is the number of digits after the point of amounts in the lake's table of breaks, for ledgers of any currency.
const lakeScale = 10

var (
	utf8      = arrow.BinaryTypes.String
	bigint    = arrow.PrimitiveTypes.Int64
	date32    = arrow.FixedWidthTypes.Date32
	lakeMoney = &arrow.Decimal128Type{Precision: 38, Scale: lakeScale}
	instant   = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
)

// runsSchema is that of the table runs: a row for each run.
func runsSchema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "run_id", Type: utf8}, {Name: "recorded_at", Type: instant}, {Name: "cut", Type: bigint}, {Name: "as_of", Type: date32, Nullable: true},
		{Name: "verdict", Type: utf8}, {Name: "breaks", Type: bigint}, {Name: "report", Type: utf8}, // summary.json
	}, nil)
}

// breaksSchema is that of the table breaks: a row for each break of each run.
func breaksSchema() *arrow.Schema {
	null := func(name string, t arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: t, Nullable: true}
	}
	return arrow.NewSchema([]arrow.Field{
		{Name: "run_id", Type: utf8}, {Name: "break_id", Type: utf8}, {Name: "class", Type: utf8}, {Name: "side", Type: utf8}, {Name: "rule", Type: utf8}, {Name: "key", Type: utf8},
		null("amount_left", lakeMoney), null("amount_right", lakeMoney), null("difference", lakeMoney), null("currency_left", utf8), null("currency_right", utf8),
		null("date_left", date32), null("date_right", date32), null("ref_left", utf8), null("ref_right", utf8), null("row_left", utf8), null("row_right", utf8),
	}, nil)
}

// commit writes the run and its breaks in one step. again is true where the lake has the run already: nothing is changed then.
func (o *output) commit(ctx context.Context, rep *Report) (again bool, err error) {
	ns, lake := o.run.opts.Namespace, o.run.opts.Lake
	runs := catalog.TableSpec{Name: ns + ".runs", Schema: runsSchema(), Kind: catalog.Plain, Key: []string{"run_id"}}
	breaks := catalog.TableSpec{Name: ns + ".breaks", Schema: breaksSchema(), Kind: catalog.Plain, Key: []string{"run_id", "break_id"}}
	for _, spec := range []catalog.TableSpec{runs, breaks} {
		if err := lake.EnsureTable(ctx, spec); err != nil {
			return false, err
		}
	}
	if again, err = o.recorded(ctx, runs.Name); err != nil || again {
		return again, err
	}
	var nonce [4]byte
	rand.Read(nonce[:]) // never fails
	w := &lakeWriter{lake: lake, run: rep.Run, nonce: hex.EncodeToString(nonce[:])}
	added, err := w.table(ctx, breaks.Name, func(add func(arrow.RecordBatch) error) error { return o.breakRows(ctx, rep.Run, add) })
	if err != nil {
		return false, err
	}
	row, err := o.runRow(rep)
	if err != nil {
		return false, err
	}
	defer row.Release()
	run, err := w.table(ctx, runs.Name, func(add func(arrow.RecordBatch) error) error { return add(row) })
	if err != nil {
		return false, err
	}
	done, err := lake.Commit(ctx, catalog.Commit{Epoch: "reconcile-" + rep.Run, Tables: []catalog.TableChange{run, added}})
	if err != nil {
		return false, fmt.Errorf("record the run in the lake: %w", err)
	}
	return done.Dropped, nil
}

// recorded looks for the run in the lake, also where its commit has left the tables' history.
func (o *output) recorded(ctx context.Context, table string) (found bool, err error) {
	t, err := o.run.opts.Lake.Table(ctx, table)
	if err != nil {
		return false, err
	}
	mine := expr.Col("run_id").Eq(o.run.id)
	plan, err := t.PlanScan(ctx, catalog.ScanOptions{Columns: []string{"run_id"}, Filter: mine})
	if err != nil {
		return false, err
	}
	for _, sp := range plan.Splits {
		in, err := o.run.opts.Lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{Filter: mine})
		if err != nil {
			return false, fmt.Errorf("read %s: %w", table, err)
		}
		err = catalog.EachBatch(ctx, in, func(b arrow.RecordBatch) error {
			found = found || b.NumRows() > 0
			return nil
		})
		if err != nil {
			return false, fmt.Errorf("read %s: %w", table, err)
		}
	}
	return found, nil
}

// lakeWriter writes the files of one attempt at recording a run.
type lakeWriter struct {
	lake       *catalog.Lake
	run, nonce string
}

// table writes rows for a table, which the commit adds.
func (w *lakeWriter) table(ctx context.Context, name string, rows func(add func(arrow.RecordBatch) error) error) (change catalog.TableChange, err error) {
	t, err := w.lake.Table(ctx, name)
	if err != nil {
		return change, err
	}
	spec, err := t.Spec()
	if err != nil {
		return change, err
	}
	out, err := w.lake.NewFileWriter(catalog.Target{Location: t.Location(), Spec: spec}, catalog.WriterOptions{EpochID: w.run, Nonce: w.nonce})
	if err != nil {
		return change, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.Abort(context.WithoutCancel(ctx)))
		}
	}()
	change.Table = name
	err = rows(func(b arrow.RecordBatch) error {
		same := array.NewRecordBatch(spec.Schema, b.Columns(), b.NumRows())
		defer same.Release()
		change.Totals.Rows += b.NumRows()
		change.Totals.Inserts += b.NumRows()
		return out.Write(ctx, same)
	})
	if err != nil {
		return change, fmt.Errorf("write %s: %w", name, err)
	}
	change.Add, err = out.Close(ctx)
	return change, err
}

func (o *output) runRow(rep *Report) (arrow.RecordBatch, error) {
	report, err := json.Marshal(rep)
	if err != nil {
		return nil, fmt.Errorf("describe the run: %w", err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, runsSchema())
	defer b.Release()
	text := func(i int, s string) { b.Field(i).(*array.StringBuilder).Append(s) }
	text(0, rep.Run)
	b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(o.run.opts.Clock().UnixMicro()))
	b.Field(2).(*array.Int64Builder).Append(rep.Cut)
	appendDate(b.Field(3).(*array.Date32Builder), dateOf(o.run.opts.At.BusinessDate))
	text(4, string(rep.Verdict))
	b.Field(5).(*array.Int64Builder).Append(rep.Breaks)
	text(6, string(report))
	return b.NewRecordBatch(), nil
}

func dateOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func appendDate(b *array.Date32Builder, t *time.Time) {
	if t == nil {
		b.AppendNull()
		return
	}
	b.Append(arrow.Date32FromTime(*t))
}

// breakRows gives the breaks as batches of the table's rows.
func (o *output) breakRows(ctx context.Context, run string, add func(arrow.RecordBatch) error) error {
	b := array.NewRecordBuilder(memory.DefaultAllocator, breaksSchema())
	defer b.Release()
	n := 0
	flush := func() error {
		if n == 0 {
			return nil
		}
		n = 0
		rows := b.NewRecordBatch()
		defer rows.Release()
		return add(rows)
	}
	err := o.eachBreak(ctx, func(br *Break) error {
		if err := appendBreak(b, run, br); err != nil {
			return err
		}
		if n++; n < 8192 {
			return nil
		}
		return flush()
	})
	return errors.Join(err, flush())
}

func appendBreak(b *array.RecordBuilder, run string, br *Break) error {
	for i, s := range []string{run, br.ID, br.Class, br.Side, br.Rule, br.Key} {
		b.Field(i).(*array.StringBuilder).Append(s)
	}
	for i, d := range []*money.Decimal{br.AmountLeft, br.AmountRight, br.Difference} {
		f := b.Field(6 + i).(*array.Decimal128Builder)
		if d == nil {
			f.AppendNull()
			continue
		}
		wide, err := d.RescaleExact(lakeScale)
		if err != nil {
			return fault.Usagef("break %s: amount %s does not fit the table breaks, whose amounts have %d digits after the point: %w", br.ID, d, lakeScale, err)
		}
		c := wide.Coefficient()
		f.Append(decimal128.New(c.Hi, c.Lo))
	}
	null := func(i int, s string) {
		f := b.Field(i).(*array.StringBuilder)
		if s == "" {
			f.AppendNull()
			return
		}
		f.Append(s)
	}
	null(9, br.CurrencyLeft)
	null(10, br.CurrencyRight)
	appendDate(b.Field(11).(*array.Date32Builder), br.DateLeft)
	appendDate(b.Field(12).(*array.Date32Builder), br.DateRight)
	for i, s := range []string{br.RefLeft, br.RefRight, br.RowLeft, br.RowRight} {
		null(13+i, s)
	}
	return nil
}
