package mt940

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
)

// movement is what a :61: says.
type movement struct {
	valued, booked statement.Date
	mark           statement.Mark
	expected       bool // EC, ED
	amount         money.Decimal
	code           string
	customer, bank string
	supplement     []byte
}

// swiftAmount has a comma for its decimal mark, which may end the number: 100,
var swiftAmount = statement.AmountStyle{DecimalMark: ","}

// parseMovement reads the value of a :61:.
func parseMovement(value []byte) (m movement, err error) {
	line, supplement, _ := bytes.Cut(value, []byte("\n"))
	m.supplement = supplement
	if m.valued, err = shortDate(line); err != nil {
		return m, fmt.Errorf("value date: %w", err)
	}
	line = line[6:]
	if len(line) >= 4 && digits(line[:4]) {
		if m.booked, err = nearest(m.valued, line[:4]); err != nil {
			return m, fmt.Errorf("entry date: %w", err)
		}
		line = line[4:]
	}
	if line, err = m.marked(line); err != nil {
		return m, err
	}
	n := 0
	for n < len(line) && (digit(line[n]) || line[n] == ',') {
		n++
	}
	if m.amount, err = swiftAmount.Parse(line[:n]); err != nil {
		return m, err
	}
	if m.mark.Sign() < 0 {
		m.amount = m.amount.Neg()
	}
	line = line[n:]
	if len(line) < 4 || line[0] != 'N' && line[0] != 'S' && line[0] != 'F' {
		return m, fmt.Errorf("type of transaction %q: want N, S or F and three characters", statement.Short(line))
	}
	m.code = string(line[:4])
	customer, bank, _ := bytes.Cut(line[4:], []byte("//"))
	m.customer, m.bank = reference(customer), reference(bank)
	return m, nil
}

// marked takes the mark and the funds code off a line.
func (m *movement) marked(line []byte) ([]byte, error) {
	text := line
	undone := len(line) > 0 && line[0] == 'R'
	m.expected = len(line) > 0 && line[0] == 'E'
	if undone || m.expected {
		line = line[1:]
	}
	if len(line) == 0 || line[0] != 'C' && line[0] != 'D' {
		return nil, fmt.Errorf("mark %q: want C, D, RC or RD", statement.Short(text[:min(len(text), 3)]))
	}
	m.mark = statement.MarkOf((line[0] == 'C') != undone, undone)
	line = line[1:]
	if len(line) > 0 && (line[0] >= 'A' && line[0] <= 'Z') {
		line = line[1:] // funds code: the third letter of the currency
	}
	return line, nil
}

// reference is a reference of the field; NONREF says that there is none.
func reference(text []byte) string {
	text = bytes.TrimSpace(text)
	if string(text) == "NONREF" || string(text) == "NOTPROVIDED" {
		return ""
	}
	return string(text)
}

func digits(text []byte) bool {
	for _, c := range text {
		if !digit(c) {
			return false
		}
	}
	return true
}

func number(text []byte) int {
	n := 0
	for _, c := range text {
		n = n*10 + int(c-'0')
	}
	return n
}

var errDay = errors.New("there is no such day")

// shortDate reads YYMMDD, of 1980 to 2079.
func shortDate(text []byte) (statement.Date, error) {
	if len(text) < 6 || !digits(text[:6]) {
		return statement.Date{}, fmt.Errorf("%q: want six digits, YYMMDD", statement.Short(text[:min(len(text), 6)]))
	}
	year := 2000 + number(text[:2])
	if year >= 2080 {
		year -= 100
	}
	d, ok := statement.DateOf(year, number(text[2:4]), number(text[4:6]))
	if !ok {
		return d, fmt.Errorf("%q: %w", text[:6], errDay)
	}
	return d, nil
}

// nearest is the day MMDD that is nearest to another day.
func nearest(to statement.Date, text []byte) (statement.Date, error) {
	var best statement.Date
	far := int32(1 << 30)
	year := to.Time().Year()
	for y := year - 1; y <= year+1; y++ {
		d, ok := statement.DateOf(y, number(text[:2]), number(text[2:4]))
		if !ok {
			continue
		}
		gap := d.Days() - to.Days()
		if gap < 0 {
			gap = -gap
		}
		if gap < far {
			best, far = d, gap
		}
	}
	if best.IsZero() {
		return best, fmt.Errorf("%q: %w", text, errDay)
	}
	return best, nil
}

// parseBalance reads the value of a :60a:, :62a:, :64: or :65:.
func parseBalance(value []byte) (b statement.Balance, err error) {
	value, _, _ = bytes.Cut(value, []byte("\n"))
	if len(value) < 10 || value[0] != 'C' && value[0] != 'D' {
		return b, fmt.Errorf("balance %q: want C or D, YYMMDD, currency and amount", statement.Short(value))
	}
	if b.Date, err = shortDate(value[1:]); err != nil {
		return b, fmt.Errorf("date of the balance: %w", err)
	}
	if b.Currency = string(value[7:10]); !statement.IsCurrency(b.Currency) {
		return b, fmt.Errorf("currency %q of the balance: want three capital letters", b.Currency)
	}
	if b.Amount, err = swiftAmount.Parse(value[10:]); err != nil {
		return b, err
	}
	if b.Amount.Sign() < 0 {
		return b, errors.New("a balance has a mark and no sign")
	}
	if value[0] == 'D' {
		b.Amount = b.Amount.Neg()
	}
	return b, nil
}

// total is what a :90C: or :90D: says.
type total struct {
	count  int64
	amount money.Decimal
	at     int64
	set    bool
}

// parseTotal reads a count, a currency and a sum.
func parseTotal(value []byte) (t total, err error) {
	n := 0
	for n < len(value) && n < 9 && digit(value[n]) {
		n++
	}
	if n == 0 || len(value) < n+3 || !statement.IsCurrency(string(value[n:n+3])) {
		return t, fmt.Errorf("sum %q: want a count, a currency and an amount", statement.Short(value))
	}
	t.count = int64(number(value[:n]))
	t.amount, err = swiftAmount.Parse(value[n+3:])
	t.set = err == nil
	return t, err
}
