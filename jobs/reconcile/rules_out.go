package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// reportName is the page for people.
const reportName = "report.html"

// ruleBreakHeader are the columns of breaks.csv: those of every run, then those that only rules have.
var ruleBreakHeader = append(append([]string(nil), breakHeader...),
	"base_class", "leg", "days", "over", "rows_left", "rows_right", "suggested", "similarity")

// ruleBreak is a break as text.
type ruleBreak struct {
	ID, Class, Side, Rule, Key, AmountLeft, AmountRight, Difference         string
	CurrencyLeft, CurrencyRight, DateLeft, DateRight, RefLeft, RefRight     string
	RowLeft, RowRight, Base, Leg, Days, Over, Left, Right, Suggested, Alike string
}

func (b *ruleBreak) fields() []string {
	return []string{b.ID, b.Class, b.Side, b.Rule, b.Key, b.AmountLeft, b.AmountRight, b.Difference, b.CurrencyLeft, b.CurrencyRight, b.DateLeft, b.DateRight,
		b.RefLeft, b.RefRight, b.RowLeft, b.RowRight, b.Base, b.Leg, b.Days, b.Over, b.Left, b.Right, b.Suggested, b.Alike}
}

// describe is a break as text.
func (l *settledLeg) describe(o *reconciliation.Outcome) (b ruleBreak, err error) {
	res := l.result
	b = ruleBreak{ID: res.ID(o), Class: string(o.Class), Rule: o.Pass, Key: o.Key, Base: string(o.Base), Leg: l.plan.Name, Side: "both",
		Left: strconv.Itoa(len(o.Left)), Right: strconv.Itoa(len(o.Right))}
	switch {
	case len(o.Right) == 0:
		b.Side = "left"
	case len(o.Left) == 0:
		b.Side = "right"
	case o.Days != 0:
		b.Days = strconv.FormatInt(o.Days, 10)
	}
	if d, ok := res.Difference(o); ok {
		b.Difference = d.String()
	}
	if !o.Over.IsZero() {
		b.Over = o.Over.String()
	}
	for _, s := range []struct {
		side                             *reconciliation.Side
		rows                             []int32
		amount, currency, date, ref, row *string
	}{{res.Left, o.Left, &b.AmountLeft, &b.CurrencyLeft, &b.DateLeft, &b.RefLeft, &b.RowLeft},
		{res.Right, o.Right, &b.AmountRight, &b.CurrencyRight, &b.DateRight, &b.RefRight, &b.RowRight}} {
		if len(s.rows) == 0 {
			continue
		}
		if sum, _, ok := res.Sum(s.side, s.rows); ok {
			*s.amount = sum.String()
		}
		*s.currency = common(s.side, reconciliation.ColumnCurrency, s.rows)
		*s.date = common(s.side, reconciliation.ColumnDate, s.rows)
		var refs []string
		for _, r := range s.rows {
			refs = append(refs, s.side.Ref(int(r)))
		}
		*s.ref = strings.Join(refs, "; ")
		if *s.row, err = shown(s.side, s.rows); err != nil {
			return b, err
		}
	}
	if len(o.Suggested) > 0 {
		other := res.Right
		if len(o.Left) == 0 {
			other = res.Left
		}
		b.Suggested, b.Alike = other.Ref(int(o.Suggested[0].Row)), strconv.Itoa(o.Suggested[0].Similarity)
	}
	return b, nil
}

// common is the value that rows share in a column, "" where they differ.
func common(side *reconciliation.Side, column string, rows []int32) string {
	first := side.Text(column, int(rows[0]))
	for _, r := range rows[1:] {
		if side.Text(column, int(r)) != first {
			return ""
		}
	}
	return first
}

// shown are rows as a JSON list of objects of texts.
func shown(side *reconciliation.Side, rows []int32) (string, error) {
	buf := []byte{'['}
	for i, r := range rows {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, '{')
		for k, name := range side.Schema().Names() {
			if k > 0 {
				buf = append(buf, ',')
			}
			for j, text := range [2]string{name, side.Text(name, int(r))} {
				quoted, err := json.Marshal(text)
				if err != nil {
					return "", err
				}
				if j == 1 {
					buf = append(buf, ':')
				}
				buf = append(buf, quoted...)
			}
		}
		buf = append(buf, '}')
	}
	return string(append(buf, ']')), nil
}

