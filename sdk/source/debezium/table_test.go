package debezium

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
)

// one decodes a single value of a column declared as typ in an otherwise plain event.
func one(t *testing.T, cfg Config, typ arrow.DataType, value string) (any, error) {
	t.Helper()
	cfg.Schema = arrow.NewSchema([]arrow.Field{{Name: "v", Type: typ, Nullable: true}}, nil)
	d := newDecoder(t, cfg)
	if _, err := d.Append(0, nil, []byte(`{"op":"c","after":{"v":`+value+`},"source":{"connector":"postgresql"}}`)); err != nil {
		return nil, err
	}
	return cell(flush(t, d)[0].Row.Column(0), 0), nil
}

func TestValues(t *testing.T) {
	t.Parallel()
	dec := func(p, s int32) arrow.DataType { return &arrow.Decimal128Type{Precision: p, Scale: s} }
	base64 := Config{Decimals: DecimalBase64}
	millis := Config{Time: map[string]TimeEncoding{"v": Millis}}
	for _, c := range []struct {
		cfg   Config
		typ   arrow.DataType
		value string
		want  string // or "error: " and a part of the message
	}{
		{Config{}, dec(18, 2), `"12.34"`, "1234"},
		{Config{}, dec(18, 2), `"12.3400"`, "1234"},
		{Config{}, dec(18, 2), `"12.345"`, "error: more digits than the column's scale"},
		{Config{}, dec(18, 2), `12`, "1200"},
		{Config{}, dec(18, 2), `12.34`, "error: may have lost digits"},
		{Config{}, dec(18, 2), `1e2`, "error: may have lost digits"},
		{Config{AllowDouble: []string{"v"}}, dec(18, 2), `12.34`, "1234"},
		{Config{AllowDouble: []string{"v"}}, dec(18, 2), `0.30000000000000004`, "error: more digits"},
		{Config{}, dec(4, 2), `"99.99"`, "9999"},
		{Config{}, dec(4, 2), `"100"`, "error: out of range"},
		{Config{}, dec(38, 0), `"-99999999999999999999999999999999999999"`, "-99999999999999999999999999999999999999"},
		{Config{}, dec(38, 0), `"170141183460469231731687303715884105728"`, "error: out of range"},
		{Config{}, dec(18, 2), `"NaN"`, "error: bad decimal"},
		{Config{}, dec(18, 2), `"AeJA"`, "error: bad decimal"},
		{base64, dec(18, 2), `"AeJA"`, "123456"},
		{base64, dec(18, 2), `"/w=="`, "-1"},
		{base64, dec(18, 2), `"AB=="`, "error: bad base64"}, // spare bits
		{base64, dec(18, 2), `"AeJ"`, "error: bad base64"},
		{base64, dec(18, 2), `""`, "error: bad base64"},
		{base64, dec(38, 0), `"S0sLTFqImcSYhQ=="`, "355561806145926996465797"},
		{base64, dec(38, 0), `"gAAAAAAAAAAAAAAAAAAAAA=="`, "error: out of range"},
		{base64, dec(38, 0), `"/////////////////////w=="`, "-1"},
		{base64, dec(18, 2), `{"scale":1,"value":"Ew=="}`, "190"},
		{base64, dec(18, 2), `{"scale":4,"value":"Ew=="}`, "error: more digits"},
		{Config{}, dec(18, 2), `{"scale":1,"value":"Ew=="}`, "190"},
		{Config{}, dec(18, 2), `{"scale":1}`, "error: scale and value"},
		{Config{}, timestampUTC, `1700000000000000`, "1700000000000000"},
		{millis, timestampUTC, `1700000000000`, "1700000000000000"},
		{millis, timestampUTC, `9223372036854775807`, "error: timestamp out of range"},
		{Config{Time: map[string]TimeEncoding{"v": Nanos}}, timestampUS, `-1`, "-1"},
		{Config{}, timestampUTC, `"2026-11-23T08:15:00.123456789+01:00"`, "1795418100123456"},
		{Config{}, timestampUTC, `"2026-11-23 07:15"`, "1795418100000000"},
		{Config{}, timestampUTC, `"2026-02-29T00:00:00Z"`, "error: bad timestamp"},
		{Config{}, timestampUTC, `"infinity"`, "error: bad timestamp"},
		{Config{}, timestampUTC, `"2026-11-23T24:00:00Z"`, "error: bad timestamp"},
		{Config{}, arrow.FixedWidthTypes.Date32, `20780`, "20780"},
		{Config{}, arrow.FixedWidthTypes.Date32, `"2026-11-23"`, "20780"},
		{Config{}, arrow.FixedWidthTypes.Date32, `"23.11.2026"`, "error: bad date"},
		{Config{}, arrow.FixedWidthTypes.Time64us, `86400000000`, "86400000000"},
		{Config{}, arrow.FixedWidthTypes.Time64us, `86400000001`, "error: longer than a day"},
		{Config{}, arrow.FixedWidthTypes.Time64us, `"08:15:00.5Z"`, "29700500000"},
		{Config{}, arrow.PrimitiveTypes.Int64, `"12"`, "12"},
		{Config{}, arrow.PrimitiveTypes.Int64, `12.0`, "error: bad integer"},
		{Config{}, arrow.PrimitiveTypes.Int64, `9223372036854775808`, "error: out of range"},
		{Config{}, arrow.PrimitiveTypes.Int32, `2147483648`, "error: out of range of int32"},
		{Config{}, arrow.PrimitiveTypes.Int32, `true`, "error: a boolean, where an integer"},
		{Config{}, arrow.FixedWidthTypes.Boolean, `1`, "1"},
		{Config{}, arrow.FixedWidthTypes.Boolean, `"true"`, "error: a string, where a boolean"},
		{Config{}, arrow.FixedWidthTypes.Boolean, `2`, "error: other than 0 and 1"},
		{Config{}, arrow.PrimitiveTypes.Float64, `1e3`, "1000"},
		{Config{}, arrow.PrimitiveTypes.Float64, `1e999`, "error: out of range of float64"},
		{Config{}, arrow.PrimitiveTypes.Float64, `"NaN"`, "error: a string, where a number"},
		{Config{}, arrow.PrimitiveTypes.Float64, `NaN`, "error: a value was expected"},
		{Config{}, arrow.BinaryTypes.Binary, `"AQID"`, "\x01\x02\x03"},
		{Config{}, arrow.BinaryTypes.Binary, `"AQ\nID"`, "error: bad base64"},
		{Config{}, arrow.BinaryTypes.Binary, `12`, "error: a number, where base64"},
		{Config{}, arrow.BinaryTypes.String, `12.50`, "12.50"},
		{Config{}, arrow.BinaryTypes.String, `{"a": [1]}`, `{"a": [1]}`},
		{Config{}, arrow.BinaryTypes.String, `"\ud800é"`, "\ufffdé"},
		{Config{}, arrow.BinaryTypes.String, `"__debezium_unavailable_value"`, "error: REPLICA IDENTITY"},
		{Config{AllowUnavailable: []string{"v"}}, arrow.BinaryTypes.String, `"__debezium_unavailable_value"`, "<nil>"},
		{Config{}, arrow.PrimitiveTypes.Int64, `[1]`, "error: a nested value, where an integer"},
		{Config{}, arrow.PrimitiveTypes.Int64, `null`, "<nil>"},
	} {
		got, err := one(t, c.cfg, c.typ, c.value)
		part, fails := strings.CutPrefix(c.want, "error: ")
		switch {
		case fails && (err == nil || !strings.Contains(err.Error(), part)):
			t.Errorf("%s %s: got %v, error %v, want one with %q", c.typ, c.value, got, err, part)
		case !fails && (err != nil || fmt.Sprint(got) != c.want):
			t.Errorf("%s %s: got %v, error %v, want %s", c.typ, c.value, got, err, c.want)
		}
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rest string // of an event
		want Meta
		tx   string // in the batch
	}{
		{`"source":{"lsn":24023128,"txId":571,"ts_ms":5}`, Meta{LSN: 24023128, CommittedAt: 5000}, "571"},
		{`"source":{"lsn":1,"txId":571},"transaction":{"id":"571:9","total_order":3,"data_collection_order":2}`, Meta{Tx: "571:9", TxOrder: 3, CollectionOrder: 2, LSN: 1}, "571:9"},
		{`"source":{"file":"mysql-bin.000003","pos":154,"gtid":"a:1","ts_ms":5,"ts_us":5001}`, Meta{LSN: 3<<40 | 154, CommittedAt: 5001}, "a:1"},
		{`"source":{"file":"weird","pos":154}`, Meta{}, ""},
		{`"source":{"scn":"36028797018963968","ts_ns":5999}`, Meta{LSN: 36028797018963968, CommittedAt: 5}, ""},
		{`"source":{"change_lsn":"00000025:00000d98:00a2","commit_lsn":"00000025:00000d98:00a3"}`, Meta{LSN: 0x25<<48 | 0xd98<<16 | 0xa2}, ""},
		{`"source":{"change_lsn":null,"commit_lsn":"00000025:00000d98:00a3"}`, Meta{LSN: 0x25<<48 | 0xd98<<16 | 0xa3}, ""},
		{`"source":{"commit_lsn":"ffffffff:00000d98:00a3"}`, Meta{}, ""},
		{`"transaction":{"id":""}`, Meta{}, ""},
		{`"ts_ms":7`, Meta{}, ""},
	} {
		d := newDecoder(t, Config{Schema: entries()})
		for range 3 { // the last ones are predicted
			m, err := d.Append(0, nil, []byte(`{"after":{"entry_id":1},`+c.rest+`,"op":"c"}`))
			c.want.Op = 'c'
			if err != nil || m != c.want {
				t.Errorf("%s: got %+v %v want %+v", c.rest, m, err, c.want)
			}
		}
		if b := flush(t, d)[0]; b.Tx[2] != c.tx || b.LSN[2] != c.want.LSN || b.CommittedAt[2] != c.want.CommittedAt || b.TxOrder[2] != c.want.TxOrder {
			t.Errorf("%s: batch has %v %v %v %v", c.rest, b.Tx, b.LSN, b.CommittedAt, b.TxOrder)
		}
	}
	d := newDecoder(t, Config{Schema: entries()})
	if _, err := d.Append(0, nil, []byte(`{"after":{"entry_id":1},"source":{"txId":9},"op":"r"}`)); err != nil || flush(t, d)[0].Tx[0] != "" {
		t.Error("a snapshot's rows belong to no transaction:", err)
	}
}

