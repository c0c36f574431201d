package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/source"
)

// sourceCheck compares the change stream with the lake. The stream is read once, up
// to where the lake stands: events are counted and added up as they come, and spooled if rows are compared.
type sourceCheck struct {
	run      *run
	spec     *Source
	position change.Position
	gap      string
	short    string // says that the stream ends before the lake's position
	rejected int64
	tables   []*sourceTable
	byName   map[string]*sourceTable
}

// sourceTable is one table of the comparison.
type sourceTable struct {
	SourceTable
	lake    string // name in the lake
	ops     map[string]int64
	control *changelog.Control
	columns []changelog.ControlColumn
	rows    *rowCheck // nil unless rows are compared
}

func (s *Source) lakeTables(t SourceTable) (out []string) {
	name := s.Namespace + "." + t.Name
	if t.Mirror {
		out = append(out, name)
	}
	if t.History {
		out = append(out, changelog.Name(name))
	}
	return out
}

func (s *sourceCheck) byRow() bool { return s.spec.Rows && s.gap == "" && s.short == "" }

// newSource reads the stream.
func (r *run) newSource(ctx context.Context) (*sourceCheck, error) {
	s := &sourceCheck{run: r, spec: r.opts.Source, byName: map[string]*sourceTable{}}
	var err error
	if s.position, err = s.lakePosition(ctx); err != nil {
		return nil, err
	}
	for _, t := range s.spec.Tables {
		st, err := s.table(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("source: table %s: %w", t.Name, err)
		}
		s.tables = append(s.tables, st)
		s.byName[t.Name] = st
	}
	err = s.read(ctx)
	for _, t := range s.tables {
		if t.rows != nil {
			err = errors.Join(err, t.rows.spooled(err == nil))
		}
	}
	if errors.Is(err, source.ErrGap) {
		s.gap, err = err.Error(), nil
	}
	return s, err
}

// lakePosition is where the stream stood at the run's cut.
func (s *sourceCheck) lakePosition(ctx context.Context) (change.Position, error) {
	cuts, err := s.run.opts.Lake.Cuts(ctx)
	if err != nil {
		return change.Position{}, fmt.Errorf("source: %w", err)
	}
	for _, c := range slices.Backward(cuts) {
		if c.Cut <= s.run.cut.Number() && c.Stream == s.spec.Stream.Stream() {
			return c.Position, nil
		}
	}
	return s.run.opts.Lake.StreamPosition(ctx, s.spec.Stream.Stream())
}

func (s *sourceCheck) table(ctx context.Context, t SourceTable) (*sourceTable, error) {
	st := &sourceTable{SourceTable: t, lake: s.spec.Namespace + "." + t.Name, ops: map[string]int64{}}
	for _, name := range s.spec.lakeTables(t) {
		schema, _, err := s.run.table(name)
		if err != nil {
			return nil, err
		}
		if !t.History || name != st.lake {
			props := map[string]string{}
			if t.Control != "" {
				props[changelog.ControlProperty] = t.Control
			}
			if st.columns, err = changelog.Controls(values(schema), props); err != nil {
				return nil, err
			}
		}
		if t.Mirror && name == st.lake && s.spec.Rows {
			if st.rows, err = s.run.newRows(ctx, st, schema); err != nil {
				return nil, err
			}
		}
	}
	st.control = changelog.NewControl(st.columns)
	return st, nil
}

// values are a change log's value columns: those of the row after the change.
func values(schema *arrow.Schema) *arrow.Schema {
	var fields []arrow.Field
	for _, f := range schema.Fields() {
		if f.Name[0] != '_' {
			fields = append(fields, f)
		}
	}
	return arrow.NewSchema(fields, nil)
}

// emptyPlans is how many plans in a row may find nothing before the stream counts as ended.
const emptyPlans = 3

// read takes the stream in, from its beginning to the lake's position.
func (s *sourceCheck) read(ctx context.Context) error {
	pos, idle := change.Position{}, 0
	for !s.reached(pos) {
		e, err := s.spec.Stream.Plan(ctx, pos, s.spec.Limits)
		if err != nil {
			return fmt.Errorf("source: %w", err)
		}
		for _, sp := range e.Splits {
			if err := s.spec.Stream.Read(ctx, sp, s); err != nil {
				return fmt.Errorf("source: %w", err)
			}
		}
		if idle++; e.To.Compare(pos) != change.Equal {
			idle = 0
		}
		if idle == emptyPlans {
			s.short = fmt.Sprintf("the stream ends at %s, before the lake's position", e.To)
			return nil
		}
		pos = e.To
		if err := s.spec.Stream.Confirm(ctx, pos); err != nil { // lets go of what was planned
			return fmt.Errorf("source: %w", err)
		}
	}
	return nil
}

