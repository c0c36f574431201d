package catalog

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"

	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

// addFilter prunes by what a filter says about columns: the buckets that rows with the wanted
// values are in, and the files' bounds.
func (p *pruner) addFilter(schema *arrow.Schema, filter expr.Expr, bucketBy string, buckets int) error {
	bound, err := expr.Bind(filter, schema)
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	p.matches = func(f *liveFile) bool {
		return bound.Prune(func(column string) (expr.Stats, bool) { return f.stats(schema, column) }) != expr.Never
	}
	if bucketBy == "" {
		return nil
	}
	tree, err := parseFilter(filter)
	if err != nil {
		return err
	}
	at := schema.FieldIndices(bucketBy)
	if len(at) != 1 {
		return nil
	}
	if wanted, known := tree.values(bucketBy, schema.Field(at[0]).Type); known {
		set := map[int]bool{}
		for _, v := range wanted {
			b, err := bucketLiteral(buckets, v)
			if err != nil {
				return err
			}
			set[b] = true
		}
		p.narrow(set)
	}
	return nil
}

// filterNode is the part of an expression's JSON form that tells which values a column must have.
type filterNode struct {
	Op   string       `json:"op"`
	Args []filterNode `json:"args"`
	Col  *string      `json:"col"`
	Lit  *struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"lit"`
}

// parseFilter reads an expression by its JSON form, which is its public one.
func parseFilter(filter expr.Expr) (filterNode, error) {
	var doc struct {
		Expr filterNode `json:"expr"`
	}
	text, err := json.Marshal(filter)
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		return filterNode{}, fmt.Errorf("filter: %w", err)
	}
	return doc.Expr, nil
}

// values returns a list that holds the column's value of every row for which n is true; known is false where there is no such list.
func (n filterNode) values(column string, t arrow.DataType) (values []iceberg.Literal, known bool) {
	switch n.Op {
	case "and":
		for _, a := range n.Args { // the shortest list of those that are known will do
			if v, ok := a.values(column, t); ok && (!known || len(v) < len(values)) {
				values, known = v, true
			}
		}
		return values, known
	case "or":
		for _, a := range n.Args {
			v, ok := a.values(column, t)
			if !ok {
				return nil, false
			}
			values = append(values, v...)
		}
		return values, true
	case "eq":
		if len(n.Args) == 2 && n.Args[0].Col == nil {
			n.Args = []filterNode{n.Args[1], n.Args[0]}
		}
	case "in":
	default:
		return nil, false
	}
	if len(n.Args) < 2 || n.Args[0].Col == nil || *n.Args[0].Col != column {
		return nil, false
	}
	for _, a := range n.Args[1:] {
		v, ok := a.literal(t)
		if !ok {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

// literal is the node's constant as a value of the column's type. Where text and type do not
// meet exactly, the constant is not used.
func (n filterNode) literal(t arrow.DataType) (iceberg.Literal, bool) {
	if n.Lit == nil {
		return nil, false
	}
	switch t.ID() {
	case arrow.STRING:
		return iceberg.NewLiteral(n.Lit.Value), n.Lit.Type == "string"
	case arrow.INT32, arrow.INT64:
		v, err := strconv.ParseInt(n.Lit.Value, 10, 64)
		return iceberg.NewLiteral(v), err == nil && n.Lit.Type == "int64"
	case arrow.DATE32:
		d, err := expr.ParseDay(n.Lit.Value)
		return iceberg.NewLiteral(iceberg.Date(d)), err == nil
	}
	return nil, false
}

// stats are the file's statistics of a column, as expressions take them.
func (f *liveFile) stats(schema *arrow.Schema, column string) (expr.Stats, bool) {
	at := schema.FieldIndices(column)
	if len(at) != 1 {
		return expr.Stats{}, false
	}
	field := schema.Field(at[0])
	id, ok := fieldID(field)
	if !ok {
		return expr.Stats{}, false
	}
	s := expr.Stats{Nulls: -1, Rows: f.rows}
	if n, ok := f.nulls[id]; ok {
		s.Nulls = n
	}
	s.Min, s.Max = decodeBound(field.Type, f.lower[id]), decodeBound(field.Type, f.upper[id])
	return s, true
}

// decodeBound reads Iceberg's single-value form of a bound; nil where there is none, or where it does not fit the
// type. Columns that were widened have the narrower form in older files.
func decodeBound(t arrow.DataType, b []byte) any {
	if b == nil {
		return nil
	}
	switch t := t.(type) {
	case *arrow.StringType:
		return string(b)
	case *arrow.BinaryType, *arrow.FixedSizeBinaryType:
		return b
	case *arrow.BooleanType:
		if len(b) == 1 {
			return b[0] != 0
		}
	case *arrow.Int32Type, *arrow.Int64Type:
		if v, ok := decodeInt(b); ok {
			return v
		}
	case *arrow.Float32Type, *arrow.Float64Type:
		return decodeFloat(b)
	case *arrow.Date32Type:
		if v, ok := decodeInt(b); ok && len(b) == 4 {
			return expr.Day(v)
		}
	case *arrow.TimestampType:
		if v, ok := decodeInt(b); ok && len(b) == 8 {
			return time.UnixMicro(v).UTC()
		}
	case *arrow.Decimal128Type:
		if d, err := money.DecimalFromBytes(b, int(t.Scale)); err == nil {
			return d
		}
	}
	return nil
}

func decodeInt(b []byte) (int64, bool) {
	switch len(b) {
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b))), true
	case 8:
		return int64(binary.LittleEndian.Uint64(b)), true
	}
	return 0, false
}

func decodeFloat(b []byte) any {
	var v float64
	switch len(b) {
	case 4:
		v = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case 8:
		v = math.Float64frombits(binary.LittleEndian.Uint64(b))
	default:
		return nil
	}
	if math.IsNaN(v) {
		return nil
	}
	return v
}
