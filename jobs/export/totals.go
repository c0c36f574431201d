package export

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/money"
)

// sums adds up the columns of numbers of batches of one schema. It is used by one goroutine.
type sums struct {
	schema   *arrow.Schema
	currency int // column; -1 for none
	groups   map[sumKey]*sum
}

type sumKey struct {
	column   int
	currency string
}

type sum struct {
	total         money.Sum
	values, nulls int64
}

// part is a sum on its way to the commit.
type part struct {
	Column   int    `json:"column"`
	Currency string `json:"currency"`
	Total    []byte `json:"total"`
	Values   int64  `json:"values"`
	Nulls    int64  `json:"nulls"`
}

func newSums(schema *arrow.Schema) *sums {
	s := &sums{schema: schema, currency: -1, groups: map[sumKey]*sum{}}
	if at := schema.FieldIndices(currencyColumn); len(at) == 1 && schema.Field(at[0]).Type.ID() == arrow.STRING {
		s.currency = at[0]
	}
	for i := range schema.NumFields() {
		if s.numeric(i) && !s.split(i) { // also of no rows
			s.group(sumKey{column: i})
		}
	}
	return s
}

func (s *sums) numeric(col int) bool {
	switch s.schema.Field(col).Type.ID() {
	case arrow.DECIMAL128, arrow.INT64, arrow.INT32:
		return true
	}
	return false
}

// split reports whether a column is kept apart by currency.
func (s *sums) split(col int) bool {
	return s.currency >= 0 && s.schema.Field(col).Type.ID() == arrow.DECIMAL128
}

func (s *sums) group(k sumKey) *sum {
	g := s.groups[k]
	if g == nil {
		g = new(sum)
		s.groups[k] = g
	}
	return g
}

func (s *sums) add(rec arrow.RecordBatch) {
	var ccy *array.String
	if s.currency >= 0 {
		ccy = rec.Column(s.currency).(*array.String)
	}
	for c := range s.schema.NumFields() {
		if !s.numeric(c) {
			continue
		}
		if !s.split(c) {
			g := s.group(sumKey{column: c})
			for i := range int(rec.NumRows()) {
				g.add(rec.Column(c), i)
			}
			continue
		}
		var g *sum
		last := ""
		for i := range int(rec.NumRows()) {
			name := ""
			if ccy.IsValid(i) {
				name = ccy.Value(i)
			}
			if g == nil || name != last {
				k := sumKey{c, name}
				if g = s.groups[k]; g == nil {
					k.currency = string([]byte(name)) // not the batch's memory
					g = s.group(k)
				}
				last = name
			}
			g.add(rec.Column(c), i)
		}
	}
}

func (g *sum) add(col arrow.Array, i int) {
	if col.IsNull(i) {
		g.nulls++
		return
	}
	g.values++
	switch c := col.(type) {
	case *array.Decimal128:
		n := c.Value(i)
		g.total.Add(money.Int128{Lo: n.LowBits(), Hi: n.HighBits()})
	case *array.Int64:
		g.total.AddInt64(c.Value(i))
	case *array.Int32:
		g.total.AddInt64(int64(c.Value(i)))
	}
}

func (s *sums) parts() ([]part, error) {
	out := make([]part, 0, len(s.groups))
	for k, g := range s.groups {
		b, err := g.total.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("control totals: %w", err)
		}
		out = append(out, part{k.column, k.currency, b, g.values, g.nulls})
	}
	slices.SortFunc(out, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(a.Currency, b.Currency))
	})
	return out, nil
}

func (s *sums) merge(ps []part) error {
	for _, p := range ps {
		var t money.Sum
		if err := t.UnmarshalBinary(p.Total); err != nil {
			return fmt.Errorf("control totals: %w", err)
		}
		g := s.group(sumKey{p.Column, p.Currency})
		g.total.Merge(t)
		g.values += p.Values
		g.nulls += p.Nulls
	}
	return nil
}

// totals are the sums as they stand in a manifest: by column, then by currency.
func (s *sums) totals() ([]Total, error) {
	parts, err := s.parts()
	if err != nil {
		return nil, err
	}
	out := make([]Total, len(parts))
	for i, p := range parts {
		f := s.schema.Field(p.Column)
		scale := 0
		if d, ok := f.Type.(*arrow.Decimal128Type); ok {
			scale = int(d.Scale)
		}
		d, err := s.groups[sumKey{p.Column, p.Currency}].total.Decimal(scale)
		if err != nil {
			return nil, fmt.Errorf("control total of %s: %w", f.Name, err)
		}
		out[i] = Total{Column: f.Name, Sum: d.String(), Values: p.Values, Nulls: p.Nulls}
		if s.split(p.Column) {
			out[i].Currency = &parts[i].Currency
		}
	}
	return out, nil
}
