package record

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

type accountID int64

type audit struct {
	ChangedBy string `lake:",nullable"`
}

type everything struct {
	audit
	Audited
	ID       accountID `lake:"entry_id,key"`
	Small    int8
	Mid      int16
	Day32    int32
	Plain    int
	U8       uint8
	U16      uint16
	U32      uint32
	U64      uint64
	Ratio32  float32
	Ratio    float64
	Flag     bool
	Name     string
	Raw      []byte
	RawNull  []byte `lake:",nullable"`
	At       time.Time
	Wall     time.Time      `lake:",local"`
	Date     time.Time      `lake:"value_date,date"`
	Amount   money.Decimal  `lake:",decimal(18,2)"`
	Wide     *money.Decimal `lake:",decimal(38,10)"`
	Currency money.Currency
	MaybeID  *accountID
	MaybeBit *bool
	MaybeStr *string
	MaybeAt  *time.Time
	Ignored  chan int `lake:"-"`
	hidden   int
}

type Audited struct{ Version uint8 }

func micros(t *rapid.T, label string) time.Time {
	return time.UnixMicro(rapid.Int64Range(-1<<55, 1<<55).Draw(t, label)).UTC()
}

func maybe[T any](t *rapid.T, label string, v T) *T {
	if rapid.Bool().Draw(t, label) {
		return &v
	}
	return nil
}

func genRow() *rapid.Generator[everything] {
	return rapid.Custom(func(t *rapid.T) everything {
		amount, _ := money.New(rapid.Int64Range(-1e17, 1e17).Draw(t, "amount"), 2)
		wide, _ := money.NewFromInt128(money.Int128{Lo: rapid.Uint64().Draw(t, "lo"), Hi: rapid.Int64Range(-1<<60, 1<<60).Draw(t, "hi")}, 10)
		eur, _ := money.ParseCurrency(rapid.SampledFrom([]string{"EUR", "CZK"}).Draw(t, "currency"))
		r := everything{
			Audited: Audited{rapid.Uint8().Draw(t, "version")},
			ID:      accountID(rapid.Int64().Draw(t, "id")), Small: rapid.Int8().Draw(t, "i8"), Mid: rapid.Int16().Draw(t, "i16"),
			Day32: rapid.Int32().Draw(t, "i32"), Plain: rapid.Int().Draw(t, "int"), U8: rapid.Uint8().Draw(t, "u8"),
			U16: rapid.Uint16().Draw(t, "u16"), U32: rapid.Uint32().Draw(t, "u32"), U64: rapid.Uint64().Draw(t, "u64"),
			Ratio32: rapid.Float32().Draw(t, "f32"), Ratio: rapid.Float64().Draw(t, "f64"), Flag: rapid.Bool().Draw(t, "flag"),
			Name: rapid.String().Draw(t, "name"), Raw: rapid.SliceOf(rapid.Byte()).Draw(t, "raw"),
			At: micros(t, "at"), Wall: micros(t, "wall"), Date: time.Unix(rapid.Int64Range(-700000, 700000).Draw(t, "day")*86400, 0).UTC(),
			Amount: amount, Wide: maybe(t, "has wide", wide), Currency: eur,
		}
		r.ChangedBy = rapid.String().Draw(t, "by")
		if r.Raw == nil {
			r.Raw = []byte{}
		}
		if rapid.Bool().Draw(t, "has raw") {
			r.RawNull = append([]byte{}, r.Raw...)
		}
		r.MaybeID, r.MaybeBit = maybe(t, "has id", r.ID), maybe(t, "has bit", r.Flag)
		r.MaybeStr, r.MaybeAt = maybe(t, "has str", r.Name), maybe(t, "has at", r.At)
		return r
	})
}

func TestRowsSurviveTheRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(genRow(), 0, 20).Draw(t, "rows")
		b, err := NewBuilder[everything]()
		if err != nil {
			t.Fatal(err)
		}
		cut := rapid.IntRange(0, len(rows)).Draw(t, "cut")
		for _, r := range rows[:cut] {
			if err := b.Append(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.AppendAll(rows[cut:]); err != nil {
			t.Fatal(err)
		}
		rec := b.NewRecord()
		defer rec.Release()
		if !rec.Schema().Equal(b.Schema()) || b.Len() != 0 {
			t.Fatalf("schema %v, %d rows left", rec.Schema(), b.Len())
		}
		from := rapid.IntRange(0, len(rows)).Draw(t, "from")
		to := rapid.IntRange(from, len(rows)).Draw(t, "to")
		part := rec.NewSlice(int64(from), int64(to))
		defer part.Release()
		got, err := All[everything](part)
		if err != nil || !reflect.DeepEqual(append([]everything{}, got...), append([]everything{}, rows[from:to]...)) {
			t.Fatalf("read %+v, %v: want %+v", got, err, rows[from:to])
		}
		i := from
		for r, err := range Rows[everything](part) {
			if err != nil || !reflect.DeepEqual(r, rows[i]) {
				t.Fatalf("row %d is %+v, %v: want %+v", i, r, err, rows[i])
			}
			i++
		}
		if i != to {
			t.Fatalf("iterated up to %d: want %d", i, to)
		}
	})
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s, err := SchemaOf[everything]()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"changed_by": "utf8 nullable", "version": "uint8", "entry_id": "int64", "small": "int8", "plain": "int64", "u64": "uint64",
		"ratio32": "float32", "flag": "bool", "raw": "binary", "raw_null": "binary nullable",
		"at": "timestamp[us, tz=UTC]", "wall": "timestamp[us]", "value_date": "date32", "amount": "decimal(18, 2)",
		"wide": "decimal(38, 10) nullable", "currency": "utf8", "maybe_id": "int64 nullable",
	}
	for name, typ := range want {
		f := s.Field(s.FieldIndices(name)[0])
		got := f.Type.String()
		if f.Nullable {
			got += " nullable"
		}
		if got != typ {
			t.Errorf("%s is %s: want %s", name, got, typ)
		}
	}
	if s.HasField("ignored") || s.HasField("hidden") {
		t.Errorf("fields that are no columns are in %v", s)
	}
	if key, err := KeyOf[everything](); err != nil || len(key) != 1 || key[0] != "entry_id" {
		t.Errorf("key %v, %v", key, err)
	}
	_ = everything{}.hidden
}

func TestSnakeCase(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"ID": "id", "AccountID": "account_id", "HTTPServer": "http_server", "BookedAt": "booked_at",
		"Amount2": "amount2", "IBANCode": "iban_code", "Already_Snake": "already_snake", "X": "x", "ČísloÚčtu": "číslo_účtu"} {
		if got := snakeCase(in); got != want {
			t.Errorf("%s is %s: want %s", in, got, want)
		}
	}
}

func TestTypesThatAreNoRows(t *testing.T) {
	t.Parallel()
	check := func(err error, says ...string) {
		t.Helper()
		if !errors.Is(err, ErrType) || fault.Of(err) != fault.Usage {
			t.Errorf("%v: want a type error of the user", err)
			return
		}
		for _, s := range says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%v does not say %q", err, s)
			}
		}
	}
	err := func(_ *arrow.Schema, err error) error { return err }
	check(err(SchemaOf[int]()), "int", "struct")
	check(err(SchemaOf[time.Time]()))
	check(err(SchemaOf[struct{}]()), "no exported field")
	check(err(SchemaOf[struct{ Amount money.Decimal }]()), "Amount", "decimal(p,s)")
	check(err(SchemaOf[struct {
		A int `lake:",decimal(18,2)"`
	}]()), "A", "money.Decimal")
	check(err(SchemaOf[struct {
		A money.Decimal `lake:",decimal(2,3)"`
	}]()), "decimal(2,3)")
	check(err(SchemaOf[struct {
		A string `lake:",date"`
	}]()), "time.Time")
	check(err(SchemaOf[struct {
		A time.Time `lake:",date,local"`
	}]()), "one of")
	check(err(SchemaOf[struct {
		A int `lake:",nulable"`
	}]()), "nulable", "nullable")
	check(err(SchemaOf[struct {
		A int
		B int `lake:"a"`
	}]()), "same column", ".A", ".B")
	check(err(SchemaOf[struct {
		a int `lake:"a"`
	}]()), "not exported")
	check(err(SchemaOf[struct{ A []string }]()), "[]string")
	check(err(SchemaOf[struct{ A struct{ B int } }]()), "not supported")
	check(err(SchemaOf[struct {
		A *int `lake:",key"`
	}]()), "key")
}

func TestAppendRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	type row struct {
		Name   string
		Maybe  *bool
		Flag   bool
		Amount money.Decimal `lake:",decimal(5,2)"`
		At     time.Time
	}
	b, err := NewBuilder[row]()
	if err != nil {
		t.Fatal(err)
	}
	d := func(text string) money.Decimal {
		v, err := money.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	yes := true
	good := row{"ok", nil, false, d("1.5"), time.UnixMicro(1).UTC()}
	for name, bad := range map[string]struct {
		row  row
		want error
		says string
	}{
		"overflow": {row{"x", &yes, true, d("1000.00"), time.Time{}}, money.ErrOverflow, "Amount"},
		"inexact":  {row{"x", &yes, true, d("0.001"), time.Time{}}, money.ErrInexact, "amount"},
		"time":     {row{"x", &yes, true, d("0"), time.Date(400_000, 1, 1, 0, 0, 0, 0, time.UTC)}, ErrValue, "At"},
	} {
		before := b.Len()
		err := b.AppendAll([]row{good, bad.row})
		if !errors.Is(err, ErrValue) || !errors.Is(err, bad.want) || !strings.Contains(err.Error(), bad.says) || !strings.Contains(err.Error(), "row 1") {
			t.Errorf("%s: %v", name, err)
		}
		if b.Len() != before {
			t.Errorf("%s: %d rows: want %d", name, b.Len(), before)
		}
		if err := b.AppendAll([]row{good, good}); err != nil { // where the refused rows were
			t.Fatal(err)
		}
	}
	rec := b.NewRecord()
	defer rec.Release()
	rows, err := All[row](rec)
	if err != nil || len(rows) != 6 {
		t.Fatalf("rows %v, %v", rows, err)
	}
	for i, r := range rows {
		if r.Amount != d("1.50") || r.Maybe != nil || r.Flag || r.Name != "ok" || !r.At.Equal(good.At) {
			t.Errorf("row %d, %+v, was damaged by a refused one", i, r)
		}
	}
}

func TestReaderNamesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	type wrong struct {
		ID     int32
		Amount money.Decimal `lake:",decimal(18,4)"`
		Gone   string
		At     time.Time `lake:",local"`
	}
	type right struct {
		ID     int64
		Amount money.Decimal `lake:",decimal(18,2)"`
		At     time.Time
	}
	schema, err := SchemaOf[right]()
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewReader[wrong](schema)
	if !errors.Is(err, ErrSchema) || fault.Of(err) != fault.Usage {
		t.Fatalf("%v: want a schema error of the user", err)
	}
	for _, says := range []string{"wrong.ID", "want int32, got int64", "want decimal(18, 4), got decimal(18, 2)", "wrong.Gone", "none among id, amount, at", "want timestamp[us], got timestamp[us, tz=UTC]"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
	r, err := NewReader[right](schema)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBuilder[struct{ ID int64 }]()
	if err != nil {
		t.Fatal(err)
	}
	rec := b.NewRecord()
	defer rec.Release()
	if _, err := r.AppendTo(nil, rec); !errors.Is(err, ErrSchema) {
		t.Errorf("a batch with other columns: %v", err)
	}
}

func TestReaderTakesWhatLosesNothing(t *testing.T) {
	t.Parallel()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "extra", Type: arrow.PrimitiveTypes.Int64}, {Name: "n", Type: arrow.PrimitiveTypes.Uint32, Nullable: true},
		{Name: "f", Type: arrow.PrimitiveTypes.Float32}, {Name: "s", Type: dict}, {Name: "l", Type: arrow.BinaryTypes.LargeString},
		{Name: "d", Type: &arrow.Decimal128Type{Precision: 38, Scale: 2}}, {Name: "t", Type: arrow.FixedWidthTypes.Timestamp_ns},
	}, nil)
	rb := array.NewRecordBuilder(mem, schema)
	defer rb.Release()
	if err := rb.UnmarshalJSON([]byte(`{"extra":1,"n":4294967295,"f":0.5,"s":"EUR","l":"text","d":"123.45","t":"2026-01-31T00:00:00.000000001Z"}`)); err != nil {
		t.Fatal(err)
	}
	rec := rb.NewRecordBatch()
	type row struct {
		L string
		N int64
		F float64
		S money.Currency
		D money.Decimal `lake:",decimal(5,2)"`
		T time.Time
	}
	rows, err := All[row](rec)
	rec.Release()
	if err != nil || len(rows) != 1 {
		t.Fatalf("%v, %v", rows, err)
	}
	r := rows[0]
	if r.L != "text" || r.N != math.MaxUint32 || r.F != 0.5 || r.S.Code() != "EUR" || r.D.String() != "123.45" || r.T.Nanosecond() != 1 {
		t.Errorf("row %+v", r)
	}
}

