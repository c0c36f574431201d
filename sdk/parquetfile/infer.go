package parquetfile

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// maxSchemaDepth bounds the nesting of a file's schema.
const maxSchemaDepth = 32

// inferTree builds the tree of a file's schema elements.
func inferTree(elems []format.SchemaElement) (*tree, error) {
	p := &schemaParser{elems: elems, tree: &tree{}}
	if len(elems) == 0 {
		return nil, fmt.Errorf("no elements: %w", ErrCorrupt)
	}
	n := p.children(&elems[0])
	p.at = 1
	for range n {
		f, err := p.node(nil, 0, 0, 0)
		if err != nil {
			return nil, err
		}
		p.tree.fields = append(p.tree.fields, f)
	}
	if p.at != len(elems) || len(p.tree.fields) == 0 {
		return nil, fmt.Errorf("%d elements where the tree has %d: %w", len(elems), p.at, ErrCorrupt)
	}
	return p.tree, nil
}

type schemaParser struct {
	elems []format.SchemaElement
	at    int
	tree  *tree
}

func (p *schemaParser) children(e *format.SchemaElement) int { return int(e.NumChildren.V) }

// node parses the element at p.at and all below it. A repeated element that no list holds becomes a list itself.
func (p *schemaParser) node(parent []string, def, rep, depth int) (*node, error) {
	if p.at >= len(p.elems) || depth > maxSchemaDepth {
		return nil, fmt.Errorf("the tree is deeper or longer than its elements: %w", ErrCorrupt)
	}
	e := p.elems[p.at]
	if e.RepetitionType.V == format.Repeated {
		return p.bareRepeated(parent, def, rep, depth)
	}
	p.at++
	nullable := e.RepetitionType.V == format.Optional
	if nullable {
		def++
	}
	n := &node{elem: e, def: def, rep: rep}
	n.field = arrow.Field{Name: e.Name, Nullable: nullable, Metadata: idMetadata(e.FieldID)}
	path := append(parent[:len(parent):len(parent)], e.Name)
	if e.Type.Valid {
		if e.NumChildren.Valid && e.NumChildren.V > 0 {
			return nil, fmt.Errorf("column %s is primitive and has children: %w", e.Name, ErrCorrupt)
		}
		return n, p.leaf(n, path)
	}
	if p.children(&e) < 1 {
		return nil, fmt.Errorf("group %s has no children: %w", e.Name, ErrUnsupported)
	}
	if isListOrMap(&e) && p.children(&e) == 1 && p.at < len(p.elems) && p.elems[p.at].RepetitionType.V == format.Repeated {
		return n, p.list(n, path, depth)
	}
	var fields []arrow.Field
	for range p.children(&e) {
		c, err := p.node(path, def, rep, depth+1)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, c)
		fields = append(fields, c.field)
	}
	n.field.Type = arrow.StructOf(fields...)
	return n, nil
}

func isListOrMap(e *format.SchemaElement) bool {
	switch e.LogicalType.Value.(type) {
	case *format.ListType, *format.MapType:
		return true
	}
	c, ok := e.ConvertedType.Get()
	return ok && (c == deprecated.List || c == deprecated.Map || c == deprecated.MapKeyValue)
}

func idMetadata(id int32) arrow.Metadata {
	if id <= 0 {
		return arrow.Metadata{}
	}
	return arrow.NewMetadata([]string{FieldIDKey}, []string{strconv.Itoa(int(id))})
}

func (p *schemaParser) leaf(n *node, path []string) error {
	t, err := arrowType(&n.elem)
	if err != nil {
		return fmt.Errorf("column %s: %w", n.elem.Name, err)
	}
	n.field.Type = t
	l := &leaf{index: len(p.tree.leaves), path: path, id: int(max(0, n.elem.FieldID)), phys: n.elem.Type.V, width: int(n.elem.TypeLength.V), typ: t, maxDef: n.def, maxRep: n.rep}
	if l.phys == format.FixedLenByteArray && (l.width < 1 || l.width > 1<<20) {
		return fmt.Errorf("column %s has values of %d bytes: %w", l.name(), l.width, ErrCorrupt)
	}
	if _, ok := t.(arrow.DecimalType); ok && l.phys == format.FixedLenByteArray && l.width > 16 {
		return fmt.Errorf("column %s has decimals of %d bytes: %w", l.name(), l.width, ErrUnsupported)
	}
	n.leaf = l
	p.tree.leaves = append(p.tree.leaves, l)
	return nil
}

