package runs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	bt "github.com/millrace/millrace/sdk/dataset/internal/batchtest"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
)

var schema = bt.Schema(bt.Field("k", arrow.PrimitiveTypes.Int64), bt.Field("t", arrow.BinaryTypes.String), bt.Field("n", arrow.PrimitiveTypes.Int64))

// genRows draws rows whose last column is their number.
func genRows(t *rapid.T, most int) []bt.Row {
	rows := make([]bt.Row, rapid.IntRange(0, most).Draw(t, "rows"))
	for i := range rows {
		k := rapid.SampledFrom([]string{bt.Null, "-3", "-2", "0", "1", "2", "3", "300", "301"}).Draw(t, "key")
		text := rapid.SampledFrom([]string{bt.Null, "", "a", "ab", "b"}).Draw(t, "text")
		rows[i] = bt.Row{k, text, strconv.Itoa(i)}
	}
	return rows
}

// sortRows is the reference: a stable sort by k and t, nulls first.
func sortRows(rows []bt.Row) []bt.Row {
	out := slices.Clone(rows)
	slices.SortStableFunc(out, func(a, b bt.Row) int {
		if c := compareText(a[0], b[0], true); c != 0 {
			return c
		}
		return compareText(a[1], b[1], false)
	})
	return out
}

func compareText(a, b string, number bool) int {
	switch {
	case a == b:
		return 0
	case a == bt.Null:
		return -1
	case b == bt.Null:
		return 1
	case number:
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	case a < b:
		return -1
	}
	return 1
}

func drain(ctx context.Context, s stream.Stream) ([]bt.Row, error) {
	var rows []bt.Row
	err := stream.Each(ctx, s, func(b arrow.RecordBatch) error {
		rows = append(rows, bt.Rows(b)...)
		return nil
	})
	return rows, err
}

func sameRows(a, b []bt.Row) bool {
	return slices.EqualFunc(a, b, func(x, y bt.Row) bool { return slices.Equal(x, y) })
}

func TestSorterSortsStably(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		rows := genRows(t, 60)
		budget := int64(rapid.SampledFrom([]int{1, 1000, 1 << 20}).Draw(t, "budget"))
		s, err := NewSorter(schema, []string{"k", "t"}, budget, rapid.IntRange(1, 10).Draw(t, "batch rows"), dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range bt.Batches(t, schema, rows, rapid.IntRange(1, 9).Draw(t, "size")) {
			if err := s.Add(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
		out, err := s.Sorted(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if budget == 1 && len(rows) > 0 && s.Spilled() == 0 {
			t.Fatal("nothing was spilled")
		}
		got, err := drain(context.Background(), out)
		if err != nil {
			t.Fatal(err)
		}
		if want := sortRows(rows); !sameRows(got, want) {
			t.Fatalf("sorted\n%v, want\n%v", got, want)
		}
	})
}

func TestMergeMergesStably(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []bt.Row
		var ins []stream.Stream
		for range rapid.IntRange(0, 5).Draw(t, "runs") {
			run := sortRows(genRows(t, 12))
			for i := range run {
				run[i] = bt.Row{run[i][0], run[i][1], strconv.Itoa(len(all) + i)}
			}
			all = append(all, run...)
			ins = append(ins, stream.Batches(bt.Batches(t, schema, run, rapid.IntRange(1, 5).Draw(t, "size"))...))
		}
		m, err := Merge(schema, []string{"k", "t"}, rapid.IntRange(1, 6).Draw(t, "batch rows"), ins...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := drain(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		if want := sortRows(all); !sameRows(got, want) {
			t.Fatalf("merged\n%v, want\n%v", got, want)
		}
	})
}

func TestMergeChecksOrder(t *testing.T) {
	t.Parallel()
	for name, batches := range map[string][]arrow.RecordBatch{
		"within a batch":  {bt.Batch(t, schema, []bt.Row{{"2", "a", "0"}, {"1", "a", "0"}})},
		"between batches": {bt.Batch(t, schema, []bt.Row{{"2", "a", "0"}}), bt.Batch(t, schema, []bt.Row{{"1", "a", "0"}})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := Merge(schema, []string{"k"}, 10, stream.Batches(batches...))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := drain(t.Context(), m); !errors.Is(err, ErrOrder) {
				t.Errorf("error is %v, want ErrOrder", err)
			}
		})
	}
}

func TestSegmentNoticesDamage(t *testing.T) {
	t.Parallel()
	rows := make([]bt.Row, 0, 5000)
	for i := range 5000 {
		rows = append(rows, bt.Row{strconv.Itoa(i), "a text that compresses", strconv.Itoa(i)})
	}
	buf, err := NewBuffer(schema, []string{"k"})
	if err != nil {
		t.Fatal(err)
	}
	buf.Add(bt.Batch(t, schema, rows))
	var file bytes.Buffer
	file.WriteString("what came before")
	seg, err := WriteSegment(t.Context(), &file, int64(file.Len()), buf, buf.Order(1, nil)[0], 1000)
	if err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) error {
		got, err := drain(t.Context(), ReadSegment(bytes.NewReader(data), seg))
		if err == nil && len(got) != len(rows) {
			t.Errorf("read %d rows without an error, want %d", len(got), len(rows))
		}
		return err
	}
	if err := read(file.Bytes()); err != nil {
		t.Fatalf("intact: %v", err)
	}
	for at := int(seg.Offset); at < file.Len(); at += 997 {
		damaged := bytes.Clone(file.Bytes())
		damaged[at] ^= 0x40
		if err := read(damaged); !errors.Is(err, ErrChanged) {
			t.Errorf("byte %d flipped: error is %v, want ErrChanged", at, err)
		}
	}
	if err := read(file.Bytes()[:file.Len()-1]); !errors.Is(err, ErrChanged) {
		t.Errorf("last byte cut: error is %v, want ErrChanged", err)
	}
}

