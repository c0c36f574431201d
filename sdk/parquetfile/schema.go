package parquetfile

import (
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/sdk/fault"
)

// node is one element of a file's schema tree with the Arrow field it stands for.
type node struct {
	field    arrow.Field
	elem     format.SchemaElement
	def, rep int // levels at which a value of this node is present
	children []*node
	leaf     *leaf // nil for groups
}

// leaf is one primitive column of a file.
type leaf struct {
	index  int // among the file's leaves
	path   []string
	id     int            // field id; 0 if the file states none
	phys   format.Type    // physical type
	width  int            // bytes of a fixed-length value
	typ    arrow.DataType // Arrow type of the values, never a dictionary
	maxDef int
	maxRep int
}

func (l *leaf) name() string { return strings.Join(l.path, ".") }

// flat reports whether the leaf is a top-level column without nesting.
func (l *leaf) flat() bool { return len(l.path) == 1 && l.maxRep == 0 }

// fieldID is the field's id, 0 if it has none.
func fieldID(f arrow.Field) int {
	if s, ok := f.Metadata.GetValue(FieldIDKey); ok {
		if id, err := strconv.Atoi(s); err == nil {
			return id
		}
	}
	return 0
}

// tree is a schema as a tree, with its leaves in file order.
type tree struct {
	fields []*node
	leaves []*leaf
}

// elements lists the tree depth first, as a footer does.
func (t *tree) elements() []format.SchemaElement {
	root := format.SchemaElement{Name: "schema"}
	root.NumChildren.Set(int32(len(t.fields)))
	out := []format.SchemaElement{root}
	var walk func(n *node)
	walk = func(n *node) {
		out = append(out, n.elem)
		for _, c := range n.children {
			walk(c)
		}
	}
	for _, n := range t.fields {
		walk(n)
	}
	return out
}

// newTree lays an Arrow schema out as Parquet.
func newTree(schema *arrow.Schema) (*tree, error) {
	t := &tree{}
	if schema.NumFields() == 0 {
		return nil, fault.Usagef("writing parquet: the schema has no columns; a file needs at least one")
	}
	for _, f := range schema.Fields() {
		n, err := t.add(f, nil, 0, 0)
		if err != nil {
			return nil, err
		}
		t.fields = append(t.fields, n)
	}
	return t, nil
}

func (t *tree) add(f arrow.Field, parent []string, def, rep int) (*node, error) {
	path := append(parent[:len(parent):len(parent)], f.Name)
	n := &node{field: f, elem: format.SchemaElement{Name: f.Name, FieldID: int32(fieldID(f))}}
	n.elem.RepetitionType.Set(format.Required)
	if f.Nullable {
		n.elem.RepetitionType.Set(format.Optional)
		def++
	}
	n.def, n.rep = def, rep
	switch dt := f.Type.(type) {
	case *arrow.StructType:
		for _, cf := range dt.Fields() {
			c, err := t.add(cf, path, def, rep)
			if err != nil {
				return nil, err
			}
			n.children = append(n.children, c)
		}
		n.elem.NumChildren.Set(int32(len(n.children)))
		if len(n.children) == 0 {
			return nil, fault.Usagef("writing parquet: column %s is a struct without fields, which parquet cannot hold", strings.Join(path, "."))
		}
		return n, nil
	case *arrow.ListType:
		return n, t.addList(n, dt.ElemField(), path, def, rep)
	case *arrow.LargeListType:
		return n, t.addList(n, dt.ElemField(), path, def, rep)
	}
	l := &leaf{index: len(t.leaves), path: path, id: fieldID(f), typ: f.Type, maxDef: def, maxRep: rep}
	if d, ok := f.Type.(*arrow.DictionaryType); ok {
		l.typ = d.ValueType
		switch l.typ.ID() {
		case arrow.STRING, arrow.BINARY:
		default:
			return nil, fault.Usagef("writing parquet: column %s is a dictionary of %s; only dictionaries of strings or binary are written", l.name(), l.typ)
		}
	}
	if err := describe(&n.elem, l); err != nil {
		return nil, err
	}
	n.leaf = l
	t.leaves = append(t.leaves, l)
	return n, nil
}

// addList adds the three-level list that the format prescribes: list → repeated group "list" → "element".
func (t *tree) addList(n *node, elem arrow.Field, path []string, def, rep int) error {
	n.elem.LogicalType.Value = &format.ListType{}
	n.elem.ConvertedType.Set(convertedList)
	n.elem.NumChildren.Set(1)
	mid := &node{elem: format.SchemaElement{Name: "list"}, def: def + 1, rep: rep + 1}
	mid.elem.RepetitionType.Set(format.Repeated)
	mid.elem.NumChildren.Set(1)
	elem.Name = "element"
	c, err := t.add(elem, append(path[:len(path):len(path)], "list"), def+1, rep+1)
	if err != nil {
		return err
	}
	mid.children = []*node{c}
	n.children = []*node{mid}
	return nil
}
