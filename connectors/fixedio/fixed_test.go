package fixedio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// booked is a layout with header, rows and trailer.
//
//	H account
//	D reference amount
//	T rows total
func booked() Layout {
	return Layout{Type: &Place{1, 1}, Rows: []string{"D"},
		Columns: map[string]Column{
			"account": {Start: 2, Length: 4, Record: "H"},
			"ref":     {Start: 2, Length: 3},
			"amount":  {Start: 5, Length: 6, Type: Zoned, Decimals: 2},
		},
		Checks: []Check{{Record: "T", Start: 2, Length: 3, Count: CountRows}, {Record: "T", Start: 5, Length: 6, Type: Zoned, Decimals: 2, Sum: "amount"}}}
}

// rowsOf reads a text: rows as text, and rejects if they are set apart.
func rowsOf(t testing.TB, in []byte, l Layout, quarantine bool, batchRows int) (rows, rejects []string, err error) {
	t.Helper()
	opts := Options{Layout: l, BatchRows: batchRows}
	if quarantine {
		opts.OnReject = func(_ context.Context, r files.Reject) error {
			rejects = append(rejects, r.String())
			return nil
		}
	}
	if err := l.Validate(); err != nil {
		return nil, nil, err
	}
	r := newReader("in.txt", bytes.NewReader(in), opts)
	defer r.Close()
	for {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			if n := r.Counts(); n.Rows != int64(len(rows)) || n.Rejects != int64(len(rejects)) || n.Bytes > int64(len(in)) {
				t.Errorf("counts %+v of %d rows, %d rejects, %d bytes", n, len(rows), len(rejects), len(in))
			}
			return rows, rejects, nil
		}
		if err != nil {
			return rows, rejects, err
		}
		for i := range int(b.NumRows()) {
			cells := []string{fmt.Sprint(r.Lines()[i])}
			for _, c := range b.Columns() {
				if c.IsNull(i) {
					cells = append(cells, "-")
				} else {
					cells = append(cells, c.ValueStr(i))
				}
			}
			rows = append(rows, strings.Join(cells, "|"))
		}
		b.Release()
	}
}

const good = "HACC1\nDR0100100{\nDR0200250}\nDR03  000A\nT00300149R\n"

