package reconcile

import (
	"encoding/json"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/reconciliation"
)

// rowWriter turns pairs of rows of one batch into outcomes.
type rowWriter struct {
	rule   string
	rows   arrow.RecordBatch
	keys   []int // columns
	values int   // the first of the table's own columns
	out    *array.RecordBuilder
}

// settle compares the row that the stream leads to with the mirror's; -1 is no row.
func (w *rowWriter) settle(source, mirror int) {
	switch {
	case source < 0 && mirror < 0: // deleted on both sides
	case source < 0:
		w.add(reconciliation.MissingLeft, mirror, "", w.json(mirror, nil))
	case mirror < 0:
		w.add(reconciliation.MissingRight, source, w.json(source, nil), "")
	default:
		if differ := w.differing(source, mirror); len(differ) > 0 {
			w.add(reconciliation.Row, source, w.json(source, differ), w.json(mirror, differ))
		} else {
			w.add(reconciliation.Matched, source, "-", "-")
		}
	}
}

func (w *rowWriter) sameKey(i, j int) bool {
	for _, k := range w.keys {
		if !equalValues(w.rows.Column(k), i, j) {
			return false
		}
	}
	return true
}

func (w *rowWriter) key(i int) string {
	parts := make([]string, len(w.keys))
	for n, k := range w.keys {
		parts[n] = w.rows.Column(k).ValueStr(i)
	}
	return strings.Join(parts, "|")
}

// differing lists the columns in which two rows differ.
func (w *rowWriter) differing(i, j int) (out []int) {
	for c := w.values; c < int(w.rows.NumCols()); c++ {
		if !equalValues(w.rows.Column(c), i, j) {
			out = append(out, c)
		}
	}
	return out
}

// equalValues reports whether two rows of a column hold the same: nulls equal each other, and so do equal bits.
func equalValues(col arrow.Array, i, j int) bool {
	if col.NullN() > 0 && (col.IsNull(i) || col.IsNull(j)) {
		return col.IsNull(i) && col.IsNull(j)
	}
	switch c := col.(type) {
	case *array.Int64:
		return c.Value(i) == c.Value(j)
	case *array.Int32:
		return c.Value(i) == c.Value(j)
	case *array.String:
		return c.Value(i) == c.Value(j)
	case *array.Decimal128:
		return c.Value(i) == c.Value(j)
	case *array.Timestamp:
		return c.Value(i) == c.Value(j)
	case *array.Date32:
		return c.Value(i) == c.Value(j)
	case *array.Boolean:
		return c.Value(i) == c.Value(j)
	}
	return array.SliceEqual(col, int64(i), int64(i)+1, col, int64(j), int64(j)+1)
}

// json is a row, or some columns of it, as an object of texts.
func (w *rowWriter) json(i int, columns []int) string {
	out := map[string]*string{}
	add := func(c int) {
		name := w.rows.Schema().Field(c).Name
		out[name] = nil
		if col := w.rows.Column(c); col.IsValid(i) {
			v := col.ValueStr(i)
			out[name] = &v
		}
	}
	if columns == nil {
		for c := w.values; c < int(w.rows.NumCols()); c++ {
			add(c)
		}
	}
	for _, c := range columns {
		add(c)
	}
	b, err := json.Marshal(out)
	if err != nil { // texts always encode
		return ""
	}
	return string(b)
}

// add makes an outcome. A side's row is "" where it has none.
func (w *rowWriter) add(class reconciliation.Class, at int, left, right string) {
	key := w.key(at)
	text := func(i int, s string) {
		b := w.out.Field(i).(*array.StringBuilder)
		if s == "" {
			b.AppendNull()
			return
		}
		b.Append(s)
	}
	text(0, string(class))
	text(2, key)
	ref := func(row string) string {
		if row == "" {
			return ""
		}
		return key
	}
	text(10, ref(left))
	text(11, ref(right))
	id := ""
	if class == reconciliation.Matched {
		left, right = "", ""
	} else {
		id = w.id(class, key, left, right)
	}
	text(1, id)
	text(12, left)
	text(13, right)
	for _, i := range []int{3, 4, 5, 6, 7, 8, 9} {
		w.out.Field(i).AppendNull()
	}
}

// id is the identity of a break between rows: what differs is part of it.
func (w *rowWriter) id(class reconciliation.Class, key, left, right string) string {
	return reconciliation.Break{Class: class, Left: &reconciliation.Item{Key: key, Currency: left}, Right: &reconciliation.Item{Currency: right}}.ID(w.rule)
}
