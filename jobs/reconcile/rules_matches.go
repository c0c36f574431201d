package reconcile

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// ruleMatchSchema is that of matches.parquet: a row for each row of a side that a match has.
func ruleMatchSchema(precision, scale int) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "match", Type: bigint}, {Name: "leg", Type: utf8}, {Name: "rule", Type: utf8}, {Name: "cardinality", Type: utf8},
		{Name: "side", Type: utf8}, {Name: "ref", Type: utf8}, {Name: "key", Type: utf8}, {Name: "amount", Type: &arrow.Decimal128Type{Precision: int32(precision), Scale: int32(scale)}},
		{Name: "currency", Type: utf8}, {Name: "date", Type: date32, Nullable: true}}, nil)
}

// matchRows is how many rows of matches are written at once.
const matchRows = 16 << 10

// matchFile writes matches.parquet: first the pairs of a sieve as they come, then what legs hold. A nil one writes nothing.
type matchFile struct {
	ctx   context.Context // of the run
	out   storage.Store
	w     storage.Writer // nil until the first match, or the end
	file  *parquetfile.Writer
	b     *array.RecordBuilder
	scale int
	rows  int
	match int64
	pair  *pairBatch // nil until a sieve has pairs

	number                                           *array.Int64Builder
	leg, rule, cardinality, side, ref, key, currency *array.StringBuilder
	amount                                           *array.Decimal128Builder
	date                                             *array.Date32Builder
}

// begin opens the file, once it is known how many digits amounts have.
func (m *matchFile) begin(precision, scale int) (err error) {
	if m.w != nil {
		return nil
	}
	if m.w, err = m.out.Create(m.ctx, matchesName); err != nil {
		return err
	}
	schema := ruleMatchSchema(precision, scale)
	if m.file, err = parquetfile.NewWriter(m.w, schema, parquetfile.WriterOptions{RowGroupRows: 16 * matchRows, Beside: true}); err != nil {
		return err
	}
	m.scale, m.b = scale, array.NewRecordBuilder(memory.DefaultAllocator, schema)
	text := func(i int) *array.StringBuilder { return m.b.Field(i).(*array.StringBuilder) }
	m.number = m.b.Field(0).(*array.Int64Builder)
	m.leg, m.rule, m.cardinality, m.side, m.ref, m.key, m.currency = text(1), text(2), text(3), text(4), text(5), text(6), text(8)
	m.amount, m.date = m.b.Field(7).(*array.Decimal128Builder), m.b.Field(9).(*array.Date32Builder)
	return nil
}

// matchNames are what all rows of a match say.
type matchNames struct{ leg, rule, cardinality, key string }

// finish writes what legs hold, and closes the file.
func (m *matchFile) finish(legs []settledLeg) error {
	if m == nil {
		return nil
	}
	scale := 0
	for i := range legs {
		scale = max(scale, legs[i].result.Scale())
	}
	if err := m.begin(precisionOf(legs, scale), scale); err != nil {
		return err
	}
	for i := range legs {
		if err := m.all(legs[i].plan, legs[i].result); err != nil {
			return err
		}
	}
	if err := m.flush(); err != nil {
		return err
	}
	if _, err := m.file.Close(); err != nil {
		return err
	}
	return m.w.Close()
}

// settled writes the matches of a part's settlement.
func (m *matchFile) settled(p rulefile.Plan, precision int, s *reconciliation.Settlement) error {
	if m == nil || len(s.Matches()) == 0 {
		return nil
	}
	if err := m.begin(precision, s.Scale()); err != nil {
		return err
	}
	return m.all(p, s)
}

// all writes the matches of a settlement.
func (m *matchFile) all(p rulefile.Plan, res *reconciliation.Settlement) error {
	for _, o := range res.Matches() {
		m.match++
		names := matchNames{p.Name, o.Pass, string(o.Cardinality()), o.Key}
		for _, s := range []struct {
			name string
			side *reconciliation.Side
			rows []int32
		}{{p.Left.Name, res.Left, o.Left}, {p.Right.Name, res.Right, o.Right}} {
			for _, r := range s.rows {
				if err := m.row(&names, s.name, s.side, r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// precisionOf is how many digits amounts of the legs' rows have at most, with scale of them after the point: 18 or 38.
func precisionOf(legs []settledLeg, scale int) int {
	for i := range legs {
		for _, side := range []*reconciliation.Side{legs[i].result.Left, legs[i].result.Right} {
			for r := range side.Len() {
				if !side.Amount(r).Fits(18, scale) {
					return money.MaxPrecision
				}
			}
		}
	}
	return 18
}

// abort drops a file that was not finished.
func (m *matchFile) abort() {
	if m == nil {
		return
	}
	if m.b != nil {
		m.b.Release()
		m.b = nil
	}
	if m.w != nil {
		_ = m.w.Abort() // after Close it does nothing
	}
}

func (m *matchFile) row(names *matchNames, side string, of *reconciliation.Side, row int32) error {
	amount, err := rescaled(of.Amount(int(row)), m.scale)
	if err != nil {
		return err
	}
	m.number.Append(m.match)
	m.leg.Append(names.leg)
	m.rule.Append(names.rule)
	m.cardinality.Append(names.cardinality)
	m.side.Append(side)
	m.ref.Append(of.Ref(int(row)))
	m.key.Append(names.key)
	m.amount.Append(num(amount))
	m.currency.Append(of.Currency(int(row)))
	if d := of.Date(int(row)); d == reconciliation.NoDate {
		m.date.AppendNull()
	} else {
		m.date.Append(arrow.Date32(d))
	}
	if m.rows++; m.rows == matchRows {
		return m.flush()
	}
	return nil
}

// rescaled is d with scale digits after the point.
func rescaled(d money.Decimal, scale int) (money.Decimal, error) {
	if d.Scale() == scale {
		return d, nil
	}
	return d.RescaleExact(scale)
}

func (m *matchFile) flush() error {
	if m.rows == 0 {
		return nil
	}
	m.rows = 0
	b := m.b.NewRecordBatch()
	defer b.Release()
	return m.file.Write(b)
}
