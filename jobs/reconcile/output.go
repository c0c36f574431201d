package reconcile

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
	"github.com/millrace/millrace/sdk/storage"
)

// Names of the files of a run.
const (
	breaksName  = "breaks.csv"
	matchesName = "matches.parquet"
	summaryName = "summary.json"
	rejectsName = "rejects.ndjson"
)

// output is what a run leaves: files, and rows of the lake.
type output struct {
	run    *run
	checks []found
}

// found are the outcomes of one rule.
type found struct {
	rule  string
	parts []part
	// place makes of a ref of the right side what people read; nil leaves it.
	place func(ref string) string
}

// Break is a row of breaks.csv and of the table breaks. A pointer is nil where there is nothing to say.
type Break struct {
	ID, Class, Side, Rule, Key  string
	AmountLeft, AmountRight     *money.Decimal
	Difference                  *money.Decimal
	CurrencyLeft, CurrencyRight string
	DateLeft, DateRight         *time.Time
	RefLeft, RefRight           string // a row's key in the lake, or file and line
	RowLeft, RowRight           string // JSON of the columns shown
}

// write leaves the files, then the rows.
func (o *output) write(ctx context.Context, rep *Report) error {
	if dir := o.run.opts.Out; dir != "" {
		if err := o.files(ctx, dir, rep); err != nil {
			return fmt.Errorf("write results to %s: %w", dir, err)
		}
	}
	if o.run.opts.Dry {
		return nil
	}
	again, err := o.commit(ctx, rep)
	rep.Again = again
	return err
}

func (o *output) files(ctx context.Context, dir string, rep *Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	out, err := localio.Open(dir, localio.Options{})
	if err != nil {
		return err
	}
	if err := o.writeBreaks(ctx, out); err != nil {
		return err
	}
	if o.run.opts.Statement != nil {
		if err := o.writeMatches(ctx, out); err != nil {
			return err
		}
	}
	if err := o.writeRejects(ctx, out); err != nil {
		return err
	}
	data, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	return out.Put(ctx, summaryName, append(data, '\n'), storage.PutOptions{})
}

var breakHeader = []string{"break_id", "class", "side", "rule", "key", "amount_left", "amount_right", "difference", "currency_left", "currency_right",
	"date_left", "date_right", "ref_left", "ref_right", "row_left", "row_right"}

func (b *Break) fields() []string {
	amount := func(d *money.Decimal) string {
		if d == nil {
			return ""
		}
		return d.String()
	}
	date := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.Format(time.DateOnly)
	}
	return []string{b.ID, b.Class, b.Side, b.Rule, b.Key, amount(b.AmountLeft), amount(b.AmountRight), amount(b.Difference), b.CurrencyLeft, b.CurrencyRight,
		date(b.DateLeft), date(b.DateRight), b.RefLeft, b.RefRight, b.RowLeft, b.RowRight}
}

func (o *output) writeBreaks(ctx context.Context, out storage.Store) error {
	w, err := out.Create(ctx, breaksName)
	if err != nil {
		return err
	}
	defer w.Abort()
	rows := csv.NewWriter(w)
	if err := rows.Write(breakHeader); err != nil {
		return err
	}
	if err := o.eachBreak(ctx, func(b *Break) error { return rows.Write(b.fields()) }); err != nil {
		return err
	}
	rows.Flush()
	if err := rows.Error(); err != nil {
		return err
	}
	return w.Close()
}

// writeMatches puts the parts' matches together, in their order.
func (o *output) writeMatches(ctx context.Context, out storage.Store) error {
	scale := o.run.scale
	w, err := out.Create(ctx, matchesName)
	if err != nil {
		return err
	}
	defer w.Abort()
	schema, cols := matchSchema(scale)
	rows, err := parquetfile.NewWriter(w, schema, parquetfile.WriterOptions{})
	if err != nil {
		return err
	}
	for _, p := range o.checks[0].parts { // only the statement keeps matches, and it comes first
		if p.Matches == "" {
			continue
		}
		err := eachBatch(ctx, o.run.work, p.Matches, func(b arrow.RecordBatch) error {
			arrays := make([]arrow.Array, len(cols))
			for i, c := range cols {
				arrays[i] = b.Column(c)
			}
			placed := o.placed(b)
			defer placed.Release()
			arrays[schema.FieldIndices(columnar.ColRefRight)[0]] = placed
			m := array.NewRecordBatch(schema, arrays, b.NumRows())
			defer m.Release()
			return rows.Write(m)
		})
		if err != nil {
			return err
		}
	}
	if _, err := rows.Close(); err != nil {
		return err
	}
	return w.Close()
}

// placed are the right side's refs of matches, as people read them.
func (o *output) placed(b arrow.RecordBatch) arrow.Array {
	refs := b.Column(b.Schema().FieldIndices(columnar.ColRefRight)[0]).(*array.String)
	out := array.NewStringBuilder(memory.DefaultAllocator)
	defer out.Release()
	for i := range refs.Len() {
		out.Append(o.checks[0].place(refs.Value(i)))
	}
	return out.NewArray()
}

