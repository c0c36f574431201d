package features

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/feature"
	"github.com/millrace/millrace/sdk/money"
)

// TestEngineEqualsTheDefinition walks several accounts at once and holds each row's balance, counts
// and days against feature.Series.At.
func TestEngineEqualsTheDefinition(t *testing.T) {
	t.Parallel()
	schema := Schema(arrow.Field{Name: "account_id", Type: arrow.BinaryTypes.String}, 2)
	rapid.Check(t, func(t *rapid.T) {
		asOf := rapid.SliceOfNDistinct(rapid.Int64Range(0, 100*86_400e6), 1, 5, rapid.ID[int64]).Draw(t, "as-of")
		slices.Sort(asOf)
		pairs := rapid.Bool().Draw(t, "pairs")
		out := newRowBuilder(schema, time.UTC)
		defer out.release()
		e := engine{account: arrow.BinaryTypes.String, out: out}
		if !pairs {
			e.asOf = asOf
		}
		var want []feature.Values
		for a := range rapid.IntRange(0, 4).Draw(t, "accounts") {
			var s feature.Series
			for range rapid.IntRange(0, 12).Draw(t, "movements") {
				booked := rapid.Int64Range(0, 120*86_400e6).Draw(t, "booked")
				s = append(s, feature.Movement{BookedAt: booked, KnownAt: booked + rapid.Int64Range(0, 9*86_400e6).Draw(t, "late"), Amount: money.Int128Of(rapid.Int64Range(-99, 99).Draw(t, "amount"))})
			}
			s.Sort()
			values, err := s.At(asOf)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, values...)
			if err := feed(&e, key{s: string(rune('a' + a))}, s, asOf, pairs); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.finish(); err != nil {
			t.Fatal(err)
		}
		compareRows(t, out.batch(), want)
	})
}

// feed tells the engine of an account, in the order of time.
func feed(e *engine, k key, s feature.Series, asOf []int64, pairs bool) error {
	if err := e.list(k, "EUR"); err != nil {
		return err
	}
	asks := asOf
	if !pairs {
		asks = nil
	}
	for _, m := range s {
		for ; len(asks) > 0 && asks[0] < m.SeenAt(); asks = asks[1:] {
			if err := e.ask(k, asks[0]); err != nil {
				return err
			}
		}
		if err := e.move(k, m, "EUR"); err != nil {
			return err
		}
	}
	for _, at := range asks {
		if err := e.ask(k, at); err != nil {
			return err
		}
	}
	return nil
}

func compareRows(t *rapid.T, got arrow.RecordBatch, want []feature.Values) {
	if got == nil {
		if len(want) > 0 {
			t.Fatalf("no rows, want %d", len(want))
		}
		return
	}
	defer got.Release()
	if int(got.NumRows()) != len(want) {
		t.Fatalf("%d rows, want %d", got.NumRows(), len(want))
	}
	for i := range want {
		col := 4
		for _, f := range feature.All() {
			n, why := f.Of(&want[i])
			c := got.Column(col)
			ok := c.IsNull(i) == (why != feature.None)
			if ok && why == feature.None {
				if d, isMoney := c.(*array.Decimal128); isMoney {
					ok = int128(d, i) == n
				} else {
					ok = money.Int128Of(c.(*array.Int64).Value(i)) == n
				}
			}
			if !ok {
				t.Fatalf("row %d, %s: got %s, want %s %q", i, f.Name, c.ValueStr(i), n, why)
			}
			if col++; f.Optional {
				col++
			}
		}
	}
}

func TestTimesOfAllUnits(t *testing.T) {
	t.Parallel()
	prague, err := time.LoadLocation("Europe/Prague")
	if err != nil {
		t.Fatal(err)
	}
	const at int64 = 1_774_746_000_123_456 // 2026-03-29T01:00:00.123456Z, when Prague's clocks go forward
	for unit, want := range map[arrow.TimeUnit]int64{
		arrow.Second: at - 123_456, arrow.Millisecond: at - 456, arrow.Microsecond: at, arrow.Nanosecond: at,
	} {
		b := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: unit})
		per := map[arrow.TimeUnit]int64{arrow.Second: 1e6, arrow.Millisecond: 1e3, arrow.Microsecond: 1}[unit]
		if unit == arrow.Nanosecond {
			b.Append(arrow.Timestamp(at*1000 + 999))
		} else {
			b.Append(arrow.Timestamp(at / per))
		}
		col := b.NewArray()
		if got := micros(nil, col, dayStart, time.UTC); got[0] != want {
			t.Errorf("%s: %d, want %d", unit, got[0], want)
		}
		col.Release()
		b.Release()
	}
	day := int(dateOf(at, prague))
	if start, end := dateMicros(day, dayStart, prague), dateMicros(day, dayClose, prague); end-start != 23*3_600e6-1 {
		t.Errorf("the day of the change has %d µs", end-start+1)
	}
	if got := dateOf(-1, time.UTC); got != -1 {
		t.Errorf("the microsecond before 1970 is on day %d", got)
	}
}

func BenchmarkEngine(b *testing.B) {
	out := newRowBuilder(Schema(arrow.Field{Name: "account_id", Type: arrow.PrimitiveTypes.Int64}, 2), time.UTC)
	defer out.release()
	rnd := rand.New(rand.NewPCG(1, 1))
	e := engine{account: arrow.PrimitiveTypes.Int64, asOf: []int64{365 * 86_400e6}, out: out}
	var n, at int64
	for b.Loop() {
		n++
		if at += rnd.Int64N(2 * 86_400e6); n%200 == 0 {
			at = 0
		}
		if err := e.move(key{n: n / 200}, feature.Movement{BookedAt: at, KnownAt: at, Amount: money.Int128Of(rnd.Int64N(2000) - 1000)}, "EUR"); err != nil {
			b.Fatal(err)
		}
		if out.rows >= 8192 {
			out.batch().Release()
		}
	}
}

// TestTotalsThatDiffer: a cent that is missing, or in another currency or at another instant, is a finding.
func TestTotalsThatDiffer(t *testing.T) {
	t.Parallel()
	sum := func(cents int64) *money.Sum {
		s := new(money.Sum)
		s.AddInt64(cents)
		return s
	}
	ledger := map[groupKey]*money.Sum{{5, "EUR"}: sum(100), {9, "EUR"}: sum(40), {9, "CZK"}: sum(0)}
	p := &Plan{asOf: []int64{5, 9}, scale: 2}
	for name, tc := range map[string]struct {
		have map[groupKey]*money.Sum
		want string
	}{
		"equal":             {map[groupKey]*money.Sum{{5, "EUR"}: sum(100), {9, "EUR"}: sum(40)}, ""},
		"a cent":            {map[groupKey]*money.Sum{{5, "EUR"}: sum(99), {9, "EUR"}: sum(40)}, `in "EUR" do not add up to the sum of the ledger's entries: 0.01 are missing`},
		"another instant":   {map[groupKey]*money.Sum{{9, "EUR"}: sum(140)}, "are missing"},
		"a currency beside": {map[groupKey]*money.Sum{{5, "EUR"}: sum(100), {9, "EUR"}: sum(40), {9, "USD"}: sum(-3)}, `in "USD"`},
	} {
		err := p.balance(&totals{each: tc.have}, ledger)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || fault.Of(err) != fault.Findings):
			t.Errorf("%s: %v", name, err)
		}
	}
}
