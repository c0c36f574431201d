package stream

import (
	"slices"
	"strconv"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// keyOf makes the text by which rows belong together.
type keyOf struct {
	columns []string
	// lone puts rows together whose key is blank but that say the same: their breaks are told apart by number only.
	lone bool
}

// of a row; "" where a column is blank, or, of lone rows, where none is.
func (k *keyOf) of(schema reconciliation.Schema, m *reconciliation.Movement) string {
	var buf []byte
	blank := false
	columns := k.columns
	if k.lone {
		columns = append(slices.Clone(columns), reconciliation.ColumnAmount, reconciliation.ColumnCurrency, reconciliation.ColumnDate)
	}
	for i, name := range columns {
		v := valueOf(schema, m, name)
		blank = blank || v == "" && i < len(k.columns)
		buf = append(strconv.AppendInt(buf, int64(len(v)), 10), ':')
		buf = append(buf, v...)
	}
	if blank != k.lone {
		return ""
	}
	return string(buf)
}

// valueOf is a column as keys compare it; "" for what is blank.
func valueOf(schema reconciliation.Schema, m *reconciliation.Movement, name string) string {
	day := func(d int32) string {
		if d == reconciliation.NoDate {
			return ""
		}
		return strconv.Itoa(int(d))
	}
	switch name {
	case reconciliation.ColumnAmount:
		if m.NoAmount {
			return ""
		}
		return m.Amount.Normalize().String()
	case reconciliation.ColumnCurrency:
		return m.Currency
	case reconciliation.ColumnDate:
		return day(m.Date)
	}
	if i := slices.Index(schema.Texts, name); i >= 0 {
		return m.Texts[i]
	}
	if i := slices.Index(schema.Numbers, name); i >= 0 {
		return m.Numbers[i].Normalize().String()
	}
	if i := slices.Index(schema.Days, name); i >= 0 {
		return day(m.Days[i])
	}
	return ""
}

// scaleCounts count rows by the digits after the point of their numbers, the amount first.
type scaleCounts [][money.MaxScale + 1]int

func newScales(numbers int) scaleCounts { return make(scaleCounts, 1+numbers) }

func (c scaleCounts) add(m *reconciliation.Movement, n int) {
	c[0][m.Amount.Scale()] += n
	for i, d := range m.Numbers {
		c[1+i][d.Scale()] += n
	}
}

// whole are the most digits of each.
func (c scaleCounts) whole() (w reconciliation.Whole) {
	most := func(counts *[money.MaxScale + 1]int) int {
		for scale := money.MaxScale; scale > 0; scale-- {
			if counts[scale] > 0 {
				return scale
			}
		}
		return 0
	}
	w.Scale, w.Numbers = most(&c[0]), make([]int, len(c)-1)
	for i := range w.Numbers {
		w.Numbers[i] = most(&c[1+i])
	}
	return w
}
