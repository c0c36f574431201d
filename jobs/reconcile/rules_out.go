package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// reportName is the page for people.
const reportName = "report.html"

// ruleBreakHeader are the columns of breaks.csv: those of every run, then those that only rules have.
var ruleBreakHeader = append(append([]string(nil), breakHeader...),
	append([]string{"base_class", "leg", "days", "over", "rows_left", "rows_right", "suggested", "similarity"}, lifeColumns...)...)

// ruleBreak is a break as text.
type ruleBreak struct {
	ID, Class, Side, Rule, Key, AmountLeft, AmountRight, Difference         string
	CurrencyLeft, CurrencyRight, DateLeft, DateRight, RefLeft, RefRight     string
	RowLeft, RowRight, Base, Leg, Days, Over, Left, Right, Suggested, Alike string
	Life                                                                    lived

	account string // for limits by account
}

func (b *ruleBreak) fields() (out []string) {
	of := b.texts()
	out = make([]string, 0, len(of)+len(lifeColumns))
	for _, t := range of[:len(of)-1] { // the account is not told
		out = append(out, *t)
	}
	return append(out, b.Life.fields()...)
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
	if l.account != "" {
		side, rows := res.Left, o.Left
		if len(rows) == 0 {
			side, rows = res.Right, o.Right
		}
		b.account = common(side, l.account, rows)
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
				if j == 1 {
					buf = append(buf, ':')
				}
				if plain(text) {
					buf = append(append(append(buf, '"'), text...), '"')
					continue
				}
				quoted, err := json.Marshal(text)
				if err != nil {
					return "", err
				}
				buf = append(buf, quoted...)
			}
		}
		buf = append(buf, '}')
	}
	return string(append(buf, ']')), nil
}

// plain reports whether JSON writes a text as it is.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// writeRules leaves the files of a run.
func writeRules(ctx context.Context, out storage.Store, o *RulesOptions, rep *RulesReport, legs []settledLeg, matches *matchFile, rejects []byte) error {
	page, err := newPage(o, rep)
	if err != nil {
		return err
	}
	if err := writeRuleBreaks(ctx, out, o, legs, page); err != nil {
		return err
	}
	if err := matches.finish(legs); err != nil {
		return err
	}
	if matches == nil { // those of a run before would not be this run's
		if err := out.Delete(ctx, matchesName); err != nil {
			return err
		}
	}
	if err := rep.nway.write(ctx, out); err != nil {
		return err
	}
	if err := rep.writeProofs(ctx, out); err != nil {
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
		if err := legs[i].each(func(b *ruleBreak) error {
			b.Life = page.Life.of(b.ID)
			return files.add(b)
		}); err != nil {
			return err
		}
	}
	return files.close()
}

func num(d money.Decimal) decimal128.Num {
	c := d.Coefficient()
	return decimal128.New(c.Hi, c.Lo)
}