func TestRefusedEnvelopes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, value, want string }{
		{"", `{"op":"c"}`, "op c without an image after"},
		{"", `{"op":"c","after":{"amount":"1"}}`, "column entry_id: null or missing, but the column is required"},
		{"", `{"op":"m","message":{}}`, `op "m" is not a change of a row`},
		{"", `{"op":"xyz"}`, `op "xyz" is not a change`},
		{"", `{"a":1}`, "no op"},
		{"", `{"op":"c","after":{"entry_id":1}} x`, "data after the value"},
		{"", `{"op":"c","after":[]}`, "an object was expected for after"},
		{"", `[]`, "an object was expected"},
		{"", `{"op":"d","before":{"memo":"x"}}`, "a delete needs the value of every key column"},
		{`{"entry_id":`, `{"op":"d"}`, "message key: byte 12"},
		{`{"entry_id":null}`, `{"op":"d"}`, "message key: column entry_id: a delete needs"},
		{`{"entry_id":"x"}`, `{"op":"d"}`, "message key: byte 12: column entry_id: bad integer"},
		{"", `{"schema":{"fields":7},"payload":{"op":"t"}}`, "inline schema"},
	} {
		d := newDecoder(t, Config{Schema: entries(), Key: []string{"entry_id"}})
		_, err := d.Append(0, []byte(c.key), []byte(c.value))
		var de *DecodeError
		if !errors.As(err, &de) || !strings.Contains(err.Error(), c.want) || d.Rows() != 0 {
			t.Errorf("%s: got %v want %q", c.value, err, c.want)
		}
	}
	d := newDecoder(t, Config{Schema: entries()})
	if _, err := d.Append(0, nil, []byte(`{"op":"d"}`)); err == nil || !strings.Contains(err.Error(), "neither an image before nor a key") {
		t.Error(err)
	}
}

