package reconciliation

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// benchSides makes two sides of n rows: the right in another order, a cent off in each hundredth, up to three days later.
func benchSides(b *testing.B, n, perGroup int) (left, right *Side) {
	b.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	rows := make([]Movement, n)
	for i := range rows {
		rows[i] = Movement{Ref: fmt.Sprint(i), Amount: amountOf(rnd.Int64N(100_000_000)), Currency: "EUR", Date: 20000 + int32(i%250),
			Texts: []string{fmt.Sprintf("REF%013d", i/perGroup), ""}}
	}
	left = sideOf(b, "left", rows)
	rnd.Shuffle(n, func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	for i := range rows {
		if i%100 == 0 {
			rows[i].Amount = amountOf(int64(rows[i].Amount.Coefficient().Lo) + 1)
		}
		rows[i].Date += int32(i % 4)
	}
	return left, sideOf(b, "right", rows)
}

// batchSides makes batches of ten rows on the right, and their totals on the left.
func batchSides(b *testing.B, n int) (left, right *Side) {
	b.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	var totals, rows []Movement
	for g := range n / 10 {
		m := Movement{Ref: fmt.Sprint(g), Currency: "EUR", Date: 20000, Texts: []string{fmt.Sprintf("BATCH%011d", g), ""}}
		var sum int64
		for k := range 10 {
			cents := rnd.Int64N(100_000_000)
			r := m
			r.Ref, r.Amount, sum = fmt.Sprintf("%d.%d", g, k), amountOf(cents), sum+cents
			rows = append(rows, r)
		}
		m.Amount = amountOf(sum)
		totals = append(totals, m)
	}
	rnd.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return sideOf(b, "left", totals), sideOf(b, "right", rows)
}

// BenchmarkSettle shows that cost grows with the rows, and no faster: ns/row stays about level from one size to ten times that.
func BenchmarkSettle(b *testing.B) {
	week := []Window{{Column: ColumnDate, Before: 1, After: 3}}
	cent := Tolerance{Absolute: amountOf(1)}
	key := []string{"reference"}
	for _, c := range []struct {
		name string
		pass Pass
		make func(b *testing.B, n int) (*Side, *Side)
	}{
		{"exact", Pass{Keys: key, Near: true}, func(b *testing.B, n int) (*Side, *Side) { return benchSides(b, n, 1) }},
		{"window", Pass{Keys: key, Tolerance: cent, Windows: week, Near: true}, func(b *testing.B, n int) (*Side, *Side) { return benchSides(b, n, 1) }},
		{"nokey", Pass{Tolerance: cent, Windows: week}, func(b *testing.B, n int) (*Side, *Side) { return benchSides(b, n, 1) }},
		{"onekey", Pass{Keys: key, Windows: week, Near: true}, func(b *testing.B, n int) (*Side, *Side) { return benchSides(b, n, n) }},
		{"sums", Pass{Method: Sums, Cardinality: OneToMany, Keys: key, Near: true}, batchSides},
		{"subset", Pass{Method: Subset, Cardinality: OneToMany, Keys: key, MaxRows: 16}, batchSides},
	} {
		for _, n := range []int{10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				if testing.Short() && n > 100_000 {
					n = 100_000
				}
				left, right := c.make(b, n)
				c.pass.Name = c.name
				b.ResetTimer()
				for b.Loop() {
					s, err := Settle(left, right, Rules{Name: "bench", Passes: []Pass{c.pass}})
					if err != nil {
						b.Fatal(err)
					}
					if len(s.Outcomes) == 0 {
						b.Fatal("nothing is settled")
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(left.Len()+right.Len()), "ns/row")
			})
		}
	}
}
