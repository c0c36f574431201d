package sqlio

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Whatever a server writes, a value is taken or refused, without a panic, and a column has one value more only where it was taken.
func FuzzAppend(f *testing.F) {
	for _, seed := range []string{"-1.50", "2026-03-31", "2026-03-31 12:00:00.5+00", "1e-5", "NaN", "0000-00-00", "infinity", ""} {
		for k := text; k < refused; k++ {
			f.Add([]byte(seed), uint8(k))
		}
	}
	f.Fuzz(func(t *testing.T, v []byte, k uint8) {
		c := column{name: "c", kind: kind(k) % refused, precision: 20, scale: 2}
		b := array.NewBuilder(memory.DefaultAllocator, c.arrow())
		defer b.Release()
		if err := c.append(b, v); (err == nil) != (b.Len() == 1) {
			t.Errorf("%q: %v, %d values", v, err, b.Len())
		}
	})
}
