package files

import (
	"bytes"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/fault"
)

// TextOptions says how values are written in a text file. The zero value is ISO
// 8601 dates and times, a point before decimals, and true and false.
type TextOptions struct {
	// DateLayouts and TimeLayouts are Go layouts that are tried in order, such as
	// "02.01.2006"; without any, dates are 2006-01-02 and times
	// 2006-01-02T15:04:05.999 with or without a zone.
	DateLayouts []string `json:"date_layouts,omitempty"`
	TimeLayouts []string `json:"time_layouts,omitempty"`
	// TimeZone is an IANA name: the zone of times that carry none, where the column
	// holds instants. A time that the clocks skipped or repeated is taken as Go's time.Date takes it.
	TimeZone string `json:"time_zone,omitempty"`
	// DecimalMark is the character before decimals, a point by default. GroupMark,
	// such as a blank or an apostrophe, is dropped between digits before it.
	DecimalMark string `json:"decimal_mark,omitempty"`
	GroupMark   string `json:"group_mark,omitempty"`
	// True and False are the texts of booleans; without any, true and false in any case.
	True  []string `json:"true,omitempty"`
	False []string `json:"false,omitempty"`
}

// Parser turns texts into the rows of record batches. It is not safe for concurrent use.
//
// A row is set value by value and then added whole: a value that cannot be read
// leaves no trace, so that a bad record is rejected as one.
type Parser struct {
	Batcher
	opts    TextOptions
	clock   clock
	mark    byte // before decimals
	group   []byte
	row     []value
	set     []bool
	scratch []byte
}

// NewParser makes a parser for rows of the schema. It refuses, as a fault.Usage, types and options that do not work.
func NewParser(schema *arrow.Schema, opts TextOptions) (*Parser, error) {
	p := &Parser{opts: opts, mark: '.', group: []byte(opts.GroupMark), clock: clock{layouts: opts.TimeLayouts}}
	if opts.TimeZone != "" {
		zone, err := time.LoadLocation(opts.TimeZone)
		if err != nil {
			return nil, fault.Usagef("time zone %q: want an IANA name, such as Europe/Prague: %w", opts.TimeZone, err)
		}
		p.clock.zone = zone
	}
	if opts.DecimalMark != "" {
		p.mark = opts.DecimalMark[0]
	}
	if len(opts.DecimalMark) > 1 || opts.GroupMark == string(p.mark) || p.mark >= '0' && p.mark <= '9' {
		return nil, fault.Usagef("decimal mark %q and group mark %q: want one character that is no digit, and another", opts.DecimalMark, opts.GroupMark)
	}
	b, err := newBatcher(schema)
	if err != nil {
		return nil, err
	}
	p.Batcher = *b
	p.row = make([]value, len(b.columns))
	p.set = make([]bool, len(b.columns))
	return p, nil
}

// Begin forgets a row that was not added.
func (p *Parser) Begin() {
	clear(p.set)
	p.scratch = p.scratch[:0]
}

// Null sets column i of the row to null.
func (p *Parser) Null(i int) error {
	if !p.columns[i].field.Nullable {
		return p.blame(i, nil, errors.New("nothing in a column that must have a value"))
	}
	p.row[i] = value{null: true}
	p.set[i] = true
	return nil
}

// Text sets column i of the row from a text, which must stay unchanged until Add. The error says what is wrong with it.
func (p *Parser) Text(i int, text []byte) error {
	c := &p.columns[i]
	v, err := p.parse(c, text)
	if err != nil {
		return p.blame(i, text, err)
	}
	p.row[i] = v
	p.set[i] = true
	return nil
}

// IsText reports whether column i holds texts.
func (p *Parser) IsText(i int) bool { return p.columns[i].kind == kText }

// IsNumber reports whether column i holds numbers.
func (p *Parser) IsNumber(i int) bool {
	switch p.columns[i].kind {
	case kInt, kUint, kFloat, kDecimal:
		return true
	}
	return false
}