// matchSchema is that of outcomes but for what a match has not, and which of their columns these are.
func matchSchema(scale int32) (*arrow.Schema, []int) {
	var fields []arrow.Field
	var cols []int
	for i, f := range columnar.OutcomeSchema(scale).Fields() {
		switch f.Name {
		case columnar.ColClass, columnar.ColBreakID, columnar.ColRowLeft, columnar.ColRowRight:
		default:
			fields, cols = append(fields, f), append(cols, i)
		}
	}
	return arrow.NewSchema(fields, nil), cols
}

// writeRejects puts the quarantined records into one file; it is removed where there are none.
func (o *output) writeRejects(ctx context.Context, out storage.Store) error {
	var all strings.Builder
	for info, err := range o.run.work.List(ctx, rejectPrefix) {
		if err != nil {
			return err
		}
		data, err := o.run.work.Get(ctx, info.Name)
		if err != nil {
			return err
		}
		all.Write(data)
	}
	if all.Len() == 0 {
		return out.Delete(ctx, rejectsName)
	}
	return out.Put(ctx, rejectsName, []byte(all.String()), storage.PutOptions{})
}

// eachBreak calls f for every break: check by check, in order of keys, which does not depend on how rows were cut into parts.
func (o *output) eachBreak(ctx context.Context, f func(*Break) error) error {
	for _, c := range o.checks {
		if err := o.merged(ctx, c, f); err != nil {
			return err
		}
	}
	return nil
}

// merged reads parts, each in order of keys, as one sequence in that order. A key is in one part only.
func (o *output) merged(ctx context.Context, from found, f func(*Break) error) (err error) {
	var open []*breakCursor
	defer func() {
		for _, c := range open {
			err = errors.Join(err, c.close())
		}
	}()
	for _, p := range from.parts {
		if p.Breaks == "" {
			continue
		}
		rows, err := openRows(ctx, o.run.work, p.Breaks)
		if err != nil {
			return err
		}
		c := &breakCursor{rowSource: rows, rule: from.rule}
		open = append(open, c)
		if err := c.next(); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		var least *breakCursor
		for _, c := range open {
			if c.row != nil && (least == nil || c.row.Key < least.row.Key) {
				least = c
			}
		}
		if least == nil {
			return nil
		}
		if from.place != nil && least.row.RefRight != "" {
			least.row.RefRight = from.place(least.row.RefRight)
		}
		if err := f(least.row); err != nil {
			return err
		}
		if err := least.next(); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// breakCursor walks through the breaks of one part.
type breakCursor struct {
	*rowSource
	rule  string
	batch arrow.RecordBatch
	at    int
	row   *Break // nil at the end
}

func (c *breakCursor) next() error {
	for c.batch == nil || c.at == int(c.batch.NumRows()) {
		c.drop()
		b, err := c.rows.Next()
		if errors.Is(err, io.EOF) {
			c.row = nil
			return nil
		}
		if err != nil {
			return fmt.Errorf("read breaks: %w", err)
		}
		c.batch, c.at = b, 0
	}
	row, err := breakAt(c.batch, c.at, c.rule)
	c.row = row
	c.at++
	return err
}

func (c *breakCursor) drop() {
	if c.batch != nil {
		c.batch.Release()
		c.batch = nil
	}
}

func (c *breakCursor) close() error {
	c.drop()
	return c.rowSource.close()
}

// breakAt is a row of outcomes as a break, with memory of its own.
func breakAt(b arrow.RecordBatch, i int, rule string) (*Break, error) {
	col := func(name string) arrow.Array { return b.Column(b.Schema().FieldIndices(name)[0]) }
	text := func(name string) string {
		a := col(name).(*array.String)
		if a.IsNull(i) {
			return ""
		}
		return strings.Clone(a.Value(i))
	}
	var failed error
	amount := func(name string) *money.Decimal {
		a := col(name).(*array.Decimal128)
		if a.IsNull(i) {
			return nil
		}
		d, err := money.NewFromInt128(int128(a, i), int(a.DataType().(*arrow.Decimal128Type).Scale))
		failed = errors.Join(failed, err)
		return &d
	}
	date := func(name string) *time.Time {
		a := col(name).(*array.Date32)
		if a.IsNull(i) {
			return nil
		}
		t := a.Value(i).ToTime()
		return &t
	}
	out := &Break{ID: text(columnar.ColBreakID), Class: text(columnar.ColClass), Rule: rule, Key: text(columnar.ColKey),
		AmountLeft: amount(columnar.ColAmountLeft), AmountRight: amount(columnar.ColAmountRight), Difference: amount(columnar.ColDifference),
		CurrencyLeft: text(columnar.ColCurrencyLeft), CurrencyRight: text(columnar.ColCurrencyRight),
		DateLeft: date(columnar.ColDateLeft), DateRight: date(columnar.ColDateRight),
		RefLeft: text(columnar.ColRefLeft), RefRight: text(columnar.ColRefRight), RowLeft: text(columnar.ColRowLeft), RowRight: text(columnar.ColRowRight)}
	switch {
	case col(columnar.ColRefRight).IsNull(i):
		out.Side = "left"
	case col(columnar.ColRefLeft).IsNull(i):
		out.Side = "right"
	default:
		out.Side = "both"
	}
	return out, failed
}