func (s *sourceCheck) reached(pos change.Position) bool {
	for shard, next := range s.position.Next {
		if pos.Next[shard] < next {
			return false
		}
	}
	return true
}

// Batch counts the events that the lake has.
func (s *sourceCheck) Batch(ctx context.Context, b *source.Batch) error {
	defer b.Release()
	t := s.byName[b.Table]
	if t == nil {
		return nil
	}
	end := s.position.Next[b.Shard]
	within := func(i int) bool { return b.Offset[i] < end }
	n := 0
	for i := range b.Rows() {
		if within(i) {
			t.ops[b.Ops[i].String()]++
			n++
		}
	}
	if n == 0 {
		return nil
	}
	if n == b.Rows() {
		within = nil
	}
	t.control.AddIf(b.Row, within)
	if t.rows == nil {
		return nil
	}
	return t.rows.spool(ctx, b, end)
}

// Reject counts events that cannot be decoded.
func (s *sourceCheck) Reject(_ context.Context, r source.Rejected) error {
	if r.Offset < s.position.Next[r.Shard] {
		s.rejected++
	}
	return nil
}

// report puts the lake's side beside the stream's.
func (s *sourceCheck) report(ctx context.Context) (*SourceReport, []found, error) {
	rep := &SourceReport{Stream: s.spec.Stream.Stream(), Position: s.position.String(), Gap: s.gap, Rejected: s.rejected, Breaks: ByClass{}}
	if s.gap != "" {
		return rep, nil, nil
	}
	if s.short != "" {
		rep.Failed = append(rep.Failed, s.short)
	}
	if err := s.dead(rep); err != nil {
		return nil, nil, err
	}
	summaries, err := s.summaries(ctx)
	if err != nil {
		return nil, nil, err
	}
	var rows []found
	for _, t := range s.tables {
		c, err := t.compare(ctx, s.run, summaries[changelog.Name(t.lake)], rep)
		if err != nil {
			return nil, nil, fmt.Errorf("source: table %s: %w", t.Name, err)
		}
		if t.rows != nil && s.byRow() {
			parts, err := t.rows.report(ctx, &c, rep)
			if err != nil {
				return nil, nil, err
			}
			rows = append(rows, found{t.rows.rule(), parts})
		}
		rep.Tables = append(rep.Tables, c)
	}
	return rep, rows, nil
}

// dead compares the events that cannot be decoded with the dead-letter table.
func (s *sourceCheck) dead(rep *SourceReport) error {
	t, err := s.run.cut.Table(changelog.DeadLetterSpec(s.spec.Namespace).Name)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if rep.Dead = t.Rows(); rep.Dead != s.rejected {
		rep.Failed = append(rep.Failed, fmt.Sprintf("%d events of the stream cannot be decoded, the lake's dead-letter table has %d", s.rejected, rep.Dead))
	}
	return nil
}

// summary is what the snapshots of one change log say together.
type summary struct {
	totals  catalog.Totals
	partial bool
}

// summaries add up the totals of the stream's commits up to the run's cut, by table.
func (s *sourceCheck) summaries(ctx context.Context) (map[string]*summary, error) {
	cuts, err := s.run.opts.Lake.Cuts(ctx)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	out := map[string]*summary{}
	for _, c := range cuts {
		if c.Cut > s.run.cut.Number() {
			break
		}
		for name, t := range c.Tables {
			have := out[name]
			if have == nil {
				have = &summary{totals: catalog.Totals{Control: map[string]money.Decimal{}}, partial: t.Rows != t.Totals.Rows}
				out[name] = have
			}
			if c.Stream != s.spec.Stream.Stream() {
				continue
			}
			have.totals.Inserts += t.Totals.Inserts
			have.totals.Updates += t.Totals.Updates
			have.totals.Deletes += t.Totals.Deletes
			for k, d := range t.Totals.Control {
				sum, err := have.totals.Control[k].Add(d)
				if err != nil {
					return nil, fmt.Errorf("source: control total %s of %s: %w", k, name, err)
				}
				have.totals.Control[k] = sum
			}
		}
	}
	return out, nil
}

