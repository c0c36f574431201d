package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// loader reads one side of a rule file.
type loader struct {
	opts    *RulesOptions
	spec    *rulefile.Side
	schema  reconciliation.Schema
	to      func(*reconciliation.Movement) error // takes the rows; what they share with their batch is only valid until it returns
	report  SideReport
	rejects []byte // as lines of JSON
	reject  files.RejectFunc
	sums    map[string]*sideSum
	proofs  []*proofRun // that look at the side's rows
	number  int         // 0 is the left side, 1 the right one
	kept    *keptSide   // nil where the side's tree is not kept
	// boundWhere is the condition, once it is known to fit the source.
	boundWhere expr.Expr
}

// sideSum is a currency's total while it grows, by the scale of its amounts.
type sideSum struct {
	sums [money.MaxScale + 1]money.Sum
	rows [money.MaxScale + 1]int64
}

// batches is a stream of record batches: of a file or of a split of a table.
type batches interface {
	Next(ctx context.Context) (arrow.RecordBatch, error)
	Close() error
}

func (l *loader) load(ctx context.Context) error {
	l.report = SideReport{Name: l.spec.Name, Totals: map[string]money.Decimal{}}
	l.sums = map[string]*sideSum{}
	location := l.opts.Rules.Path(l.spec.File)
	if given := l.opts.Sides[l.spec.Name]; given != "" {
		location = given
	}
	var err error
	switch {
	case location != "":
		err = l.files(ctx, location)
	case l.spec.Database != nil:
		err = l.database(ctx)
	case l.spec.Table != "":
		err = l.table(ctx)
	default:
		err = fault.Usagef("where is it? name its file with --side %s=PATH, or file or table in the rules", l.spec.Name)
	}
	if err != nil {
		return err
	}
	return l.totals()
}

// format of a side's files.
func (l *loader) format(glob string) (string, error) {
	if set := l.spec.FormatOf(); set != "" {
		return set, nil
	}
	f, err := formatOf(glob)
	if err != nil {
		return "", fault.Usagef("%s: its name does not say what it is; set the side's format to csv, parquet, statement or fixed", glob)
	}
	return f, nil
}

func (l *loader) files(ctx context.Context, location string) error {
	store, glob, err := l.opts.Stores.OpenObject(ctx, location)
	if err != nil {
		return err
	}
	format, err := l.format(glob)
	if err != nil {
		return err
	}
	if l.report.Files, err = describeFiles(ctx, store, glob); err != nil {
		return err
	}
	switch format {
	case "csv":
		return l.csv(ctx, store, glob)
	case "fixed":
		return l.fixed(ctx, store, glob)
	case "statement":
		return l.statements(ctx, store, glob)
	}
	whole, err := parquetio.Infer(ctx, store, glob, parquetio.Options{})
	if err != nil {
		return err
	}
	splits, err := parquetio.Splits(ctx, store, glob, parquetio.Options{})
	if err != nil {
		return err
	}
	return l.each(ctx, splits, whole, func(s files.Split) (batches, func() []int64, error) {
		r, err := parquetio.Open(ctx, store, s, parquetio.Options{Schema: whole})
		return r, nil, err
	})
}

// csv reads every column as text: what it means is the rules' to say.
func (l *loader) csv(ctx context.Context, store storage.Store, glob string) error {
	opts := csvio.Options{Delimiter: l.spec.CSV.Delimiter, Encoding: l.spec.CSV.Encoding, SkipLines: l.spec.CSV.SkipLines, Extra: csvio.IgnoreExtra, SplitBytes: math.MaxInt64}
	found, err := csvio.Infer(ctx, store, glob, opts)
	if err != nil {
		return err
	}
	if found.NumFields() == 0 {
		return fault.Usagef("%s is empty: it has no header", glob)
	}
	fields := make([]arrow.Field, found.NumFields())
	for i, f := range found.Fields() {
		fields[i] = arrow.Field{Name: f.Name, Type: arrow.BinaryTypes.String, Nullable: true}
	}
	opts.Schema, opts.OnReject = arrow.NewSchema(fields, nil), l.onReject()
	splits, err := csvio.Splits(ctx, store, glob, opts)
	if err != nil {
		return err
	}
	return l.each(ctx, splits, opts.Schema, func(s files.Split) (batches, func() []int64, error) {
		r, err := csvio.Open(ctx, store, s, opts)
		if err != nil {
			return nil, nil, err
		}
		return r, r.Lines, nil
	})
}