// writeRules leaves the files of a run.
func writeRules(ctx context.Context, o *RulesOptions, rep *RulesReport, legs []settledLeg, rejects []byte) error {
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return err
	}
	out, err := localio.Open(o.Out, localio.Options{})
	if err != nil {
		return err
	}
	page, err := newPage(o, rep)
	if err != nil {
		return err
	}
	if err := writeRuleBreaks(ctx, out, o, legs, page); err != nil {
		return err
	}
	if err := writeRuleMatches(ctx, out, legs); err != nil {
		return err
	}
	if err := rep.nway.write(ctx, out); err != nil {
		return err
	}
	if len(rejects) == 0 {
		err = out.Delete(ctx, rejectsName)
	} else {
		err = out.Put(ctx, rejectsName, rejects, storage.PutOptions{})
	}
	if err != nil {
		return err
	}
	var html bytes.Buffer
	if err := page.render(&html); err != nil {
		return err
	}
	if err := out.Put(ctx, reportName, html.Bytes(), storage.PutOptions{}); err != nil {
		return err
	}
	data, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	return out.Put(ctx, summaryName, append(data, '\n'), storage.PutOptions{})
}

func writeRuleBreaks(ctx context.Context, out storage.Store, o *RulesOptions, legs []settledLeg, page *page) error {
	scale := 0
	for _, l := range legs {
		scale = max(scale, l.result.Scale())
	}
	files, err := openBreaks(ctx, out, o, page, scale)
	if err != nil {
		return err
	}
	defer files.abort()
	for i := range legs {
		for _, o := range legs[i].result.Breaks() {
			b, err := legs[i].describe(o)
			if err != nil {
				return err
			}
			if err := files.add(&b); err != nil {
				return err
			}
		}
	}
	return files.close()
}

// ruleMatchSchema is that of matches.parquet: a row for each row of a side that a match has.
func ruleMatchSchema(scale int32) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "match", Type: bigint}, {Name: "leg", Type: utf8}, {Name: "rule", Type: utf8}, {Name: "cardinality", Type: utf8},
		{Name: "side", Type: utf8}, {Name: "ref", Type: utf8}, {Name: "key", Type: utf8}, {Name: "amount", Type: &arrow.Decimal128Type{Precision: 38, Scale: scale}},
		{Name: "currency", Type: utf8}, {Name: "date", Type: date32, Nullable: true}}, nil)
}

// matchRows is how many rows of matches are written at once.
const matchRows = 16 << 10

func writeRuleMatches(ctx context.Context, out storage.Store, legs []settledLeg) error {
	w, err := out.Create(ctx, matchesName)
	if err != nil {
		return err
	}
	defer w.Abort()
	scale := 0
	for _, l := range legs {
		scale = max(scale, l.result.Scale())
	}
	schema := ruleMatchSchema(int32(scale))
	file, err := parquetfile.NewWriter(w, schema, parquetfile.WriterOptions{})
	if err != nil {
		return err
	}
	m := &matchWriter{b: array.NewRecordBuilder(memory.DefaultAllocator, schema), file: file, scale: scale}
	defer m.b.Release()
	for i := range legs {
		if err := m.leg(&legs[i]); err != nil {
			return err
		}
	}
	if err := m.flush(); err != nil {
		return err
	}
	if _, err := file.Close(); err != nil {
		return err
	}
	return w.Close()
}

type matchWriter struct {
	b     *array.RecordBuilder
	file  *parquetfile.Writer
	scale int
	rows  int
	match int64
}

func (m *matchWriter) leg(l *settledLeg) error {
	for _, o := range l.result.Matches() {
		m.match++
		for _, s := range []struct {
			name string
			side *reconciliation.Side
			rows []int32
		}{{l.plan.Left.Name, l.result.Left, o.Left}, {l.plan.Right.Name, l.result.Right, o.Right}} {
			for _, r := range s.rows {
				if err := m.row(l.plan.Name, s.name, o, s.side.Row(int(r))); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (m *matchWriter) row(leg, side string, o *reconciliation.Outcome, r reconciliation.Movement) error {
	m.b.Field(0).(*array.Int64Builder).Append(m.match)
	for i, t := range []string{leg, o.Pass, string(o.Cardinality()), side, r.Ref, o.Key} {
		m.b.Field(1 + i).(*array.StringBuilder).Append(t)
	}
	amount, err := r.Amount.RescaleExact(m.scale)
	if err != nil {
		return err
	}
	m.b.Field(7).(*array.Decimal128Builder).Append(num(amount))
	m.b.Field(8).(*array.StringBuilder).Append(r.Currency)
	if r.Date == reconciliation.NoDate {
		m.b.Field(9).AppendNull()
	} else {
		m.b.Field(9).(*array.Date32Builder).Append(arrow.Date32(r.Date))
	}
	if m.rows++; m.rows == matchRows {
		return m.flush()
	}
	return nil
}

func (m *matchWriter) flush() error {
	if m.rows == 0 {
		return nil
	}
	m.rows = 0
	b := m.b.NewRecordBatch()
	defer b.Release()
	return m.file.Write(b)
}

func num(d money.Decimal) decimal128.Num {
	c := d.Coefficient()
	return decimal128.New(c.Hi, c.Lo)
}
