package debezium

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// The reference decodes one message by encoding/json and math/big, the slow and
// obvious way. It shares with the decoder only how inline schemas map to columns.

// refSchema has a column of each type; refConfig declares it.
func refConfig(dec DecimalEncoding) Config {
	f := func(name string, t arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: t, Nullable: true}
	}
	d := func(p, s int32) arrow.DataType { return &arrow.Decimal128Type{Precision: p, Scale: s} }
	return Config{
		Table: "t", Evolve: EvolveIgnore, Key: []string{"id"}, Decimals: dec, BatchRows: 4,
		AllowDouble: []string{"dbl"}, AllowUnavailable: []string{"doc"},
		Time: map[string]TimeEncoding{"ms": Millis, "ns": Nanos, "t_ms": Millis, "t_ns": Nanos},
		Schema: arrow.NewSchema([]arrow.Field{
			{Name: "id", Type: arrow.PrimitiveTypes.Int64}, f("amount", d(18, 2)), f("dbl", d(18, 2)), f("big", d(38, 10)), f("memo", arrow.BinaryTypes.String),
			f("doc", arrow.BinaryTypes.String), f("us", timestampUTC), f("ms", timestampUS), f("ns", timestampUS), f("day", arrow.FixedWidthTypes.Date32),
			f("tod", arrow.FixedWidthTypes.Time64us), f("t_ms", arrow.FixedWidthTypes.Time64us), f("t_ns", arrow.FixedWidthTypes.Time64us),
			f("flag", arrow.FixedWidthTypes.Boolean), f("n32", arrow.PrimitiveTypes.Int32), f("bin", arrow.BinaryTypes.Binary), f("x", arrow.PrimitiveTypes.Float64),
		}, nil),
	}
}

var errRefused = errors.New("refused")

type refMember struct {
	name string
	raw  json.RawMessage
}

// refMembers lists an object's members in order, or nil if raw is no object.
func refMembers(raw []byte) []refMember {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	out := []refMember{}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	_, err := dec.Token()
	must(err)
	for dec.More() {
		name, err := dec.Token()
		must(err)
		var v json.RawMessage
		must(dec.Decode(&v))
		out = append(out, refMember{name.(string), v})
	}
	return out
}

// last is the last member of a name, nil if there is none.
func last(ms []refMember, name string) json.RawMessage {
	for i := len(ms) - 1; i >= 0; i-- {
		if ms[i].name == name {
			return ms[i].raw
		}
	}
	return nil
}

// refRow is what one message decodes to: values as text, nil for null.
type refRow struct {
	tombstone, heartbeat bool
	op                   change.Op
	meta                 map[string]string
	row, before          map[string]any // nil: a row of nulls, no image
}

// envelopes lists, in order, the objects that replace each other as the envelope.
func refEnvelope(value []byte) (ms []refMember, schemas []json.RawMessage, null bool, err error) {
	if len(bytes.Trim(value, " \t\r\n")) == 0 {
		return nil, nil, true, nil
	}
	if !json.Valid(value) {
		return nil, nil, false, errRefused
	}
	if string(bytes.TrimSpace(value)) == "null" {
		return nil, nil, true, nil
	}
	root := refMembers(value)
	if root == nil {
		return nil, nil, false, errRefused
	}
	wrapped := false
	ms = root
	for _, m := range root {
		switch {
		case m.name == "schema" && m.raw[0] == '{':
			schemas = append(schemas, m.raw)
		case m.name == "payload":
			if m.raw[0] != '{' && string(m.raw) != "null" {
				return nil, nil, false, errRefused
			}
			wrapped, ms, null = true, refMembers(m.raw), string(m.raw) == "null"
		}
	}
	// The members that a payload replaces must be well-formed all the same.
	for _, m := range root {
		if wrapped && m.name == "payload" {
			break
		}
		if bad := map[string]bool{"before": true, "after": true, "source": true, "transaction": true}[m.name]; bad && m.raw[0] != '{' && string(m.raw) != "null" {
			return nil, nil, false, errRefused
		}
	}
	return ms, schemas, null, nil
}

// replaced lists the envelope's members that a payload behind them replaces; they must decode all the same.
func replaced(value []byte) []refMember {
	root := refMembers(value)
	for i := len(root) - 1; i >= 0; i-- {
		if root[i].name == "payload" {
			var out []refMember
			seen := false
			for _, m := range root[:i] {
				if m.name == "payload" {
					seen = true
					out = append(out, refMembers(m.raw)...)
				} else if !seen {
					out = append(out, m)
				}
			}
			return out
		}
	}
	return nil
}

