package fixedio

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/sdk/fault"
)

// Encodings.
const (
	UTF8   = "utf-8"
	Latin1 = "latin-1" // ISO 8859-1
	CP037  = "cp037"   // EBCDIC
)

// Types of columns.
const (
	Text   = "text"
	Number = "number"
	Zoned  = "zoned"
	Packed = "packed"
)

// What a check counts.
const (
	CountRows    = "rows"    // records that are to be rows
	CountRecords = "records" // all, with that of the check
)

// Layout says how files are written. Its tags are those of rule files.
type Layout struct {
	Encoding     string            `yaml:"encoding" json:"encoding,omitempty" default:"utf-8" enum:"utf-8|latin-1|cp037" doc:"how text is encoded; cp037 is EBCDIC, and needs record_length"`
	RecordLength int               `yaml:"record_length" json:"record_length,omitempty" default:"0" doc:"bytes of a record, where records are not lines"`
	ShortLines   bool              `yaml:"short_lines" json:"short_lines,omitempty" doc:"lines may end early: what is missing is blank"`
	Type         *Place            `yaml:"type" json:"type,omitempty" doc:"where the type of a record stands, if there are several"`
	Rows         []string          `yaml:"rows" json:"rows,omitempty" doc:"types of records that are rows"`
	Skip         []string          `yaml:"skip" json:"skip,omitempty" doc:"types of records that are passed over"`
	Columns      map[string]Column `yaml:"columns" json:"columns" required:"true" doc:"columns by their names"`
	Checks       []Check           `yaml:"checks" json:"checks,omitempty" doc:"counts and totals that records state, such as those of a trailer"`
}

// Place is where something stands in a record.
type Place struct {
	Start  int `yaml:"start" json:"start" required:"true" doc:"of the first character, from 1"`
	Length int `yaml:"length" json:"length" required:"true" doc:"characters"`
}

// Column is a field of records.
type Column struct {
	Start    int    `yaml:"start" json:"start" required:"true" doc:"of the first character, from 1"`
	Length   int    `yaml:"length" json:"length" required:"true" doc:"characters"`
	Type     string `yaml:"type" json:"type,omitempty" default:"text" enum:"text|number|zoned|packed" doc:"number: digits with a sign before or behind; zoned: the sign is in the last digit; packed: COMP-3"`
	Decimals int    `yaml:"decimals" json:"decimals,omitempty" default:"0" doc:"digits behind the point, where none is written"`
	Record   string `yaml:"record" json:"record,omitempty" doc:"the type of record that has it, such as the header: each row takes its last value; default the rows"`
}

// Check is what a record states of others.
type Check struct {
	Record   string `yaml:"record" json:"record" required:"true" doc:"the type of record that states it, such as the trailer"`
	Start    int    `yaml:"start" json:"start" required:"true" doc:"of the first character, from 1"`
	Length   int    `yaml:"length" json:"length" required:"true" doc:"characters"`
	Type     string `yaml:"type" json:"type,omitempty" default:"number" enum:"number|zoned|packed" doc:"how the number is written"`
	Decimals int    `yaml:"decimals" json:"decimals,omitempty" default:"0" doc:"digits behind the point, where none is written"`
	Count    string `yaml:"count" json:"count,omitempty" enum:"rows|records" doc:"it counts rows, or all records with its own, since the last record of its type"`
	Sum      string `yaml:"sum" json:"sum,omitempty" doc:"it adds up this column of rows since the last record of its type"`
	Absolute bool   `yaml:"absolute" json:"absolute,omitempty" doc:"sum: signs do not count"`
}

