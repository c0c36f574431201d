package money

import "testing"

var (
	sinkInt  Int128
	sinkDec  Decimal
	sinkCmp  int
	sinkText []byte
)

func BenchmarkParse(b *testing.B) {
	text := []byte("-1234567.89")
	for b.Loop() {
		sinkDec, _ = ParseBytes(text)
	}
}

func BenchmarkAppend(b *testing.B) {
	d := dec(b, "-1234567.89")
	var buf [64]byte
	for b.Loop() {
		sinkText = d.Append(buf[:0])
	}
}

func BenchmarkAdd(b *testing.B) {
	d, e := dec(b, "1234567.89"), dec(b, "0.01")
	for b.Loop() {
		sinkDec, _ = d.Add(e)
	}
}

func BenchmarkMul(b *testing.B) {
	d, e := dec(b, "1234567.89"), dec(b, "0.03125")
	for b.Loop() {
		sinkDec, _ = d.Mul(e)
	}
}

func BenchmarkDiv(b *testing.B) {
	d, e := dec(b, "1234567.89"), dec(b, "365")
	for b.Loop() {
		sinkDec, _ = d.Div(e, 8, HalfEven)
	}
}

func BenchmarkCmpTwoScales(b *testing.B) {
	d, e := dec(b, "1234567.89"), dec(b, "1234567.8901")
	for b.Loop() {
		sinkCmp = d.Cmp(e)
	}
}

func BenchmarkSumInt64s(b *testing.B) {
	column := make([]int64, 65536)
	for i := range column {
		column[i] = int64(i) * 1_000_003
	}
	b.SetBytes(int64(len(column)) * 8)
	for b.Loop() {
		sinkInt = SumInt64s(column)
	}
}

func BenchmarkSumInt128s(b *testing.B) {
	column := make([]Int128, 65536)
	for i := range column {
		column[i] = Int128Of(int64(i) * -1_000_003)
	}
	b.SetBytes(int64(len(column)) * 16)
	for b.Loop() {
		sinkInt, _ = SumInt128s(column)
	}
}
