package csvio_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/klauspost/compress/zstd"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/filestest"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store holds files given as name, content, name, content, …
func store(t testing.TB, pairs ...string) storage.Store {
	t.Helper()
	s := storagetest.NewMemory("csv", nil)
	for i := 0; i < len(pairs); i += 2 {
		if err := s.Put(t.Context(), pairs[i], []byte(pairs[i+1]), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// read reads all splits of a glob; each row is its values joined by |, nulls as ∅.
func read(t testing.TB, s storage.Store, glob string, opts csvio.Options) (rows []string, counts files.Counts) {
	t.Helper()
	rows, counts, err := tryRead(t.Context(), s, glob, opts)
	if err != nil {
		t.Fatal(err)
	}
	return rows, counts
}

func tryRead(ctx context.Context, s storage.Store, glob string, opts csvio.Options) (rows []string, counts files.Counts, err error) {
	if opts.Schema == nil {
		if opts.Schema, err = csvio.Infer(ctx, s, glob, opts); err != nil {
			return nil, counts, err
		}
	}
	splits, err := csvio.Splits(ctx, s, glob, opts)
	if err != nil {
		return nil, counts, err
	}
	for _, split := range splits {
		r, err := csvio.Open(ctx, s, split, opts)
		if err != nil {
			return nil, counts, err
		}
		defer r.Close()
		for {
			b, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return rows, counts, err
			}
			rows = append(rows, texts(b)...)
			b.Release()
		}
		c := r.Counts()
		counts.Records += c.Records
		counts.Rows += c.Rows
		counts.Rejects += c.Rejects
	}
	return rows, counts, nil
}

func texts(b arrow.RecordBatch) []string { return filestest.Texts(b) }

func schema(fields ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fields, nil) }

func col(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func money(scale int32) arrow.DataType { return &arrow.Decimal128Type{Precision: 18, Scale: scale} }

func TestInferAndRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		opts       csvio.Options
		types      string
		rows       []string
	}{
		{
			"a ledger", "entry_id,account,amount,booked_at,value_day,open\n1,00042,-10.50,2026-11-23T10:00:00.123Z,2026-11-24,true\n2,,1234567.125,2026-11-23 12:00:00+01:00,,FALSE\n",
			csvio.Options{}, "int64 utf8 decimal(18, 3) timestamp[us, tz=UTC] date32 bool",
			[]string{"1|00042|-10.500|2026-11-23T10:00:00.123Z|2026-11-24|true", "2|∅|1234567.125|2026-11-23T11:00:00Z|∅|false"},
		},
		{
			"european", "Konto;Betrag;Tag\n0815;1.234.567,89;24.12.2026\n0816;-5;31.12.2026\n",
			csvio.Options{Delimiter: ";", Text: files.TextOptions{DecimalMark: ",", GroupMark: ".", DateLayouts: []string{"02.01.2006"}}},
			"utf8 decimal(18, 2) date32", []string{"0815|1234567.89|2026-12-24", "0816|-5.00|2026-12-31"},
		},
		{
			"large numbers stay exact", "n,d\n123456789012345678901234567890,12345678901234567890.123456789\n1,0.5\n", csvio.Options{},
			"decimal(38, 0) decimal(38, 9)", []string{"123456789012345678901234567890|12345678901234567890.123456789", "1|0.500000000"},
		},
		{
			"mixtures are texts", "a,b,c\n1,2026-01-01,true\nx,2026-01-01T00:00:00Z,0\n", csvio.Options{}, "utf8 utf8 utf8",
			[]string{"1|2026-01-01|true", "x|2026-01-01T00:00:00Z|0"},
		},
		{
			"no header, markers, skipped lines", "junk\n\"more \njunk\n1;NULL;\\N\n2;\"NULL\";x\n",
			csvio.Options{Delimiter: ";", NoHeader: true, SkipLines: 3, Nulls: []string{"NULL", `\N`}}, "int64 utf8 utf8",
			[]string{"1|∅|∅", "2|NULL|x"},
		},
		{"byte order mark and quoted header", "\xef\xbb\xbf\"id\",\"a \"\"b\"\"\"\n1,\n", csvio.Options{}, "int64 utf8", []string{"1|∅"}},
		{"latin-1", "jm\xe9no,m\xecsto\nJos\xe9,\xd8\n", csvio.Options{Encoding: "latin-1"}, "utf8 utf8", []string{"José|Ø"}},
		{"a header only", "a,b\n", csvio.Options{}, "utf8 utf8", nil},
		{"empty", "", csvio.Options{}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := store(t, "f.csv", c.text)
			inferred, err := csvio.Infer(t.Context(), s, "*.csv", c.opts)
			if err != nil {
				t.Fatal(err)
			}
			var types []string
			for _, f := range inferred.Fields() {
				types = append(types, f.Type.String())
			}
			if got := strings.Join(types, " "); got != c.types {
				t.Errorf("types %q, want %q", got, c.types)
			}
			if rows, _ := read(t, s, "*.csv", c.opts); !reflect.DeepEqual(rows, c.rows) {
				t.Errorf("rows %q, want %q", rows, c.rows)
			}
		})
	}
}

