package debezium

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// kind is a type of column as a source may have it: how Kafka Connect describes
// it, how a lake column declares it, and values of it.
type kind struct {
	connect  string // without field and optional
	declared arrow.DataType
	time     TimeEncoding
	draw     func(t *rapid.T) (jsonText, want string)
}

func number(lo, hi int64, want func(x int64) int64) func(*rapid.T) (string, string) {
	return func(t *rapid.T) (string, string) {
		x := rapid.Int64Range(lo, hi).Draw(t, "x")
		return strconv.FormatInt(x, 10), strconv.FormatInt(want(x), 10)
	}
}

func same(x int64) int64  { return x }
func kilo(x int64) int64  { return x * 1000 }
func milli(x int64) int64 { return floorDiv(x, 1000) }

func named(typ, name string) string { return `"type":"` + typ + `","name":"` + name + `","version":1` }

func kinds() []kind {
	const ts, ct = "io.debezium.time.", "org.apache.kafka.connect.data."
	day := int64(86400e6)
	tod := arrow.FixedWidthTypes.Time64us
	ks := []kind{
		{`"type":"int16"`, arrow.PrimitiveTypes.Int32, 0, number(math.MinInt16, math.MaxInt16, same)},
		{`"type":"int32"`, arrow.PrimitiveTypes.Int32, 0, number(math.MinInt32, math.MaxInt32, same)},
		{`"type":"int64"`, arrow.PrimitiveTypes.Int64, 0, number(math.MinInt64, math.MaxInt64, same)},
		{named("int64", ts+"Timestamp"), timestampUS, Millis, number(math.MinInt64/1000, math.MaxInt64/1000, kilo)},
		{named("int64", ct+"Timestamp"), timestampUS, Millis, number(-1e12, 1e13, kilo)},
		{named("int64", ts+"MicroTimestamp"), timestampUS, Micros, number(math.MinInt64, math.MaxInt64, same)},
		{named("int64", ts+"NanoTimestamp"), timestampUS, Nanos, number(math.MinInt64, math.MaxInt64, milli)},
		{named("int32", ts+"Date"), arrow.FixedWidthTypes.Date32, Days, number(-1e6, 1e6, same)},
		{named("int32", ct+"Date"), arrow.FixedWidthTypes.Date32, 0, number(math.MinInt32, math.MaxInt32, same)},
		{named("int32", ts+"Time"), tod, Millis, number(0, day/1000, kilo)},
		{named("int64", ts+"MicroTime"), tod, 0, number(0, day, same)},
		{named("int64", ts+"NanoTime"), tod, Nanos, number(0, day*1000, milli)},
		{named("string", ts+"ZonedTimestamp"), timestampUTC, 0, func(t *rapid.T) (string, string) {
			at := time.UnixMicro(rapid.Int64Range(-62e15, 253e15).Draw(t, "at")).In(time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone")))
			if y := at.Year(); y < 0 || y > 9999 {
				at = time.UnixMicro(0)
			}
			return strconv.Quote(at.Format(time.RFC3339Nano)), strconv.FormatInt(at.UnixMicro(), 10)
		}},
		{`"type":"boolean"`, arrow.FixedWidthTypes.Boolean, 0, func(t *rapid.T) (string, string) {
			if rapid.Bool().Draw(t, "b") {
				return "true", "1"
			}
			return "false", "0"
		}},
		{`"type":"string"`, arrow.BinaryTypes.String, 0, func(t *rapid.T) (string, string) {
			s := rapid.String().Draw(t, "s")
			b, _ := json.Marshal(s) // escapes some characters
			return string(b), s
		}},
		{`"type":"bytes"`, arrow.BinaryTypes.Binary, 0, func(t *rapid.T) (string, string) {
			b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
			return `"` + base64.StdEncoding.EncodeToString(b) + `"`, string(b)
		}},
		{`"type":"double"`, arrow.PrimitiveTypes.Float64, 0, func(t *rapid.T) (string, string) {
			f := rapid.Float64Range(-1e300, 1e300).Draw(t, "f")
			b, _ := json.Marshal(f)
			return string(b), strconv.FormatFloat(f, 'g', -1, 64)
		}},
		{`"type":"array","items":{"type":"int32","optional":false}`, arrow.BinaryTypes.String, 0, func(t *rapid.T) (string, string) {
			b, _ := json.Marshal(rapid.SliceOf(rapid.Int32()).Draw(t, "array"))
			return string(b), string(b)
		}},
	}
	for _, d := range [][2]int32{{1, 0}, {9, 2}, {18, 2}, {19, 0}, {20, 20}, {38, 0}, {38, 10}} {
		ks = append(ks, decimalKind(d[0], d[1]))
	}
	return ks
}

func decimalKind(precision, scale int32) kind {
	return kind{
		connect:  named("bytes", connectDecimal) + fmt.Sprintf(`,"parameters":{"scale":"%d","connect.decimal.precision":"%d"}`, scale, precision),
		declared: &arrow.Decimal128Type{Precision: precision, Scale: scale},
		draw: func(t *rapid.T) (string, string) {
			n := rapid.IntRange(0, int(precision)).Draw(t, "digits")
			x, _ := new(big.Int).SetString("0"+strings.Repeat("9", n), 10)
			x.Sub(x, big.NewInt(rapid.Int64Range(0, 9).Draw(t, "less")))
			if rapid.Bool().Draw(t, "small") {
				x.Rsh(x, uint(rapid.IntRange(0, 120).Draw(t, "shift")))
			}
			if rapid.Bool().Draw(t, "negative") {
				x.Neg(x)
			}
			if x.CmpAbs(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)) >= 0 {
				x.SetInt64(0)
			}
			return `"` + base64.StdEncoding.EncodeToString(twosComplement(x)) + `"`, x.String()
		},
	}
}

