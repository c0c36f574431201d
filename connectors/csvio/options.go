package csvio

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
)

// Defaults of Options.
const (
	DefaultBatchRows = 8192
	DefaultMaxRecord = 4 << 20
)

// NoQuote, as Options.Quote, makes quotes ordinary characters.
const NoQuote = "none"

// Extra says what to do about columns in a file that the schema does not have.
type Extra string

// The policies.
const (
	RefuseExtra Extra = ""       // a fault.Usage that names them
	IgnoreExtra Extra = "ignore" // they are not read
)

// Options says how the files are written. The zero value is RFC 4180 in UTF-8
// with a header and with the schema inferred.
type Options struct {
	// Schema of the rows; nil infers it. Columns are matched to the header by name, or by position without one.
	Schema *arrow.Schema `json:"-"`
	// Columns to read, in this order; nil reads all of the schema.
	Columns []string `json:"columns,omitempty"`
	// NoHeader says that the first record is a row. Without a Schema the columns are c1, c2, …
	NoHeader bool `json:"no_header,omitempty"`
	// SkipLines are passed over before the header.
	SkipLines int `json:"skip_lines,omitempty"`
	// Delimiter between fields: one ASCII character, "," by default.
	Delimiter string `json:"delimiter,omitempty"`
	// Quote around fields: one ASCII character, `"` by default, or NoQuote.
	Quote string `json:"quote,omitempty"`
	// Escape before a quote inside quotes: by default the quote itself, doubled; or `\`.
	Escape string `json:"escape,omitempty"`
	// Nulls are the markers; by default the empty field. A quoted marker is a text
	// in a text column and null in any other.
	Nulls []string `json:"nulls,omitempty"`
	// TrimSpace drops blanks and tabs around fields and around their quotes.
	TrimSpace bool `json:"trim_space,omitempty"`
	// Encoding is "utf-8" (the default; a byte order mark is dropped) or "latin-1".
	Encoding string `json:"encoding,omitempty"`
	// OneLine says that no field has a line break, so that files are cut without being read first.
	OneLine bool `json:"one_line,omitempty"`
	// Extra columns in a file; refused by default.
	Extra Extra `json:"extra,omitempty"`
	// Text says how values are written.
	Text files.TextOptions `json:"text,omitzero"`
	// Compression of the files; by their names by default.
	Compression files.Compression `json:"compression,omitempty"`
	// SplitBytes is how much a split covers; files.DefaultSplitBytes by default.
	SplitBytes int64 `json:"split_bytes,omitempty"`
	// MaxRecord is the most bytes that a record may have; DefaultMaxRecord by default.
	MaxRecord int `json:"max_record,omitempty"`
	// SampleRows is how many records a schema is inferred from; files.DefaultSampleRows by default, negative for all.
	SampleRows int `json:"sample_rows,omitempty"`
	// BatchRows is the most rows of a batch; DefaultBatchRows by default.
	BatchRows int `json:"batch_rows,omitempty"`
	// OnReject takes bad records; without it the first one is an error.
	OnReject files.RejectFunc `json:"-"`
}

// Validate reports every fault of the options at once, as a fault.Usage.
func (o Options) Validate() error {
	_, err := o.dialect()
	return err
}

// dialect is the options as the scanner wants them.
type dialect struct {
	delim, quote, escape byte // quote 0: none; escape 0: a doubled quote
	trim                 bool
	latin1               bool
	nulls                map[string]bool
	max                  int
	oneLine              bool
}

func (o Options) dialect() (dialect, error) {
	var faults []string
	add := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	d := dialect{delim: ',', quote: '"', trim: o.TrimSpace, max: o.MaxRecord, oneLine: o.OneLine, nulls: map[string]bool{}}
	if o.Delimiter != "" && !ascii(o.Delimiter, &d.delim) {
		add("delimiter %q: want one ASCII character that is no line break", o.Delimiter)
	}
	switch {
	case o.Quote == NoQuote:
		d.quote, d.oneLine = 0, true
	case o.Quote != "" && !ascii(o.Quote, &d.quote):
		add("quote %q: want one ASCII character, or %q", o.Quote, NoQuote)
	}
	if o.Escape != "" && o.Escape != o.Quote && !ascii(o.Escape, &d.escape) {
		add("escape %q: want one ASCII character", o.Escape)
	}
	if d.escape == d.quote {
		d.escape = 0
	}
	if d.quote == d.delim || d.escape == d.delim {
		add("the delimiter %q cannot be the quote or the escape too", d.delim)
	}
	switch strings.ToLower(o.Encoding) {
	case "", "utf-8", "utf8":
	case "latin-1", "latin1", "iso-8859-1":
		d.latin1 = true
	default:
		add("encoding %q: want utf-8 or latin-1", o.Encoding)
	}
	if o.Nulls == nil {
		d.nulls[""] = true
	}
	for _, n := range o.Nulls {
		d.nulls[n] = true
	}
	if o.Extra != RefuseExtra && o.Extra != IgnoreExtra {
		add("extra columns %q: want ignore, or nothing to refuse them", o.Extra)
	}
	if o.SkipLines < 0 || o.SplitBytes < 0 || o.MaxRecord < 0 || o.BatchRows < 0 {
		add("skip lines, split bytes, max record and batch rows cannot be negative")
	}
	if d.max == 0 {
		d.max = DefaultMaxRecord
	}
	if err := o.Compression.Check(); err != nil {
		add("%v", err)
	}
	if o.Schema != nil {
		if err := files.CheckSchema(o.Schema); err != nil {
			add("%v", err)
		}
	}
	if faults != nil {
		return d, fault.Usagef("csv options: %s", strings.Join(faults, "; "))
	}
	return d, nil
}

func ascii(text string, c *byte) bool {
	if len(text) != 1 || text[0] >= 0x80 || text[0] == '\n' || text[0] == '\r' || text[0] == 0 {
		return false
	}
	*c = text[0]
	return true
}