// IsSet reports whether column i of the row has its value.
func (p *Parser) IsSet(i int) bool { return p.set[i] }

// Add adds the row. A column that was not set becomes null, or is to blame.
func (p *Parser) Add() error {
	for i := range p.columns {
		if !p.set[i] {
			if err := p.Null(i); err != nil {
				return err
			}
		}
	}
	for i := range p.columns {
		p.columns[i].append(&p.row[i])
	}
	p.rows++
	return nil
}

// blame names the column and shows the text, shortened.
func (p *Parser) blame(i int, text []byte, err error) error {
	c := &p.columns[i]
	if text == nil {
		return fmt.Errorf("column %s: %w", c.field.Name, err)
	}
	if len(text) > 40 {
		text = append(bytes.Clone(text[:40]), "…"...)
	}
	return fmt.Errorf("column %s: %q as %s: %w", c.field.Name, text, c.field.Type, err)
}

func (p *Parser) parse(c *column, text []byte) (v value, err error) {
	switch c.kind {
	case kText:
		if !utf8.Valid(text) {
			return v, errors.New("not valid UTF-8; is the file in another encoding?")
		}
		v.text = text
	case kBool:
		v.i, err = p.bool(text)
	case kInt:
		v.i, err = parseInt(p.ungroup(text), c.bits)
	case kUint:
		var u uint64
		u, err = parseUint(p.ungroup(text), c.bits)
		v.i = int64(u)
	case kFloat:
		v.i, err = parseFloat(p.point(text), c.bits)
	case kDecimal:
		v.dec, err = parseDecimal(p.point(text), c.precision, c.scale)
	case kDate:
		v.i, err = parseDate(text, p.opts.DateLayouts)
	case kTimestamp:
		v.i, err = p.clock.parse(text, c)
	}
	return v, err
}

func (p *Parser) bool(text []byte) (int64, error) {
	if len(p.opts.True)+len(p.opts.False) == 0 {
		switch {
		case bytes.EqualFold(text, []byte("true")):
			return 1, nil
		case bytes.EqualFold(text, []byte("false")):
			return 0, nil
		}
		return 0, errNotBool
	}
	for _, t := range p.opts.True {
		if string(text) == t {
			return 1, nil
		}
	}
	for _, f := range p.opts.False {
		if string(text) == f {
			return 0, nil
		}
	}
	return 0, errNotBool
}

// ungroup drops group marks that stand where they belong, before three digits.
// One that stands elsewhere stays, and makes the number unreadable: 1.5 is not 15.
func (p *Parser) ungroup(text []byte) []byte {
	if len(p.group) == 0 || !bytes.Contains(text, p.group) {
		return text
	}
	start := len(p.scratch)
	for i := 0; i < len(text); {
		if i > 0 && isDigit(text[i-1]) && bytes.HasPrefix(text[i:], p.group) && threeDigits(text[i+len(p.group):]) {
			i += len(p.group)
			continue
		}
		p.scratch = append(p.scratch, text[i])
		i++
	}
	return p.scratch[start:]
}

// threeDigits reports whether b begins with three digits and no fourth.
func threeDigits(b []byte) bool {
	return len(b) >= 3 && isDigit(b[0]) && isDigit(b[1]) && isDigit(b[2]) && (len(b) == 3 || !isDigit(b[3]))
}

// point writes a number with a point and without group marks.
func (p *Parser) point(text []byte) []byte {
	if p.mark == '.' && len(p.group) == 0 {
		return text
	}
	whole, decimals, found := bytes.Cut(text, []byte{p.mark})
	start := len(p.scratch)
	whole = p.ungroup(whole)
	if len(p.scratch) == start { // whole is still the caller's
		p.scratch = append(p.scratch, whole...)
	}
	if found {
		p.scratch = append(p.scratch, '.')
		p.scratch = append(p.scratch, decimals...)
	} else if p.mark != '.' && bytes.IndexByte(whole, '.') >= 0 {
		return text[:0] // a foreign point is no decimal mark: not a number
	}
	return p.scratch[start:]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