// reference decodes a message for d's columns.
func reference(d *Decoder, key, value []byte) (r refRow, err error) {
	ms, schemas, null, err := refEnvelope(value)
	if err != nil {
		return r, err
	}
	if null && len(replaced(value)) == 0 {
		return refRow{tombstone: true}, nil
	}
	enc := d.lay.plain.enc
	for _, s := range schemas {
		if enc, err = refEncodings(d, s); err != nil {
			return r, err
		}
	}
	for _, m := range ms {
		switch m.name {
		case "before", "after", "source", "transaction":
			if m.raw[0] != '{' && string(m.raw) != "null" {
				return r, errRefused
			}
		}
	}
	for _, m := range replaced(value) {
		if m.name == "before" || m.name == "after" {
			if _, err = refImage(d, enc, m.name == "before", refMembers(m.raw)); err != nil {
				return r, err
			}
		}
	}
	if null {
		return refRow{tombstone: true}, nil
	}
	images := map[string]map[string]any{}
	for _, name := range []string{"before", "after"} {
		for _, m := range ms { // every one must decode, the last one counts
			if m.name != name {
				continue
			}
			if images[name], err = refImage(d, enc, name == "before", refMembers(m.raw)); err != nil {
				return r, err
			}
		}
	}
	r.meta = refMeta(ms)
	op, have := r.meta["op"]
	if !have && images["before"] == nil && images["after"] == nil && r.meta["ts_ms"] != "" {
		return refRow{heartbeat: true}, nil
	}
	if len(op) != 1 || !change.Op(op[0]).Valid() {
		return r, errRefused
	}
	r.op = change.Op(op[0])
	switch r.op {
	case change.Truncate:
	case change.Delete:
		r.row = images["before"]
		if r.row == nil || r.row["id"] == nil {
			if r.row == nil {
				r.row = map[string]any{}
			}
			if r.row["id"], err = refKey(d, enc, key); err != nil {
				return r, err
			}
		}
	default:
		if r.row = images["after"]; r.row == nil || r.row["id"] == nil {
			return r, errRefused
		}
		if r.op == change.Update {
			r.before = images["before"]
		}
	}
	return r, nil
}

func refKey(d *Decoder, enc []encoding, key []byte) (any, error) {
	if !json.Valid(key) {
		return nil, errRefused
	}
	ms := refMembers(key)
	if ms == nil {
		return nil, errRefused
	}
	var id any
	done := false
	for _, m := range ms {
		switch {
		case m.name == "payload":
			if m.raw[0] != '{' && string(m.raw) != "null" {
				return nil, errRefused
			}
			done, id = true, nil
			im, err := refImage(d, enc, true, refMembers(m.raw))
			if err != nil {
				return nil, err
			}
			id = im["id"]
		case m.name == "id" && !done:
			im, err := refImage(d, enc, true, []refMember{m})
			if err != nil {
				return nil, err
			}
			id = im["id"]
		}
	}
	if id == nil {
		return nil, errRefused
	}
	return id, nil
}

func refEncodings(d *Decoder, schema []byte) ([]encoding, error) {
	fields, err := rowFields(schema, false)
	if err != nil {
		return nil, errRefused
	}
	enc := append([]encoding(nil), d.lay.plain.enc...)
	for _, f := range fields {
		if c, ok := d.lay.byName[f.Field]; ok {
			if enc[c], _ = d.lay.cols[c].fit(f); enc[c].codec == cNone {
				return nil, errRefused
			}
		}
	}
	return enc, nil
}

func refImage(d *Decoder, enc []encoding, before bool, ms []refMember) (map[string]any, error) {
	if ms == nil {
		return nil, nil
	}
	out := map[string]any{}
	for _, m := range ms {
		c, ok := d.lay.byName[m.name]
		if !ok {
			continue
		}
		col := &d.lay.cols[c]
		v, err := refValue(col, enc[c], before, m.raw)
		if err != nil {
			return nil, err
		}
		out[m.name] = v
	}
	return out, nil
}

