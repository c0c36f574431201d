package columnar

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// comparison settles the rows of one cluster after the other. One row on each side that match are
// seen to match in their columns; all else is made into items, which reconciliation.Settler settles.
type comparison struct {
	rule       reconciliation.Rule
	near       near
	addUp      bool
	population bool
	in         [2]inColumns
	groups     groups
	settler    reconciliation.Settler
	items      [2][]reconciliation.Item
	rows       [2]map[string]int32 // of one key's items, by ref; made where a break shows columns
	row        [2][]byte
	currencies currencies
	out        outcomes
}

func (c *comparison) cluster(_ context.Context, left, right arrow.RecordBatch) (arrow.RecordBatch, error) {
	for side, b := range []arrow.RecordBatch{left, right} {
		if err := c.in[side].read(b); err != nil {
			return nil, err
		}
	}
	for side := range c.in {
		c.in[side].codes = c.currencies.codes(c.in[side].currency, c.in[side].codes)
	}
	if c.population {
		c.currencies.count(&c.in[Left], PopulationLeft, &c.out)
		c.currencies.count(&c.in[Right], PopulationRight, &c.out)
	}
	c.groups.build(&c.in[Left], &c.in[Right])
	for g := range c.groups.all {
		if err := c.settle(&c.groups.all[g]); err != nil {
			return nil, err
		}
	}
	c.currencies.flushAll(reconciliation.Matched, &c.out)
	c.currencies.reset()
	return c.out.b.NewRecordBatch(), nil
}

// settle settles the rows of one key.
func (c *comparison) settle(g *group) error {
	l, r := g.head[Left], g.head[Right]
	if l >= 0 && r >= 0 && c.groups.next[Left][l] < 0 && c.groups.next[Right][r] < 0 && c.matches(l, r) {
		if c.addUp {
			c.currencies.matched(c.in[Left].codes[l], int128Of(c.in[Left].amount, l), int128Of(c.in[Right].amount, r), &c.out)
			return nil
		}
	}
	for side := range c.items {
		c.items[side], c.rows[side] = c.items[side][:0], nil
		for i := g.head[side]; i >= 0; i = c.groups.next[side][i] {
			it, err := c.in[side].item(i)
			if err != nil {
				return fmt.Errorf("the amount of %s: %w", it.Ref, err)
			}
			c.items[side] = append(c.items[side], it)
		}
	}
	c.settler.Settle(c.rule, c.items[Left], c.items[Right], func(b reconciliation.Break) { c.emit(g, b) })
	return nil
}

func (c *comparison) emit(g *group, b reconciliation.Break) {
	if b.Class == reconciliation.Matched {
		if c.addUp {
			c.currencies.matched(c.currencies.of([]byte(b.Left.Currency)), b.Left.Amount.Coefficient(), b.Right.Amount.Coefficient(), &c.out)
		} else { // matches are many, and nobody reads their rows
			c.out.add(c.rule.Name, b, nil, nil)
		}
		return
	}
	c.out.add(c.rule.Name, b, c.shown(g, Left, b.Left), c.shown(g, Right, b.Right))
}

// shown is what a break shows of an item; nil where there is nothing to show.
func (c *comparison) shown(g *group, side int, it *reconciliation.Item) []byte {
	in := &c.in[side]
	if it == nil || len(in.show) == 0 {
		return nil
	}
	if c.rows[side] == nil {
		c.rows[side] = map[string]int32{}
		for i := g.head[side]; i >= 0; i = c.groups.next[side][i] {
			c.rows[side][in.refOf(i)] = i
		}
	}
	c.row[side] = in.appendRow(c.row[side][:0], int(c.rows[side][it.Ref]))
	return c.row[side]
}

// matches reports whether two rows of one key match for sure. False says nothing.
func (c *comparison) matches(l, r int32) bool {
	left, right := &c.in[Left], &c.in[Right]
	if left.codes[l] != right.codes[r] || len(left.keys.at(l)) == 0 {
		return false
	}
	if !c.near.holds(left.amount.Value(int(l)), right.amount.Value(int(r))) {
		return false
	}
	if !c.rule.HasDate {
		return true
	}
	d := int64(left.dateOf(l)) - int64(right.dateOf(r))
	return max(d, -d) <= int64(c.rule.Days)
}

