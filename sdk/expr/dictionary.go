package expr

import "github.com/apache/arrow-go/v18/arrow/array"

// loadDictionary decodes a dictionary; texts keep their index.
func (v *vec) loadDictionary(d *array.Dictionary) {
	words := columnVec(d.Dictionary(), v.typ)
	if words.n == 0 { // then all rows are null
		words = nullVec(v.typ)
	}
	index := v.dictionaryIndex(d, words)
	switch v.typ.Kind {
	case String, Bytes:
		t := *words.text()
		t.index = index
		v.texts = &t
	case Bool:
		v.bits = newBitmap(v.n)
		for i, at := range index {
			if v.valid.isIn(i) && words.bool().has(int(at)) {
				v.bits.set(i)
			}
		}
	case Decimal:
		v.wide = pick(words.decimals(), index)
	case Float:
		v.floats = pick(words.numbers(), index)
	case Int, Date, Timestamp:
		v.ints = pick(words.int64s(), index)
	}
}

// dictionaryIndex is the place of each row's value among words; 0 for nulls, whose index may be anything.
func (v *vec) dictionaryIndex(d *array.Dictionary, words *vec) []int32 {
	raw := columnVec(d.Indices(), Type{Kind: Int})
	if a, ok := raw.src.(*array.Int32); ok && v.valid == nil && words.valid == nil {
		return a.Int32Values()
	}
	if a, ok := raw.src.(*array.Uint64); ok { // beyond int64 would be beyond any memory
		raw.ints = castSlice[int64](a.Data().Buffers()[1].Bytes())[a.Data().Offset():]
	}
	index := make([]int32, v.n)
	for i, at := range raw.int64s()[:v.n] {
		switch {
		case !v.valid.isIn(i):
		case words.valid.isIn(int(at)):
			index[i] = int32(at)
		default: // null by its word
			if v.valid == nil {
				v.valid = ones(v.n)
			}
			v.valid.clear(i)
		}
	}
	return index
}

func pick[T any](values []T, index []int32) []T {
	out := make([]T, len(index))
	for i, at := range index {
		out[i] = values[at]
	}
	return out
}
