package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// sourceCheck compares the change stream with the lake. The stream is read once, up
// to where the lake stands: events are counted and added up as they come, and spooled if rows are compared.
type sourceCheck struct {
	run      *run
	spec     *Source
	position change.Position
	gap      string
	first    map[string]int64 // the first offset that the stream still has, by shard
	expired  int64            // events that the lake has from before
	short    string           // says that the stream ends before the lake's position
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
	log     lakeLog
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

// pipes reports whether rows are compared: only where the stream holds all that the lake has taken in.
func (s *sourceCheck) pipes() bool {
	return s.spec.Rows && s.gap == "" && s.short == "" && s.expired == 0
}

// newSource reads the stream.
func (r *run) newSource(ctx context.Context) (*sourceCheck, error) {
	s := &sourceCheck{run: r, spec: r.opts.Source, byName: map[string]*sourceTable{}, first: map[string]int64{}}
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
	if err != nil || s.gap != "" {
		return s, err
	}
	return s, s.logs(ctx)
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
	if t == nil || b.Rows() == 0 {
		return nil
	}
	s.saw(b.Shard, b.Offset[0])
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

// saw notes where a shard begins.
func (s *sourceCheck) saw(shard string, offset int64) {
	if first, known := s.first[shard]; !known || offset < first {
		s.first[strings.Clone(shard)] = offset
	}
}

// Reject counts events that cannot be decoded.
func (s *sourceCheck) Reject(_ context.Context, r source.Rejected) error {
	s.saw(r.Shard, r.Offset)
	if r.Offset < s.position.Next[r.Shard] {
		s.rejected++
	}
	return nil
}

var _ source.Handler = (*sourceCheck)(nil)
