package columns

import (
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	bt "github.com/millrace/millrace/sdk/dataset/internal/batchtest"
)

func TestGatherPicksRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var fields []arrow.Field
		for i, ty := range bt.Types {
			fields = append(fields, bt.Field(string(rune('a'+i)), ty.Type))
		}
		fields = append(fields, bt.Field("fixed", &arrow.FixedSizeBinaryType{ByteWidth: 3}))
		schema := bt.Schema(fields...)
		rows := make([]bt.Row, rapid.IntRange(1, 12).Draw(t, "rows"))
		for r := range rows {
			for _, ty := range bt.Types {
				rows[r] = append(rows[r], rapid.OneOf(ty.Gen, ty.Gen, rapid.Just(bt.Null)).Draw(t, "value"))
			}
			rows[r] = append(rows[r], "YWJj") // base64
		}
		batches := bt.Batches(t, schema, rows, rapid.IntRange(1, 5).Draw(t, "size"))
		starts := []int{0}
		for _, b := range batches {
			starts = append(starts, starts[len(starts)-1]+int(b.NumRows()))
		}
		var picks []Pick
		var want []bt.Row
		for range rapid.IntRange(0, 20).Draw(t, "picks") {
			r := rapid.IntRange(-1, len(rows)-1).Draw(t, "row")
			if r < 0 {
				picks = append(picks, Pick{Source: -1})
				want = append(want, slices.Repeat(bt.Row{bt.Null}, len(fields)))
				continue
			}
			s, found := slices.BinarySearch(starts, r)
			if !found {
				s--
			}
			picks = append(picks, Pick{int32(s), int32(r - starts[s])})
			want = append(want, rows[r])
		}
		got, err := GatherBatch(t.Context(), schema, batches, picks)
		if err != nil {
			t.Fatal(err)
		}
		if rows := bt.Rows(got); !slices.EqualFunc(rows, want, slices.Equal) {
			t.Fatalf("gathered %v, want %v", rows, want)
		}
	})
}

func TestGatherNested(t *testing.T) {
	t.Parallel()
	schema := bt.Schema(bt.Field("l", arrow.ListOf(arrow.PrimitiveTypes.Int64)))
	a := bt.Batch(t, schema, []bt.Row{{"[1,2]"}, {"[]"}})
	b := bt.Batch(t, schema, []bt.Row{{"[3]"}})
	got, err := GatherBatch(t.Context(), schema, []arrow.RecordBatch{a, b}, []Pick{{1, 0}, {0, 0}, {-1, 0}})
	if err != nil {
		t.Fatal(err)
	}
	want := []bt.Row{{"[3]"}, {"[1,2]"}, {bt.Null}}
	if rows := bt.Rows(got); !slices.EqualFunc(rows, want, slices.Equal) {
		t.Errorf("gathered %v, want %v", rows, want)
	}
}

func TestSizeCountsSlices(t *testing.T) {
	t.Parallel()
	schema := bt.Schema(bt.Field("s", arrow.BinaryTypes.String), bt.Field("i", arrow.PrimitiveTypes.Int64))
	rows := slices.Repeat([]bt.Row{{"twelve bytes", "1"}}, 1000)
	b := bt.Batch(t, schema, rows)
	whole, tenth := Size(b), Size(b.NewSlice(0, 100))
	if whole < 24_000 || whole > 30_000 {
		t.Errorf("size of the whole is %d, want about 24,000", whole)
	}
	if tenth > whole/8 || tenth < whole/12 {
		t.Errorf("size of a tenth is %d of %d", tenth, whole)
	}
}
