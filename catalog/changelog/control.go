package changelog

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// ControlProperty is the table property that names the control totals, as
// "amount by currency, fee by currency, quantity". Where it is absent every decimal column is
// summed, by the column "currency" if there is one; "none" sums nothing.
const ControlProperty = "millrace.control"

const defaultBy = "currency"

// ControlColumn is one control total: a decimal column, kept apart by a text column unless By is "".
type ControlColumn struct {
	Column string
	By     string
}

// Controls reads the control totals of a table with the given value columns from its
// properties. A name that is not a column, or a column of the wrong type, is a fault.Usage error.
func Controls(values *arrow.Schema, properties map[string]string) ([]ControlColumn, error) {
	text, given := properties[ControlProperty]
	if !given {
		return defaultControls(values), nil
	}
	if strings.TrimSpace(text) == "none" {
		return nil, nil
	}
	var out []ControlColumn
	for part := range strings.SplitSeq(text, ",") {
		words := strings.Fields(part)
		c := ControlColumn{}
		switch {
		case len(words) == 1:
			c.Column = words[0]
		case len(words) == 3 && words[1] == "by":
			c.Column, c.By = words[0], words[2]
		default:
			return nil, fault.Usagef("property %s: %q is not COLUMN or COLUMN by COLUMN", ControlProperty, strings.TrimSpace(part))
		}
		if err := c.check(values); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func defaultControls(values *arrow.Schema) []ControlColumn {
	by := ""
	if i := columns.Index(values, defaultBy); i >= 0 && values.Field(i).Type.ID() == arrow.STRING {
		by = defaultBy
	}
	var out []ControlColumn
	for _, f := range values.Fields() {
		if f.Type.ID() == arrow.DECIMAL128 {
			out = append(out, ControlColumn{Column: f.Name, By: by})
		}
	}
	return out
}

func (c ControlColumn) check(values *arrow.Schema) error {
	for _, w := range []struct {
		name string
		id   arrow.Type
		kind string
	}{{c.Column, arrow.DECIMAL128, "a decimal"}, {c.By, arrow.STRING, "a text"}} {
		if w.name == "" {
			continue
		}
		i := columns.Index(values, w.name)
		if i < 0 {
			return fault.Usagef("property %s: there is no column %q", ControlProperty, w.name)
		}
		if f := values.Field(i); f.Type.ID() != w.id {
			return fault.Usagef("property %s: column %q is %s, not %s column", ControlProperty, w.name, f.Type, w.kind)
		}
	}
	return nil
}

// Control adds up control totals. It is not safe for concurrent use; add up one a goroutine and Merge.
type Control struct {
	cols   []ControlColumn
	groups [][]group // by column, few
}

type group struct {
	key   string
	null  bool
	scale int
	sum   money.Sum
}

// NewControl starts at zero.
func NewControl(cols []ControlColumn) *Control {
	return &Control{cols: cols, groups: make([][]group, len(cols))}
}

// Add adds all rows of a record batch. Nulls add nothing; a column that the batch lacks adds nothing.
func (c *Control) Add(rec arrow.RecordBatch) { c.AddIf(rec, nil) }

// AddIf is Add for the rows that keep accepts; a nil keep accepts all.
func (c *Control) AddIf(rec arrow.RecordBatch, keep func(row int) bool) {
	for i, col := range c.cols {
		v, ok := columnNamed(rec, col.Column).(*array.Decimal128)
		if !ok {
			continue
		}
		by, _ := columnNamed(rec, col.By).(*array.String)
		c.addColumn(i, v, by, keep)
	}
}

func (c *Control) addColumn(i int, v *array.Decimal128, by *array.String, keep func(row int) bool) {
	scale := int(v.DataType().(*arrow.Decimal128Type).Scale)
	values := v.Values()
	if by == nil {
		g := c.group(i, "", true, scale)
		for r, x := range values {
			if (v.NullN() == 0 || v.IsValid(r)) && (keep == nil || keep(r)) {
				g.add(x)
			}
		}
		return
	}
	var g *group
	for r, x := range values {
		if v.NullN() > 0 && v.IsNull(r) || keep != nil && !keep(r) {
			continue
		}
		null := by.IsNull(r)
		key := ""
		if !null {
			key = by.Value(r)
		}
		if g == nil || g.null != null || g.key != key {
			g = c.group(i, key, null, scale)
		}
		g.add(x)
	}
}

// group finds or starts the sum of one currency. A text that is kept is copied out of the batch.
func (c *Control) group(i int, key string, null bool, scale int) *group {
	gs := c.groups[i]
	for k := range gs {
		if g := &gs[k]; g.null == null && g.key == key && g.scale == scale {
			return g
		}
	}
	c.groups[i] = append(gs, group{key: strings.Clone(key), null: null, scale: scale})
	return &c.groups[i][len(gs)]
}

func (g *group) add(x decimal128.Num) {
	g.sum.Add(money.Int128{Lo: x.LowBits(), Hi: x.HighBits()})
}

// Merge adds the totals of another Control of the same columns.
func (c *Control) Merge(other *Control) {
	for i := range other.groups {
		for _, o := range other.groups[i] {
			c.group(i, o.key, o.null, o.scale).sum.Merge(o.sum)
		}
	}
}

// Totals are the sums by name: "amount[currency=EUR]", "amount[currency=null]" for rows whose
// currency is null, or "amount" where the column is not kept apart. nil if there are none.
func (c *Control) Totals() (map[string]money.Decimal, error) {
	var out map[string]money.Decimal
	for i, col := range c.cols {
		for _, g := range c.groups[i] {
			name := col.total(g)
			d, err := g.sum.Decimal(g.scale)
			if have, ok := out[name]; ok && err == nil { // the same column at another scale
				d, err = have.Add(d)
			}
			if err != nil {
				return nil, fmt.Errorf("control total %s: %w", name, err)
			}
			if out == nil {
				out = make(map[string]money.Decimal)
			}
			out[name] = d
		}
	}
	return out, nil
}

func (c ControlColumn) total(g group) string {
	switch {
	case c.By == "":
		return c.Column
	case g.null:
		return c.Column + "[" + c.By + "=null]"
	}
	return c.Column + "[" + c.By + "=" + g.key + "]"
}

func columnNamed(rec arrow.RecordBatch, name string) arrow.Array {
	if name == "" {
		return nil
	}
	if i := columns.Index(rec.Schema(), name); i >= 0 {
		return rec.Column(i)
	}
	return nil
}