// inlined wraps an event with an inline schema of the given fields.
func inlined(fields, load string) []byte {
	return []byte(`{"schema":{"fields":[{"type":"struct","field":"after","fields":[` + fields + `]}]},"payload":` + load + `}`)
}

func TestSchemaPolicies(t *testing.T) {
	t.Parallel()
	const id, note = `{"type":"int32","field":"id"}`, `{"type":"string","optional":true,"field":"note"}`
	const first = `{"op":"c","after":{"id":1}}`
	for _, c := range []struct {
		name   string
		evolve Evolve
		fields string // of the second event
		want   string // the schema afterwards, or "error: "
	}{
		{"same", EvolveFail, id, "id int32"},
		{"added", EvolveAdd, id + "," + note, "id int32, note utf8?"},
		{"added, required", EvolveAdd, id + `,{"type":"int64","field":"n"}`, "id int32, n int64?"},
		{"added", EvolveIgnore, id + "," + note, "id int32"},
		{"added", EvolveFail, id + "," + note, "error: new field note of type string, optional"},
		{"relaxed", EvolveAdd, `{"type":"int32","optional":true,"field":"id"}`, "id int32?"},
		{"relaxed", EvolveIgnore, `{"type":"int32","optional":true,"field":"id"}`, "id int32"},
		{"relaxed", EvolveFail, `{"type":"int32","optional":true,"field":"id"}`, "error: column id was int32 and is now int32, optional"},
		{"dropped", EvolveAdd, note, "id int32?, note utf8?"},
		{"dropped", EvolveFail, `{"type":"int32","field":"id2"}`, "error: new field id2"},
		{"narrowed", EvolveFail, `{"type":"int16","field":"id"}`, "id int32"},
		{"widened", EvolveAdd, `{"type":"int64","field":"id"}`, "error: column id was int32 and is now int64"},
		{"another type", EvolveIgnore, `{"type":"string","field":"id"}`, "error: column id was int32 and is now string"},
		{"a double", EvolveAdd, id + `,{"type":"double","field":"amount"}`, "error: decimal.handling.mode=string"},
		{"no scale", EvolveAdd, id + `,{"type":"struct","name":"io.debezium.data.VariableScaleDecimal","field":"amount"}`, "error: declare the column as decimal128"},
		{"unknown", EvolveAdd, id + `,{"type":"int128","field":"amount"}`, "error: an unknown type"},
	} {
		d := newDecoder(t, Config{Table: "accounts", Evolve: c.evolve})
		if _, err := d.Append(0, nil, inlined(id, first)); err != nil {
			t.Fatal(err)
		}
		load := first
		if !strings.Contains(c.fields, `"id"`) {
			load = `{"op":"c","after":{"note":"x"}}`
		}
		_, err := d.Append(1, nil, inlined(c.fields, load))
		var se *SchemaChangeError
		if part, fails := strings.CutPrefix(c.want, "error: "); fails {
			if !errors.As(err, &se) || !errors.Is(err, ErrSchemaChange) || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), "table accounts") {
				t.Errorf("%s (%d): %v", c.name, c.evolve, err)
			}
			continue
		}
		var got []string
		for _, f := range d.Schema().Fields() {
			got = append(got, f.Name+" "+f.Type.String()+map[bool]string{true: "?"}[f.Nullable])
		}
		if s := strings.Join(got, ", "); err != nil || s != c.want {
			t.Errorf("%s (%d): %s, %v, want %s", c.name, c.evolve, s, err, c.want)
		}
	}
}

