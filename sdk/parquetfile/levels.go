package parquetfile

import (
	"encoding/binary"
	"math/bits"

	"github.com/parquet-go/parquet-go/encoding/rle"
)

// appendBitLevels appends n one-bit levels in the format's hybrid of runs and packed bits.
// A run of eight or more equal bytes becomes a run; what lies between stays packed.
func appendBitLevels(dst, bitmap []byte, n int) []byte {
	whole := n / 8
	for i := 0; i < whole; {
		j := i + 1
		if c := bitmap[i]; c == 0 || c == 0xff {
			for j < whole && bitmap[j] == c {
				j++
			}
			if j-i >= 8 || (i == 0 && j == whole) {
				count := (j - i) * 8
				if j == whole && n%8 != 0 && tailEqual(bitmap[whole], n%8, c) {
					count, n = count+n%8, whole*8
				}
				dst = append(binary.AppendUvarint(dst, uint64(count)<<1), c&1)
				i = j
				continue
			}
		}
		for j < whole && !longRun(bitmap[j:whole]) {
			j++
		}
		dst = binary.AppendUvarint(dst, uint64(j-i)<<1|1)
		dst = append(dst, bitmap[i:j]...)
		i = j
	}
	if rest := n % 8; rest != 0 && n > whole*8 {
		if b := bitmap[whole]; tailEqual(b, rest, 0) || tailEqual(b, rest, 0xff) {
			return append(dst, byte(rest<<1), b&1)
		}
		return append(dst, 1<<1|1, bitmap[whole]&(1<<rest-1))
	}
	return dst
}

func tailEqual(b byte, n int, c byte) bool { return (b^c)&(1<<n-1) == 0 }

// longRun reports whether b starts with eight bytes that are all zeros or all ones.
func longRun(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	w := binary.LittleEndian.Uint64(b)
	return w == 0 || w == ^uint64(0)
}

// appendLevels appends levels of up to maxLevel in the hybrid form.
func appendLevels(dst []byte, levels []byte, maxLevel int) ([]byte, error) {
	e := rle.Encoding{BitWidth: bits.Len(uint(maxLevel))}
	b, err := e.EncodeLevels(nil, levels)
	return append(dst, b...), err
}
