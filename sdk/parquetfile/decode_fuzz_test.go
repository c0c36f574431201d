package parquetfile

import (
	"errors"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
	"pgregory.net/rapid"
)

var fuzzTypes = []arrow.DataType{arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Boolean, arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64, &arrow.FixedSizeBinaryType{ByteWidth: 5}}

// FuzzValues decodes arbitrary bytes as the values of a page, in every type and encoding.
func FuzzValues(f *testing.F) {
	e32, e64 := delta.BinaryPackedEncoding{}, delta.BinaryPackedEncoding{}
	d := rle.DictionaryEncoding{}
	var i32 []int32
	var i64 []int64
	for i := range 300 {
		i32, i64 = append(i32, int32(i*i%50)), append(i64, int64(i)*12345678901)
	}
	b32, _ := e32.EncodeInt32(nil, i32)
	b64, _ := e64.EncodeInt64(nil, i64)
	idx, _ := d.EncodeInt32(nil, i32)
	for t := range fuzzTypes {
		for _, b := range [][]byte{b32, b64, idx, {}, {0, 0, 0, 0}} {
			for enc := range 10 {
				f.Add(byte(t), byte(enc), uint16(300), b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, typ, enc byte, n uint16, b []byte) {
		l := &leaf{path: []string{"x"}, typ: fuzzTypes[int(typ)%len(fuzzTypes)]}
		var e format.SchemaElement
		if err := describe(&e, l); err != nil {
			t.Fatal(err)
		}
		src := append(make([]byte, 0, len(b)), b...) // nothing behind it that could be read by mistake
		if err := decodeAll(l, format.Encoding(enc%10), src, int(n)); err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) {
			t.Fatal(err)
		}
	})
}

// decodeAll decodes n values in pieces.
func decodeAll(l *leaf, enc format.Encoding, src []byte, n int) error {
	var p pageValues
	if err := p.reset(l, enc, src); err != nil {
		return err
	}
	dict := texts{offs: []int32{0, 1, 3, 3}, data: append(make([]byte, 0, 64), "abc"...)}
	fixed := make([]byte, 3*8)
	var out texts
	out.reset()
	var bits bitBuffer
	for n > 0 {
		k := min(n, 37)
		var err error
		switch l.phys {
		case format.Boolean:
			err = p.bools(&bits, k)
		case format.ByteArray:
			err = p.texts(&out, &dict, k)
		default:
			err = p.fixed(make([]byte, k*l.valueBytes()), fixed, l.valueBytes())
		}
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// FuzzLevels decodes arbitrary bytes as levels.
func FuzzLevels(f *testing.F) {
	f.Add([]byte{0x10, 1}, uint16(8))
	f.Add([]byte{3, 0x55, 0x20, 0}, uint16(20))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		d := bitLevels{src: b}
		var m bitBuffer
		ones, err := d.take(&m, int(n))
		if err == nil && ones != countBits(m.b, 0, int(n)) {
			t.Fatalf("%d ones, the bitmap has %d", ones, countBits(m.b, 0, int(n)))
		}
		got, err2 := decodeLevels(nil, b, int(n), 1)
		if err == nil && err2 == nil {
			for i, v := range got {
				if v != m.b[i/8]>>(i%8)&1 {
					t.Fatalf("level %d differs between the decoders", i)
				}
			}
		}
	})
}

// FuzzPageHeader parses arbitrary bytes as a page header, and as a footer.
func FuzzPageHeader(f *testing.F) {
	f.Add([]byte{0x15, 6, 0x15, 8, 0x15, 8, 0x5c, 0x15, 2, 0x15, 0, 0x15, 2, 0x15, 0, 0x15, 0, 0x15, 0, 0x11, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h pageHeader
		if n, err := readPageHeader(b, &h); err == nil && (n < 1 || n > len(b)) {
			t.Fatalf("a header of %d bytes in %d", n, len(b))
		}
		if _, err := parseFooter(b); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

// TestBitLevels writes and reads one-bit levels of every kind.
func TestBitLevels(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want bitBuffer
		for range rapid.IntRange(0, 20).Draw(t, "runs") {
			want.fill(rapid.Bool().Draw(t, "bit"), rapid.SampledFrom([]int{1, 2, 7, 8, 63, 64, 65, 200}).Draw(t, "length"))
		}
		d := bitLevels{src: appendBitLevels(nil, want.b, want.n)}
		var got bitBuffer
		for got.n < want.n {
			k := min(rapid.IntRange(1, 100).Draw(t, "take"), want.n-got.n)
			if d.allOnes(k) {
				d.repeat -= k
				got.fill(true, k)
				continue
			}
			if _, err := d.take(&got, k); err != nil {
				t.Fatal(err)
			}
		}
		if string(got.b) != string(want.b) {
			t.Fatalf("%x, want %x", got.b, want.b)
		}
	})
}
