package debezium

import "testing"

// BenchmarkAppend decodes events into batches; one operation is one event.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name     string
		style    style
		scanOnly bool
	}{
		{"postgres", style{}, false},
		{"postgres-mixed", style{updates: 20, deletes: 5}, false},
		{"postgres-schemas", style{schemas: true}, false},
		{"postgres-scanner", style{}, true},
		{"mysql", style{mysql: true}, false},
		{"mysql-scanner", style{mysql: true}, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			const n = 8192
			g := newGen(c.style)
			var keys, values [n][]byte
			size := 0
			var all []byte // one buffer, as a fetch or a file has them
			for i := range values {
				k, v := g.next()
				all = append(append(all, k...), v...)
				keys[i], values[i] = make([]byte, len(k)), make([]byte, len(v))
				size += len(v)
			}
			at := 0
			for i := range values {
				k, v := len(keys[i]), len(values[i])
				keys[i], values[i] = all[at:at+k], all[at+k:at+k+v]
				at += k + v
			}
			d, err := New(Config{Table: "entries", Schema: genSchema(), Key: []string{"entry_id"}})
			if err != nil {
				b.Fatal(err)
			}
			d.scanOnly = c.scanOnly
			b.SetBytes(int64(size / n))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%n == 0 {
					bs, err := d.Flush("0")
					if err != nil {
						b.Fatal(err)
					}
					for _, x := range bs {
						x.Release()
					}
				}
				if _, err := d.Append(int64(i), keys[i%n], values[i%n]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mevents/s")
		})
	}
}
