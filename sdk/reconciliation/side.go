package reconciliation

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// Names of the columns that every side has.
const (
	ColumnAmount   = "amount"
	ColumnCurrency = "currency"
	ColumnDate     = "date"
)

// Schema names the columns of a side beside amount, currency and date. Both sides of a leg have the same schema; what
// one of them lacks is blank there.
type Schema struct {
	Texts   []string // "" is blank
	Numbers []string // exact decimals
	Days    []string // days since 1970-01-01, or NoDate
}

// columnKind is what a column holds.
type columnKind uint8

const (
	textColumn columnKind = iota
	currencyColumn
	amountColumn
	numberColumn
	dateColumn
	dayColumn
)

// column is a column's place in a side.
type column struct {
	kind columnKind
	at   int
}

func (s Schema) find(name string) (column, bool) {
	switch name {
	case ColumnAmount:
		return column{kind: amountColumn}, true
	case ColumnCurrency:
		return column{kind: currencyColumn}, true
	case ColumnDate:
		return column{kind: dateColumn}, true
	}
	for _, in := range []struct {
		names []string
		kind  columnKind
	}{{s.Texts, textColumn}, {s.Numbers, numberColumn}, {s.Days, dayColumn}} {
		if i := slices.Index(in.names, name); i >= 0 {
			return column{in.kind, i}, true
		}
	}
	return column{}, false
}

// Names lists all columns: amount, currency and date, then texts, numbers and days.
func (s Schema) Names() []string {
	return slices.Concat([]string{ColumnAmount, ColumnCurrency, ColumnDate}, s.Texts, s.Numbers, s.Days)
}

func (s Schema) check() error {
	seen := map[string]bool{}
	for _, n := range s.Names() {
		if n == "" || seen[n] {
			return fault.Usagef("reconciliation: a column %q stands twice in a side, or has no name", n)
		}
		seen[n] = true
	}
	return nil
}

func (s Schema) equal(o Schema) bool {
	return slices.Equal(s.Texts, o.Texts) && slices.Equal(s.Numbers, o.Numbers) && slices.Equal(s.Days, o.Days)
}

// Movement is one row, normalised. Texts, Numbers and Days hold the schema's columns in their order.
type Movement struct {
	Ref string // where the row comes from: unique on its side, with RefNumber
	// RefNumber, where it is above 0, ends the ref: then Ref is what rows of one file have in common.
	RefNumber int64
	Amount    money.Decimal
	NoAmount  bool // the row states no amount: it counts as zero in totals and matches nothing
	Currency  string
	Date      int32 // days since 1970-01-01, or NoDate
	Texts     []string
	Numbers   []money.Decimal
	Days      []int32
}

// FullRef is where the row comes from, in one text.
func (m *Movement) FullRef() string {
	if m.RefNumber <= 0 {
		return m.Ref
	}
	return m.Ref + strconv.FormatInt(m.RefNumber, 10)
}

// Clone is the row with memory of its own, and its ref in one text.
func (m *Movement) Clone() Movement {
	c := *m
	c.Ref, c.RefNumber, c.Currency = m.FullRef(), 0, strings.Clone(m.Currency)
	if m.RefNumber <= 0 {
		c.Ref = strings.Clone(c.Ref)
	}
	c.Texts, c.Numbers, c.Days = slices.Clone(m.Texts), slices.Clone(m.Numbers), slices.Clone(m.Days)
	for i, t := range c.Texts {
		c.Texts[i] = strings.Clone(t)
	}
	return c
}

// Side is one account of the movements: rows in memory, by column. It is not safe for concurrent use while rows are added.
type Side struct {
	name     string
	schema   Schema
	refs     []string
	amounts  []money.Decimal
	noAmount []bool // nil while every row has one
	currency []string
	dates    []int32
	texts    [][]string
	numbers  [][]money.Decimal
	days     [][]int32
	interned map[string]string
}

// NewSide starts an empty side. A column that stands twice is a mistake that Settle reports.
func NewSide(name string, schema Schema) *Side {
	return &Side{name: name, schema: schema, texts: make([][]string, len(schema.Texts)), numbers: make([][]money.Decimal, len(schema.Numbers)),
		days: make([][]int32, len(schema.Days)), interned: map[string]string{}}
}

// Name of the side.
func (s *Side) Name() string { return s.name }

// Schema of the side.
func (s *Side) Schema() Schema { return s.schema }

// Len is the number of rows.
func (s *Side) Len() int { return len(s.refs) }