// A column that is declared reads what the inline schema says, if it fits, and nothing else.
func TestDeclaredAgainstInline(t *testing.T) {
	t.Parallel()
	dec := &arrow.Decimal128Type{Precision: 18, Scale: 4}
	const decimal = `"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"%s","connect.decimal.precision":"%s"}`
	for _, c := range []struct {
		cfg           Config
		typ           arrow.DataType
		field, value  string
		want, problem string
	}{
		{Config{}, dec, fmt.Sprintf(decimal, "2", "16"), `"AQ=="`, "100", ""}, // scale 2 into scale 4
		{Config{}, dec, fmt.Sprintf(decimal, "2", "18"), `"AQ=="`, "", "scale 2"},
		{Config{}, dec, fmt.Sprintf(decimal, "5", "18"), `"AQ=="`, "", "scale 5"},
		{Config{}, dec, `"type":"string"`, `"1.5"`, "15000", ""},
		{Config{}, dec, `"type":"int64"`, `3`, "30000", ""},
		{Config{}, dec, `"type":"double"`, `1.5`, "", "decimal.handling.mode=string"},
		{Config{AllowDouble: []string{"v"}}, dec, `"type":"double"`, `1.5`, "15000", ""},
		{Config{}, dec, `"type":"struct","name":"io.debezium.data.VariableScaleDecimal"`, `{"scale":4,"value":"AQ=="}`, "1", ""},
		{Config{}, dec, `"type":"int64","name":"io.debezium.time.MicroTimestamp"`, `1`, "", "MicroTimestamp"},
		{Config{Time: map[string]TimeEncoding{"v": Micros}}, timestampUTC, `"type":"int64","name":"io.debezium.time.Timestamp"`, `1`, "1000", ""}, // the schema knows better
		{Config{Time: map[string]TimeEncoding{"v": Millis}}, timestampUTC, `"type":"int64"`, `1`, "1000", ""},
		{Config{}, timestampUTC, `"type":"int64"`, `1`, "", "say in the configuration how it encodes time"},
		{Config{}, timestampUTC, `"type":"string"`, `"1970-01-01T00:00:01Z"`, "1000000", ""},
		{Config{}, timestampUTC, `"type":"int32","name":"io.debezium.time.Date"`, `1`, "", "Date"},
		{Config{}, arrow.PrimitiveTypes.Int64, `"type":"int64","name":"io.debezium.time.MicroTimestamp"`, `1`, "1", ""},
		{Config{}, arrow.PrimitiveTypes.Int64, `"type":"string"`, `"1"`, "", "string"},
		{Config{}, arrow.BinaryTypes.String, `"type":"bytes"`, `"AQ=="`, "", "bytes"},
		{Config{}, arrow.BinaryTypes.String, `"type":"string","name":"io.debezium.data.Json"`, `"{}"`, "{}", ""},
		{Config{}, arrow.BinaryTypes.Binary, `"type":"string"`, `"AQ=="`, "", "string"},
		{Config{}, arrow.FixedWidthTypes.Boolean, `"type":"int16"`, `1`, "1", ""},
		{Config{}, arrow.PrimitiveTypes.Float64, `"type":"int32"`, `1`, "1", ""},
	} {
		c.cfg.Schema = arrow.NewSchema([]arrow.Field{{Name: "v", Type: c.typ, Nullable: true}}, nil)
		for _, late := range []bool{false, true} { // the schema may also follow the payload
			d := newDecoder(t, c.cfg)
			m := inlined(`{`+c.field+`,"field":"v"}`, `{"op":"c","after":{"v":`+c.value+`}}`)
			if late {
				a, b, _ := strings.Cut(strings.TrimSuffix(string(m), "}"), `,"payload":`)
				m = []byte(`{"payload":` + b + "," + a[1:] + `}`)
			}
			_, err := d.Append(0, nil, m)
			if c.problem != "" {
				if !errors.Is(err, ErrSchemaChange) || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("%s as %s: %v", c.field, c.typ, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s as %s: %v", c.field, c.typ, err)
			} else if got := cell(flush(t, d)[0].Row.Column(0), 0); got != c.want {
				t.Errorf("%s as %s: %v, want %s", c.field, c.typ, got, c.want)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, Config{})
	// A delete may be the first event of a table, and its key all that is known of the columns.
	for i, m := range [][2]string{
		{`{"schema":{},"payload":{"bank":"a\u0062","id":1}}`, `{"op":"d","before":null}`},
		{`{"bank":"x","id":2}`, `{"op":"c","after":{"id":2,"bank":"x","n":5}}`},
		{`{"bank":"x","id":2}`, `{"op":"d","before":{"id":2,"bank":null,"n":null}}`},
	} {
		if _, err := d.Append(int64(i), []byte(m[0]), []byte(m[1])); err != nil {
			t.Fatal(i, err)
		}
	}
	if got := strings.Join(all(flush(t, d)), "|"); got != "d bank=ab id=1|c bank=x id=2 n=5|d bank=x id=2 n=(null)" {
		t.Error(got)
	}
	if fmt.Sprint(d.Key()) != "[bank id]" || d.Schema().Field(0).Nullable {
		t.Error(d.Key(), d.Schema())
	}
	// A message that is refused teaches nothing.
	d = newDecoder(t, Config{})
	if _, err := d.Append(0, []byte(`{"id":1}`), []byte(`{"op":"c","after":{"id":1.5}}`)); err == nil || d.Key() != nil || d.Schema().NumFields() != 0 {
		t.Error(err, d.Key(), d.Schema())
	}
}

func TestFlattened(t *testing.T) {
	t.Parallel()
	schema := `{"type":"struct","fields":[{"type":"int64","field":"id"},{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"amount"},{"type":"string","field":"__op"},{"type":"string","field":"__deleted"}]}`
	for _, wrapped := range []bool{false, true} {
		cfg := Config{Flattened: true}
		amounts := []string{`"1.50"`, `null`}
		if wrapped {
			amounts[0] = `"AJY="`
		} else {
			cfg.Schema = arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "amount", Type: &arrow.Decimal128Type{Precision: 38, Scale: 2}, Nullable: true}}, nil)
		}
		d := newDecoder(t, cfg)
		for i, op := range []string{"c", "u", "u", "d"} {
			load := fmt.Sprintf(`{"id":%d,"amount":%s,"__deleted":"%v","__op":"%s","__lsn":%d,"__source_ts_ms":3,"__transaction_id":"t","__transaction_total_order":2}`, i, amounts[i%2], op == "d", op, 50+i)
			if wrapped {
				load = `{"schema":` + schema + `,"payload":` + load + `}`
			}
			m, err := d.Append(int64(i), []byte(`{"id":1}`), []byte(load))
			if err != nil || m.LSN != int64(50+i) || m.CommittedAt != 3000 || m.Tx != "t" || m.TxOrder != 2 {
				t.Fatal(m, err)
			}
		}
		if got := strings.Join(all(flush(t, d)), "|"); got != "c id=0 amount=1.5|u id=1 amount=(null)|u id=2 amount=1.5|d id=3 amount=(null)" {
			t.Error(got)
		}
		if m, err := d.Append(9, nil, []byte(`{"id":1,"amount":true,"__op":"u","__lsn":4}`)); err == nil || m.LSN != 4 || m.Op != 'u' {
			t.Error(m, err)
		}
		if _, err := d.Append(9, nil, []byte(`{"id":1}`)); err == nil || !strings.Contains(err.Error(), "add.fields=op") {
			t.Error(err)
		}
		if _, err := d.Append(9, nil, []byte(`{"amount":null,"__op":"d"}`)); err == nil {
			t.Error("a delete without a key")
		}
	}
}

