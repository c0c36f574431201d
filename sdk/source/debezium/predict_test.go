package debezium

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
)

var styles = map[string]style{
	"postgres": {}, "mysql": {mysql: true}, "mixed": {updates: 30, deletes: 10}, "schemas": {schemas: true, updates: 30, deletes: 10},
}

func genDecoder(t testing.TB) *Decoder {
	return newDecoder(t, Config{Table: "entries", Schema: genSchema(), Key: []string{"entry_id"}, BatchRows: 1000})
}

// TestPredictorAgrees decodes a realistic stream both ways.
func TestPredictorAgrees(t *testing.T) {
	t.Parallel()
	const n = 2500
	for name, st := range styles {
		fast, slow, g := genDecoder(t), genDecoder(t), newGen(st)
		slow.scanOnly = true
		for i := range n {
			k, v := g.next()
			a, aerr := fast.Append(int64(i), k, v)
			b, berr := slow.Append(int64(i), k, v)
			if aerr != nil || berr != nil || a != b {
				t.Fatalf("%s: %s\n%+v %v\n%+v %v", name, v, a, aerr, b, berr)
			}
		}
		if fast.learner.hits < n*9/10 {
			t.Errorf("%s: only %d of %d messages were predicted", name, fast.learner.hits, n)
		}
		as, bs := flush(t, fast), flush(t, slow)
		if len(as) != 3 || len(bs) != 3 {
			t.Fatal(len(as), len(bs))
		}
		for i, a := range as {
			b := bs[i]
			if fmt.Sprint(a.Ops, a.Offset, a.LSN, a.CommittedAt, a.Tx, a.TxOrder) != fmt.Sprint(b.Ops, b.Offset, b.LSN, b.CommittedAt, b.Tx, b.TxOrder) ||
				!array.RecordEqual(a.Row, b.Row) || (a.Before == nil) != (b.Before == nil) || a.Before != nil && !array.RecordEqual(a.Before, b.Before) {
				t.Errorf("%s: batch %d differs", name, i)
			}
		}
	}
}

// TestNoAllocations: decoding allocates for batches, not for events.
func TestNoAllocations(t *testing.T) {
	const n = 1000
	for name, st := range styles {
		d, g := genDecoder(t), newGen(st)
		var keys, values [n][]byte
		for i := range n {
			keys[i], values[i] = g.next()
		}
		perBatch := testing.AllocsPerRun(3, func() {
			for i := range n {
				if _, err := d.Append(int64(i), keys[i], values[i]); err != nil {
					t.Fatal(err)
				}
			}
			bs, _ := d.Flush("s")
			for _, b := range bs {
				b.Release()
			}
		})
		if perBatch > 300 {
			t.Errorf("%s: %.0f allocations for %d events", name, perBatch, n)
		}
	}
}

// TestNoShapes: a stream in which no two messages have one shape is decoded all the same, and soon not learned from.
func TestNoShapes(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, Config{Evolve: EvolveIgnore, Schema: entries()})
	const n = 3000
	for i := range n {
		m := fmt.Sprintf(`{"op":"c","x%d":{"y":[1]},"after":{"entry_id":%d}}`, i, i)
		if _, err := d.Append(int64(i), nil, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	if d.learner.hits != 0 || d.learner.learned > 200 {
		t.Errorf("%+v", d.learner)
	}
	rows := all(flush(t, d))
	if len(rows) != n || !strings.HasPrefix(rows[n-1], "c entry_id=2999 ") {
		t.Error(len(rows), rows[len(rows)-1])
	}
}

// TestWideTable has slots in several words of a set, and nulls everywhere.
func TestWideTable(t *testing.T) {
	t.Parallel()
	const width, n = 150, 300
	d := newDecoder(t, Config{})
	want := make([]string, n)
	for k := range n {
		var ms []string
		for c := range width {
			v := "null"
			if k == 0 || (k+c)%3 != 0 {
				v = fmt.Sprint(k * c)
			}
			ms = append(ms, fmt.Sprintf(`"c%d":%s`, c, v))
			want[k] += v + " "
		}
		if _, err := d.Append(int64(k), nil, []byte(`{"op":"c","after":{`+strings.Join(ms, ",")+`}}`)); err != nil {
			t.Fatal(err)
		}
	}
	if d.learner.hits < n-10 {
		t.Error(d.learner.hits)
	}
	b := flush(t, d)[0]
	for k := range n {
		got := ""
		for c := range width {
			if v := cell(b.Row.Column(c), k); v == nil {
				got += "null "
			} else {
				got += fmt.Sprint(v, " ")
			}
		}
		if strings.ReplaceAll(got, "  ", " ") != want[k] {
			t.Fatalf("row %d:\n%s\n%s", k, got, want[k])
		}
	}
}

// TestReplacedImage: what a later member of the same name replaces leaves no trace.
func TestReplacedImage(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, Config{})
	for _, m := range []string{
		`{"op":"c","after":{"id":1,"old":2},"after":{"id":3}}`,
		`{"op":"c","after":{"id":1,"old":2},"payload":{"op":"c","after":{"id":4}}}`,
		`{"op":"c","after":{"id":5,"old":2},"after":{"id":5}}`,
	} {
		if _, err := d.Append(0, nil, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(all(flush(t, d)), "|"); got != "c id=3|c id=4|c id=5" {
		t.Error(got)
	}
}
