package columnar

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

func init() { dataset.RegisterCoMaker(makeComparison) }

// The sides.
const (
	Left  = 0
	Right = 1
)

// The columns of an outcome beside the key.
const (
	ColClass         = "class"
	ColBreakID       = "break_id"
	ColDifference    = "difference"
	ColAmountLeft    = "amount_left"
	ColAmountRight   = "amount_right"
	ColCurrencyLeft  = "currency_left"
	ColCurrencyRight = "currency_right"
	ColDateLeft      = "date_left"
	ColDateRight     = "date_right"
	ColRefLeft       = "ref_left"
	ColRefRight      = "ref_right"
	ColRowLeft       = "row_left"
	ColRowRight      = "row_right"
	// ColCount is there where a row stands for several outcomes: how many.
	ColCount = "count"
)

// The classes of rows that [WithPopulation] adds: what a side holds.
const (
	PopulationLeft  reconciliation.Class = "population_left"
	PopulationRight reconciliation.Class = "population_right"
)

// OutcomeSchema is the form of outcomes: class ("matched", or a break's class), break_id (null for matches), key, and
// each side's amount, currency, date, ref and row, all null on a side that has none; difference is
// left − right, a missing side counting as zero, and null where the currencies differ.
func OutcomeSchema(scale int32) *arrow.Schema {
	text, amount, date := arrow.BinaryTypes.String, amountType(scale), arrow.FixedWidthTypes.Date32
	null := func(name string, t arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: t, Nullable: true}
	}
	return arrow.NewSchema([]arrow.Field{
		{Name: ColClass, Type: text}, null(ColBreakID, text), {Name: ColKey, Type: text},
		null(ColAmountLeft, amount), null(ColAmountRight, amount), null(ColDifference, amount),
		null(ColCurrencyLeft, text), null(ColCurrencyRight, text), null(ColDateLeft, date), null(ColDateRight, date),
		null(ColRefLeft, text), null(ColRefRight, text), null(ColRowLeft, text), null(ColRowRight, text),
	}, nil)
}

// Option alters Both.
type Option func(*settings)

type settings struct{ partitions int }

// Partitions is into how many parts both sides are cut by their keys; default dataset.DefaultPartitions. It never changes a result.
func Partitions(n int) Option { return func(s *settings) { s.partitions = n } }

// Pair is both sides' items.
type Pair struct {
	left, right dataset.Dataset
	scale       int32
	partitions  int
}

// Both puts two sides' items of one scale beside each other.
func Both(_ beam.Scope, left, right dataset.Dataset, scale int32, opts ...Option) Pair {
	set := settings{dataset.DefaultPartitions}
	for _, o := range opts {
		o(&set)
	}
	return Pair{left, right, scale, set.partitions}
}

// CompareOption alters what Compare says; the verdicts stay the same.
type CompareOption func(*ruleConfig)

// AddUpMatches makes one row of many matches of one currency: how many ([ColCount]), and the sums of their
// amounts; key, date and refs are empty. Where nobody reads single matches this is several times faster.
func AddUpMatches() CompareOption { return func(c *ruleConfig) { c.AddUp, c.Count = true, true } }

// WithPopulation adds what each side holds by currency, as rows of the classes [PopulationLeft] and
// [PopulationRight]: how many items ([ColCount]) and the sum of their amounts, on that side. It is added up from all the items
// that arrive, by themselves, before any of them is compared. A currency may have several rows.
func WithPopulation() CompareOption {
	return func(c *ruleConfig) { c.Population, c.Count = true, true }
}

type ruleConfig struct {
	Name       string        `json:"name"`
	Tolerance  money.Decimal `json:"tolerance"`
	Days       int32         `json:"days"`
	HasDate    bool          `json:"has_date"`
	Scale      int32         `json:"scale"`
	AddUp      bool          `json:"add_up,omitempty"`
	Population bool          `json:"population,omitempty"`
	Count      bool          `json:"count,omitempty"`
}

func (r *ruleConfig) schema() *arrow.Schema {
	schema := OutcomeSchema(r.Scale)
	if !r.Count {
		return schema
	}
	return arrow.NewSchema(append(schema.Fields(), arrow.Field{Name: ColCount, Type: arrow.PrimitiveTypes.Int64}), nil)
}

// Compare settles both sides by a rule into outcomes, in order of their keys within each of the pair's partitions.
func Compare(s beam.Scope, p Pair, rule reconciliation.Rule, opts ...CompareOption) dataset.Dataset {
	s = s.Scope("columnar.Compare")
	r := ruleConfig{Name: rule.Name, Tolerance: rule.Tolerance, Days: rule.Days, HasDate: rule.HasDate, Scale: p.scale}
	for _, o := range opts {
		o(&r)
	}
	config, err := json.Marshal(r)
	if err != nil { // texts and numbers always encode
		config = nil
	}
	key := []string{ColKey}
	out := dataset.CoGroup(s, p.left, p.right, key, key, makeComparison, string(config), r.schema(), dataset.Partitions(p.partitions))
	return dataset.Sort(s, out, ColKey)
}

func makeComparison(config string) (dataset.CoFunc, error) {
	var r ruleConfig
	if err := json.Unmarshal([]byte(config), &r); err != nil {
		return nil, fmt.Errorf("comparison: %w", err)
	}
	if r.Tolerance.Sign() < 0 || r.Days < 0 {
		return nil, errors.New("comparison: a tolerance must not be negative")
	}
	c := &comparison{addUp: r.AddUp, population: r.Population}
	c.rule = reconciliation.Rule{Name: r.Name, Tolerance: r.Tolerance, Days: r.Days, HasDate: r.HasDate}
	c.near = nearOf(r.Tolerance, r.Scale)
	c.out.init(r.schema())
	return c.cluster, nil
}