// near is the tolerance in units of the amounts' scale, as far as that is a machine word.
type near struct{ units int64 }

func nearOf(tolerance money.Decimal, scale int32) near {
	d, err := tolerance.Rescale(int(scale), money.Down)
	if err != nil {
		return near{}
	}
	units, ok := d.Coefficient().Int64()
	if !ok {
		return near{}
	}
	return near{units}
}

// holds reports whether two amounts are within the tolerance for sure.
func (n near) holds(a, b decimal128.Num) bool {
	if a == b {
		return true
	}
	x, y := int64(a.LowBits()), int64(b.LowBits())
	if n.units == 0 || a.HighBits() != x>>63 || b.HighBits() != y>>63 {
		return false
	}
	d := x - y
	if (x < y) != (d < 0) { // overflow
		return false
	}
	return d <= n.units && -d <= n.units
}

// inColumns are the columns of one side's items.
type inColumns struct {
	key, currency *array.String
	amount        *array.Decimal128
	date          *array.Date32
	dates         []arrow.Date32
	someNull      bool // of dates
	ref           arrow.Array
	show          []shown
	scale         int
	keys          texts
	codes         []int32 // numbers of currencies
	buf           []byte
}

// shown is a column that breaks carry along.
type shown struct {
	name   []byte // as JSON
	values arrow.Array
}

func (in *inColumns) read(b arrow.RecordBatch) error {
	var ok [4]bool
	in.key, ok[0] = columnOf(b, ColKey).(*array.String)
	in.amount, ok[1] = columnOf(b, ColAmount).(*array.Decimal128)
	in.currency, ok[2] = columnOf(b, ColCurrency).(*array.String)
	in.date, ok[3] = columnOf(b, ColDate).(*array.Date32)
	in.ref = columnOf(b, ColRef)
	if ok != [4]bool{true, true, true, true} || in.ref == nil {
		return fmt.Errorf("the rows are no items: %s", b.Schema())
	}
	in.keys = texts{in.key.ValueOffsets(), in.key.ValueBytes()}
	in.scale = int(in.amount.DataType().(*arrow.Decimal128Type).Scale)
	in.someNull, in.dates = in.date.NullN() > 0, in.date.Date32Values()
	in.show = in.show[:0]
	for i, f := range b.Schema().Fields() {
		if name, ok := strings.CutPrefix(f.Name, showPrefix); ok {
			in.show = append(in.show, shown{appendJSON(nil, name), b.Column(i)})
		}
	}
	return nil
}

// dateOf is a row's date, or reconciliation.NoDate.
func (in *inColumns) dateOf(i int32) int32 {
	if in.someNull && in.date.IsNull(int(i)) {
		return reconciliation.NoDate
	}
	return int32(in.dates[i])
}

// refOf is what tells a row from all others of its side.
func (in *inColumns) refOf(i int32) string {
	if in.ref.IsNull(int(i)) {
		return ""
	}
	in.buf = appendText(in.buf[:0], in.ref, int(i), false)
	return string(in.buf)
}

// item is a row as an item; its texts are those of the batch.
func (in *inColumns) item(i int32) (reconciliation.Item, error) {
	amount, err := money.NewFromInt128(int128Of(in.amount, i), in.scale)
	return reconciliation.Item{Key: in.key.Value(int(i)), Amount: amount, Currency: in.currency.Value(int(i)), Date: in.dateOf(i), Ref: in.refOf(i)}, err
}

func int128Of(a *array.Decimal128, i int32) money.Int128 {
	v := a.Value(int(i))
	return money.Int128{Lo: v.LowBits(), Hi: v.HighBits()}
}

// appendRow appends the columns shown, as a JSON object of texts.
func (in *inColumns) appendRow(dst []byte, i int) []byte {
	dst = append(dst, '{')
	for k, c := range in.show {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, c.name...), ':')
		if c.values.IsNull(i) {
			dst = append(dst, "null"...)
		} else {
			dst = appendJSON(dst, string(appendText(nil, c.values, i, false)))
		}
	}
	return append(dst, '}')
}