// Validate reports every fault of the layout at once, as a fault.Usage.
func (l Layout) Validate() error {
	var errs []error
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch l.Encoding {
	case "", UTF8, Latin1:
	case CP037:
		if l.RecordLength == 0 {
			say("encoding cp037 needs record_length")
		}
	default:
		say("encoding %q: want %s, %s or %s", l.Encoding, UTF8, Latin1, CP037)
	}
	if l.RecordLength < 0 || l.RecordLength > maxRecord {
		say("record_length %d: want 1 to %d, or 0 for lines", l.RecordLength, maxRecord)
	}
	if l.ShortLines && l.RecordLength > 0 {
		say("short_lines has no effect with record_length")
	}
	if len(l.Columns) == 0 {
		say("there are no columns")
	}
	l.place(say, "type", l.Type)
	if l.Type == nil && (len(l.Rows) > 0 || len(l.Skip) > 0 || len(l.Checks) > 0) {
		say("rows, skip and checks need type, which says where the type of a record stands")
	}
	if l.Type != nil && len(l.Rows) == 0 {
		say("rows: name the types of records that are rows")
	}
	for _, t := range l.Skip {
		if slices.Contains(l.Rows, t) {
			say("skip: records of type %q are rows", t)
		}
	}
	for _, name := range l.names() {
		l.column(say, name, l.Columns[name])
	}
	for i, c := range l.Checks {
		l.check(say, fmt.Sprintf("checks[%d]", i), c)
	}
	return fault.Mark(fault.Usage, errors.Join(errs...))
}

func (l Layout) place(say func(string, ...any), what string, p *Place) {
	switch {
	case p == nil:
	case p.Start < 1 || p.Length < 1 || p.Start > maxRecord || p.Length > maxRecord:
		say("%s: start and length are 1 or more", what)
	case l.RecordLength > 0 && p.Start+p.Length-1 > l.RecordLength:
		say("%s: ends at %d, behind the record's %d bytes", what, p.Start+p.Length-1, l.RecordLength)
	}
}

func (l Layout) column(say func(string, ...any), name string, c Column) {
	l.place(say, "column "+name, &Place{c.Start, c.Length})
	l.number(say, "column "+name, cmp.Or(c.Type, Text), c.Decimals)
	if c.Record != "" && l.Type == nil {
		say("column %s: record needs type, which says where the type of a record stands", name)
	}
	if c.Record != "" && slices.Contains(l.Skip, c.Record) {
		say("column %s: records of type %q are passed over", name, c.Record)
	}
}

func (l Layout) number(say func(string, ...any), what, kind string, decimals int) {
	switch {
	case !slices.Contains([]string{Text, Number, Zoned, Packed}, kind):
		say("%s: type %q is not known", what, kind)
	case kind == Text && decimals != 0:
		say("%s: decimals have no effect on text", what)
	case decimals < 0 || decimals > 38:
		say("%s: decimals %d: want 0 to 38", what, decimals)
	case kind == Packed && l.RecordLength == 0:
		say("%s: packed needs record_length: its bytes may be line breaks", what)
	}
}

func (l Layout) check(say func(string, ...any), what string, c Check) {
	l.place(say, what, &Place{c.Start, c.Length})
	kind := cmp.Or(c.Type, Number)
	l.number(say, what, kind, c.Decimals)
	col, ok := l.Columns[c.Sum]
	switch {
	case kind == Text:
		say("%s: type text is no number", what)
	case (c.Count == "") == (c.Sum == ""):
		say("%s: give count or sum", what)
	case c.Count != "" && c.Count != CountRows && c.Count != CountRecords:
		say("%s: count %q: want %s or %s", what, c.Count, CountRows, CountRecords)
	case c.Sum != "" && (!ok || cmp.Or(col.Type, Text) == Text || col.Record != "" && !slices.Contains(l.Rows, col.Record)):
		say("%s: sum %q is no column of numbers of the rows", what, c.Sum)
	case slices.Contains(l.Rows, c.Record) || c.Record == "":
		say("%s: record %q: name a type of records that are no rows", what, c.Record)
	}
	if c.Absolute && c.Sum == "" {
		say("%s: absolute has no effect without sum", what)
	}
}

// names of the columns, in order.
func (l Layout) names() []string { return slices.Sorted(maps.Keys(l.Columns)) }

// types are those of records that are known.
func (l Layout) types() map[string]bool {
	out := map[string]bool{}
	for _, t := range slices.Concat(l.Rows, l.Skip) {
		out[t] = true
	}
	for _, c := range l.Columns {
		if c.Record != "" {
			out[c.Record] = true
		}
	}
	for _, c := range l.Checks {
		out[c.Record] = true
	}
	return out
}
