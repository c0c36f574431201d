package debezium

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// entries is the schema of the tests' ledger table.
func entries() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}, Nullable: true},
		{Name: "memo", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "booked_at", Type: timestampUTC, Nullable: true},
	}, nil)
}

func newDecoder(t testing.TB, cfg Config) *Decoder {
	t.Helper()
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// flush returns the batches and gives them back at the test's end.
func flush(t testing.TB, d *Decoder) []*source.Batch {
	t.Helper()
	bs, err := d.Flush("p0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, b := range bs {
			b.Release()
		}
	})
	return bs
}

// render shows a batch's rows as text: op key=value … | before.
func render(b *source.Batch) []string {
	var out []string
	for r := range b.Rows() {
		s := b.Ops[r].String()
		for c, f := range b.Row.Schema().Fields() {
			s += " " + f.Name + "=" + b.Row.Column(c).ValueStr(r)
		}
		if b.Before != nil {
			s += " |"
			for c := range b.Before.Columns() {
				s += " " + b.Before.Column(c).ValueStr(r)
			}
		}
		out = append(out, s)
	}
	return out
}

func all(bs []*source.Batch) []string {
	var out []string
	for _, b := range bs {
		out = append(out, render(b)...)
	}
	return out
}

func TestOperations(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, Config{Table: "entries", Schema: entries(), Key: []string{"entry_id"}})
	for i, m := range []struct{ key, value string }{
		{"", `{"before":null,"after":{"entry_id":1,"amount":"10.50","memo":"a","booked_at":1700000000000001},"source":{"lsn":7,"ts_ms":1700000000000,"txId":9},"op":"c","ts_ms":1}`},
		{"", `{"before":{"entry_id":1,"amount":"10.50","memo":"a","booked_at":null},"after":{"entry_id":1,"amount":"-0.01","memo":"é\u00e9\n","booked_at":"2023-11-14T22:13:20Z"},"source":{"lsn":8,"ts_us":17},"transaction":{"id":"9:8","total_order":2,"data_collection_order":1},"op":"u"}`},
		{`{"entry_id":1}`, `{"before":null,"after":null,"source":{"file":"bin.000002","pos":5,"ts_ns":1999},"op":"d"}`},
		{`{"schema":{},"payload":{"entry_id":2}}`, `{"before":{"entry_id":2,"memo":"gone"},"after":null,"op":"d"}`},
		{"", `{"op":"t","source":{}}`},
		{"", `{"op":"r","after":{"entry_id":3}}`},
	} {
		if _, err := d.Append(int64(10+i), []byte(m.key), []byte(m.value)); err != nil {
			t.Fatal(i, err)
		}
	}
	for _, v := range []string{"", "null", `{"payload":null}`} {
		if m, err := d.Append(0, nil, []byte(v)); err != nil || !m.Tombstone {
			t.Fatal(m, err)
		}
	}
	if m, err := d.Append(0, nil, []byte(`{"ts_ms":5}`)); err != nil || !m.Heartbeat {
		t.Fatal(m, err)
	}
	if d.Rows() != 6 {
		t.Fatal(d.Rows())
	}
	bs := flush(t, d)
	if len(bs) != 1 || d.Rows() != 0 {
		t.Fatal(len(bs))
	}
	b := bs[0]
	want := []string{
		"c entry_id=1 amount=10.5 memo=a booked_at=2023-11-14T22:13:20.000001Z | (null) (null) (null) (null)",
		"u entry_id=1 amount=-0.01 memo=éé\n booked_at=2023-11-14T22:13:20Z | 1 10.5 a (null)",
		"d entry_id=1 amount=(null) memo=(null) booked_at=(null) | (null) (null) (null) (null)",
		"d entry_id=2 amount=(null) memo=gone booked_at=(null) | (null) (null) (null) (null)",
		"t entry_id=(null) amount=(null) memo=(null) booked_at=(null) | (null) (null) (null) (null)",
		"r entry_id=3 amount=(null) memo=(null) booked_at=(null) | (null) (null) (null) (null)",
	}
	if got := render(b); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	got := fmt.Sprint(b.Table, b.Shard, b.Offset, b.LSN, b.CommittedAt, b.Tx, b.TxOrder)
	if got != fmt.Sprint("entries", "p0", []int64{10, 11, 12, 13, 14, 15}, []int64{7, 8, 2<<40 | 5, 0, 0, 0},
		[]int64{1700000000000000, 17, 1, 0, 0, 0}, []string{"9", "9:8", "", "", "", ""}, []int64{0, 2, 0, 0, 0, 0}) {
		t.Error(got)
	}
}