// compare puts one table's counts and totals side by side; what differs is said in rep.Failed.
func (t *sourceTable) compare(ctx context.Context, r *run, sum *summary, rep *SourceReport) (SourceCount, error) {
	c := SourceCount{Table: t.Name, Source: t.ops, Lake: map[string]int64{}, Summary: map[string]int64{}, Control: map[string]ControlTotals{}}
	say := func(format string, args ...any) {
		rep.Failed = append(rep.Failed, t.Name+": "+fmt.Sprintf(format, args...))
	}
	if !t.History {
		return c, nil
	}
	lake := changelog.NewControl(t.columns)
	if err := t.scanLog(ctx, r, &c, lake); err != nil {
		return c, err
	}
	for _, op := range slices.Sorted(maps.Keys(merged(c.Source, c.Lake))) {
		if c.Source[op] != c.Lake[op] {
			say("the stream has %d events %s, the change log %d", c.Source[op], op, c.Lake[op])
		}
	}
	theirs, err := t.control.Totals()
	if err != nil {
		return c, err
	}
	ours, err := lake.Totals()
	if err != nil {
		return c, err
	}
	for _, name := range slices.Sorted(maps.Keys(merged(theirs, ours))) {
		c.Control[name] = ControlTotals{theirs[name], ours[name]}
		if !theirs[name].Equal(ours[name]) {
			say("control total %s: the stream adds up to %s, the change log to %s", name, theirs[name], ours[name])
		}
	}
	if sum != nil {
		t.compareSummary(&c, sum, ours, say)
	}
	return c, nil
}

// compareSummary holds what the commits promised against what the log has.
func (t *sourceTable) compareSummary(c *SourceCount, sum *summary, ours map[string]money.Decimal, say func(string, ...any)) {
	c.Summary["inserts"], c.Summary["updates"], c.Summary["deletes"] = sum.totals.Inserts, sum.totals.Updates, sum.totals.Deletes
	if c.Partial = sum.partial; c.Partial {
		return
	}
	for _, k := range []struct {
		name      string
		have, log int64
	}{
		{"inserts", sum.totals.Inserts, c.Lake["c"] + c.Lake["r"]}, {"updates", sum.totals.Updates, c.Lake["u"]}, {"deletes", sum.totals.Deletes, c.Lake["d"]},
	} {
		if k.have != k.log {
			say("the snapshots' summaries say %d %s, the change log has %d", k.have, k.name, k.log)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(merged(sum.totals.Control, ours))) {
		if !sum.totals.Control[name].Equal(ours[name]) {
			say("control total %s: the snapshots' summaries say %s, the change log adds up to %s", name, sum.totals.Control[name], ours[name])
		}
	}
}

func merged[V any](a, b map[string]V) map[string]V {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]V{}
	}
	maps.Copy(out, b)
	return out
}

// scanLog counts the rows of the change log and adds up its control totals.
func (t *sourceTable) scanLog(ctx context.Context, r *run, c *SourceCount, control *changelog.Control) error {
	cols := []string{changelog.ColOp}
	for _, k := range t.columns {
		for _, n := range []string{k.Column, k.By} {
			if n != "" && !slices.Contains(cols, n) {
				cols = append(cols, n)
			}
		}
	}
	name := changelog.Name(t.lake)
	plan, err := r.cut.PlanScan(ctx, name, catalog.ScanOptions{Columns: cols})
	if err != nil {
		return err
	}
	for _, sp := range plan.Splits {
		in, err := r.opts.Lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{})
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		err = catalog.EachBatch(ctx, in, func(b arrow.RecordBatch) error {
			ops, ok := b.Column(0).(*array.String)
			if !ok {
				return fmt.Errorf("the column %s is %s, not a text", changelog.ColOp, b.Column(0).DataType())
			}
			for i := range ops.Len() {
				addOp(c.Lake, ops.Value(i))
			}
			control.Add(b)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	return nil
}

// addOp counts an operation without keeping the batch's memory.
func addOp(counts map[string]int64, op string) {
	if n, known := counts[op]; known {
		counts[op] = n + 1
		return
	}
	counts[string([]byte(op))] = 1
}

var _ source.Handler = (*sourceCheck)(nil)
