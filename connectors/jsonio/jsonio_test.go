package jsonio_test

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
	"github.com/millrace/millrace/connectors/jsonio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/filestest"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func store(t testing.TB, pairs ...string) storage.Store {
	t.Helper()
	s := storagetest.NewMemory("json", nil)
	for i := 0; i < len(pairs); i += 2 {
		if err := s.Put(t.Context(), pairs[i], []byte(pairs[i+1]), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func tryRead(ctx context.Context, s storage.Store, glob string, opts jsonio.Options) (rows []string, counts files.Counts, err error) {
	if opts.Schema == nil {
		if opts.Schema, err = jsonio.Infer(ctx, s, glob, opts); err != nil {
			return nil, counts, err
		}
	}
	splits, err := jsonio.Splits(ctx, s, glob, opts)
	if err != nil {
		return nil, counts, err
	}
	for _, split := range splits {
		r, err := jsonio.Open(ctx, s, split, opts)
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
			rows = append(rows, filestest.Texts(b)...)
			b.Release()
		}
		c := r.Counts()
		counts.Records += c.Records
		counts.Rows += c.Rows
		counts.Rejects += c.Rejects
	}
	return rows, counts, nil
}

func schema(fields ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fields, nil) }

func col(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func TestInferAndRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		opts       jsonio.Options
		columns    string
		rows       []string
	}{
		{
			"ndjson", "{\"id\":1,\"amount\":-10.50,\"at\":\"2026-11-23T10:00:00Z\",\"ok\":true}\n\n{\"at\":null,\"id\":2,\"amount\":1e2,\"day\":\"2026-11-24\"}\n", jsonio.Options{},
			"id int64, amount decimal(18, 2), at timestamp[us, tz=UTC], ok bool, day date32",
			[]string{"1|-10.50|2026-11-23T10:00:00Z|true|∅", "2|100.00|∅|∅|2026-11-24"},
		},
		{
			"an array", "\xef\xbb\xbf \n[{\"a\":\"00\\u0037\"},\n {\"a\":\"é\",\"b\":[1, {\"c\":2}]}]", jsonio.Options{}, "a utf8, b utf8",
			[]string{"007|∅", "é|[1, {\"c\":2}]"},
		},
		{
			"nested as text", "{\"a\":{\"b\":{\"c\":1}},\"n\":1}\n{\"a\":1,\"n\":\"x\"}\n", jsonio.Options{}, "a utf8, n utf8", []string{"{\"b\":{\"c\":1}}|1", "1|x"},
		},
		{
			"flattened", "{\"a\":{\"b\":{\"c\\u0041\":1},\"d\":null},\"n\":{}}\n{\"a\":{\"b\":{\"cA\":2},\"d\":\"x\\n\"}}", jsonio.Options{Flatten: true}, "a.b.cA int64, a.d utf8", []string{"1|∅", "2|x\n"},
		},
		{
			"numbers stay exact", "{\"n\":0.1234567890123456789,\"i\":9007199254740993}\n", jsonio.Options{}, "n decimal(38, 19), i int64", []string{"0.1234567890123456789|9007199254740993"},
		},
		{
			"layouts", "{\"d\":\"24.12.2026\",\"t\":\"24.12.2026 18:00\"}\n",
			jsonio.Options{DateLayouts: []string{"02.01.2006"}, TimeLayouts: []string{"02.01.2006 15:04"}, TimeZone: "Europe/Prague"}, "d date32, t timestamp[us]",
			[]string{"2026-12-24|2026-12-24T18:00:00"},
		},
		{"empty", "", jsonio.Options{}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := store(t, "f.json", c.text)
			inferred, err := jsonio.Infer(t.Context(), s, "*", c.opts)
			if err != nil {
				t.Fatal(err)
			}
			var columns []string
			for _, f := range inferred.Fields() {
				columns = append(columns, f.Name+" "+f.Type.String())
			}
			if got := strings.Join(columns, ", "); got != c.columns {
				t.Errorf("columns %q, want %q", got, c.columns)
			}
			rows, _, err := tryRead(t.Context(), s, "*", c.opts)
			if err != nil || !reflect.DeepEqual(rows, c.rows) {
				t.Errorf("rows %q, %v, want %q", rows, err, c.rows)
			}
		})
	}
}