func TestLearnInline(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, Config{Table: "entries"})
	const row = `{"type":"int64","optional":false,"field":"id"},{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2","connect.decimal.precision":"20"},"field":"amount"},{"type":"int64","optional":true,"name":"io.debezium.time.Timestamp","field":"at"}`
	msg := func(extra, load string) []byte {
		return []byte(`{"schema":{"type":"struct","fields":[{"type":"struct","fields":[` + row + extra + `],"optional":true,"field":"before"},{"type":"struct","fields":[` + row + extra + `],"optional":true,"field":"after"}]},"payload":` + load + `}`)
	}
	key := []byte(`{"id":1}`)
	for i, m := range [][]byte{
		msg("", `{"before":null,"after":{"id":1,"amount":"BBo=","at":1700000000000},"op":"c"}`),
		msg("", `{"before":null,"after":{"id":2,"amount":"/w==","at":null},"op":"c"}`),
		msg(`,{"type":"int32","optional":true,"name":"io.debezium.time.Date","field":"day"}`, `{"before":null,"after":{"id":3,"amount":null,"at":1,"day":19000},"op":"c"}`),
		msg("", `{"before":null,"after":{"id":4,"amount":"AA==","at":null},"op":"c"}`),
	} {
		if _, err := d.Append(int64(i), key, m); err != nil {
			t.Fatal(i, err)
		}
	}
	got := strings.Join(all(flush(t, d)), "\n")
	want := `c id=1 amount=10.5 at=2023-11-14T22:13:20
c id=2 amount=-0.01 at=(null)
c id=3 amount=(null) at=1970-01-01T00:00:00.001 day=2022-01-08
c id=4 amount=0 at=(null) day=(null)`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if s := d.Schema(); s.Field(0).Nullable || !s.Field(3).Nullable || fmt.Sprint(d.Key()) != "[id]" {
		t.Error(s, d.Key())
	}
	// An incompatible change names column, old and new type, and leaves all as it was.
	bad := []byte(strings.ReplaceAll(string(msg("", `{"after":{"id":"x"},"op":"c"}`)), `"int64","optional":false`, `"string","optional":false`))
	_, err := d.Append(9, key, bad)
	if !errors.Is(err, ErrSchemaChange) || !strings.Contains(err.Error(), "column id was int64 and is now string") || d.Rows() != 0 {
		t.Error(err)
	}
}

func TestEvolve(t *testing.T) {
	t.Parallel()
	first, second := `{"after":{"id":1,"x":null},"op":"c"}`, `{"after":{"id":2,"x":"q","y":true},"op":"c"}`
	for _, c := range []struct {
		evolve Evolve
		want   string
	}{
		{EvolveAdd, "c id=1|c id=2 x=q y=true"},
		{EvolveIgnore, "c id=1|c id=2 x=q"},
		{EvolveFail, "c id=1"},
	} {
		d := newDecoder(t, Config{Evolve: c.evolve})
		if _, err := d.Append(0, nil, []byte(first)); err != nil {
			t.Fatal(err)
		}
		_, err := d.Append(1, nil, []byte(second))
		if (c.evolve == EvolveFail) != errors.Is(err, ErrSchemaChange) {
			t.Fatal(err)
		}
		if got := strings.Join(all(flush(t, d)), "|"); got != c.want {
			t.Errorf("%d: %s", c.evolve, got)
		}
	}
}

func TestMetaOfRefused(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, Config{Schema: entries()})
	m, err := d.Append(0, nil, []byte(`{"after":{"entry_id":1,"amount":1.5},"op":"c","transaction":{"id":"t","total_order":3}}`))
	var de *DecodeError
	if !errors.As(err, &de) || de.Column != "amount" || de.Byte != 32 || m.Tx != "t" || m.TxOrder != 3 || m.Op != change.Create || d.Rows() != 0 {
		t.Fatal(m, err)
	}
}