func TestFiles(t *testing.T) {
	t.Parallel()
	lines := Layout{Columns: map[string]Column{"name": {Start: 1, Length: 4}, "amount": {Start: 5, Length: 5, Type: Number, Decimals: 2}}}
	change := func(l Layout, f func(*Layout)) Layout { f(&l); return l }
	set := change(lines, func(l *Layout) { l.RecordLength = 9 })
	ebcdic, err := charmap.CodePage037.NewEncoder().String("ABCD0010}EFG 0010{")
	if err != nil {
		t.Fatal(err)
	}
	zoned := change(set, func(l *Layout) {
		l.Encoding, l.Columns = CP037, map[string]Column{"name": {Start: 1, Length: 4}, "amount": {Start: 5, Length: 5, Type: Zoned, Decimals: 2}}
	})
	packed := change(set, func(l *Layout) {
		l.Encoding, l.RecordLength, l.Columns = CP037, 5, map[string]Column{"name": {Start: 1, Length: 2}, "amount": {Start: 3, Length: 3, Type: Packed, Decimals: 2}}
	})
	for _, c := range []struct {
		name   string
		layout Layout
		in     string
		want   string // rows, with a blank between
	}{
		{"header, rows and trailer", booked(), good, "2|ACC1|10.00|R01 3|ACC1|-25.00|R02 4|ACC1|0.01|R03"},
		{"CR LF", booked(), strings.ReplaceAll(good, "\n", "\r\n"), "2|ACC1|10.00|R01 3|ACC1|-25.00|R02 4|ACC1|0.01|R03"},
		{"no break at the end", booked(), strings.TrimSuffix(good, "\n"), "2|ACC1|10.00|R01 3|ACC1|-25.00|R02 4|ACC1|0.01|R03"},
		{"BOM, blank lines and an end mark", lines, "\ufeffab  00123\n\n\ncd  -0009\n\x1a", "1|1.23|ab 4|-0.09|cd"},
		{"characters, not bytes", lines, "Žižk00123\nabcd+0001\n", "1|1.23|Žižk 2|0.01|abcd"},
		{"latin-1", change(lines, func(l *Layout) { l.Encoding = Latin1 }), "M\xfcll00123\n", "1|1.23|Müll"},
		{"signs behind, blanks, nothing", lines, "a    12- \nb         \n", "1|-0.12|a 2|-|b"},
		{"short lines", change(lines, func(l *Layout) { l.ShortLines = true }), "a\nb   12\n", "1|-|a 2|0.12|b"},
		{"a point that is written", change(lines, func(l *Layout) { l.Columns = map[string]Column{"n": {Start: 1, Length: 6, Type: Number}} }), " 12.50\n-1.005\n", "1|12.50 2|-1.005"},
		{"no breaks at all", set, "abcd00123efgh00001", "1|1.23|abcd 2|0.01|efgh"},
		{"set length with breaks", set, "abcd00123\r\nefgh00001\r\n\x1a", "1|1.23|abcd 2|0.01|efgh"},
		{"EBCDIC", zoned, ebcdic, "1|-1.00|ABCD 2|1.00|EFG"},
		{"packed", packed, "\xc1\xc2\x00\x12\x3d\xc3\x40\x12\x34\x5c", "1|-1.23|AB 2|123.45|C"},
		{"an empty file", lines, "", ""},
		{"several trailers", booked(), good + "HACC2\nDX0100100{\nT00100100{\n", "2|ACC1|10.00|R01 3|ACC1|-25.00|R02 4|ACC1|0.01|R03 7|ACC2|10.00|X01"},
		{"types that are passed over", change(booked(), func(l *Layout) { l.Skip = []string{"C"} }), "Cremark\n" + good, "3|ACC1|10.00|R01 4|ACC1|-25.00|R02 5|ACC1|0.01|R03"},
		{"signs do not count", change(booked(), func(l *Layout) {
			l.Checks = []Check{{Record: "T", Start: 5, Length: 6, Type: Zoned, Decimals: 2, Sum: "amount", Absolute: true}}
		}),
			"DR0100100{\nDR0200250}\nT   00350{\n", "1|-|10.00|R01 2|-|-25.00|R02"},
		{"records with the trailer's own", change(booked(), func(l *Layout) { l.Checks = []Check{{Record: "T", Start: 2, Length: 3, Count: CountRecords}} }),
			"HACC1\nDR0100100{\nT003\n", "2|ACC1|10.00|R01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{0, 1} {
				rows, _, err := rowsOf(t, []byte(c.in), c.layout, false, n)
				if err != nil || strings.Join(rows, " ") != c.want {
					t.Errorf("%q, %v; want %q", rows, err, c.want)
				}
			}
		})
	}
}

// Each malformed file is refused whole with its name, line and reason, or its records are set apart, by option.
func TestMalformed(t *testing.T) {
	t.Parallel()
	set := Layout{RecordLength: 4, Columns: map[string]Column{"n": {Start: 1, Length: 4, Type: Number}}}
	packed := Layout{RecordLength: 2, Columns: map[string]Column{"n": {Start: 1, Length: 2, Type: Packed}}}
	head, tail := "HACC1\nDR0100100{\n", "T00100100{\n"
	for _, c := range []struct {
		name    string
		layout  Layout
		in      string
		rejects string // joined by ; the first is why the file is refused
		rows    int
	}{
		{"a type that is not known", booked(), head + "XR02\n" + tail, `in.txt:3: records of type "X" are not in the layout`, 1},
		{"a number that is none", booked(), head + "DR02twenty\n" + tail, `in.txt:3: column amount: "twenty" is no zoned number;in.txt:4: record T states 1 rows, there are 2; 1 records could not be read`, 1},
		{"a line that is too short", booked(), head + "DR02\n" + tail, `in.txt:3: column amount: the record ends before character 10;in.txt:4: record T states 1 rows, there are 2; 1 records could not be read`, 1},
		{"a wrong count", booked(), head + "T00200100{\n", `in.txt:3: record T states 2 rows, there are 1`, 1},
		{"a wrong total", booked(), head + "T00100100A\n", `in.txt:3: record T states 10.01 as the sum of amount, there are 10.00`, 1},
		{"a blank total", booked(), head + "T001      \n", `in.txt:3: record T: what it states of amount: it is blank`, 1},
		{"no trailer", booked(), head, `in.txt:2: the file ends without its record T`, 1},
		{"no second trailer", booked(), head + tail + "DR0100100{\n", `in.txt:4: the file ends without another record T: 1 rows stand behind the last`, 2},
		{"an empty file that should have a trailer", booked(), "", `in.txt at byte 0: the file ends without its record T`, 0},
		{"latin-1 that is read as UTF-8", booked(), "HM\xfcll\n" + head[6:] + tail, `in.txt:1: the line is not UTF-8; perhaps its encoding is latin-1`, 1},
		{"half a record", set, "00010002000", `in.txt:3: the file ends within a record, after 3 of 4 bytes`, 2},
		{"lines that are longer than records", set, "0001\n00020\n0003\n", `in.txt:3: a line break within a record of 4 bytes: is record_length right?;in.txt:4: the file ends within a record, after 3 of 4 bytes`, 2},
		{"a packed number without a sign", packed, "\x12\x34\x12\x3c", "in.txt:1: column n: the bytes 1234 are no packed number", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows, rejects, err := rowsOf(t, []byte(c.in), c.layout, true, 0)
			if err != nil || strings.Join(rejects, ";") != c.rejects || len(rows) != c.rows {
				t.Errorf("%d rows, rejects %q, %v; want %q", len(rows), rejects, err, c.rejects)
			}
			_, _, err = rowsOf(t, []byte(c.in), c.layout, false, 0)
			first, _, _ := strings.Cut(c.rejects, ";")
			if err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), first) || !strings.HasPrefix(err.Error(), "read in.txt: ") {
				t.Errorf("refused: %v; want %q", err, first)
			}
		})
	}
}

