// Package casetest runs the case files of a format: a file as a bank would send it, and beside it, written by hand,
// what must be read from it.
//
// A case NAME has its input in testdata/NAME.in and its expectation in testdata/NAME.want. Lines of the
// expectation that begin with "#" are comments; one that begins with "#!" sets options: quarantine, whole, report,
// encoding=latin-1, currency=EUR, crlf (LF of the input becomes CR LF), bom, utf-16le, utf-16be, latin-1 and
// no-final-newline (how the input, which is kept in UTF-8 with LF so that people can read it, is written before it is read).
//
// What is told of an entry that is empty is left out.
package casetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/millrace/millrace/sdk/statement"
)

// Open makes a format's decoder.
type Open func(r io.Reader, opts statement.Options) (statement.Decoder, error)

// Run runs all cases of the package's testdata. There must be at least one.
func Run(t *testing.T, open Open) {
	t.Helper()
	inputs, err := filepath.Glob("testdata/*.in")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, input := range inputs {
		name := strings.TrimSuffix(filepath.Base(input), ".in")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(input, ".in") + ".want")
			if err != nil {
				t.Fatal(err)
			}
			c := settings(name, string(want))
			data = c.write(data)
			expected := strip(string(want))
			for _, step := range []int{1 << 20, 1, 7} { // bytes a read: results never depend on it
				got := Tell(&slow{data, step}, open, c.opts, c.quarantine)
				if got != expected {
					t.Fatalf("%s read %d bytes at a time gives\n%s\nwant\n%s", input, step, got, expected)
				}
			}
		})
	}
}

// slow gives a few bytes at a time.
type slow struct {
	data []byte
	step int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.data)
	s.data = s.data[n:]
	return n, nil
}

type config struct {
	opts       statement.Options
	quarantine bool
	crlf, bom  bool
	latin, cut bool
	wide       string
}

func settings(name, want string) config {
	c := config{opts: statement.Options{File: name}}
	for line := range strings.Lines(want) {
		words, ok := strings.CutPrefix(strings.TrimSpace(line), "#!")
		if !ok {
			continue
		}
		for _, w := range strings.Fields(words) {
			key, value, _ := strings.Cut(w, "=")
			switch key {
			case "quarantine":
				c.quarantine = true
			case "whole":
				c.opts.Whole = true
			case "report":
				c.opts.Totals = statement.ReportTotals
			case "encoding":
				c.opts.Encoding = statement.Encoding(value)
			case "currency":
				c.opts.Currency = value
			case "crlf":
				c.crlf = true
			case "bom":
				c.bom = true
			case "latin-1":
				c.latin = true
			case "no-final-newline":
				c.cut = true
			case "utf-16le", "utf-16be":
				c.wide = key
			default:
				panic("case " + name + ": unknown setting " + w)
			}
		}
	}
	return c
}

// write makes of a readable input the bytes of the case.
func (c config) write(data []byte) []byte {
	if c.cut {
		data = bytes.TrimRight(data, "\n")
	}
	if c.crlf {
		data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	if c.bom {
		data = append([]byte("\ufeff"), data...)
	}
	switch {
	case c.latin:
		out := []byte{}
		for _, r := range string(data) {
			out = append(out, byte(r))
		}
		return out
	case c.wide != "":
		var out []byte
		for _, u := range utf16.Encode([]rune(string(data))) {
			if c.wide == "utf-16le" {
				out = append(out, byte(u), byte(u>>8))
			} else {
				out = append(out, byte(u>>8), byte(u))
			}
		}
		return out
	}
	return data
}

func strip(want string) string {
	var b strings.Builder
	for line := range strings.Lines(want) {
		if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
			b.WriteString(line)
		}
	}
	return b.String()
}

// Tell is what a decoder reads, as an expectation has it.
func Tell(r io.Reader, open Open, opts statement.Options, quarantine bool) string {
	var b strings.Builder
	if quarantine {
		opts.OnQuarantine = func(q statement.Quarantine) error {
			fmt.Fprintf(&b, "quarantined %s\n", q)
			return nil
		}
	}
	opts.OnStatement = func(s *statement.Statement) error {
		tellStatement(&b, s)
		return nil
	}
	d, err := open(r, opts)
	if err != nil {
		return b.String() + "error " + err.Error() + "\n"
	}
	var e statement.Entry
	for {
		err := d.Next(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		var refused *statement.Refused
		if errors.As(err, &refused) {
			fmt.Fprintf(&b, "refused %s: %v\n", refused.Quarantine, refused.Err)
			return b.String()
		}
		if err != nil {
			return b.String() + "error " + err.Error() + "\n"
		}
		tellEntry(&b, &e)
	}
	f := d.File()
	for _, c := range f.Checks {
		fmt.Fprintf(&b, "%s %s\n", c.Verdict, c)
	}
	fmt.Fprintf(&b, "file %s %s: %d statements, %d entries, %d quarantined, %d ignored; checks %d passed, %d failed, %d unproved\n", f.Format, f.Version, f.Statements, f.Entries, f.Quarantined, f.Ignored, f.Passed, f.Failed, f.Unproved)
	return b.String()
}

func tellEntry(b *strings.Builder, e *statement.Entry) {
	fmt.Fprintf(b, "entry %d.%d", e.Statement, e.Number)
	if e.Part > 0 {
		fmt.Fprintf(b, ".%d", e.Part)
	}
	fmt.Fprintf(b, " line %d: booked %s valued %s %s %s %s", e.Line, or(e.BookingDate.String()), or(e.ValueDate.String()), e.Mark, e.Amount, e.Currency)
	if e.Status != statement.Booked {
		fmt.Fprintf(b, " %s", e.Status)
	}
	b.WriteByte('\n')
	for _, f := range [][2]string{
		{"account", e.Account}, {"bank", e.Bank}, {"holder", e.Holder}, {"code", e.Code}, {"end to end", e.EndToEndID}, {"bank ref", e.BankRef}, {"customer ref", e.CustomerRef},
		{"mandate", e.MandateID}, {"remittance", e.Remittance}, {"info", e.Info}, {"counterparty", e.Counterparty}, {"counterparty account", e.CounterpartyAccount},
	} {
		if f[1] != "" {
			fmt.Fprintf(b, "  %s: %s\n", f[0], f[1])
		}
	}
}

func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func tellStatement(b *strings.Builder, s *statement.Statement) {
	fmt.Fprintf(b, "statement %d", s.Number)
	for _, f := range [][2]string{{"id", s.ID}, {"sequence", s.Sequence}, {"account", s.Account}, {"currency", s.Currency}, {"bank", s.Bank}, {"holder", s.Holder}, {"from", s.From.String()}, {"to", s.To.String()}} {
		if f[1] != "" {
			fmt.Fprintf(b, ", %s %s", f[0], f[1])
		}
	}
	fmt.Fprintf(b, ": %d entries, credits %s, debits %s", s.Entries, s.Credits, s.Debits)
	if s.Folded > 0 {
		fmt.Fprintf(b, ", %d folded", s.Folded)
	}
	b.WriteByte('\n')
	for _, bal := range s.Balances {
		fmt.Fprintf(b, "  %s %s %s %s %s\n", bal.Kind, bal.Code, or(bal.Date.String()), bal.Amount, bal.Currency)
	}
	for _, c := range s.Checks {
		fmt.Fprintf(b, "  %s %s\n", c.Verdict, c)
	}
}
