package parquetfile

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// shredded is one leaf's part of a batch of a nested column: its levels, and its values in its reader.
type shredded struct {
	defs, reps []byte
	values     int // of defs that reach the leaf
}

// readNested reads the next n rows of a leaf: its levels, with the values left dense in the reader.
func (c *leafReader) readNested(n int) (shredded, error) {
	var s shredded
	c.begin(n)
	rows := 0
	p := &c.pages
	for {
		if p.values == 0 {
			if p.left == 0 {
				break
			}
			if err := c.nextPage(n - rows); err != nil {
				return s, err
			}
		}
		k, starts := p.rowsIn(n - rows)
		rows += starts
		defs, reps := p.levelsFrom(k)
		present := 0
		for _, d := range defs {
			if int(d) == p.leaf.maxDef {
				present++
			}
		}
		if p.leaf.maxDef == 0 {
			present = k
		}
		c.growFor(s.values + present)
		if err := c.decode(present); err != nil {
			return s, err
		}
		s.defs, s.reps = append(s.defs, defs...), append(s.reps, reps...)
		s.values += present
		p.values -= k
		if p.values > 0 { // the next level begins a row that is not wanted yet
			break
		}
	}
	if rows < n || (len(s.reps) > 0 && s.reps[0] != 0) {
		return s, fmt.Errorf("the column chunk lacks %d rows: %w", n-rows, ErrCorrupt)
	}
	if p.leaf.maxDef == 0 || p.leaf.maxRep == 0 { // levels that are not stored are zero
		if len(s.defs) == 0 {
			s.defs = make([]byte, n)
		}
		s.reps = make([]byte, len(s.defs))
	}
	return s, nil
}

// growFor makes room for n values; lists have more of them than rows.
func (c *leafReader) growFor(n int) {
	if c.buf != nil && n*c.plan.size > c.buf.Len() {
		c.buf.Resize(max(n*c.plan.size, 2*c.buf.Len()))
	}
}

// rowsIn says how many of the open page's levels belong to the next n rows, and how many rows begin among them.
func (p *pageReader) rowsIn(n int) (levels, starts int) {
	if p.leaf.maxRep == 0 {
		k := min(n, p.values)
		return k, k
	}
	reps := p.reps[len(p.reps)-p.values:]
	for i, r := range reps {
		if r == 0 {
			if starts == n {
				return i, starts
			}
			starts++
		}
	}
	return len(reps), starts
}

// levelsFrom gives the next k levels of the open page.
func (p *pageReader) levelsFrom(k int) (defs, reps []byte) {
	if len(p.defs) > 0 {
		at := len(p.defs) - p.values
		defs = p.defs[at : at+k]
	}
	if len(p.reps) > 0 {
		at := len(p.reps) - p.values
		reps = p.reps[at : at+k]
	}
	return defs, reps
}

// assembler puts a nested column together again from its leaves.
type assembler struct {
	leaves map[int]*leafReader
	parts  map[int]*shredded
	mem    memory.Allocator
}

// slots calls f for each entry of a leaf's levels that is a value (or null) of a node: the entries that begin no deeper
// repetition than rep and whose nearest list has an element there.
func (s *shredded) slots(rep, listDef int, f func(i int)) {
	for i := range s.defs {
		if int(s.reps[i]) <= rep && int(s.defs[i]) >= listDef {
			f(i)
		}
	}
}

// firstLeaf is some leaf below a node.
func (n *node) firstLeaf() *leaf {
	for n.leaf == nil {
		n = n.children[0]
	}
	return n.leaf
}

// levels are those of some leaf below n that is read.
func (a *assembler) levels(n *node) *shredded {
	if n.leaf != nil {
		return a.parts[n.leaf.index]
	}
	for _, c := range n.children {
		if s := a.levels(c); s != nil {
			return s
		}
	}
	return nil
}

// build makes the array of node n; listDef is the definition level at which the nearest list around it has an element.
func (a *assembler) build(n *node, listDef int, typ arrow.DataType) (arrow.Array, error) {
	part := a.levels(n)
	var valid bitBuffer
	nulls := 0
	part.slots(n.rep, listDef, func(i int) {
		ok := int(part.defs[i]) >= n.def
		valid.fill(ok, 1)
		if !ok {
			nulls++
		}
	})
	var bits *memory.Buffer
	if nulls > 0 {
		bits = memory.NewBufferBytes(valid.b)
	}
	if n.leaf != nil {
		if part.values != valid.n-nulls {
			return nil, fmt.Errorf("column %s: %d values for %d places: %w", n.leaf.name(), part.values, valid.n-nulls, ErrCorrupt)
		}
		return a.leaves[n.leaf.index].array(valid.n, bits)
	}
	switch t := typ.(type) {
	case *arrow.StructType:
		return a.buildStruct(n, listDef, t, valid.n, nulls, bits)
	case arrow.ListLikeType:
		return a.buildList(n, listDef, t, valid.n, nulls, bits)
	}
	return nil, fmt.Errorf("column %s as %s: %w", n.field.Name, typ, ErrUnsupported)
}

func (a *assembler) buildStruct(n *node, listDef int, t *arrow.StructType, rows, nulls int, bits *memory.Buffer) (arrow.Array, error) {
	children := make([]arrow.ArrayData, 0, len(n.children))
	defer func() {
		for _, c := range children {
			c.Release()
		}
	}()
	for i, f := range t.Fields() {
		child := n.child(t, i)
		if child == nil {
			nothing := array.MakeArrayOfNull(a.mem, f.Type, rows)
			children = append(children, nothing.Data())
			nothing.Data().Retain()
			nothing.Release()
			continue
		}
		c, err := a.build(child, listDef, f.Type)
		if err != nil {
			return nil, err
		}
		children = append(children, c.Data())
		c.Data().Retain()
		have := c.Len()
		c.Release()
		if have != rows {
			return nil, fmt.Errorf("column %s: field %s has %d values for %d: %w", n.field.Name, child.field.Name, have, rows, ErrCorrupt)
		}
	}
	data := array.NewData(t, rows, []*memory.Buffer{bits}, children, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

func (a *assembler) buildList(n *node, listDef int, t arrow.ListLikeType, rows, nulls int, bits *memory.Buffer) (arrow.Array, error) {
	mid := n.children[0]
	part := a.levels(n)
	offs := make([]int32, 1, rows+1)
	count, slots := int32(0), 0
	for i, d := range part.defs {
		rep := int(part.reps[i])
		if int(d) < listDef || rep > mid.rep {
			continue
		}
		if rep <= n.rep {
			if slots > 0 {
				offs = append(offs, count)
			}
			slots++
		}
		if int(d) >= mid.def {
			count++
		}
	}
	if rows > 0 {
		offs = append(offs, count)
	}
	if len(offs) != rows+1 {
		return nil, fmt.Errorf("column %s: %d lists for %d places: %w", n.field.Name, len(offs)-1, rows, ErrCorrupt)
	}
	child, err := a.build(mid.children[0], mid.def, t.Elem())
	if err != nil {
		return nil, err
	}
	defer child.Release()
	if child.Len() != int(count) {
		return nil, fmt.Errorf("column %s: %d elements for %d places: %w", n.field.Name, child.Len(), count, ErrCorrupt)
	}
	data := array.NewData(t, rows, []*memory.Buffer{bits, memory.NewBufferBytes(raw(offs))}, []arrow.ArrayData{child.Data()}, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}