func TestRejects(t *testing.T) {
	t.Parallel()
	text := "id,amount,day\n1,1.00,2026-01-01\n2,1.005,2026-01-01\n\n3,2.00\n4,\"x,2026-01-01\n5,3.00,2026-02-30\n,1,2026-01-01\n6,9999999999999999.99,2026-01-01\n7,99999999999999999.99,2026-01-01\n8,1e2,\"\"\n"
	want := []files.Reject{
		{Line: 3, Offset: 32, Reason: `column amount: "1.005" as decimal(18, 2): digits would be lost`},
		{Line: 5, Offset: 52, Reason: "2 fields where 3 were expected"},
		{Line: 6, Offset: 59, Reason: "a quote that opens here is never closed"},
	}
	s := store(t, "f.csv", text)
	var got []files.Reject
	opts := csvio.Options{
		Schema: schema(arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64}, col("amount", money(2)), col("day", arrow.FixedWidthTypes.Date32)),
		OnReject: func(_ context.Context, r files.Reject) error {
			r.Raw = bytes.Clone(r.Raw)
			got = append(got, r)
			return nil
		},
	}
	rows, counts := read(t, s, "f.csv", opts)
	if len(got) < 3 {
		t.Fatalf("rejects: %v", got)
	}
	for i, w := range want {
		if g := got[i]; g.Line != w.Line || g.Offset != w.Offset || g.Reason != w.Reason || g.File != "f.csv" {
			t.Errorf("reject %d: %+v, want %+v", i, g, w)
		}
		if at := int(got[i].Offset); !strings.HasPrefix(text[at:], string(got[i].Raw)) {
			t.Errorf("reject %d: raw %q is not at byte %d", i, got[i].Raw, at)
		}
	}
	wantRows := []string{"1|1.00|2026-01-01", "6|9999999999999999.99|2026-01-01", "8|100.00|∅"}
	if !reflect.DeepEqual(rows, wantRows) {
		t.Errorf("rows %q, want %q (rejects %v)", rows, wantRows, got)
	}
	if counts.Records != 9 || counts.Rows != 3 || counts.Rejects != 6 || len(got) != 6 {
		t.Errorf("counts %+v, %d rejects seen: %v", counts, len(got), got)
	}
}

func TestRejectsWithoutHandlerEndReading(t *testing.T) {
	t.Parallel()
	s := store(t, "f.csv", "id\n1\nx\n")
	_, _, err := tryRead(t.Context(), s, "f.csv", csvio.Options{Schema: schema(col("id", arrow.PrimitiveTypes.Int64))})
	if err == nil || !strings.Contains(err.Error(), "f.csv:3") {
		t.Errorf("got %v, want an error at f.csv:3", err)
	}
	limited := files.Limit(1, func(context.Context, files.Reject) error { return nil })
	s = store(t, "f.csv", "id\nx\ny\nz\n")
	_, _, err = tryRead(t.Context(), s, "f.csv", csvio.Options{Schema: schema(col("id", arrow.PrimitiveTypes.Int64)), OnReject: limited})
	if fault.Of(err) != fault.Findings || !strings.Contains(err.Error(), "more than 1") {
		t.Errorf("got %v, want findings after one reject", err)
	}
}

// document makes a file with line breaks and quotes in fields, bad records, and odd line ends.
func document(rng *rand.Rand, records int) string {
	var b strings.Builder
	b.WriteString("id,text\n")
	for i := range records {
		text := []string{"plain", `"quoted, with ""quotes"""`, "\"two\nlines\"", "\"a\r\n\n\nb\"", `"`, `x"y`, `"closed" late`, "", `"","extra"`}[rng.IntN(9)]
		fmt.Fprintf(&b, "%d,%s%s", i, text, []string{"\n", "\r\n", "\n\n"}[rng.IntN(3)])
	}
	return b.String()
}

// However a file is cut, the same records are rows and the same are rejects.
func TestSplitsCoverEachRecordOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1))
		text := document(rng, 60)
		s := store(t, "f.csv", text)
		for _, oneLine := range []bool{false, true} {
			opts := csvio.Options{Schema: schema(col("id", arrow.PrimitiveTypes.Int64), col("text", arrow.BinaryTypes.String)), OneLine: oneLine}
			rejects := map[int64]string{}
			opts.OnReject = func(_ context.Context, r files.Reject) error {
				if rejects[r.Offset] != "" {
					t.Errorf("seed %d: the record at byte %d was rejected twice", seed, r.Offset)
				}
				rejects[r.Offset] = r.Reason
				return nil
			}
			whole, _ := read(t, s, "f.csv", opts)
			wholeRejects := rejects
			for _, size := range []int64{1, 2, 3, 7, 30, 100, 333} {
				rejects = map[int64]string{}
				opts.SplitBytes = size
				rows, counts := read(t, s, "f.csv", opts)
				if !reflect.DeepEqual(rows, whole) || !reflect.DeepEqual(rejects, wholeRejects) {
					t.Fatalf("seed %d, one line %v: in splits of %d bytes\n%q %v\nwhole\n%q %v\n%q", seed, oneLine, size, rows, rejects, whole, wholeRejects, text)
				}
				if counts.Rows != int64(len(whole)) || counts.Rejects != int64(len(wholeRejects)) {
					t.Errorf("seed %d: counts %+v", seed, counts)
				}
			}
		}
	}
}