// list parses what is below an annotated list or map, by the format's rules for old writers.
func (p *schemaParser) list(n *node, path []string, depth int) error {
	e := p.elems[p.at]
	mid := &node{elem: e, def: n.def + 1, rep: n.rep + 1}
	path = append(path[:len(path):len(path)], e.Name)
	var elem *node
	var err error
	switch {
	case e.Type.Valid: // the repeated field is the element itself
		p.at++
		elem = &node{elem: e, def: mid.def, rep: mid.rep, field: arrow.Field{Name: "element", Metadata: idMetadata(e.FieldID)}}
		err = p.leaf(elem, path)
	case p.children(&e) == 1 && e.Name != "array" && e.Name != n.elem.Name+"_tuple":
		p.at++
		elem, err = p.node(path, mid.def, mid.rep, depth+1)
	default: // the repeated group is a struct element
		elem, err = p.structElement(path[:len(path)-1], mid, depth)
	}
	if err != nil {
		return err
	}
	mid.children = []*node{elem}
	n.children = []*node{mid}
	if m := mapOf(n, elem); m != nil {
		n.field.Type = m
		return nil
	}
	field := elem.field
	field.Name = "element"
	n.field.Type = arrow.ListOfField(field)
	return nil
}

// structElement parses a repeated group as a required struct.
func (p *schemaParser) structElement(parent []string, mid *node, depth int) (*node, error) {
	e := p.elems[p.at]
	p.at++
	n := &node{elem: e, def: mid.def, rep: mid.rep, field: arrow.Field{Name: e.Name}}
	path := append(parent[:len(parent):len(parent)], e.Name)
	var fields []arrow.Field
	for range p.children(&e) {
		c, err := p.node(path, n.def, n.rep, depth+2)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, c)
		fields = append(fields, c.field)
	}
	if len(fields) == 0 {
		return nil, fmt.Errorf("group %s has no children: %w", e.Name, ErrUnsupported)
	}
	n.field.Type = arrow.StructOf(fields...)
	return n, nil
}

// mapOf is the Arrow map of a node that is annotated as a map and has a required key and a value; else nil.
func mapOf(n, elem *node) arrow.DataType {
	_, isMap := n.elem.LogicalType.Value.(*format.MapType)
	c, ok := n.elem.ConvertedType.Get()
	isMap = isMap || ok && (c == deprecated.Map || c == deprecated.MapKeyValue)
	if !isMap || len(elem.children) != 2 || elem.leaf != nil || elem.children[0].field.Nullable || elem.field.Nullable {
		return nil
	}
	k, v := elem.children[0].field, elem.children[1].field
	k.Name, v.Name = "key", "value"
	return arrow.MapOfFields(k, v)
}

// bareRepeated parses a repeated field outside of a list: a required list of required elements.
func (p *schemaParser) bareRepeated(parent []string, def, rep, depth int) (*node, error) {
	e := p.elems[p.at]
	n := &node{elem: e, def: def, rep: rep, field: arrow.Field{Name: e.Name, Metadata: idMetadata(e.FieldID)}}
	mid := &node{elem: e, def: def + 1, rep: rep + 1}
	var elem *node
	var err error
	if e.Type.Valid {
		p.at++
		elem = &node{elem: e, def: mid.def, rep: mid.rep, field: arrow.Field{Name: "element"}}
		err = p.leaf(elem, append(parent[:len(parent):len(parent)], e.Name))
	} else {
		elem, err = p.structElement(parent, mid, depth)
	}
	if err != nil {
		return nil, err
	}
	mid.children = []*node{elem}
	n.children = []*node{mid}
	field := elem.field
	field.Name = "element"
	n.field.Type = arrow.ListOfField(field)
	return n, nil
}
