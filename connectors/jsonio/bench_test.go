package jsonio_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/millrace/millrace/connectors/jsonio"
)

// BenchmarkRead reads NDJSON of seven keys.
func BenchmarkRead(b *testing.B) {
	var text strings.Builder
	const rows = 100_000
	for i := range rows {
		fmt.Fprintf(&text, "{\"entry_id\":%d,\"account_id\":\"ACC-%06d\",\"amount\":-%d.%02d,\"currency\":\"CZK\",\"booked_at\":\"2026-11-23T10:%02d:%02d.123Z\",\"value_day\":\"2026-11-23\",\"memo\":\"card payment\"}\n", i, i%5000, i%9999, i%100, i%60, i%60)
	}
	s := store(b, "f.json", text.String())
	opts := jsonio.Options{}
	var err error
	if opts.Schema, err = jsonio.Infer(b.Context(), s, "f.json", opts); err != nil {
		b.Fatal(err)
	}
	splits, err := jsonio.Splits(b.Context(), s, "f.json", opts)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		n := int64(0)
		for _, split := range splits {
			r, err := jsonio.Open(b.Context(), s, split, opts)
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
