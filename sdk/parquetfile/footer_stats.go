package parquetfile

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/format"
)

// Columns describes the leaves of one row group by the footer's statistics, in file order. Min, Max, Lower
// and Upper are nil where the footer says nothing that can be relied on: of INT96 columns, of lists, of damaged
// or undefined bounds. Texts may be truncated outward, so that Min and Max are bounds rather than values. Nulls
// is -1 where it is not known.
func (f *File) Columns(group int) []ColumnStats {
	if group < 0 || group >= len(f.meta.RowGroups) {
		return nil
	}
	ours := f.meta.CreatedBy == createdBy
	rg := &f.meta.RowGroups[group]
	out := make([]ColumnStats, len(f.tree.leaves))
	for i, l := range f.tree.leaves {
		m := &rg.Columns[i].MetaData
		s := &out[i]
		*s = ColumnStats{Name: l.name(), FieldID: l.id, Bytes: m.TotalCompressedSize, Values: m.NumValues, Nulls: m.Statistics.NullCount}
		if s.Nulls == 0 && !ours && l.maxDef > 0 { // zero and absent cannot be told apart
			s.Nulls = -1
		}
		if l.maxRep > 0 || i >= len(f.meta.ColumnOrders) || f.meta.ColumnOrders[i].Value == nil {
			continue
		}
		if b := parseBounds(l, m.Statistics.MinValue, m.Statistics.MaxValue); b.set {
			s.Min, s.Max = b.typed(l)
			s.Lower, s.Upper = b.iceberg(l)
		}
	}
	return out
}

// parseBounds reads a footer's plain bounds. What cannot be right gives none.
func parseBounds(l *leaf, lo, hi []byte) bounds {
	var b bounds
	if lo == nil || hi == nil {
		return b
	}
	size := map[format.Type]int{format.Boolean: 1, format.Int32: 4, format.Int64: 8, format.Float: 4, format.Double: 8, format.FixedLenByteArray: l.width}[l.phys]
	if l.phys == format.Int96 || l.phys != format.ByteArray && (len(lo) != size || len(hi) != size) {
		return b
	}
	switch l.class() {
	case classBool:
		b.addInt(int64(lo[0]&1), int64(hi[0]&1), false)
	case classInt, classUint:
		unsigned := l.class() == classUint
		x, y := plainInt(lo, unsigned), plainInt(hi, unsigned)
		if ordered := x <= y || unsigned && uint64(x) <= uint64(y); ordered {
			b.addInt(x, y, unsigned)
		}
	case classFloat:
		if x, y := plainFloat(lo), plainFloat(hi); x <= y { // neither is NaN
			b.addFloat(x)
			b.addFloat(y)
		}
	case classDecimal:
		if x, y := bigEndian(lo), bigEndian(hi); x.LessEqual(y) {
			b.addDecimal(x)
			b.addDecimal(y)
		}
	case classBytes:
		if _, ok := l.typ.(arrow.DecimalType); !ok && string(lo) <= string(hi) { // decimals in texts order otherwise
			b.addBytes(lo)
			b.addBytes(hi)
		}
	}
	return b
}

func plainInt(b []byte, unsigned bool) int64 {
	if len(b) == 4 {
		return widen32(int32(binary.LittleEndian.Uint32(b)), unsigned)
	}
	return int64(binary.LittleEndian.Uint64(b))
}

func plainFloat(b []byte) float64 {
	if len(b) == 4 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// Indexed reports whether a top-level text column is encoded by dictionary throughout some row groups (nil: all), by the
// footer. Reading it as a dictionary is then cheaper than as texts; else it is dearer.
func (f *File) Indexed(column string, groups []int) bool {
	for _, l := range f.tree.leaves {
		if !l.flat() || l.path[0] != column || l.phys != format.ByteArray {
			continue
		}
		for g := range f.meta.RowGroups {
			if (groups == nil || slices.Contains(groups, g)) && !indexedChunk(&f.meta.RowGroups[g].Columns[l.index].MetaData) {
				return false
			}
		}
		return true
	}
	return false
}

func indexedChunk(m *format.ColumnMetaData) bool {
	if m.NumValues == m.Statistics.NullCount && m.NumValues > 0 {
		return true
	}
	for _, e := range m.EncodingStats {
		data := e.PageType == format.DataPage || e.PageType == format.DataPageV2
		//lint:ignore SA1019 old writers still name the encoding so
		if data && e.Encoding != format.RLEDictionary && e.Encoding != format.PlainDictionary {
			return false
		}
	}
	return len(m.EncodingStats) > 0
}
