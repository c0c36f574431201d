package runs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
)

// entry is a row with the first bytes of its key.
type entry struct {
	prefix      uint64
	source, row int32
}

// prefixer turns keys into numbers that order as the keys' bytes after those that all keys share.
type prefixer struct {
	skip int // bytes that all keys have in common
	// decides says that keys with equal numbers are equal: none is longer than what the number holds. (No key is the beginning of another.)
	decides bool
}

// prefixerOf looks at all keys.
func prefixerOf(all []*rowkey.Keys) prefixer {
	var first []byte
	longest, skip := 0, -1
	for _, keys := range all {
		for i := range keys.Len() {
			k := keys.At(i)
			longest = max(longest, len(k))
			if skip < 0 {
				first, skip = k, len(k)
			}
			skip = common(first[:skip], k)
		}
	}
	return prefixer{skip: max(skip, 0), decides: longest <= max(skip, 0)+8}
}

// common is how many bytes a and b begin with alike.
func common(a, b []byte) int {
	if bytes.HasPrefix(b, a) {
		return len(a)
	}
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func (p prefixer) of(key []byte) uint64 {
	key = key[min(p.skip, len(key)):]
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// head is a number that orders as a key's first nine bytes, the last bit of the ninth left out: the null marker and a number, mostly.
func head(key []byte) uint64 {
	if len(key) >= 9 {
		return uint64(key[0])<<63 | binary.BigEndian.Uint64(key[1:])>>1
	}
	var b [9]byte
	copy(b[:], key)
	return uint64(b[0])<<63 | binary.BigEndian.Uint64(b[1:])>>1
}

// sortEntries sorts rows by their keys, stably: by the prefix, digit by digit, and
// where that does not decide by the whole key.
func sortEntries(entries []entry, p prefixer, keys []*rowkey.Keys) {
	radix(entries)
	if p.decides {
		return
	}
	for from := 0; from < len(entries); {
		to := from + 1
		for to < len(entries) && entries[to].prefix == entries[from].prefix {
			to++
		}
		if to-from > 1 {
			sortWhole(entries[from:to], keys)
		}
		from = to
	}
}

func sortWhole(entries []entry, keys []*rowkey.Keys) {
	compare := func(x, y entry) int {
		if c := bytes.Compare(keys[x.source].At(int(x.row)), keys[y.source].At(int(y.row))); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(x.source, y.source), cmp.Compare(x.row, y.row))
	}
	if !slices.IsSortedFunc(entries, compare) {
		slices.SortFunc(entries, compare)
	}
}

// radixFrom is from how many entries counting digits pays.
const radixFrom = 256

// radix sorts by prefix, stably.
func radix(entries []entry) {
	byPrefix := func(x, y entry) int { return cmp.Compare(x.prefix, y.prefix) }
	if slices.IsSortedFunc(entries, byPrefix) {
		return
	}
	if len(entries) < radixFrom {
		slices.SortStableFunc(entries, byPrefix)
		return
	}
	every, some := entries[0].prefix, entries[0].prefix // bits that are set in all, and in some
	for i := range entries {
		every &= entries[i].prefix
		some |= entries[i].prefix
	}
	from, to := entries, make([]entry, len(entries))
	for shift := 0; shift < 64; shift += 8 {
		if byte((every^some)>>shift) == 0 { // the digit is the same everywhere
			continue
		}
		var counts [256]int
		for i := range from {
			counts[byte(from[i].prefix>>shift)]++
		}
		at := 0
		for d, n := range counts {
			counts[d] = at
			at += n
		}
		for i := range from {
			d := byte(from[i].prefix >> shift)
			to[counts[d]] = from[i]
			counts[d]++
		}
		from, to = to, from
	}
	if &from[0] != &entries[0] {
		copy(entries, from)
	}
}
