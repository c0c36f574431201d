package join

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	bt "github.com/millrace/millrace/sdk/dataset/internal/batchtest"
	"github.com/millrace/millrace/sdk/dataset/internal/runs"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
)

var (
	leftSchema  = bt.Schema(bt.Field("k", arrow.PrimitiveTypes.Int64), bt.Field("c", arrow.BinaryTypes.String), bt.Field("l", arrow.PrimitiveTypes.Int64))
	rightSchema = bt.Schema(bt.Field("r", arrow.PrimitiveTypes.Int64), bt.Field("key", arrow.PrimitiveTypes.Int64), bt.Field("cur", arrow.BinaryTypes.String))
)

// nested is a join written naively: rows are texts, a null key matches nothing.
func nested(kind Kind, left, right []bt.Row) []bt.Row {
	var out []bt.Row
	usedRight := make([]bool, len(right))
	for _, l := range left {
		found := false
		for i, r := range right {
			if l[0] == bt.Null || l[1] == bt.Null || l[0] != r[1] || l[1] != r[2] {
				continue
			}
			found, usedRight[i] = true, true
			if kind != Semi && kind != Anti {
				out = append(out, bt.Row{l[0], l[1], l[2], r[0]})
			}
		}
		switch {
		case kind == Semi && found, kind == Anti && !found:
			out = append(out, l)
		case !found && (kind == Left || kind == Full):
			out = append(out, bt.Row{l[0], l[1], l[2], bt.Null})
		}
	}
	for i, r := range right {
		if !usedRight[i] && (kind == Right || kind == Full) {
			out = append(out, bt.Row{r[1], r[2], bt.Null, r[0]})
		}
	}
	return out
}

func genSide(t *rapid.T, most int) []bt.Row {
	rows := make([]bt.Row, rapid.IntRange(0, most).Draw(t, "rows"))
	for i := range rows {
		rows[i] = bt.Row{
			rapid.SampledFrom([]string{bt.Null, "1", "2", "3", "4"}).Draw(t, "key"),
			rapid.SampledFrom([]string{bt.Null, "EUR", "USD"}).Draw(t, "currency"),
			strconv.Itoa(i),
		}
	}
	slices.SortStableFunc(rows, func(a, b bt.Row) int {
		if a[0] != b[0] {
			return compare(a[0], b[0])
		}
		return compare(a[1], b[1])
	})
	return rows
}

func compare(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == bt.Null || b != bt.Null && a < b:
		return -1
	}
	return 1
}

func order(rows []bt.Row) []bt.Row {
	slices.SortFunc(rows, func(a, b bt.Row) int { return slices.Compare(a, b) })
	return rows
}

func TestJoinIsANestedLoop(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]Kind{Inner, Left, Right, Full, Semi, Anti}).Draw(t, "kind")
		left := genSide(t, 30)
		right := genSide(t, 30)
		for i, r := range right {
			right[i] = bt.Row{r[2], r[0], r[1]}
		}
		spec, err := New(kind, leftSchema, rightSchema, []string{"k", "c"}, []string{"key", "cur"}, []Column{{"r", "r"}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := spec.Stream(
			stream.Batches(bt.Batches(t, leftSchema, left, rapid.IntRange(1, 7).Draw(t, "left size"))...),
			stream.Batches(bt.Batches(t, rightSchema, right, rapid.IntRange(1, 7).Draw(t, "right size"))...),
			rapid.IntRange(1, 9).Draw(t, "batch rows"))
		if err != nil {
			t.Fatal(err)
		}
		var got []bt.Row
		err = stream.Each(context.Background(), s, func(b arrow.RecordBatch) error {
			if !b.Schema().Equal(spec.Out) {
				t.Fatalf("schema is %v, want %v", b.Schema(), spec.Out)
			}
			got = append(got, bt.Rows(b)...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := nested(kind, left, right); !slices.EqualFunc(order(got), order(want), slices.Equal) {
			t.Fatalf("%s join of\n%v and\n%v is\n%v, want\n%v", kind, left, right, got, want)
		}
	})
}

func TestJoinChecksOrder(t *testing.T) {
	t.Parallel()
	spec, err := New(Inner, leftSchema, rightSchema, []string{"k"}, []string{"key"}, []Column{{"r", "r"}})
	if err != nil {
		t.Fatal(err)
	}
	good := bt.Batch(t, rightSchema, []bt.Row{{"0", "1", "x"}, {"0", "2", "x"}, {"0", "3", "x"}})
	bad := bt.Batch(t, leftSchema, []bt.Row{{"2", "x", "0"}, {"1", "x", "0"}})
	s, err := spec.Stream(stream.Batches(bad), stream.Batches(good), 10)
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Each(t.Context(), s, func(arrow.RecordBatch) error { return nil })
	if !errors.Is(err, runs.ErrOrder) {
		t.Errorf("error is %v, want ErrOrder", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func() (*Spec, error){
		"types that differ": func() (*Spec, error) { return New(Inner, leftSchema, rightSchema, []string{"k"}, []string{"cur"}, nil) },
		"no keys":           func() (*Spec, error) { return New(Inner, leftSchema, rightSchema, nil, nil, nil) },
		"a name twice": func() (*Spec, error) {
			return New(Inner, leftSchema, rightSchema, []string{"k"}, []string{"key"}, []Column{{"r", "l"}})
		},
		"an unknown column": func() (*Spec, error) {
			return New(Inner, leftSchema, rightSchema, []string{"k"}, []string{"key"}, []Column{{"x", "x"}})
		},
		"an unknown kind": func() (*Spec, error) {
			return New("cross", leftSchema, rightSchema, []string{"k"}, []string{"key"}, nil)
		},
		"a key that is gone": func() (*Spec, error) { return New(Inner, leftSchema, rightSchema, []string{"q"}, []string{"key"}, nil) },
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNullability(t *testing.T) {
	t.Parallel()
	l := arrow.NewSchema([]arrow.Field{{Name: "k", Type: arrow.PrimitiveTypes.Int64}, {Name: "a", Type: arrow.PrimitiveTypes.Int64}}, nil)
	r := arrow.NewSchema([]arrow.Field{{Name: "k", Type: arrow.PrimitiveTypes.Int64}, {Name: "b", Type: arrow.PrimitiveTypes.Int64}}, nil)
	for kind, want := range map[Kind][3]bool{ // k, a, b
		Inner: {false, false, false}, Left: {false, false, true}, Right: {false, true, false}, Full: {false, true, true},
	} {
		s, err := New(kind, l, r, []string{"k"}, []string{"k"}, []Column{{"b", "b"}})
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range s.Out.Fields() {
			if f.Nullable != want[i] {
				t.Errorf("%s join: column %s nullable is %v", kind, f.Name, f.Nullable)
			}
		}
	}
}