// each reads splits of files, one after the other. lines numbers the rows of a batch; where it is nil they are counted.
func (l *loader) each(ctx context.Context, splits []files.Split, schema *arrow.Schema, open func(files.Split) (batches, func() []int64, error)) error {
	rows, err := l.reader(schema)
	if err != nil {
		return err
	}
	counted := map[string]int64{}
	for _, s := range splits {
		in, lines, err := open(s)
		if err != nil {
			return err
		}
		line, row := path.Base(s.Name)+":", path.Base(s.Name)+" row "
		err = eachOf(ctx, in, func(b arrow.RecordBatch) error {
			var at []int64
			if lines != nil {
				at = lines()
			}
			before := counted[s.Name]
			counted[s.Name] += b.NumRows()
			return rows.read(ctx, b, func(i int) (string, int64) {
				if at != nil {
					return line, at[i]
				}
				return row, before + int64(i) + 1
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func eachOf(ctx context.Context, in batches, f func(arrow.RecordBatch) error) (err error) {
	defer func() { err = errors.Join(err, in.Close()) }()
	for {
		b, err := in.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = f(b)
		b.Release()
		if err != nil {
			return err
		}
	}
}

// table reads a side that is a table of the lake.
func (l *loader) table(ctx context.Context) error {
	if l.opts.Lake == nil {
		return fault.Usagef("its table %s needs a lake: give --project or --dir", l.spec.Table)
	}
	cut, err := l.opts.Lake.At(ctx, l.opts.At)
	if err != nil {
		return fault.Mark(fault.Usage, err)
	}
	t, err := cut.Table(l.spec.Table)
	if err != nil {
		return fault.Mark(fault.Usage, fmt.Errorf("table %s at cut %d: %w", l.spec.Table, cut.Number(), err))
	}
	spec, err := t.Spec()
	if err != nil {
		return err
	}
	l.report.Table, l.report.Snapshot = l.spec.Table, t.Snapshot()
	rows, err := l.reader(spec.Schema)
	if err != nil {
		return err
	}
	ref := spec.Key
	if len(ref) == 0 {
		ref = rows.used
	}
	columns := slices.Concat(rows.used, ref)
	slices.Sort(columns)
	plan, err := cut.PlanScan(ctx, l.spec.Table, catalog.ScanOptions{Columns: slices.Compact(columns), Filter: rows.whereExpr})
	if err != nil {
		return err
	}
	if rows, err = l.reader(plan.Schema); err != nil {
		return err
	}
	splits := plan.Splits
	if l.kept != nil {
		if splits, err = l.kept.since(ctx, plan); err != nil {
			return fmt.Errorf("what is kept of %s: %w", l.spec.Table, err)
		}
	}
	for _, s := range splits {
		in, err := l.opts.Lake.OpenSplit(ctx, plan.Schema, s, catalog.ReadOptions{Filter: rows.whereExpr, Table: spec.Schema})
		if err != nil {
			return fmt.Errorf("read %s: %w", l.spec.Table, err)
		}
		err = eachOf(ctx, in, func(b arrow.RecordBatch) error {
			return rows.read(ctx, b, placeBy(b, ref))
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", l.spec.Table, err)
		}
	}
	return nil
}

// onReject takes records that cannot be read. It is one for all readers of the side, which share its limit.
func (l *loader) onReject() files.RejectFunc {
	if l.reject == nil {
		l.reject = l.newReject()
	}
	return l.reject
}

func (l *loader) newReject() files.RejectFunc {
	if l.spec.Quarantine == 0 {
		return func(context.Context, files.Reject) error {
			return fault.Usagef("the file is refused: correct the line, or allow some records to be quarantined")
		}
	}
	return files.Limit(l.spec.Quarantine, func(_ context.Context, r files.Reject) error {
		if l.report.Quarantined++; l.report.FirstReject == "" {
			l.report.FirstReject = r.String()
		}
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("quarantine: %w", err)
		}
		l.rejects = append(append(l.rejects, line...), '\n')
		return nil
	})
}

// add takes a row into the side and its totals.
func (l *loader) add(m *reconciliation.Movement) error {
	if err := l.to(m); err != nil {
		return err
	}
	for _, p := range l.proofs {
		if err := p.take(l.spec.Name, m); err != nil {
			return err
		}
	}
	l.report.Rows++
	s := l.sums[m.Currency]
	if s == nil {
		s = &sideSum{}
		l.sums[strings.Clone(m.Currency)] = s
	}
	scale := m.Amount.Scale()
	s.sums[scale].Add(m.Amount.Coefficient())
	s.rows[scale]++
	return nil
}

func (l *loader) totals() error {
	for currency, byScale := range l.sums {
		var total money.Decimal
		for scale, s := range byScale.sums {
			if byScale.rows[scale] == 0 {
				continue
			}
			d, err := s.Decimal(scale)
			if err == nil {
				total, err = total.Add(d)
			}
			if err != nil {
				return fmt.Errorf("control total in %s: %w", currency, err)
			}
		}
		l.report.Totals[currency] = total
	}
	return nil
}

// where is a side's condition, and columns are what it and the rules need of the source.
func (l *loader) sourceColumns(schema *arrow.Schema) (names []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(l.spec.Columns)) {
		col := l.spec.Columns[name]
		for _, from := range col.Sources(name) {
			if !schema.HasField(from) {
				var have []string
				for _, f := range schema.Fields() {
					have = append(have, f.Name)
				}
				return nil, fault.Usagef("column %s: there is no column %q%s", name, from, strictyaml.DidYouMean(from, have))
			}
			names = append(names, from)
		}
	}
	slices.SortFunc(names, cmp.Compare)
	return slices.Compact(names), nil
}

// whereOf binds a side's condition to its source.
func (l *loader) whereOf(schema *arrow.Schema) (expr.Expr, error) {
	if l.spec.Where == "" {
		return nil, nil
	}
	e, err := expr.Parse(l.spec.Where)
	if err != nil {
		return nil, fault.Usagef("where: %w", err)
	}
	if _, err := expr.Bind(e, schema); err != nil {
		return nil, fmt.Errorf("where: %w", err)
	}
	return e, nil
}
