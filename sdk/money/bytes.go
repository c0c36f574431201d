package money

import (
	"encoding/binary"
	"fmt"
)

// AppendBytes appends a in two's complement, most significant byte first, in as few bytes as
// hold it with its sign: 0 is 00, 127 is 7f, 128 is 00 80, -1 is ff. This is the encoding of
// Java's BigInteger, of Kafka Connect's Decimal, of Avro's decimal and of Iceberg's bounds.
func (a Int128) AppendBytes(dst []byte) []byte {
	var b [16]byte
	a.put(&b)
	return append(dst, b[16-a.byteLen():]...)
}

// AppendFixed appends a in exactly n bytes of two's complement, most significant first, as
// Parquet's fixed-length decimals have it. ok is false, and dst unchanged, where a needs more
// than n bytes. n may be above 16.
func (a Int128) AppendFixed(dst []byte, n int) (out []byte, ok bool) {
	if a.byteLen() > n {
		return dst, false
	}
	var b [16]byte
	a.put(&b)
	if n <= 16 {
		return append(dst, b[16-n:]...), true
	}
	for range n - 16 {
		dst = append(dst, byte(a.Hi>>63))
	}
	return append(dst, b[:]...), true
}

func (a Int128) put(b *[16]byte) {
	binary.BigEndian.PutUint64(b[:8], uint64(a.Hi))
	binary.BigEndian.PutUint64(b[8:], a.Lo)
}

// byteLen is the number of bytes of the minimal encoding, 1 to 16.
func (a Int128) byteLen() int {
	m := u128{uint64(a.Hi ^ a.Hi>>63), a.Lo ^ uint64(a.Hi>>63)} // without the sign's run
	return m.bitLen()/8 + 1
}

// Int128FromBytes reads two's complement, most significant byte first, of any length from 1
// byte. Encodings longer than need be are taken. It fails with ErrSyntax for no bytes at all,
// and with ErrOverflow for a value outside 128 bits.
func Int128FromBytes(b []byte) (Int128, error) {
	if len(b) == 0 {
		return Int128{}, fmt.Errorf("decode integer: %w: no bytes", ErrSyntax)
	}
	sign := int64(int8(b[0])) >> 63
	if len(b) > 16 {
		extra := b[:len(b)-16]
		for _, x := range extra {
			if x != byte(sign) {
				return Int128{}, fmt.Errorf("decode integer of %d bytes: %w", len(b), ErrOverflow)
			}
		}
		if b = b[len(extra):]; int64(int8(b[0]))>>63 != sign {
			return Int128{}, fmt.Errorf("decode integer of %d bytes: %w", len(b)+len(extra), ErrOverflow)
		}
	}
	if len(b) <= 8 {
		v := sign
		for _, x := range b {
			v = v<<8 | int64(x)
		}
		return Int128Of(v), nil
	}
	a := Int128{Hi: sign}
	for _, x := range b[:len(b)-8] {
		a.Hi = a.Hi<<8 | int64(x)
	}
	a.Lo = binary.BigEndian.Uint64(b[len(b)-8:])
	return a, nil
}

// AppendBytes appends the coefficient of d as Int128.AppendBytes does. The scale is not part of the encoding.
func (d Decimal) AppendBytes(dst []byte) []byte { return d.coef.AppendBytes(dst) }

// DecimalFromBytes reads a coefficient as Int128FromBytes does and gives it a scale.
// It fails with ErrSyntax, ErrScale and ErrOverflow.
func DecimalFromBytes(b []byte, scale int) (Decimal, error) {
	c, err := Int128FromBytes(b)
	if err != nil {
		return Decimal{}, fmt.Errorf("decode decimal: %w", err)
	}
	return NewFromInt128(c, scale)
}