func TestCompressed(t *testing.T) {
	t.Parallel()
	text := "id\n" + strings.Repeat("1\n", 3000)
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	io.WriteString(z, text)
	z.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	zst := string(enc.EncodeAll([]byte(text), nil))
	enc.Close()
	s := store(t, "a.csv.gz", gz.String(), "b.csv.zst", zst, "c.csv", text, "bad/cut.csv.gz", gz.String()[:gz.Len()-20], "bad/none.csv.zst", "no zstd at all")
	opts := csvio.Options{SplitBytes: 1000}
	splits, err := csvio.Splits(t.Context(), s, "*.csv*", opts)
	if err != nil || len(splits) != 8 { // one each for the compressed files, six for the plain one
		t.Errorf("%d splits, %v", len(splits), err)
	}
	if rows, _ := read(t, s, "*.csv*", opts); len(rows) != 9000 {
		t.Errorf("%d rows, want 9000", len(rows))
	}
	for _, name := range []string{"bad/cut.csv.gz", "bad/none.csv.zst"} {
		opts := csvio.Options{Schema: schema(col("id", arrow.PrimitiveTypes.Int64))}
		if _, _, err := tryRead(t.Context(), s, name, opts); !errors.Is(err, files.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	s := store(t, "f.csv", "a,b\n1,2\n", "twice.csv", "a,a\n1,2\n")
	a := schema(col("a", arrow.PrimitiveTypes.Int64))
	for _, c := range []struct {
		name, glob string
		opts       csvio.Options
		says       string
	}{
		{"no file", "none*.csv", csvio.Options{}, "matches"},
		{"extra column", "f.csv", csvio.Options{Schema: a}, `"b"`},
		{"missing column", "f.csv", csvio.Options{Schema: schema(col("a", arrow.PrimitiveTypes.Int64), col("z", arrow.PrimitiveTypes.Int64)), Extra: csvio.IgnoreExtra}, `"z"`},
		{"no such column", "f.csv", csvio.Options{Columns: []string{"q"}}, "a, b"},
		{"column twice", "twice.csv", csvio.Options{}, "twice"},
		{"type", "f.csv", csvio.Options{Schema: schema(col("a", arrow.ListOf(arrow.PrimitiveTypes.Int64)))}, "list"},
		{"zone", "f.csv", csvio.Options{Text: files.TextOptions{TimeZone: "Mars/Olympus"}}, "IANA"},
		{"all at once", "f.csv", csvio.Options{Delimiter: "ab", Quote: "é", Escape: "xy", Encoding: "ebcdic", Extra: "x", Compression: "rar", SkipLines: -1}, "delimiter"},
		{"delimiter is quote", "f.csv", csvio.Options{Delimiter: `"`}, "cannot be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := tryRead(t.Context(), s, c.glob, c.opts)
			if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a usage error that says %q", err, c.says)
			}
		})
	}
	if err := (csvio.Options{Delimiter: "ab", Quote: "é", Encoding: "ebcdic"}).Validate(); strings.Count(fmt.Sprint(err), ";") != 2 {
		t.Errorf("want all three faults at once, got %v", err)
	}
}

func TestProjection(t *testing.T) {
	t.Parallel()
	s := store(t, "f.csv", "a,b,c\n1,2,3\n4,5,6\n")
	if rows, _ := read(t, s, "f.csv", csvio.Options{Columns: []string{"c", "a"}}); !reflect.DeepEqual(rows, []string{"3|1", "6|4"}) {
		t.Errorf("rows %q", rows)
	}
	opts := csvio.Options{Schema: schema(col("b", arrow.PrimitiveTypes.Int64)), Extra: csvio.IgnoreExtra}
	if rows, _ := read(t, s, "f.csv", opts); !reflect.DeepEqual(rows, []string{"2", "5"}) {
		t.Errorf("rows %q", rows)
	}
}

// An object that was replaced after planning is refused.
func TestReplacedFile(t *testing.T) {
	t.Parallel()
	s := store(t, "f.csv", "a\n1\n")
	opts := csvio.Options{Schema: schema(col("a", arrow.PrimitiveTypes.Int64))}
	splits, err := csvio.Splits(t.Context(), s, "f.csv", opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a\n2\n", "a\n22\n"} {
		if err := s.Put(t.Context(), "f.csv", []byte(text), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := csvio.Open(t.Context(), s, splits[0], opts); err == nil || !strings.Contains(err.Error(), "plan again") {
			t.Errorf("got %v, want a refusal", err)
		}
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	s := store(t, "f.csv", "a\n"+strings.Repeat("1\n", 10_000))
	opts := csvio.Options{Schema: schema(col("a", arrow.PrimitiveTypes.Int64)), BatchRows: 10}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := csvio.Open(ctx, s, files.Split{Name: "f.csv", Size: 20_002, To: 20_002}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := r.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