// Rows do not take what an earlier header said where theirs cannot be read.
func TestABrokenHeaderIsNotInherited(t *testing.T) {
	t.Parallel()
	l := booked()
	l.Checks = nil
	rows, rejects, err := rowsOf(t, []byte("HACC1\nDR0100100{\nH\nDR0200100{\n"), l, true, 0)
	if err != nil || len(rejects) != 1 || strings.Join(rows, " ") != "2|ACC1|10.00|R01 4|-|10.00|R02" {
		t.Errorf("%q, %q, %v", rows, rejects, err)
	}
}

func TestZoned(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"123": "123", "12{": "120", "12A": "121", "12I": "129", "12}": "-120", "12J": "-121", "12R": "-129", "12p": "-120", "12y": "-129", "A": "1",
		"1 A": "", "12S": "", "-1A": "", "": ""} {
		d, ok, err := parseNumber(Zoned, nil, text, 0)
		if got := d.String(); want != "" && (got != want || !ok || err != nil) || want == "" && ok {
			t.Errorf("%q: %s, %v, %v; want %q", text, got, ok, err, want)
		}
	}
}

// A number written in any of the ways comes back.
func TestNumbersComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, decimals := rapid.Int64Range(-1e15, 1e15).Draw(t, "n"), rapid.IntRange(0, 12).Draw(t, "decimals")
		want, err := money.New(n, decimals)
		if err != nil {
			t.Fatal(err)
		}
		digits, sign := fmt.Sprintf("%016d", max(n, -n)), byte(0xC)
		last := digits[15] - '0'
		over := "{ABCDEFGHI"[last]
		trailing := digits
		if n < 0 {
			sign, over, trailing = 0xD, "}JKLMNOPQR"[last], digits+"-"
		}
		var packed []byte
		for _, pair := range []string{"0" + digits} {
			for i := 0; i < len(pair)-1; i += 2 {
				packed = append(packed, (pair[i]-'0')<<4|(pair[i+1]-'0'))
			}
			packed = append(packed, (pair[len(pair)-1]-'0')<<4|sign)
		}
		for kind, in := range map[string]string{Number: trailing, Zoned: digits[:15] + string(over), Packed: string(packed)} {
			got, ok, err := parseNumber(kind, []byte(in), in, decimals)
			if err != nil || !ok || got.Cmp(want) != 0 {
				t.Fatalf("%s %q: %s, %v; want %s", kind, in, got, err, want)
			}
		}
	})
}

