// Package aggregate computes grouped aggregates over Arrow batches exactly.
//
// Nouns. A [Plan] says what to compute: the key columns and the aggregates. A
// [Hash] takes rows in any order and gives partial states, one state row a
// group. A [Stream] takes rows or state rows that are sorted by the key and
// gives finished groups as soon as a key ends, in constant memory.
//
// State rows are ordinary batches: the key columns, then the columns of the
// aggregates' states. They can be staged, exchanged and merged in any order
// and grouping without changing the result by a digit: sums are kept in 192
// bits, the first and last row of a group are chosen by a total order, and each
// distinct value is a state row of its own ([SetColumn], [MemberColumn]), so that
// counting them needs no memory either.
//
// Errors: a sum that does not fit its result is money.ErrOverflow and names the
// group's key; input that is not sorted as promised is [ErrOrder].
package aggregate

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
	"github.com/millrace/millrace/sdk/money"
)

// ErrOrder is wrapped where rows come in another order than they were promised to.
var ErrOrder = errors.New("rows are not in the order that was promised")

// The state columns that carry distinct values.
const (
	// SetColumn is 0 for a group's states, else the 1-based number of the distinct count whose member the row is.
	SetColumn = "__set"
	// MemberColumn is the encoded member.
	MemberColumn = "__member"
)

// Kind is an aggregate function.
type Kind string

// The aggregate functions.
const (
	CountRows Kind = "count_rows" // int64, not null
	Count     Kind = "count"      // rows where the column is not null: int64, not null
	Sum       Kind = "sum"        // decimal(38, s) of a decimal(p, s), int64 of integers; null if every value is
	Avg       Kind = "avg"        // decimal(38, Scale), rounded by Rounding; null if every value is
	Min       Kind = "min"        // the column's type; null if every value is
	Max       Kind = "max"
	First     Kind = "first" // the column's value in the first row by OrderBy among those where it is not null
	Last      Kind = "last"
	Distinct  Kind = "distinct" // number of different values that are not null: int64, not null
)

// Spec is one aggregate of a plan.
type Spec struct {
	Kind     Kind               `json:"kind"`
	Column   string             `json:"column,omitempty"`
	As       string             `json:"as"`
	OrderBy  []string           `json:"order_by,omitempty"`
	Scale    int32              `json:"scale,omitempty"`
	Rounding money.RoundingMode `json:"rounding,omitzero"`
}

// Plan is a checked aggregation. It is immutable.
type Plan struct {
	Keys  []string
	Specs []Spec
	In    *arrow.Schema // of raw rows
	State *arrow.Schema // of state rows
	Out   *arrow.Schema // of finished groups
	// StateOrder are the columns that state rows must be sorted by for a Stream.
	StateOrder []string

	sets int // how many distinct counts
}

// NewPlan checks keys and aggregates against the rows' schema. Its errors are the author's mistakes.
func NewPlan(in *arrow.Schema, keys []string, specs []Spec) (*Plan, error) {
	p := &Plan{Keys: keys, Specs: specs, In: in, StateOrder: keys}
	if _, err := rowkey.New(in, keys); err != nil {
		return nil, err
	}
	var keyFields, stateFields, outFields []arrow.Field
	for _, k := range keys {
		i := in.FieldIndices(k)[0]
		keyFields = append(keyFields, in.Field(i))
	}
	for i, s := range specs {
		out, err := p.outField(s)
		if err != nil {
			return nil, fmt.Errorf("aggregate %s of %q as %q: %w", s.Kind, s.Column, s.As, err)
		}
		outFields = append(outFields, out)
		stateFields = append(stateFields, p.stateFields(i, s)...)
		if s.Kind == Distinct {
			p.sets++
		}
	}
	if len(specs) == 0 {
		return nil, errors.New("a grouping needs at least one aggregate, such as Count")
	}
	p.Out = arrow.NewSchema(append(append([]arrow.Field{}, keyFields...), outFields...), nil)
	if dup := duplicate(p.Out); dup != "" {
		return nil, fmt.Errorf("two result columns are named %q", dup)
	}
	if p.sets > 0 {
		keyFields = append(keyFields,
			arrow.Field{Name: SetColumn, Type: arrow.PrimitiveTypes.Int32},
			arrow.Field{Name: MemberColumn, Type: arrow.BinaryTypes.Binary})
		p.StateOrder = append(append([]string{}, keys...), SetColumn, MemberColumn)
	}
	p.State = arrow.NewSchema(append(keyFields, stateFields...), nil)
	return p, nil
}