func TestOrderByPart(t *testing.T) {
	t.Parallel()
	buf, err := NewBuffer(schema, []string{"k"})
	if err != nil {
		t.Fatal(err)
	}
	buf.Add(bt.Batch(t, schema, []bt.Row{{"5", "", "0"}, {"4", "", "1"}, {"3", "", "2"}}))
	buf.Add(bt.Batch(t, schema, []bt.Row{{"1", "", "3"}, {"2", "", "4"}}))
	odd := func(b arrow.RecordBatch, into []int32) []int32 {
		for _, r := range bt.Rows(b) {
			k, _ := strconv.Atoi(r[0])
			into = append(into, int32(k%2))
		}
		return into
	}
	var got []string
	for _, picks := range buf.Order(2, odd) {
		b, err := buf.Gather(t.Context(), picks)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range bt.Rows(b) {
			got = append(got, r[0])
		}
	}
	if want := []string{"2", "4", "1", "3", "5"}; !slices.Equal(got, want) {
		t.Errorf("order is %v, want %v", got, want)
	}
}

func FuzzReadSegment(f *testing.F) {
	buf, err := NewBuffer(schema, nil)
	if err != nil {
		f.Fatal(err)
	}
	var file bytes.Buffer
	seg, err := WriteSegment(context.Background(), &file, 0, buf, nil, 10)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes(), seg.Sum, int64(0))
	f.Add([]byte{}, uint64(0), int64(1))
	f.Fuzz(func(t *testing.T, data []byte, sum uint64, rows int64) {
		s := ReadSegment(bytes.NewReader(data), Segment{Length: int64(len(data)), Rows: rows, Sum: sum})
		for {
			b, err := s.Next(t.Context())
			if errors.Is(err, io.EOF) || err != nil {
				break
			}
			b.Release()
		}
		bt.Close(t, s)
	})
}

func TestOrderOfManyRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Enough rows for the digits to be counted, with keys that share their beginning or do not.
		stem := rapid.SampledFrom([]string{"", "account-", "a very long name of a branch "}).Draw(t, "stem")
		digits := rapid.IntRange(1, 12).Draw(t, "digits")
		x := rapid.Uint64().Draw(t, "seed")
		rows := make([]bt.Row, rapid.IntRange(radixFrom-1, 2*radixFrom).Draw(t, "rows"))
		for i := range rows {
			x = x*6364136223846793005 + 1442695040888963407
			text := strconv.FormatUint(x>>20, 10)
			rows[i] = bt.Row{strconv.FormatInt(int64(x>>uint(8+4*digits)), 10), stem + text[:min(digits, len(text))], strconv.Itoa(i)}
			if x>>61 == 0 {
				rows[i][1] = bt.Null
			}
		}
		buf, err := NewBuffer(schema, []string{"t", "k"})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range bt.Batches(t, schema, rows, 100) {
			buf.Add(b)
		}
		sorted, err := buf.Gather(context.Background(), buf.Order(1, nil)[0])
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(rows)
		slices.SortStableFunc(want, func(a, b bt.Row) int {
			if c := compareText(a[1], b[1], false); c != 0 {
				return c
			}
			return compareText(a[0], b[0], true)
		})
		if got := bt.Rows(sorted); !sameRows(got, want) {
			t.Fatalf("sorted\n%v, want\n%v", got, want)
		}
	})
}

func BenchmarkSort(b *testing.B) {
	rows := make([]bt.Row, 1<<16)
	x := uint32(1)
	for i := range rows {
		x = x*1664525 + 1013904223
		rows[i] = bt.Row{strconv.Itoa(int(x >> 8)), "account-" + strconv.Itoa(int(x>>20)), strconv.Itoa(i)}
	}
	batches := bt.Batches(b, schema, rows, 8192)
	for _, by := range []string{"k", "t"} {
		b.Run(by, func(b *testing.B) {
			for b.Loop() {
				s, err := NewSorter(schema, []string{by}, 1<<30, 8192, b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				for _, batch := range batches {
					if err := s.Add(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				out, err := s.Sorted(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := stream.Each(b.Context(), out, func(arrow.RecordBatch) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(len(rows))/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}
