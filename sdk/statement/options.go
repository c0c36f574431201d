package statement

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/sdk/fault"
)

var (
	// ErrMalformed is wrapped where a record cannot be an entry.
	ErrMalformed = errors.New("malformed record")
	// ErrTotals is wrapped where a total that the file states is not what its records add up to.
	ErrTotals = errors.New("control total does not tie out")
	// ErrDamaged is wrapped where the rest of a file cannot be told into records.
	ErrDamaged = errors.New("damaged file")
)

// Encoding is how a file's characters are written.
type Encoding string

// The encodings. A byte order mark is dropped, and decides between UTF-8 and UTF-16 whatever is asked for.
const (
	AutoEncoding Encoding = ""             // by the mark, or the zeros of UTF-16; else UTF-8, and Windows-1252 for a text that is not
	UTF8         Encoding = "utf-8"        // a text that is not is malformed
	Latin1       Encoding = "latin-1"      // read as Windows-1252, which adds characters where ISO 8859-1 has controls
	Windows1252  Encoding = "windows-1252" //
	UTF16        Encoding = "utf-16"       // big endian without a mark, unless its zeros say otherwise
)

// Check refuses an encoding that there is not.
func (e Encoding) Check() error {
	switch e {
	case AutoEncoding, UTF8, Latin1, Windows1252, UTF16:
		return nil
	}
	return fault.Usagef("encoding %q: want utf-8, latin-1, windows-1252, utf-16, or nothing for what the file says", string(e))
}

// Totals says what a check that fails does.
type Totals string

// The policies.
const (
	AutoTotals   Totals = ""       // refuses, unless malformed records are quarantined: then it reports
	RefuseTotals Totals = "refuse" // the file is refused
	ReportTotals Totals = "report" // the check is reported, and the file is read on
)

// Check refuses a policy that there is not.
func (t Totals) Check() error {
	switch t {
	case AutoTotals, RefuseTotals, ReportTotals:
		return nil
	}
	return fault.Usagef("totals %q: want refuse, report, or nothing", string(t))
}

// Limits of every decoder.
const (
	DefaultMaxRecord = 1 << 20  // bytes of a line, a field or a text
	MaxRaw           = 64 << 10 // bytes of a record that a Quarantine carries
	MaxBalances      = 10_000   // balances of a statement; more are malformed
	MaxFailures      = 100      // checks of single entries that a statement keeps; all are counted in File.Failed
)

// Options of every decoder. The zero value refuses a file at its first malformed record or broken total.
type Options struct {
	// File names the file in positions and messages.
	File string
	// Encoding of the file.
	Encoding Encoding
	// Currency of amounts where the file states none.
	Currency string
	// OnQuarantine takes malformed records; without it the first one refuses the file. An error ends the reading.
	// It must not keep Raw.
	OnQuarantine func(q Quarantine) error
	// Totals says what a check that fails does.
	Totals Totals
	// OnStatement takes each statement when it has ended. It may keep it. An error ends the reading.
	OnStatement func(s *Statement) error
	// Whole makes one entry of a booking that the file splits into transactions.
	Whole bool
	// MaxRecord is the most bytes of a line, a field or a text; DefaultMaxRecord by default.
	MaxRecord int
}

// Validate reports every fault of the options at once, as a fault.Usage.
func (o Options) Validate() error {
	err := errors.Join(o.Encoding.Check(), o.Totals.Check())
	if o.Currency != "" && !IsCurrency(o.Currency) {
		err = errors.Join(err, fault.Usagef("currency %q: want three capital letters, such as EUR", o.Currency))
	}
	if o.MaxRecord < 0 {
		err = errors.Join(err, fault.Usagef("max record %d: want a number of bytes", o.MaxRecord))
	}
	return fault.Mark(fault.Usage, err)
}

// IsCurrency reports whether code has the form of an ISO 4217 code. Whether a country uses it is not looked up.
func IsCurrency(code string) bool {
	if len(code) != 3 {
		return false
	}
	for i := range 3 {
		if code[i] < 'A' || code[i] > 'Z' {
			return false
		}
	}
	return true
}

// Quarantine is a record that cannot be an entry, a balance or a total.
type Quarantine struct {
	File   string
	Line   int64 // on which the record begins, from 1
	Offset int64 // of its first byte in the (decompressed) file
	Reason string
	Raw    []byte // in UTF-8, at most MaxRaw
}

// String is the record's place and reason as one line.
func (q Quarantine) String() string { return fmt.Sprintf("%s:%d: %s", q.File, q.Line, q.Reason) }

// Refused is the error about a file that is not read: where and why.
type Refused struct {
	Quarantine
	Err error // ErrMalformed, ErrTotals or ErrDamaged
}

// Error is the place, the reason and what to do.
func (r *Refused) Error() string {
	advice := "fix the file, or allow records to be quarantined"
	switch {
	case errors.Is(r.Err, ErrTotals):
		advice = "ask the sender for the whole file, or let totals be reported"
	case errors.Is(r.Err, ErrDamaged):
		advice = "ask the sender for the file again"
	}
	return fmt.Sprintf("%s: %v; %s", r.String(), r.Err, advice)
}

// Unwrap is the kind of refusal.
func (r *Refused) Unwrap() error { return r.Err }

// Decoder reads a file, one entry after the other. It is used by one goroutine.
type Decoder interface {
	// Next fills e with the next entry; it returns io.EOF at the end of the file. After an error nothing more
	// is read, and entries that came before are of a file that was refused.
	Next(e *Entry) error
	// File is what was read so far: all of the file after io.EOF.
	File() File
}