// event is a generated change: what was sent, and what must come out.
type event struct {
	value       string
	op          change.Op
	row, before []any
}

// table is a generated table.
type table struct {
	kinds   []kind
	names   []string
	schemas bool
}

func drawTable(t *rapid.T) table {
	all := kinds()
	tb := table{schemas: rapid.Bool().Draw(t, "schemas")}
	for i := range rapid.IntRange(1, 8).Draw(t, "columns") {
		tb.kinds = append(tb.kinds, all[rapid.IntRange(0, len(all)-1).Draw(t, "kind")])
		tb.names = append(tb.names, fmt.Sprintf("c%d", i))
	}
	return tb
}

// config declares the table's columns, or leaves them to the inline schema.
func (tb table) config(t *rapid.T) Config {
	c := Config{Table: "t", Time: map[string]TimeEncoding{}, BatchRows: rapid.IntRange(1, 5).Draw(t, "batch"), Decimals: DecimalBase64}
	var fields []arrow.Field
	for i, k := range tb.kinds {
		c.AllowDouble = append(c.AllowDouble, tb.names[i])
		fields = append(fields, arrow.Field{Name: tb.names[i], Type: k.declared, Nullable: true})
		if k.time != 0 {
			c.Time[tb.names[i]] = k.time
		}
	}
	if !tb.schemas || rapid.Bool().Draw(t, "declared") {
		c.Schema = arrow.NewSchema(fields, nil)
	}
	return c
}

func (tb table) inline() string {
	var fs []string
	for i, k := range tb.kinds {
		fs = append(fs, fmt.Sprintf(`{%s,"optional":true,"field":"%s"}`, k.connect, tb.names[i]))
	}
	row := strings.Join(fs, ",")
	return `{"type":"struct","fields":[{"type":"struct","fields":[` + row + `],"field":"before"},{"type":"struct","fields":[` + row + `],"field":"after"}]}`
}

func (tb table) image(t *rapid.T) (text string, want []any) {
	var ms []string
	for i, k := range tb.kinds {
		switch rapid.IntRange(0, 5).Draw(t, "null") {
		case 0:
			ms, want = append(ms, `"`+tb.names[i]+`":null`), append(want, nil)
		case 1:
			want = append(want, nil) // absent
		default:
			v, w := k.draw(t)
			ms, want = append(ms, `"`+tb.names[i]+`":`+v), append(want, w)
		}
	}
	return "{" + strings.Join(ms, ",") + "}", want
}

