package csvio

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// found is one record as a test sees it.
type found struct {
	Raw    string
	Offset int64
	Lines  int64
	Bad    bool
	Fields []string
	Broken bool // it cannot be cut into fields
}

func scanAll(t testing.TB, r io.Reader, d dialect, at int64) []found {
	t.Helper()
	s := newScanner(r, d, at)
	var all []found
	for {
		rec, err := s.next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		f := found{Raw: string(rec.raw), Offset: rec.offset, Lines: rec.lines, Bad: rec.bad != ""}
		if !f.Bad {
			fields, _, err := d.fields(rec.raw, nil, nil)
			f.Broken = err != nil
			for _, x := range fields {
				f.Fields = append(f.Fields, string(x.text))
			}
		}
		all = append(all, f)
	}
}

func mustDialect(t testing.TB, o Options) dialect {
	t.Helper()
	d, err := o.dialect()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestScan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		opts       Options
		want       []string // records as fields joined by |; ! marks a bad one, ? one that cannot be cut
	}{
		{"plain", "a,b\nc,d\n", Options{}, []string{"a|b", "c|d"}},
		{"no last line break", "a,b\nc,d", Options{}, []string{"a|b", "c|d"}},
		{"crlf", "a,b\r\n\"c\",\"d\"\r\n", Options{}, []string{"a|b", "c|d"}},
		{"blank lines", "\n\na\n\r\nb\n\n", Options{}, []string{"a", "b"}},
		{"empty fields", ",\n\"\",x,\n", Options{}, []string{"|", "|x|"}},
		{"quoted", "\"a,b\",\"c \"\"d\"\"\"\n", Options{}, []string{"a,b|c \"d\""}},
		{"line breaks in quotes", "\"a\nb\r\nc\",d\ne,f\n", Options{}, []string{"a\nb\r\nc|d", "e|f"}},
		{"unclosed quote", "a,\"b\nc,d\ne,f\n", Options{}, []string{"!", "c|d", "e|f"}},
		{"unclosed quote at the end", "a,b\n\"", Options{}, []string{"a|b", "!"}},
		{"closed by a later quote", "\"a\nb\",c\nd\n", Options{}, []string{"a\nb|c", "d"}},
		{"text after a quote", "\"a\"b,c\nd,e\n", Options{}, []string{"?", "d|e"}},
		{"quote in a field", "5\" pipe,x\ny,z\n", Options{}, []string{"?", "y|z"}},
		{"no quotes", "5\" pipe;\"x\n", Options{Quote: NoQuote, Delimiter: ";"}, []string{"5\" pipe|\"x"}},
		{"other marks", "'a;b';'it''s'\n", Options{Quote: "'", Delimiter: ";"}, []string{"a;b|it's"}},
		{"escapes", "\"a\\\"b\\\\\",\"c\\\nd\"\ne,f\n", Options{Escape: `\`}, []string{"a\"b\\|c\nd", "e|f"}},
		{"trim", "  a , \"b \" ,\tc\n", Options{TrimSpace: true}, []string{"a|b |c"}},
		{"tabs and trim", "a\t \"b\tc\" \t\n", Options{TrimSpace: true, Delimiter: "\t"}, []string{"a|b\tc|"}},
		{"one line a record", "\"a\nb\",c\nd,e\n", Options{OneLine: true}, []string{"?", "?", "d|e"}},
		{"too long", "ok\n" + strings.Repeat("x", 40) + "\nafter\n", Options{MaxRecord: 20}, []string{"ok", "!", "after"}},
		{"too long in quotes", "\"a\n" + strings.Repeat("x\n", 20) + "\"\n", Options{MaxRecord: 10}, append(append([]string{"!"}, strings.Fields(strings.Repeat("x ", 20))...), "!")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := mustDialect(t, c.opts)
			var got []string
			for _, f := range scanAll(t, strings.NewReader(c.text), d, 0) {
				switch {
				case f.Bad:
					got = append(got, "!")
				case f.Broken:
					got = append(got, "?")
				default:
					got = append(got, strings.Join(f.Fields, "|"))
				}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// checkScan holds for every input: records lie one after the other, do not
// depend on how the input arrives, and are found again from where any begins.
func checkScan(t testing.TB, data []byte, d dialect) {
	t.Helper()
	all := scanAll(t, bytes.NewReader(data), d, 0)
	end := int64(0)
	cutShort := false // the record before was too long, and only its head is kept
	for _, f := range all {
		if f.Offset < end {
			t.Fatalf("record at %d begins before %d, where the one before ends", f.Offset, end)
		}
		if gap := strings.Trim(string(data[end:f.Offset]), "\r\n"); gap != "" && !cutShort {
			t.Fatalf("%q between records belongs to none", gap)
		}
		if !bytes.HasPrefix(data[f.Offset:], []byte(f.Raw)) {
			t.Fatalf("record %q is not at %d", f.Raw, f.Offset)
		}
		end = f.Offset + int64(len(f.Raw))
		cutShort = f.Bad && len(f.Raw) == d.max
	}
	if slow := scanAll(t, iotest.OneByteReader(bytes.NewReader(data)), d, 0); !reflect.DeepEqual(all, slow) {
		t.Fatalf("byte by byte the records are\n%+v\nand at once\n%+v", slow, all)
	}
	for i, f := range all {
		if i%7 != 0 {
			continue
		}
		if again := scanAll(t, bytes.NewReader(data[f.Offset:]), d, f.Offset); !reflect.DeepEqual(all[i:], again) {
			t.Fatalf("from %d on the records are\n%+v\nand not\n%+v", f.Offset, again, all[i:])
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "\"a\nb\",\"c\"\"d\"\r\n\"x", "a\"b,c\n\n\n\"\"\n", "\xef\xbb\xbfa;b\n", "\"\\\"\n,", "'a'\n'"} {
		for kind := range byte(6) {
			f.Add([]byte(seed), kind)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, kind byte) {
		o := Options{MaxRecord: 64}
		switch kind % 6 {
		case 1:
			o.Escape = `\`
		case 2:
			o.TrimSpace = true
		case 3:
			o.OneLine = true
		case 4:
			o.Quote, o.Delimiter = "'", ";"
		case 5:
			o.Quote, o.MaxRecord = NoQuote, 5
		}
		checkScan(t, data, mustDialect(t, o))
	})
}

// Text that the standard library can read is read the same here.
func TestAgreesWithEncodingCSV(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"a", "b,", ",", "\n", "\"", "\"\"", "\"x,\n\"", "\r\n", "é", " ", "\"q\""})
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 25).Draw(rt, "text"), "")
		std := csv.NewReader(strings.NewReader(text))
		std.FieldsPerRecord = -1
		want, err := std.ReadAll()
		checkScan(t, []byte(text), mustDialect(t, Options{}))
		if err != nil {
			return
		}
		var got [][]string
		for _, f := range scanAll(t, strings.NewReader(text), mustDialect(t, Options{}), 0) {
			if f.Bad || f.Broken {
				rt.Fatalf("%q: %+v is bad, encoding/csv reads %q", text, f, want)
			}
			for i := range f.Fields { // the library drops the CR of line breaks inside quotes
				f.Fields[i] = strings.ReplaceAll(f.Fields[i], "\r\n", "\n")
			}
			got = append(got, f.Fields)
		}
		if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			rt.Fatalf("%q:\n got %q\nwant %q", text, got, want)
		}
	})
}
