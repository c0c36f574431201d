package money

// pow10 holds the powers of ten that fit 127 bits: pow10[i] is 10^i.
var pow10 = [39]u128{
	{0, 1},
	{0, 10},
	{0, 100},
	{0, 1000},
	{0, 10000},
	{0, 100000},
	{0, 1000000},
	{0, 10000000},
	{0, 100000000},
	{0, 1000000000},
	{0, 10000000000},
	{0, 100000000000},
	{0, 1000000000000},
	{0, 10000000000000},
	{0, 100000000000000},
	{0, 1000000000000000},
	{0, 10000000000000000},
	{0, 100000000000000000},
	{0, 1000000000000000000},
	{0, 10000000000000000000},
	{0x5, 0x6bc75e2d63100000},
	{0x36, 0x35c9adc5dea00000},
	{0x21e, 0x19e0c9bab2400000},
	{0x152d, 0x2c7e14af6800000},
	{0xd3c2, 0x1bcecceda1000000},
	{0x84595, 0x161401484a000000},
	{0x52b7d2, 0xdcc80cd2e4000000},
	{0x33b2e3c, 0x9fd0803ce8000000},
	{0x204fce5e, 0x3e25026110000000},
	{0x1431e0fae, 0x6d7217caa0000000},
	{0xc9f2c9cd0, 0x4674edea40000000},
	{0x7e37be2022, 0xc0914b2680000000},
	{0x4ee2d6d415b, 0x85acef8100000000},
	{0x314dc6448d93, 0x38c15b0a00000000},
	{0x1ed09bead87c0, 0x378d8e6400000000},
	{0x13426172c74d82, 0x2b878fe800000000},
	{0xc097ce7bc90715, 0xb34b9f1000000000},
	{0x785ee10d5da46d9, 0xf436a000000000},
	{0x4b3b4ca85a86c47a, 0x98a224000000000},
}

// PowerOfTen returns 10^n; ok is false outside 0 to 38.
func PowerOfTen(n int) (p Int128, ok bool) {
	if n < 0 || n >= len(pow10) {
		return Int128{}, false
	}
	return Int128{pow10[n].lo, int64(pow10[n].hi)}, true
}

// decimalDigits is the number of decimal digits of u: 0 for zero, up to 39.
func (u u128) decimalDigits() int {
	guess := u.bitLen() * 1233 >> 12 // log10(2) ≈ 1233/4096: right or one too small
	if guess < len(pow10) && !u.less(pow10[guess]) {
		guess++
	}
	return guess
}

// scaleUp is u·10^n; ok is false where that does not fit 128 bits.
func (u u128) scaleUp(n int) (v u128, ok bool) {
	if n == 0 || u.isZero() {
		return u, true
	}
	if n >= len(pow10) {
		return u128{}, false
	}
	return mulWide(u, pow10[n]).narrow()
}