func duplicate(s *arrow.Schema) string {
	for _, f := range s.Fields() {
		if len(s.FieldIndices(f.Name)) > 1 {
			return f.Name
		}
	}
	return ""
}

// field finds an aggregate's argument.
func (p *Plan) field(name string) (arrow.Field, error) {
	if _, err := rowkey.New(p.In, []string{name}); err != nil && len(p.In.FieldIndices(name)) != 1 {
		return arrow.Field{}, err
	}
	return p.In.Field(p.In.FieldIndices(name)[0]), nil
}

func (p *Plan) outField(s Spec) (arrow.Field, error) {
	if s.Kind == CountRows {
		return arrow.Field{Name: s.As, Type: arrow.PrimitiveTypes.Int64}, nil
	}
	f, err := p.field(s.Column)
	if err != nil {
		return arrow.Field{}, err
	}
	switch s.Kind {
	case Count:
		return arrow.Field{Name: s.As, Type: arrow.PrimitiveTypes.Int64}, nil
	case Distinct:
		_, err := rowkey.New(p.In, []string{s.Column})
		return arrow.Field{Name: s.As, Type: arrow.PrimitiveTypes.Int64}, err
	case Sum:
		t, err := sumType(f.Type)
		return arrow.Field{Name: s.As, Type: t, Nullable: f.Nullable}, err
	case Avg:
		t, err := avgType(f.Type, s)
		return arrow.Field{Name: s.As, Type: t, Nullable: f.Nullable}, err
	case Min, Max:
		_, err := rowkey.New(p.In, []string{s.Column})
		return arrow.Field{Name: s.As, Type: f.Type, Nullable: f.Nullable}, err
	case First, Last:
		if len(s.OrderBy) == 0 {
			return arrow.Field{}, errors.New("say by which columns rows are ordered")
		}
		_, err := rowkey.New(p.In, append(append([]string{}, s.OrderBy...), s.Column))
		return arrow.Field{Name: s.As, Type: f.Type, Nullable: f.Nullable}, err
	}
	return arrow.Field{}, fmt.Errorf("unknown aggregate %q", s.Kind)
}

func sumType(t arrow.DataType) (arrow.DataType, error) {
	if d, ok := t.(*arrow.Decimal128Type); ok {
		return &arrow.Decimal128Type{Precision: 38, Scale: d.Scale}, nil
	}
	if arrow.IsInteger(t.ID()) {
		return arrow.PrimitiveTypes.Int64, nil
	}
	if arrow.IsFloating(t.ID()) {
		return nil, fmt.Errorf("type %s: a sum of floating-point numbers depends on their order; convert the column to a decimal first", t)
	}
	return nil, fmt.Errorf("type %s cannot be added up", t)
}

func avgType(t arrow.DataType, s Spec) (arrow.DataType, error) {
	if _, err := sumType(t); err != nil {
		return nil, err
	}
	if s.Scale < 0 || s.Scale > money.MaxScale {
		return nil, fmt.Errorf("scale %d: %w", s.Scale, money.ErrScale)
	}
	if !s.Rounding.Valid() {
		return nil, errors.New("an average needs a rounding mode, such as money.HalfEven")
	}
	return &arrow.Decimal128Type{Precision: 38, Scale: s.Scale}, nil
}

// stateFields are the columns of an aggregate's state; i numbers the aggregate.
func (p *Plan) stateFields(i int, s Spec) []arrow.Field {
	name := func(part string) string { return fmt.Sprintf("__%d_%s", i, part) }
	switch s.Kind {
	case CountRows, Count:
		return []arrow.Field{{Name: name("n"), Type: arrow.PrimitiveTypes.Int64}}
	case Sum, Avg:
		return []arrow.Field{
			{Name: name("sum"), Type: &arrow.FixedSizeBinaryType{ByteWidth: sumBytes}},
			{Name: name("n"), Type: arrow.PrimitiveTypes.Int64},
		}
	case Min, Max, First, Last:
		f, _ := p.field(s.Column) // outField has found it
		return []arrow.Field{
			{Name: name("rank"), Type: arrow.BinaryTypes.Binary, Nullable: true},
			{Name: name("value"), Type: f.Type, Nullable: true},
		}
	}
	return nil // Distinct: its state is in rows
}
