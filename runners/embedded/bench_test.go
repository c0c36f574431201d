package embedded_test

import (
	"runtime"
	"testing"

	"github.com/millrace/millrace/runners/embedded"
)

// BenchmarkSmallJob runs a scan, an exchange and a write over a handful of rows:
// what an epoch costs before it holds anything. KB/job is the heap that stays in use after it.
func BenchmarkSmallJob(b *testing.B) {
	lk := lakeOf(b, posting{"a", 5}, posting{"b", 7}, posting{"a", -2})
	run := func() {
		if _, err := embedded.Run(b.Context(), totals(lk), embedded.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	for range 20 {
		run()
	}
	before := heap()
	for b.Loop() {
		run()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/job")
	b.ReportMetric(float64(heap()-before)/1024/float64(b.N), "KB/job")
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