// Append adds a row; its slices are copied. It fails where they are not as long as the schema says.
func (s *Side) Append(r Movement) error {
	if len(r.Texts) != len(s.texts) || len(r.Numbers) != len(s.numbers) || len(r.Days) != len(s.days) {
		return fmt.Errorf("side %s: row %s has %d texts, %d numbers and %d days; the schema has %d, %d and %d", s.name, r.Ref,
			len(r.Texts), len(r.Numbers), len(r.Days), len(s.texts), len(s.numbers), len(s.days))
	}
	if r.NoAmount {
		if s.noAmount == nil {
			s.noAmount = make([]bool, len(s.refs), len(s.refs)+1)
		}
		r.Amount = money.Decimal{}
	}
	if s.noAmount != nil {
		s.noAmount = append(s.noAmount, r.NoAmount)
	}
	s.refs = append(s.refs, r.FullRef())
	s.amounts = append(s.amounts, r.Amount)
	s.currency = append(s.currency, s.intern(r.Currency))
	s.dates = append(s.dates, r.Date)
	for i, v := range r.Texts {
		s.texts[i] = append(s.texts[i], v)
	}
	for i, v := range r.Numbers {
		s.numbers[i] = append(s.numbers[i], v)
	}
	for i, v := range r.Days {
		s.days[i] = append(s.days[i], v)
	}
	return nil
}

// intern shares the memory of few-valued texts.
func (s *Side) intern(text string) string {
	if known, ok := s.interned[text]; ok {
		return known
	}
	if len(s.interned) < 1024 {
		text = strings.Clone(text)
		s.interned[text] = text
	}
	return text
}

// Row is the i-th row, in the order in which rows were added.
func (s *Side) Row(i int) Movement {
	r := Movement{Ref: s.refs[i], Amount: s.amounts[i], NoAmount: s.noAmount != nil && s.noAmount[i], Currency: s.currency[i], Date: s.dates[i]}
	for _, c := range s.texts {
		r.Texts = append(r.Texts, c[i])
	}
	for _, c := range s.numbers {
		r.Numbers = append(r.Numbers, c[i])
	}
	for _, c := range s.days {
		r.Days = append(r.Days, c[i])
	}
	return r
}

// Amount of the i-th row; zero where it states none.
func (s *Side) Amount(i int) money.Decimal { return s.amounts[i] }

// Currency of the i-th row.
func (s *Side) Currency(i int) string { return s.currency[i] }

// Date of the i-th row, in days since 1970-01-01, or NoDate.
func (s *Side) Date(i int) int32 { return s.dates[i] }

// Ref is where the i-th row comes from.
func (s *Side) Ref(i int) string { return s.refs[i] }

// Text is the value of a row's column as people write it: dates as 2026-01-31, "" for what is not there.
func (s *Side) Text(name string, i int) string {
	c, ok := s.schema.find(name)
	if !ok {
		return ""
	}
	switch {
	case c.kind == amountColumn && (s.noAmount == nil || !s.noAmount[i]):
		return s.amounts[i].String()
	case c.kind == numberColumn:
		return s.numbers[c.at][i].String()
	}
	return string(s.appendColumn(nil, c, i))
}

func (s *Side) day(c column, i int32) int32 {
	if c.kind == dateColumn {
		return s.dates[i]
	}
	return s.days[c.at][i]
}

// appendColumn appends a value in the form in which keys compare: amounts without trailing zeros.
func (s *Side) appendColumn(dst []byte, c column, i int) []byte {
	switch c.kind {
	case textColumn:
		return append(dst, s.texts[c.at][i]...)
	case currencyColumn:
		return append(dst, s.currency[i]...)
	case amountColumn:
		if s.noAmount != nil && s.noAmount[i] {
			return dst
		}
		return s.amounts[i].Normalize().Append(dst)
	case numberColumn:
		return s.numbers[c.at][i].Normalize().Append(dst)
	}
	d := s.day(c, int32(i))
	if d == NoDate {
		return dst
	}
	return appendDay(dst, d)
}

// compareOther orders rows of two sides by all that they say, and then by nothing else: the rows' refs are left to the caller.
func compareOther(a *Side, i int32, b *Side, j int32) int {
	if c := cmp.Or(strings.Compare(a.currency[i], b.currency[j]), a.amounts[i].Cmp(b.amounts[j]), cmp.Compare(a.dates[i], b.dates[j])); c != 0 {
		return c
	}
	for k := range a.texts {
		if c := strings.Compare(a.texts[k][i], b.texts[k][j]); c != 0 {
			return c
		}
	}
	for k := range a.numbers {
		if c := a.numbers[k][i].Cmp(b.numbers[k][j]); c != 0 {
			return c
		}
	}
	for k := range a.days {
		if c := cmp.Compare(a.days[k][i], b.days[k][j]); c != 0 {
			return c
		}
	}
	return 0
}