func TestNullsNeedAPointer(t *testing.T) {
	t.Parallel()
	type writer struct{ ID, Name *string }
	type reader struct {
		Name *string
		ID   string
	}
	b, err := NewBuilder[writer]()
	if err != nil {
		t.Fatal(err)
	}
	id := "a"
	if err := b.AppendAll([]writer{{&id, nil}, {&id, &id}, {nil, &id}, {&id, nil}}); err != nil {
		t.Fatal(err)
	}
	rec := b.NewRecord()
	defer rec.Release()
	seen := 0
	for r, err := range Rows[reader](rec) {
		if seen == 2 {
			if !errors.Is(err, ErrValue) || !strings.Contains(err.Error(), "row 2: field reader.ID") {
				t.Errorf("third row: %v", err)
			}
		} else if err != nil || r.ID != "a" {
			t.Errorf("row %d: %+v, %v", seen, r, err)
		}
		seen++
	}
	if seen != 3 {
		t.Errorf("%d rows and errors: want two rows and an error", seen)
	}
	keep := []reader{{ID: "kept"}}
	if out, err := mustReader[reader](t, rec).AppendTo(keep, rec); err == nil || len(out) != 1 {
		t.Errorf("AppendTo = %v, %v", out, err)
	}
}

func mustReader[T any](t *testing.T, rec arrow.RecordBatch) *Reader[T] {
	t.Helper()
	r, err := NewReader[T](rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRowsOutliveTheBatch(t *testing.T) {
	t.Parallel()
	type row struct{ Name string }
	text := []byte("abcdef")
	data := array.NewData(arrow.BinaryTypes.String, 2, []*memory.Buffer{nil, bufferOf([]int32{0, 3, 6}), memory.NewBufferBytes(text)}, nil, 0, 0)
	a := array.NewStringData(data)
	rec := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "name", Type: arrow.BinaryTypes.String}}, nil), []arrow.Array{a}, 2)
	rows, err := All[row](rec)
	copy(text, "XXXXXX") // as an allocator does that uses the memory again
	if err != nil || rows[0].Name != "abc" || rows[1].Name != "def" {
		t.Errorf("rows %v, %v", rows, err)
	}
}

func TestManyChunks(t *testing.T) {
	t.Parallel()
	type row struct {
		N    int64
		Name *string
	}
	rows := make([]row, 3*chunkRows+7)
	for i := range rows {
		rows[i].N = int64(i)
		if i%3 == 0 {
			name := strings.Repeat("x", i%11)
			rows[i].Name = &name
		}
	}
	b, err := NewBuilder[row]()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.AppendAll(rows); err != nil {
		t.Fatal(err)
	}
	rec := b.NewRecord()
	defer rec.Release()
	var got []row
	for r, err := range Rows[row](rec) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if !reflect.DeepEqual(got, rows) {
		t.Error("rows over several chunks differ")
	}
}

func TestDecimalViews(t *testing.T) {
	t.Parallel()
	want := []money.Int128{money.Int128Of(-5), money.MaxInt128, {Lo: 1, Hi: 2}}
	a := DecimalArray(&arrow.Decimal128Type{Precision: 38, Scale: 2}, want, []byte{0b101}, 1)
	defer a.Release()
	if got := Int128s(a); &got[0] != &want[0] || got[2] != want[2] {
		t.Errorf("view %v is not the same memory", got)
	}
	if a.Value(2).HighBits() != 2 || a.Value(2).LowBits() != 1 || a.Value(0).Sign() != -1 || a.IsValid(1) {
		t.Errorf("Arrow reads %v", a)
	}
	if got := NumsOf(want); got[0] != a.Value(0) {
		t.Errorf("nums %v", got)
	}
}