func TestRejects(t *testing.T) {
	t.Parallel()
	lines := []struct{ text, reason string }{
		{`{"id":1,"x":"a"}`, ""},
		{`{"id":1.5}`, "not an integer"},
		{`{"id":2,"id":3}`, "twice"},
		{`{"id":"4"}`, ""},
		{`{"id":5,"new":1}`, `"new"`},
		{`not json`, "byte 0"},
		{`{"id":6`, "ends"},
		{`{"id":7} {"id":8}`, "follows"},
		{`[1]`, "byte 0"},
		{`{"id":9,"x":"\ud800"}`, "surrogate"},
		{"{\"id\":10,\"x\":\"\xff\"}", "UTF-8"},
		{`{"x":"no id"}`, "column id"},
		{`{"id":null}`, "column id"},
		{strings.Repeat(" ", 300) + `{"id":11}`, "longer"},
		{`{"id":12,"x":{"y":[true]}}`, ""},
	}
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.text + "\r\n")
	}
	var got []files.Reject
	opts := jsonio.Options{
		Schema: schema(arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64}, col("x", arrow.BinaryTypes.String)), MaxRecord: 200,
		OnReject: func(_ context.Context, r files.Reject) error {
			r.Raw = bytes.Clone(r.Raw)
			got = append(got, r)
			return nil
		},
	}
	rows, counts, err := tryRead(t.Context(), store(t, "f.json", text.String()), "f.json", opts)
	if err != nil || !reflect.DeepEqual(rows, []string{"1|a", "4|∅", "12|{\"y\":[true]}"}) {
		t.Errorf("rows %q, %v", rows, err)
	}
	for i, l := range lines {
		if l.reason == "" {
			continue
		}
		if len(got) == 0 {
			t.Fatalf("line %d was not rejected", i+1)
		}
		r := got[0]
		got = got[1:]
		if r.Line != int64(i+1) || !strings.Contains(r.Reason, l.reason) || !strings.HasPrefix(text.String()[r.Offset:], string(r.Raw)) {
			t.Errorf("line %d: %+v, want %q", i+1, r, l.reason)
		}
	}
	if counts.Records != 15 || counts.Rows != 3 || counts.Rejects != 12 {
		t.Errorf("counts %+v", counts)
	}
	if _, _, err := tryRead(t.Context(), store(t, "f.json", "{\"id\":1}\nx\n"), "f.json", jsonio.Options{}); err == nil || !strings.Contains(err.Error(), "f.json:2") {
		t.Errorf("without a handler: %v, want an error at f.json:2", err)
	}
}

func TestSplitsCoverEachRecordOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		for i := range 50 {
			fmt.Fprint(&text, []string{fmt.Sprintf(`{"id":%d,"x":"a\nb"}`, i), fmt.Sprintf(` {"id":%d} `, i), "bad", `{"id":`, "", "  "}[rng.IntN(6)], []string{"\n", "\r\n", "\n\n"}[rng.IntN(3)])
		}
		s := store(t, "f.json", text.String()+`{"id":99}`)
		rejects := map[int64]string{}
		opts := jsonio.Options{
			Schema: schema(col("id", arrow.PrimitiveTypes.Int64), col("x", arrow.BinaryTypes.String)),
			OnReject: func(_ context.Context, r files.Reject) error {
				if rejects[r.Offset] != "" {
					t.Errorf("the record at byte %d was rejected twice", r.Offset)
				}
				rejects[r.Offset] = r.Reason
				return nil
			},
		}
		whole, _, err := tryRead(t.Context(), s, "f.json", opts)
		if err != nil {
			t.Fatal(err)
		}
		wholeRejects := rejects
		for _, size := range []int64{1, 2, 5, 20, 77, 300} {
			rejects = map[int64]string{}
			opts.SplitBytes = size
			rows, _, err := tryRead(t.Context(), s, "f.json", opts)
			if err != nil || !reflect.DeepEqual(rows, whole) || !reflect.DeepEqual(rejects, wholeRejects) {
				t.Fatalf("seed %d: in splits of %d bytes\n%q %v %v\nwhole\n%q %v\n%q", seed, size, rows, rejects, err, whole, wholeRejects, text.String())
			}
		}
	}
}

