package files

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"pgregory.net/rapid"
)

func one(t arrow.DataType) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "x", Type: t, Nullable: true}}, nil)
}

// parsed is the text that a text becomes as a value of the type, or "error: why".
func parsed(t testing.TB, typ arrow.DataType, opts TextOptions, text string) string {
	t.Helper()
	p, err := NewParser(one(typ), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	p.Begin()
	if err := p.Text(0, []byte(text)); err != nil {
		return "error: " + err.Error()[strings.LastIndex(err.Error(), ": ")+2:]
	}
	if err := p.Add(); err != nil {
		t.Fatal(err)
	}
	b := p.Batch()
	defer b.Release()
	out, err := AppendValue(nil, b.Column(0), 0)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestParse(t *testing.T) {
	t.Parallel()
	var (
		i8, i64, u8, u64 = arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint64
		dec              = &arrow.Decimal128Type{Precision: 6, Scale: 2}
		date             = arrow.FixedWidthTypes.Date32
		wall             = &arrow.TimestampType{Unit: arrow.Microsecond}
		instant          = &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}
		german           = TextOptions{DecimalMark: ",", GroupMark: ".", TimeZone: "Europe/Berlin", DateLayouts: []string{"02.01.2006", "2.1.06"}, TimeLayouts: []string{"02.01.2006 15:04", "02.01.2006 15:04 -0700"}}
		swiss            = TextOptions{GroupMark: "’"}
	)
	for _, c := range []struct {
		typ        arrow.DataType
		opts       TextOptions
		text, want string
	}{
		{i8, TextOptions{}, "-128", "-128"}, {i8, TextOptions{}, "+127", "127"}, {i8, TextOptions{}, "128", "error: out of the type's range"},
		{i64, TextOptions{}, "-9223372036854775808", "-9223372036854775808"}, {i64, TextOptions{}, "9223372036854775808", "error: out of the type's range"},
		{i64, TextOptions{}, "99999999999999999999", "error: out of the type's range"}, {i64, TextOptions{}, "1.0", "error: not an integer"},
		{i64, TextOptions{}, "", "error: not an integer"}, {i64, TextOptions{}, "-", "error: not an integer"}, {i64, TextOptions{}, " 1", "error: not an integer"},
		{u8, TextOptions{}, "-0", "0"}, {u8, TextOptions{}, "-1", "error: out of the type's range"}, {u8, TextOptions{}, "256", "error: out of the type's range"},
		{u64, TextOptions{}, "18446744073709551615", "18446744073709551615"}, {u64, TextOptions{}, "18446744073709551616", "error: out of the type's range"},
		{dec, TextOptions{}, "1234.5", "1234.50"}, {dec, TextOptions{}, "-0.01", "-0.01"}, {dec, TextOptions{}, "1.50e2", "150.00"}, {dec, TextOptions{}, "1.234", "error: digits would be lost"},
		{dec, TextOptions{}, "10000", "error: more digits than the column's precision"}, {dec, TextOptions{}, "1,5", "error: not a decimal number"}, {dec, TextOptions{}, "0x1", "error: not a decimal number"},
		{dec, TextOptions{}, "1e400", "error: decimal overflow: more than 38 digits"}, {dec, TextOptions{}, "1.230000", "1.23"},
		{dec, german, "1.234,5", "1234.50"}, {dec, german, "-1.234", "-1234.00"}, {dec, german, "1.5", "error: not a decimal number"}, {dec, german, "12.34,5", "error: not a decimal number"}, {dec, german, "1,2,3", "error: not a decimal number"},
		{i64, german, "1.234.567", "1234567"}, {i64, german, "1.2345", "error: not an integer"},
		{dec, swiss, "1’234.50", "1234.50"}, {i64, swiss, "-1’234’567", "-1234567"},
		{arrow.PrimitiveTypes.Float64, TextOptions{}, "1e-3", "0.001"}, {arrow.PrimitiveTypes.Float64, TextOptions{}, "NaN", "error: not a number"}, {arrow.PrimitiveTypes.Float64, TextOptions{}, "0x1p1", "error: not a number"},
		{arrow.PrimitiveTypes.Float32, TextOptions{}, "1e39", "error: out of the type's range"}, {arrow.PrimitiveTypes.Float64, german, "0,5", "0.5"},
		{date, TextOptions{}, "2024-02-29", "2024-02-29"}, {date, TextOptions{}, "2023-02-29", "error: not a date"}, {date, TextOptions{}, "0001-01-01", "0001-01-01"}, {date, TextOptions{}, "2024-2-9", "error: not a date"},
		{date, TextOptions{}, "1969-12-31", "1969-12-31"}, {date, TextOptions{}, "2024-02-29T00:00:00", "error: not a date"},
		{date, german, "24.12.2026", "2026-12-24"}, {date, german, "4.1.26", "2026-01-04"}, {date, german, "2026-01-04", "error: not a date"},
		{wall, TextOptions{}, "2026-11-23T23:59:59.123456", "2026-11-23T23:59:59.123456"}, {wall, TextOptions{}, "2026-11-23 01:02", "2026-11-23T01:02:00"},
		{wall, TextOptions{}, "2026-11-23T01:02:03Z", "error: a timestamp with a zone for a column without"}, {wall, TextOptions{}, "2026-11-23T24:00:00", "error: not a timestamp"},
		{wall, TextOptions{}, "2026-11-23T01:02:03.1234567", "error: finer than the column's unit"}, {wall, TextOptions{}, "2026-11-23T01:02:03.1234560000", "2026-11-23T01:02:03.123456"},
		{wall, TextOptions{}, "1960-01-01T00:00:00.5", "1960-01-01T00:00:00.5"},
		{instant, TextOptions{}, "2026-11-23T01:02:03.5+05:30", "2026-11-22T19:32:03.5Z"}, {instant, TextOptions{}, "2026-11-23T01:02:03-08", "2026-11-23T09:02:03Z"}, {instant, TextOptions{}, "2026-11-23T01:02:03+0100", "2026-11-23T00:02:03Z"},
		{instant, TextOptions{}, "2026-11-23T01:02:03", "error: a timestamp without a zone for an instant: say which time zone the file is in"},
		{instant, german, "24.12.2026 18:00", "2026-12-24T17:00:00Z"}, {instant, german, "24.06.2026 18:00", "2026-06-24T16:00:00Z"}, {instant, german, "24.06.2026 18:00 -0800", "2026-06-25T02:00:00Z"},
		{arrow.FixedWidthTypes.Boolean, TextOptions{}, "TRUE", "true"}, {arrow.FixedWidthTypes.Boolean, TextOptions{}, "1", "error: not a boolean"},
		{arrow.FixedWidthTypes.Boolean, TextOptions{True: []string{"J"}, False: []string{"N"}}, "N", "false"}, {arrow.FixedWidthTypes.Boolean, TextOptions{True: []string{"J"}, False: []string{"N"}}, "true", "error: not a boolean"},
		{arrow.BinaryTypes.String, TextOptions{}, "bad\xff", "error: not valid UTF-8; is the file in another encoding?"},
	} {
		got := parsed(t, c.typ, c.opts, c.text)
		if strings.HasPrefix(c.want, "error: ") { // compare with the reason's last part too
			c.want = "error: " + c.want[max(strings.LastIndex(c.want, ": ")+2, 7):]
		}
		if got != c.want {
			t.Errorf("%q as %s: got %q, want %q", c.text, c.typ, got, c.want)
		}
	}
}

// A bad value leaves nothing of its row behind.
func TestRowsAreWhole(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.BinaryTypes.String}, {Name: "b", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil)
	p, err := NewParser(schema, TextOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	p.Begin()
	if err := p.Text(0, []byte("lost")); err != nil {
		t.Fatal(err)
	}
	if err := p.Text(1, []byte("x")); err == nil {
		t.Fatal("want an error")
	}
	p.Begin()
	if err := p.Add(); err == nil || !strings.Contains(err.Error(), "column a") {
		t.Errorf("a row without its required column: %v", err)
	}
	p.Begin()
	if err := p.Text(0, []byte("kept")); err != nil {
		t.Fatal(err)
	}
	if err := p.Add(); err != nil {
		t.Fatal(err)
	}
	b := p.Batch()
	defer b.Release()
	if b.NumRows() != 1 || b.Column(0).ValueStr(0) != "kept" || !b.Column(1).IsNull(0) {
		t.Errorf("batch %v", b)
	}
}

func TestTextOptionsMistakes(t *testing.T) {
	t.Parallel()
	for _, o := range []TextOptions{{TimeZone: "nowhere"}, {DecimalMark: ".,"}, {DecimalMark: ",", GroupMark: ","}, {DecimalMark: "1"}} {
		if _, err := NewParser(one(arrow.BinaryTypes.String), o); fault.Of(err) != fault.Usage {
			t.Errorf("%+v: got %v, want a usage error", o, err)
		}
	}
}

// Our calendar is Go's.
func TestDaysOf(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		y, m, d := rapid.IntRange(1, 9999).Draw(t, "y"), rapid.IntRange(0, 13).Draw(t, "m"), rapid.IntRange(0, 32).Draw(t, "d")
		text := fmt.Sprintf("%04d-%02d-%02d", y, m, d)
		want, err := time.Parse(time.DateOnly, text)
		got, ok := daysOf(y, m, d)
		if ok != (err == nil) || ok && got != want.Unix()/86400 {
			t.Fatalf("%s: %d %v, Go says %v %v", text, got, ok, want, err)
		}
	})
}