func (tb table) event(t *rapid.T) event {
	e := event{op: rapid.SampledFrom([]change.Op{change.Create, change.Update, change.Delete, change.Read}).Draw(t, "op")}
	before, after := "null", "null"
	switch e.op {
	case change.Delete:
		before, e.row = tb.image(t)
	case change.Update:
		before, e.before = tb.image(t)
		after, e.row = tb.image(t)
	default:
		after, e.row = tb.image(t)
	}
	e.value = fmt.Sprintf(`{"before":%s,"after":%s,"source":{"lsn":5},"op":"%s"}`, before, after, e.op)
	if tb.schemas {
		e.value = `{"schema":` + tb.inline() + `,"payload":` + e.value + `}`
	}
	return e
}

// TestRoundTrip: whatever rows a table has, decoding what Debezium would send yields them.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tb := drawTable(t)
		d, err := New(tb.config(t))
		if err != nil {
			t.Fatal(err)
		}
		d.scanOnly = rapid.Bool().Draw(t, "scan")
		var events []event
		for range rapid.IntRange(1, 12).Draw(t, "events") {
			e := tb.event(t)
			if len(events) > 0 && rapid.Bool().Draw(t, "again") {
				e = events[len(events)-1] // the same bytes: a shape that is known
			}
			if _, err := d.Append(int64(len(events)), nil, []byte(e.value)); err != nil {
				t.Fatalf("%s: %v", e.value, err)
			}
			events = append(events, e)
		}
		bs, err := d.Flush("s")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, b := range bs {
			n += b.Rows()
			for r := range b.Rows() {
				compareEvent(t, tb, b, r, events[b.Offset[r]])
			}
			b.Release()
		}
		if n != len(events) {
			t.Fatalf("%d rows of %d events", n, len(events))
		}
	})
}

func compareEvent(t *rapid.T, tb table, b *source.Batch, r int, e event) {
	if b.Ops[r] != e.op {
		t.Fatalf("op %s of %s", b.Ops[r], e.value)
	}
	image := func(rec arrow.RecordBatch, want []any) {
		for i, name := range tb.names {
			var w any
			if want != nil {
				w = want[i]
			}
			at := rec.Schema().FieldIndices(name)
			if len(at) != 1 {
				t.Fatalf("no column %s in %s", name, rec.Schema())
			}
			if got := cell(rec.Column(at[0]), r); got != w {
				t.Fatalf("%s\n%s (%s): got %#v want %#v", e.value, name, tb.kinds[i].connect, got, w)
			}
		}
	}
	image(b.Row, e.row)
	if e.before != nil && b.Before == nil {
		t.Fatalf("no image before of %s", e.value)
	}
	if b.Before != nil {
		image(b.Before, e.before)
	}
}

// TestColumnsGrow: under EvolveAdd each value of each event is found under its
// name, in whatever order fields come and go, and batches end where columns are added.
func TestColumnsGrow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d, err := New(Config{Key: []string{"id"}})
		if err != nil {
			t.Fatal(err)
		}
		var want []map[string]any
		for i := range rapid.IntRange(1, 10).Draw(t, "events") {
			row := map[string]any{"id": strconv.Itoa(i)}
			text := fmt.Sprintf(`"id":%d`, i)
			for _, name := range []string{"a", "b", "c", "d"} {
				switch rapid.IntRange(0, 3).Draw(t, name) {
				case 0:
					row[name], text = "v"+name, text+`,"`+name+`":"v`+name+`"`
				case 1:
					text += `,"` + name + `":null`
				}
			}
			if _, err := d.Append(int64(i), nil, []byte(`{"op":"c","after":{`+text+`}}`)); err != nil {
				t.Fatal(err)
			}
			want = append(want, row)
		}
		bs, _ := d.Flush("s")
		columns := int64(0)
		for _, b := range bs {
			if b.Row.NumCols() <= columns {
				t.Fatal("a batch ended without a new column")
			}
			columns = b.Row.NumCols()
			for r := range b.Rows() {
				row := want[0]
				want = want[1:]
				got := map[string]any{}
				for c, f := range b.Row.Schema().Fields() {
					if v := cell(b.Row.Column(c), r); v != nil {
						got[f.Name] = v
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(row) {
					t.Fatalf("got %v want %v", got, row)
				}
			}
			b.Release()
		}
		if len(want) != 0 || int64(d.Schema().NumFields()) != columns {
			t.Fatalf("%d events are missing, %d columns of %d", len(want), columns, d.Schema().NumFields())
		}
	})
}