func TestUnsplittable(t *testing.T) {
	t.Parallel()
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	io.WriteString(z, strings.Repeat("{\"a\":1}\n", 500))
	z.Close()
	s := store(t, "a.json", "["+strings.Repeat("{\"a\":1},", 500)+"{\"a\":1}]", "b.json.gz", gz.String())
	opts := jsonio.Options{SplitBytes: 10}
	splits, err := jsonio.Splits(t.Context(), s, "*", opts)
	if err != nil || len(splits) != 2 {
		t.Errorf("%d splits, %v, want one a file", len(splits), err)
	}
	if rows, _, err := tryRead(t.Context(), s, "*", opts); err != nil || len(rows) != 1001 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	for name, text := range map[string]string{"cut array": `[{"a":1},{"a":2`, "open array": `[{"a":1}`} {
		if _, _, err := tryRead(t.Context(), store(t, "f", text), "f", jsonio.Options{}); !errors.Is(err, files.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
	if _, _, err := tryRead(t.Context(), store(t, "f.gz", gz.String()[:20]), "f.gz", jsonio.Options{}); !errors.Is(err, files.ErrCorrupt) {
		t.Errorf("cut gzip: %v, want ErrCorrupt", err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	s := store(t, "f.json", `{"a":1}`)
	for name, opts := range map[string]jsonio.Options{
		"extra": {Extra: "x"}, "sizes": {SplitBytes: -1}, "compression": {Compression: "rar"}, "column": {Columns: []string{"z"}}, "zone": {TimeZone: "nowhere"},
		"type": {Schema: schema(col("a", arrow.ListOf(arrow.PrimitiveTypes.Int64)))},
	} {
		if _, _, err := tryRead(t.Context(), s, "f.json", opts); fault.Of(err) != fault.Usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
	if _, err := jsonio.NewWriter(s, "x", schema(), jsonio.WriteOptions{Decimals: "x"}); fault.Of(err) != fault.Usage {
		t.Errorf("writer: %v", err)
	}
	opts := jsonio.Options{Schema: schema(col("a", arrow.PrimitiveTypes.Int64)), Extra: jsonio.IgnoreExtra}
	if rows, _, err := tryRead(t.Context(), store(t, "f", `{"b":1,"a":2}`), "f", opts); err != nil || !reflect.DeepEqual(rows, []string{"2"}) {
		t.Errorf("extra keys ignored: %q, %v", rows, err)
	}
	opts = jsonio.Options{Columns: []string{"b", "a"}}
	if rows, _, err := tryRead(t.Context(), store(t, "f", `{"a":1,"b":2,"c":3}`), "f", opts); err != nil || !reflect.DeepEqual(rows, []string{"2|1"}) {
		t.Errorf("projection: %q, %v", rows, err)
	}
}

// What is written is read back value by value.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		batch := filestest.Batch(rt)
		defer batch.Release()
		w := jsonio.WriteOptions{
			WriterOptions: files.WriterOptions{MaxRows: rapid.Int64Range(1, 50).Draw(rt, "rows a file"), Compression: rapid.SampledFrom([]files.Compression{"", files.Gzip, files.Zstd}).Draw(rt, "compression")},
			Decimals:      rapid.SampledFrom([]jsonio.Decimals{jsonio.AsStrings, jsonio.AsNumbers}).Draw(rt, "decimals"),
			OmitNulls:     rapid.Bool().Draw(rt, "omit nulls"),
		}
		s := storagetest.NewMemory("out", nil)
		out, err := jsonio.NewWriter(s, "d/part", batch.Schema(), w)
		if err != nil {
			rt.Fatal(err)
		}
		if err := out.Write(t.Context(), batch); err != nil {
			rt.Fatal(err)
		}
		m, err := out.Close(t.Context())
		if err != nil || m.Rows != batch.NumRows() {
			rt.Fatalf("%+v, %v", m, err)
		}
		got, _, err := tryRead(t.Context(), s, "d/part-*", jsonio.Options{Schema: batch.Schema(), SplitBytes: rapid.Int64Range(1, 500).Draw(rt, "split")})
		if err != nil {
			rt.Fatal(err)
		}
		if want := filestest.Texts(batch); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			rt.Fatalf("read %q\nwrote %q", got, want)
		}
	})
}

func TestWrittenText(t *testing.T) {
	t.Parallel()
	s := storagetest.NewMemory("out", nil)
	in := schema(col("i\"d", arrow.PrimitiveTypes.Int64), col("t", arrow.BinaryTypes.String), col("d", &arrow.Decimal128Type{Precision: 9, Scale: 2}), col("b", arrow.FixedWidthTypes.Boolean))
	batch := filestest.Rows(in, []any{1, "é\n\x01\"\\", "1.5", true}, []any{nil, nil, nil, nil})
	defer batch.Release()
	for base, c := range map[string]struct {
		opts jsonio.WriteOptions
		want string
	}{
		"a": {jsonio.WriteOptions{}, "{\"i\\\"d\":1,\"t\":\"é\\n\\u0001\\\"\\\\\",\"d\":\"1.50\",\"b\":true}\n{\"i\\\"d\":null,\"t\":null,\"d\":null,\"b\":null}\n"},
		"b": {jsonio.WriteOptions{Decimals: jsonio.AsNumbers, OmitNulls: true}, "{\"i\\\"d\":1,\"t\":\"é\\n\\u0001\\\"\\\\\",\"d\":1.50,\"b\":true}\n{}\n"},
	} {
		w, err := jsonio.NewWriter(s, base, in, c.opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(t.Context(), base+"-00000.ndjson"); err != nil || string(got) != c.want {
			t.Errorf("got  %q, %v\nwant %q", got, err, c.want)
		}
	}
}
