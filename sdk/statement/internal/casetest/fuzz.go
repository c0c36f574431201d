package casetest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/sdk/statement"
)

// Fuzz feeds a decoder any bytes, with the package's cases as seeds. Whatever they are, it ends; each entry has a place in
// the file, an account, a currency and a mark that agrees with its amount; what it counts is what it gave; and
// how many bytes come at a time changes nothing.
func Fuzz(f *testing.F, open Open) {
	inputs, err := filepath.Glob("testdata/*.in")
	if err != nil || len(inputs) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, input := range inputs {
		data, err := os.ReadFile(input)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		Hold(t, open, data)
		opts := statement.Options{File: "f", MaxRecord: 4096}
		whole := Tell(bytes.NewReader(data), open, opts, true)
		if len(data) < 1<<13 {
			if pieces := Tell(&slow{data, 3}, open, opts, true); pieces != whole {
				t.Fatalf("read 3 bytes at a time gives\n%s\nread at once\n%s", pieces, whole)
			}
		}
	})
}

// Hold checks what holds for every file.
func Hold(t *testing.T, open Open, data []byte) {
	t.Helper()
	var quarantined, statements, told int64
	opts := statement.Options{File: "f", MaxRecord: 4096}
	opts.OnQuarantine = func(q statement.Quarantine) error {
		quarantined++
		place(t, data, q.Line, q.Offset)
		if q.Reason == "" || len(q.Raw) > statement.MaxRaw {
			t.Fatalf("quarantine %q of %d bytes", q.Reason, len(q.Raw))
		}
		return nil
	}
	opts.OnStatement = func(s *statement.Statement) error {
		statements++
		told += s.Entries
		place(t, data, s.Line, s.Offset)
		return nil
	}
	d, err := open(bytes.NewReader(data), opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	var e statement.Entry
	entries := int64(0)
	for {
		err := d.Next(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if !errors.Is(err, statement.ErrDamaged) {
				t.Fatalf("%v is neither the end nor damage", err)
			}
			return
		}
		entries++
		place(t, data, e.Line, e.Offset)
		if e.Account == "" || !statement.IsCurrency(e.Currency) || e.Mark.Sign() == 0 || e.Amount.Sign()*e.Mark.Sign() < 0 || e.Statement < 1 || e.Number < 1 {
			t.Fatalf("entry %+v", e)
		}
		if entries > int64(len(data))+1 {
			t.Fatal("more entries than bytes")
		}
	}
	f := d.File()
	if f.Entries != entries || f.Quarantined != quarantined || f.Statements != statements || told != entries {
		t.Fatalf("%+v counts other than %d entries, %d quarantined, %d statements with %d", f, entries, quarantined, statements, told)
	}
	if err := d.Next(&e); !errors.Is(err, io.EOF) {
		t.Fatalf("after the end: %v", err)
	}
}

func place(t *testing.T, data []byte, line, offset int64) {
	t.Helper()
	if line < 1 || offset < 0 || offset > int64(len(data)) {
		t.Fatalf("line %d, byte %d of a file of %d bytes", line, offset, len(data))
	}
}
