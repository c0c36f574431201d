package parquetfile

import (
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
)

// choose finds the wanted columns in the file.
func (r *Reader) choose() error {
	fields, nodes := r.opts.Fields, []*node(nil)
	if fields == nil {
		var err error
		if fields, nodes, err = r.byName(); err != nil {
			return err
		}
	} else {
		for _, want := range fields {
			nodes = append(nodes, findField(r.file.tree.fields, want))
		}
	}
	out := make([]arrow.Field, len(fields))
	for i, want := range fields {
		n := nodes[i]
		if d := slices.Index(r.opts.Dictionaries, want.Name); d >= 0 && plainText(want.Type) {
			want.Type = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: want.Type}
		}
		out[i] = want
		c := readColumn{node: n}
		switch {
		case n == nil && !want.Nullable:
			return fault.Usagef("reading parquet: column %s is required, but the file does not have it", want.Name)
		case n == nil:
		case n.leaf != nil && n.leaf.flat():
			l, err := r.newLeaf(n.leaf, want.Type)
			if err != nil {
				return err
			}
			c.flat = l
		default:
			c.leaves = map[int]*leafReader{}
			if err := r.nestedLeaves(n, want.Type, c.leaves); err != nil {
				return err
			}
		}
		r.cols = append(r.cols, c)
	}
	r.schema = arrow.NewSchema(out, nil)
	return nil
}

// byName gives the wanted columns with their nodes.
func (r *Reader) byName() ([]arrow.Field, []*node, error) {
	all := r.file.schema.Fields()
	if r.opts.Columns == nil {
		return all, r.file.tree.fields, nil
	}
	fields := make([]arrow.Field, 0, len(r.opts.Columns))
	var nodes []*node
	for _, name := range r.opts.Columns {
		i := slices.IndexFunc(all, func(f arrow.Field) bool { return f.Name == name })
		if i < 0 {
			var names []string
			for _, f := range all {
				names = append(names, f.Name)
			}
			return nil, nil, fault.Usagef("reading parquet: the file has no column %s; it has %s", name, strings.Join(names, ", "))
		}
		fields, nodes = append(fields, all[i]), append(nodes, r.file.tree.fields[i])
	}
	return fields, nodes, nil
}

// child gives the node below n of the i-th field of a struct type that n is read as; nil if n lacks it.
func (n *node) child(t *arrow.StructType, i int) *node {
	f := t.Field(i)
	if t.NumFields() == len(n.children) {
		if c := n.children[i]; c.field.Name == f.Name && fieldID(c.field) == fieldID(f) {
			return c
		}
	}
	return findField(n.children, f)
}

// findField gives the node of a field among siblings: by id if both sides have ids, else by name.
func findField(nodes []*node, want arrow.Field) *node {
	id := fieldID(want)
	for _, n := range nodes {
		if have := fieldID(n.field); id > 0 && have > 0 {
			if id == have {
				return n
			}
			continue
		}
		if n.field.Name == want.Name {
			return n
		}
	}
	return nil
}

func (r *Reader) newLeaf(l *leaf, out arrow.DataType) (*leafReader, error) {
	p, err := newPlan(l, out)
	if err != nil {
		return nil, err
	}
	c := &leafReader{plan: p, mem: r.opts.Allocator, pages: pageReader{leaf: l}}
	r.leaves = append(r.leaves, c)
	return c, nil
}

// nestedLeaves plans the leaves below a node for a type of the same shape.
func (r *Reader) nestedLeaves(n *node, want arrow.DataType, into map[int]*leafReader) error {
	if n.leaf != nil {
		l, err := r.newLeaf(n.leaf, want)
		into[n.leaf.index] = l
		return err
	}
	refuse := fault.Usagef("reading parquet: column %s holds %s, which cannot be read as %s", n.field.Name, n.field.Type, want)
	switch t := want.(type) {
	case *arrow.StructType:
		if n.field.Type.ID() != arrow.STRUCT {
			return refuse
		}
		return r.structLeaves(n, t, into)
	case *arrow.ListType, *arrow.MapType:
		if n.field.Type.ID() != t.ID() {
			return refuse
		}
		return r.nestedLeaves(n.children[0].children[0], t.(arrow.ListLikeType).Elem(), into)
	}
	return refuse
}

// structLeaves plans the wanted fields of a struct. If the file has none of them, some leaf is read for its levels.
func (r *Reader) structLeaves(n *node, t *arrow.StructType, into map[int]*leafReader) error {
	before := len(into)
	for i, f := range t.Fields() {
		c := n.child(t, i)
		if c == nil {
			if !f.Nullable {
				return fault.Usagef("reading parquet: field %s of column %s is required, but the file does not have it", f.Name, n.field.Name)
			}
			continue
		}
		if err := r.nestedLeaves(c, f.Type, into); err != nil {
			return err
		}
	}
	if len(into) > before {
		return nil
	}
	l := n.firstLeaf()
	c, err := r.newLeaf(l, l.typ)
	into[l.index] = c
	return err
}