func refMeta(ms []refMember) map[string]string {
	out := map[string]string{}
	put := func(key string, raw []byte, text bool) {
		if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' {
			return
		}
		var s string
		if raw[0] == '"' {
			_ = json.Unmarshal(raw, &s)
			if !text {
				if _, err := strconv.ParseInt(s, 10, 64); err != nil || strings.ContainsAny(string(raw), `\_`) {
					return
				}
			}
		} else if s = string(raw); s[0] != '-' && (s[0] < '0' || s[0] > '9') {
			return
		}
		if !text {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return
			}
			s = strconv.FormatInt(n, 10)
		}
		out[key] = s
	}
	if raw := last(ms, "op"); len(raw) > 0 && raw[0] == '"' {
		put("op", raw, true)
	}
	put("ts_ms", last(ms, "ts_ms"), false)
	tx := refMembers(last(ms, "transaction"))
	put("id", last(tx, "id"), true)
	put("order", last(tx, "total_order"), false)
	src := refMembers(last(ms, "source"))
	put("lsn", last(src, "lsn"), false)
	put("source.ts_ms", last(src, "ts_ms"), false)
	put("source.ts_us", last(src, "ts_us"), false)
	put("source.ts_ns", last(src, "ts_ns"), false)
	return out
}

var (
	decimalRE = regexp.MustCompile(`^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?$`)
	stampRE   = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)?$`)
	timeRE    = regexp.MustCompile(`^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?$`)
	intRE     = regexp.MustCompile(`^-?[0-9]+$`)
)

// refValue is a value as text (decimals unscaled, times in their unit), nil for null.
func refValue(c *column, enc encoding, before bool, raw json.RawMessage) (any, error) {
	if string(raw) == "null" {
		return nil, nil
	}
	if raw[0] == '{' || raw[0] == '[' {
		return refNested(c, enc, raw)
	}
	quoted := raw[0] == '"'
	s := string(raw)
	if quoted {
		if plain := string(raw[1 : len(raw)-1]); plain == unavailable || plain == unavailableBase64 {
			if before || c.unavailable {
				return nil, nil
			}
			return nil, errRefused
		}
		_ = json.Unmarshal(raw, &s)
	}
	boolean := s == "true" || s == "false"
	switch enc.codec {
	case cText:
		return s, nil
	case cBool:
		if !quoted && (s == "true" || s == "1") {
			return "1", nil
		}
		if !quoted && (s == "false" || s == "0" || s == "-0") {
			return "0", nil
		}
		return nil, errRefused
	case cFloat:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || quoted || boolean {
			return nil, errRefused
		}
		return strconv.FormatFloat(f, 'g', -1, 64), nil
	case cBinary:
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if !quoted || err != nil || strings.ContainsAny(s, "\r\n") {
			return nil, errRefused
		}
		return string(b), nil
	case cDecText, cDecBytes:
		return refDecimal(c, enc, quoted, s)
	}
	if quoted && enc.codec != cInt64 && enc.codec != cInt32 {
		return refTime(enc.codec, s)
	}
	return refInteger(enc.codec, s)
}

func refInteger(k codec, s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || !intRE.MatchString(s) {
		return nil, errRefused
	}
	unit := map[codec][2]int64{cInt64: {1, 1}, cInt32: {1, 1}, cDays: {1, 1}, cTsMicros: {1, 1}, cTsMillis: {1000, 1}, cTsNanos: {1, 1000}, cTimeMillis: {1000, 1}, cTimeMicros: {1, 1}, cTimeNanos: {1, 1000}}[k]
	if unit[0] == 0 {
		return nil, errRefused
	}
	x := new(big.Int).Mul(big.NewInt(n), big.NewInt(unit[0]))
	exact := new(big.Int).Set(x)
	x.Div(x, big.NewInt(unit[1])) // Euclidean: rounds down
	switch k {
	case cInt32, cDays:
		if n != int64(int32(n)) {
			return nil, errRefused
		}
	case cTimeMillis, cTimeMicros, cTimeNanos:
		if n < 0 || exact.Cmp(big.NewInt(86400e6*unit[1])) > 0 {
			return nil, errRefused
		}
	}
	if !x.IsInt64() {
		return nil, errRefused
	}
	return x.String(), nil
}

func refNested(c *column, enc encoding, raw []byte) (any, error) {
	if enc.codec == cText {
		return string([]rune(string(raw))), nil
	}
	if raw[0] != '{' || enc.codec != cDecText && enc.codec != cDecBytes {
		return nil, errRefused
	}
	var scale, value json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, _ = dec.Token()
	for dec.More() {
		at := dec.InputOffset()
		_, _ = dec.Token()
		name := bytes.TrimLeft(raw[at:dec.InputOffset()], ", \t\r\n") // as written: escaped names are not looked at
		var v json.RawMessage
		_ = dec.Decode(&v)
		switch string(name) {
		case `"scale"`:
			if !intRE.Match(v) {
				return nil, errRefused
			}
			scale = v
		case `"value"`:
			if v[0] != '"' {
				return nil, errRefused
			}
			value = v
		}
	}
	n, err := strconv.ParseInt(string(scale), 10, 64)
	if err != nil || value == nil || n < -38 || n > 1000 {
		return nil, errRefused
	}
	return refDecimal(c, encoding{cDecBytes, int32(n)}, true, string(value[1:len(value)-1]))
}

func refDecimal(c *column, enc encoding, quoted bool, s string) (any, error) {
	double := !quoted && strings.ContainsAny(s, ".eE")
	if double && !c.double || !quoted && enc.codec == cDecBytes && !c.double {
		return nil, errRefused
	}
	x, exp := new(big.Int), 0
	if quoted && enc.codec == cDecBytes {
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil || len(b) == 0 || len(b) > 16 || strings.ContainsAny(s, "\r\n") {
			return nil, errRefused
		}
		x.SetBytes(b)
		if b[0] >= 0x80 {
			x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		exp = -int(enc.scale)
	} else {
		m := decimalRE.FindStringSubmatch(s)
		if m == nil || m[2]+m[3] == "" {
			return nil, errRefused
		}
		x.SetString(m[2]+m[3], 10)
		if m[1] == "-" {
			x.Neg(x)
		}
		exp = -len(m[3])
		if m[4] != "" {
			e, err := strconv.ParseInt(m[4], 10, 64)
			if err != nil || e > 1e6 || e < -1e6 {
				return nil, errRefused
			}
			exp += int(e)
		}
	}
	p := c.field.Type.(*arrow.Decimal128Type)
	exp += int(p.Scale)
	if x.Sign() == 0 {
		return "0", nil
	}
	ten, rem := big.NewInt(10), new(big.Int)
	for exp < 0 {
		if x.QuoRem(x, ten, rem); rem.Sign() != 0 {
			return nil, errRefused
		}
		exp++
	}
	if exp > 100 {
		return nil, errRefused
	}
	x.Mul(x, new(big.Int).Exp(ten, big.NewInt(int64(exp)), nil))
	if new(big.Int).Abs(x).Cmp(new(big.Int).Exp(ten, big.NewInt(int64(p.Precision)), nil)) >= 0 {
		return nil, errRefused
	}
	return x.String(), nil
}

func refTime(k codec, s string) (any, error) {
	date := func(s string) (time.Time, error) { return time.ParseInLocation("2006-01-02", s, time.UTC) }
	switch k {
	case cTsMillis, cTsMicros, cTsNanos, cTsText:
		m := stampRE.FindStringSubmatch(s)
		if m == nil {
			return nil, errRefused
		}
		day, err := date(m[1])
		tod, ok := refTimeOfDay(m[2])
		h, _ := strconv.Atoi("0" + m[5])
		min, _ := strconv.Atoi("0" + m[6])
		if err != nil || !ok || tod >= 86400e6 || h > 23 || min > 59 {
			return nil, errRefused
		}
		shift := int64(h*60+min) * 60e6
		if m[4] == "-" {
			shift = -shift
		}
		return fmt.Sprint(day.Unix()*1e6 + tod - shift), nil
	case cDays, cDateText:
		day, err := date(strings.TrimSuffix(s, "Z"))
		if err != nil {
			return nil, errRefused
		}
		return fmt.Sprint(day.Unix() / 86400), nil
	case cTimeMillis, cTimeMicros, cTimeNanos, cTimeText:
		tod, ok := refTimeOfDay(strings.TrimSuffix(s, "Z"))
		if !ok || tod > 86400e6 {
			return nil, errRefused
		}
		return fmt.Sprint(tod), nil
	}
	return nil, errRefused
}

func refTimeOfDay(s string) (micros int64, ok bool) {
	m := timeRE.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n := func(s string) int64 { x, _ := strconv.ParseInt("0"+s, 10, 64); return x }
	h, min, sec := n(m[1]), n(m[2]), n(m[3])
	frac := n((m[4] + "000000")[:6])
	micros = ((h*60+min)*60+sec)*1e6 + frac
	return micros, h <= 24 && min <= 59 && sec <= 59 && micros <= 86400e6
}

// cell is an Arrow value in the reference's form.
func cell(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Int64:
		return fmt.Sprint(a.Value(i))
	case *array.Int32:
		return fmt.Sprint(a.Value(i))
	case *array.Date32:
		return fmt.Sprint(int32(a.Value(i)))
	case *array.Timestamp:
		return fmt.Sprint(int64(a.Value(i)))
	case *array.Time64:
		return fmt.Sprint(int64(a.Value(i)))
	case *array.Decimal128:
		return a.Value(i).BigInt().String()
	case *array.String:
		return a.Value(i)
	case *array.Binary:
		return string(a.Value(i))
	case *array.Float64:
		return strconv.FormatFloat(a.Value(i), 'g', -1, 64)
	case *array.Boolean:
		return map[bool]string{true: "1", false: "0"}[a.Value(i)]
	}
	panic(a.DataType().String())
}

// check feeds a message to d and compares with the reference. It reports whether a row came of it.
func check(t testing.TB, d *Decoder, key, value []byte) bool {
	t.Helper()
	want, werr := reference(d, key, value)
	keep, rows := bytes.Clone(value), d.Rows()
	m, err := d.Append(1, key, value)
	if !bytes.Equal(keep, value) {
		t.Fatal("the message was changed")
	}
	if (err != nil) != (werr != nil) || m.Tombstone != want.tombstone || err == nil && m.Heartbeat != want.heartbeat {
		t.Fatalf("scanOnly=%v key %q value %q\n got %+v %v\nwant %+v %v", d.scanOnly, key, value, m, err, want, werr)
	}
	var de *DecodeError
	if errors.As(err, &de) && (de.Byte < -1 || de.Byte > len(value)+len(key)) {
		t.Fatalf("%q: byte %d", value, de.Byte)
	}
	if err != nil || want.tombstone || want.heartbeat {
		if d.Rows() != rows {
			t.Fatal("a row was kept")
		}
		return false
	}
	bs, ferr := d.Flush("s")
	if ferr != nil || len(bs) == 0 {
		t.Fatal(ferr, len(bs))
	}
	b := bs[len(bs)-1]
	at := b.Rows() - 1
	compareMeta(t, b, at, m, want, value)
	compareImage(t, d, b.Row, at, want.row, value)
	if want.before != nil && b.Before == nil {
		t.Fatalf("%q: no image before", value)
	}
	if b.Before != nil {
		compareImage(t, d, b.Before, at, want.before, value)
	}
	for _, b := range bs {
		b.Release()
	}
	return true
}

func compareMeta(t testing.TB, b *source.Batch, at int, m Meta, want refRow, value []byte) {
	t.Helper()
	n := func(s string) int64 { x, _ := strconv.ParseInt(s, 10, 64); return x }
	tx, order, lsn := want.meta["id"], n(want.meta["order"]), n(want.meta["lsn"])
	if tx == "" {
		order = 0
	}
	committed := int64(0)
	if ms := n(want.meta["source.ts_ms"]); ms*1000/1000 == ms {
		committed = ms * 1000
	}
	if s := want.meta["source.ts_ns"]; s != "" {
		committed = floorDiv(n(s), 1000)
	}
	if s := want.meta["source.ts_us"]; s != "" {
		committed = n(s)
	}
	if m.Op != want.op || m.Tx != tx || m.TxOrder != order || m.CommittedAt != committed || want.meta["lsn"] != "" && m.LSN != lsn {
		t.Fatalf("%q\n got %+v\nwant %v", value, m, want.meta)
	}
	if b.Ops[at] != m.Op || b.CommittedAt[at] != committed || b.LSN[at] != m.LSN || b.TxOrder[at] != order || tx != "" && b.Tx[at] != tx {
		t.Fatalf("%q: the batch differs from %+v", value, m)
	}
}

func compareImage(t testing.TB, d *Decoder, rec arrow.RecordBatch, at int, want map[string]any, value []byte) {
	t.Helper()
	for c, f := range rec.Schema().Fields() {
		if got := cell(rec.Column(c), at); got != want[f.Name] {
			t.Fatalf("scanOnly=%v %q\n%s: got %#v want %#v", d.scanOnly, value, f.Name, got, want[f.Name])
		}
	}
}