// Config.Time makes timestamps and dates of columns that are learned.
func TestLearnedTimes(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, Config{Time: map[string]TimeEncoding{"at": Millis, "day": Days}})
	for _, m := range []string{
		`{"op":"c","after":{"at":1700000000000,"day":19675,"n":1}}`,
		`{"op":"c","after":{"at":"2023-11-14T22:13:20Z","day":"2023-11-14","n":2}}`,
		string(inlined(`{"type":"int64","field":"at"},{"type":"int32","name":"io.debezium.time.Date","field":"day"},{"type":"int64","field":"n"}`, `{"op":"c","after":{"at":1700000000000,"day":19675,"n":3}}`)),
	} {
		if _, err := d.Append(0, nil, []byte(m)); err != nil {
			t.Fatal(m, err)
		}
	}
	for i, got := range all(flush(t, d)) {
		if want := fmt.Sprintf("c at=2023-11-14T22:13:20 day=2023-11-14 n=%d", i+1); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	d = newDecoder(t, Config{Time: map[string]TimeEncoding{"at": Millis}})
	if _, err := d.Append(0, nil, inlined(`{"type":"int64","field":"at"}`, `{"op":"c","after":{"at":1700000000000}}`)); err != nil || d.Schema().Field(0).Type != arrow.DataType(timestampUS) {
		t.Error(err, d.Schema())
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	d := newDecoder(t, Config{BatchRows: 100})
	for i := range 250 {
		if _, err := d.Append(int64(i), nil, []byte(fmt.Sprintf(`{"op":"u","before":null,"after":{"id":%d,"flag":%v}}`, i, i%3 == 0))); err != nil {
			t.Fatal(err)
		}
	}
	if d.Rows() != 250 {
		t.Error(d.Rows())
	}
	next := int64(0)
	for i, b := range flush(t, d) {
		if b.Rows() != []int{100, 100, 50}[i] || b.Before != nil {
			t.Error(i, b.Rows())
		}
		for r, off := range b.Offset {
			if off != next || cell(b.Row.Column(0), r) != fmt.Sprint(off) || cell(b.Row.Column(1), r) != map[bool]string{true: "1", false: "0"}[off%3 == 0] {
				t.Fatal(off, next)
			}
			next++
		}
	}
	if bs := flush(t, d); len(bs) != 0 {
		t.Error("nothing was appended:", len(bs))
	}
	// Wide rows end a batch by their bytes.
	wide := []byte(`{"op":"c","after":{"id":1,"memo":"` + strings.Repeat("x", 5<<20) + `"}}`)
	for range 13 {
		if _, err := d.Append(0, nil, wide); err != nil {
			t.Fatal(err)
		}
	}
	if bs := flush(t, d); len(bs) != 3 {
		t.Error(len(bs))
	}
}

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	schema := func(fs ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fs, nil) }
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{BatchRows: -1}, "batches of -1 rows"},
		{Config{Evolve: 9}, "unknown schema policy"},
		{Config{Schema: schema(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int8})}, "column a: type int8 is not supported: declare int32"},
		{Config{Schema: schema(arrow.Field{Name: "a", Type: arrow.FixedWidthTypes.Timestamp_ns})}, "declare timestamp[us]"},
		{Config{Schema: schema(arrow.Field{Name: "a", Type: arrow.FixedWidthTypes.Time64ns})}, "declare time64[us]"},
		{Config{Schema: schema(arrow.Field{Name: "a", Type: &arrow.Decimal128Type{Precision: 39}})}, "precision must be 1 to 38"},
		{Config{Schema: schema(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64}), Time: map[string]TimeEncoding{"a": Millis}}, "a time encoding is configured but the type is int64"},
		{Config{Schema: schema(arrow.Field{Name: "a", Type: arrow.FixedWidthTypes.Date32}), Time: map[string]TimeEncoding{"a": Nanos}}, "does not apply to date32"},
		{Config{Schema: schema(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64}, arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64})}, "declared twice"},
		{Config{Schema: schema(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64}), Key: []string{"b"}, Evolve: EvolveFail}, "key column b is not among"},
	} {
		if _, err := New(c.cfg); err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v want %q", err, c.want)
		}
	}
}
