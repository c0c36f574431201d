package files

import (
	"bytes"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/money"
)

// DefaultSampleRows is how many records of a file set a schema is inferred from by default.
const DefaultSampleRows = 10_000

// Guess is what the texts of one column have in common so far. The zero value has seen nothing.
//
// Its rules never guess what could lose something: a number with a leading zero
// is a text (it is a code, not a quantity), digits are integers up to 18 and
// decimals above, a point makes a decimal and never a float, a mixture is a text.
type Guess struct {
	seen     bool
	bool     bool
	number   bool
	date     bool
	local    bool // a time without a zone
	instant  bool // a time with one
	text     bool
	whole    int // digits before the point
	decimals int
	nanos    bool // a time finer than microseconds
}

// Guesser guesses the columns of a text file. Its options are those of a Parser.
type Guesser struct {
	p *Parser
}

// NewGuesser makes a guesser for texts that are written by opts.
func NewGuesser(opts TextOptions) (*Guesser, error) {
	p, err := NewParser(arrow.NewSchema(nil, nil), opts)
	if err != nil {
		return nil, err
	}
	return &Guesser{p}, nil
}

// AddText takes one text that is not null into account.
func (g *Guesser) AddText(guess *Guess, text []byte) {
	guess.seen = true
	if guess.text {
		return
	}
	g.p.Begin()
	switch {
	case g.addTime(guess, text), g.AddNumber(guess, text):
		return
	}
	if _, err := g.p.bool(text); err == nil {
		guess.bool = true
		return
	}
	guess.text = true
}

// AddBool takes a boolean into account.
func (g *Guesser) AddBool(guess *Guess) { guess.seen, guess.bool = true, true }

// AddPlainText takes a text into account that is one whatever it looks like, unless it is a date or a time.
func (g *Guesser) AddPlainText(guess *Guess, text []byte) {
	guess.seen = true
	if !g.addTime(guess, text) {
		guess.text = true
	}
}

// AddOther takes a value into account that can only be kept as text.
func (g *Guesser) AddOther(guess *Guess) { guess.seen, guess.text = true, true }

func (g *Guesser) addTime(guess *Guess, text []byte) bool {
	if _, err := parseDate(text, g.p.opts.DateLayouts); err == nil {
		guess.date = true
		return true
	}
	t, ok := g.p.clock.read(text)
	if !ok {
		return false
	}
	guess.nanos = guess.nanos || t.nanos%1000 != 0
	guess.instant = guess.instant || t.zoned
	guess.local = guess.local || !t.zoned
	return true
}

// AddNumber takes a number into account; false if the text is none.
func (g *Guesser) AddNumber(guess *Guess, text []byte) bool {
	digits, _ := signed(g.p.point(text))
	if hasExponent(digits) {
		return g.addExponent(guess, digits)
	}
	whole, decimals, found := bytes.Cut(digits, []byte{'.'})
	if !allDigits(whole) || len(whole) > 1 && whole[0] == '0' || found && !allDigits(decimals) || text[0] == '+' {
		return false
	}
	guess.seen, guess.number = true, true
	guess.whole = max(guess.whole, len(whole))
	guess.decimals = max(guess.decimals, len(decimals))
	return true
}

// addExponent takes 1.5e3 for the number that it is.
func (g *Guesser) addExponent(guess *Guess, text []byte) bool {
	d, err := money.ParseSci(string(text))
	if err != nil {
		return false
	}
	guess.seen, guess.number = true, true
	guess.whole = max(guess.whole, d.Precision()-d.Scale(), 1)
	guess.decimals = max(guess.decimals, d.Scale())
	return true
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return len(b) > 0
}

// Type is the narrowest type that holds all that was seen; a text if nothing was.
func (g Guess) Type() arrow.DataType {
	families := 0
	for _, f := range []bool{g.bool, g.number, g.date || g.local || g.instant} {
		if f {
			families++
		}
	}
	if !g.seen || g.text || families != 1 {
		return arrow.BinaryTypes.String
	}
	switch {
	case g.bool:
		return arrow.FixedWidthTypes.Boolean
	case g.number:
		return g.numberType()
	}
	return g.timeType()
}

func (g Guess) numberType() arrow.DataType {
	digits := g.whole + g.decimals
	switch {
	case g.decimals == 0 && g.whole <= 18:
		return arrow.PrimitiveTypes.Int64
	case digits <= 18:
		return &arrow.Decimal128Type{Precision: 18, Scale: int32(g.decimals)}
	case digits <= 38:
		return &arrow.Decimal128Type{Precision: 38, Scale: int32(g.decimals)}
	}
	return arrow.BinaryTypes.String
}

func (g Guess) timeType() arrow.DataType {
	unit := arrow.Microsecond
	if g.nanos {
		unit = arrow.Nanosecond
	}
	switch {
	case g.instant && (g.local || g.date):
		return arrow.BinaryTypes.String // some have a zone, some do not
	case g.instant:
		return &arrow.TimestampType{Unit: unit, TimeZone: time.UTC.String()}
	case g.local && g.date:
		return arrow.BinaryTypes.String
	case g.local:
		return &arrow.TimestampType{Unit: unit}
	}
	return arrow.FixedWidthTypes.Date32
}

// Field is the guess as a column, which may hold nulls: a sample cannot prove that it does not.
func (g Guess) Field(name string) arrow.Field {
	return arrow.Field{Name: name, Type: g.Type(), Nullable: true}
}