func FuzzParseInt(f *testing.F) {
	for _, s := range []string{"0", "-1", "+7", "007", "9223372036854775807", "-9223372036854775808", "18446744073709551616", "", "-", "1e3", "١"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseInt([]byte(text), 64)
		want, wantErr := strconv.ParseInt(text, 10, 64)
		if (err == nil) != (wantErr == nil) || err == nil && got != want {
			t.Errorf("%q: %d %v, strconv says %d %v", text, got, err, want, wantErr)
		}
		u, err := parseUint([]byte(text), 64)
		if wantU, wantErr := strconv.ParseUint(text, 10, 64); wantErr == nil && (err != nil || u != wantU) {
			t.Errorf("%q: %d %v, strconv says %d", text, u, err, wantU)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-11-23T10:00:00Z", "2026-11-23 10:00:00.123456789+01:00", "2024-02-29T23:59", "0001-01-01T00:00:00-23:59", "9999-12-31T23:59:59,5z", "2026-11-23T10:00:00+1", "2026-1-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := isoTime([]byte(text))
		want, err := time.Parse(time.RFC3339Nano, text)
		if err == nil && want.Year() >= 1 {
			if !ok {
				if strings.Count(text, "60") == 0 {
					t.Errorf("%q: not read, Go reads %v", text, want)
				}
				return
			}
			if got := c.days*86400 + c.secs - c.east; !c.zoned || got != want.Unix() || c.nanos != int64(want.Nanosecond()) && len(text) < 36 {
				t.Errorf("%q: %+v is %d, Go says %d", text, c, got, want.Unix())
			}
		}
	})
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "-0.01", "1e2", "1.50E-1", "99999999999999999999999999999999999999", "1e99999999", ".5", "5.", "+1", "--1", "1e"} {
		f.Add(s, uint8(18), uint8(2))
	}
	f.Fuzz(func(t *testing.T, text string, precision, scale uint8) {
		p := int(precision%38) + 1
		s := int(scale) % (p + 1)
		v, err := parseDecimal([]byte(text), p, s)
		if err != nil {
			return
		}
		c := money.Int128{Lo: v.LowBits(), Hi: v.HighBits()}
		got, err := money.NewFromInt128(c, s)
		if err != nil || !got.Fits(p, s) {
			t.Fatalf("%q as decimal(%d,%d): %v, %v", text, p, s, got, err)
		}
		want, err := money.ParseSci(text)
		if err != nil {
			want, err = money.Parse(text)
		}
		if err != nil || !want.Equal(got) {
			t.Errorf("%q as decimal(%d,%d) is %v, not %v (%v)", text, p, s, got, want, err)
		}
	})
}
