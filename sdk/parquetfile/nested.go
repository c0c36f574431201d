package parquetfile

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/fault"
)

// nestedRows is how many rows of a nested column are taken apart at a time.
const nestedRows = 1024

// slot is one entry of a nested leaf's levels on its way down the tree: the value at index of the
// current node's array, or nothing (index < 0) because something above is null or empty.
type slot struct {
	rep, def byte
	index    int
}

// writeNested takes a struct or list column apart into its leaves.
func (w *Writer) writeNested(n *node, a arrow.Array) error {
	for from := 0; from < a.Len(); from += nestedRows {
		to := min(a.Len(), from+nestedRows)
		slots := make([]slot, 0, to-from)
		for i := from; i < to; i++ {
			slots = append(slots, slot{index: i})
		}
		if err := w.shred(n, a, slots, to-from); err != nil {
			return err
		}
	}
	return nil
}

// shred writes the slots of node n, whose values are in a, to the leaves below it.
func (w *Writer) shred(n *node, a arrow.Array, slots []slot, rows int) error {
	for i := range slots {
		s := &slots[i]
		if s.index < 0 {
			continue
		}
		null := a.IsNull(s.index)
		switch {
		case n.field.Nullable && null:
			s.index = -1
		case n.field.Nullable:
			s.def++
		case null:
			return fault.Usagef("writing parquet: field %s is required, but a value of it is null: declare it nullable or fill it", n.field.Name)
		}
	}
	if n.leaf != nil {
		return w.cols[n.leaf.index].appendSlots(a, slots, rows, w.opts.PageBytes)
	}
	switch a := a.(type) {
	case *array.Struct:
		for i, child := range n.children {
			if a.NumField() != len(n.children) {
				break
			}
			if err := w.shred(child, a.Field(i), append([]slot(nil), slots...), rows); err != nil {
				return err
			}
		}
		if a.NumField() == len(n.children) {
			return nil
		}
	case array.ListLike:
		return w.shred(n.children[0].children[0], a.ListValues(), expand(a, slots, n.children[0].rep), rows)
	}
	return fault.Usagef("writing parquet: field %s: the batch holds %s where the file's schema says %s", n.field.Name, a.DataType(), n.field.Type)
}

// expand turns slots of lists into slots of their elements; an empty list keeps one slot without an element.
func expand(a array.ListLike, slots []slot, rep int) []slot {
	out := make([]slot, 0, 2*len(slots))
	for _, s := range slots {
		if s.index < 0 {
			out = append(out, s)
			continue
		}
		start, end := a.ValueOffsets(s.index)
		if start == end {
			out = append(out, slot{s.rep, s.def, -1})
			continue
		}
		for i := start; i < end; i++ {
			e := slot{s.rep, s.def + 1, int(i)}
			if i > start {
				e.rep = byte(rep)
			}
			out = append(out, e)
		}
	}
	return out
}

// appendSlots adds the levels and values of some whole rows to a nested leaf.
func (c *columnWriter) appendSlots(a arrow.Array, slots []slot, rows, pageBytes int) error {
	for i := 0; i < len(slots); {
		s := slots[i]
		n := 1
		for s.index >= 0 && i+n < len(slots) && slots[i+n].index == s.index+n {
			n++
		}
		for _, e := range slots[i : i+n] {
			c.defs, c.reps = append(c.defs, e.def), append(c.reps, e.rep)
		}
		if s.index < 0 {
			c.nulls++
		} else if err := c.appendValues(a, s.index, s.index+n); err != nil {
			return err
		}
		i += n
	}
	c.rows += rows
	c.levels += len(slots)
	if c.rows > pageRows-nestedRows || c.levels >= pageRows || len(c.data) >= pageBytes {
		return c.flushPage()
	}
	return nil
}