func TestLayoutMistakes(t *testing.T) {
	t.Parallel()
	for says, f := range map[string]func(*Layout){
		"cp037 needs record_length":                   func(l *Layout) { l.Encoding = CP037 },
		`encoding "utf-16"`:                           func(l *Layout) { l.Encoding = "utf-16" },
		"record_length -1":                            func(l *Layout) { l.RecordLength = -1 },
		"short_lines has no effect":                   func(l *Layout) { l.ShortLines, l.RecordLength = true, 20 },
		"there are no columns":                        func(l *Layout) { l.Columns = nil },
		"rows, skip and checks need type":             func(l *Layout) { l.Type = nil },
		"name the types of records":                   func(l *Layout) { l.Rows = nil },
		`records of type "D" are rows`:                func(l *Layout) { l.Skip = []string{"D"} },
		"column ref: start and length are 1 or more":  func(l *Layout) { l.Columns["ref"] = Column{Length: 1} },
		"column ref: ends at 21":                      func(l *Layout) { l.RecordLength = 20; l.Columns["ref"] = Column{Start: 20, Length: 2} },
		`column ref: type "float"`:                    func(l *Layout) { l.Columns["ref"] = Column{Start: 1, Length: 1, Type: "float"} },
		"column ref: decimals have no effect on text": func(l *Layout) { l.Columns["ref"] = Column{Start: 1, Length: 1, Decimals: 1} },
		"column ref: packed needs record_length":      func(l *Layout) { l.Columns["ref"] = Column{Start: 1, Length: 1, Type: Packed} },
		`records of type "C" are passed over`:         func(l *Layout) { l.Skip = []string{"C"}; l.Columns["ref"] = Column{Start: 1, Length: 1, Record: "C"} },
		"checks[0]: give count or sum":                func(l *Layout) { l.Checks[0].Count = "" },
		`checks[0]: count "lines"`:                    func(l *Layout) { l.Checks[0].Count = "lines" },
		`checks[1]: sum "ref" is no column of numbe`:  func(l *Layout) { l.Checks[1].Sum = "ref" },
		`checks[0]: record "D"`:                       func(l *Layout) { l.Checks[0].Record = "D" },
		"checks[0]: absolute has no effect":           func(l *Layout) { l.Checks[0].Absolute = true },
		"checks[0]: type text is no number":           func(l *Layout) { l.Checks[0].Type = Text },
	} {
		l := booked()
		f(&l)
		if err := l.Validate(); err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// Whatever a file holds, reading it ends, without a panic, and the size of batches changes nothing.
func FuzzReader(f *testing.F) {
	f.Add([]byte(good), uint8(0))
	f.Add([]byte("HACC1\r\nDR0100100{\r\nT00100100{"), uint8(1))
	f.Add([]byte("\xc1\xc2\x00\x12\x3d\xc3\x40\x12\x34\x5c"), uint8(2))
	f.Add([]byte("abcd00123\r\nefgh00001\r\n\x1a"), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, which uint8) {
		l := booked()
		switch which % 4 {
		case 1:
			l.Encoding, l.ShortLines = Latin1, true
		case 2:
			l = Layout{Encoding: CP037, RecordLength: 5, Columns: map[string]Column{"name": {Start: 1, Length: 2}, "amount": {Start: 3, Length: 3, Type: Packed, Decimals: 2}}}
		case 3:
			l.RecordLength = 10
		}
		rows, rejects, err := rowsOf(t, in, l, true, 0)
		again, rejectsAgain, errAgain := rowsOf(t, in, l, true, 1)
		if fmt.Sprint(err) != fmt.Sprint(errAgain) || strings.Join(rows, "\n") != strings.Join(again, "\n") || strings.Join(rejects, "\n") != strings.Join(rejectsAgain, "\n") {
			t.Errorf("%q %q %v; in batches of one row %q %q %v", rows, rejects, err, again, rejectsAgain, errAgain)
		}
	})
}

// Files are found, decompressed, and named in errors.
func TestOpen(t *testing.T) {
	t.Parallel()
	store := storagetest.NewMemory("inbox", nil)
	if err := store.Put(t.Context(), "a.txt", []byte("DR01 100{"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	l := booked()
	l.Checks = nil
	splits, err := Splits(t.Context(), store, "*.txt", Options{Layout: l})
	if err != nil || len(splits) != 1 {
		t.Fatal(splits, err)
	}
	r, err := Open(t.Context(), store, splits[0], Options{Layout: l})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "read a.txt: a.txt:1: ") {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Next(t.Context()); err == nil {
		t.Error("a closed reader reads")
	}
}
