package csvio_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/connectors/csvio"
)

// BenchmarkRead reads a statement of seven columns, a fifth of whose lines have quotes.
func BenchmarkRead(b *testing.B) {
	var text strings.Builder
	text.WriteString("entry_id,account_id,amount,currency,booked_at,value_day,memo\n")
	const rows = 100_000
	for i := range rows {
		memo := "card payment"
		if i%5 == 0 {
			memo = `"rent, ""flat 3"""`
		}
		fmt.Fprintf(&text, "%d,ACC-%06d,-%d.%02d,CZK,2026-11-23T10:%02d:%02d.123Z,2026-11-23,%s\n", i, i%5000, i%9999, i%100, i%60, i%60, memo)
	}
	s := store(b, "f.csv", text.String())
	opts := csvio.Options{}
	var err error
	if opts.Schema, err = csvio.Infer(b.Context(), s, "f.csv", opts); err != nil {
		b.Fatal(err)
	}
	if opts.Schema.Field(2).Type.ID() != arrow.DECIMAL128 {
		b.Fatal(opts.Schema)
	}
	splits, err := csvio.Splits(b.Context(), s, "f.csv", opts)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		n := int64(0)
		for _, split := range splits {
			r, err := csvio.Open(b.Context(), s, split, opts)
			if err != nil {
				b.Fatal(err)
			}
			for {
				batch, err := r.Next(b.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				n += batch.NumRows()
				batch.Release()
			}
			r.Close()
		}
		if n != rows {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}
