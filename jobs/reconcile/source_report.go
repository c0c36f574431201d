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
	"github.com/millrace/millrace/sdk/money"
)

// report puts the lake's side beside the stream's.
func (s *sourceCheck) report(ctx context.Context, to *Report) ([]found, error) {
	rep := &SourceReport{Stream: s.spec.Stream.Stream(), Position: s.position.String(), Gap: s.gap, Rejected: s.rejected, Breaks: ByClass{}}
	to.Source = rep
	if s.gap != "" {
		return nil, nil
	}
	if s.short != "" {
		rep.Failed = append(rep.Failed, s.short)
	}
	if s.expired > 0 {
		rep.Expired = s.expired
		rep.Gap = fmt.Sprintf("%d events that the lake has are no longer in the stream: only what follows them is compared, and no rows", s.expired)
	} else if err := s.dead(rep); err != nil {
		return nil, err
	}
	summaries, err := s.summaries(ctx)
	if err != nil {
		return nil, err
	}
	var rows []found
	for _, t := range s.tables {
		c, err := t.compare(summaries[changelog.Name(t.lake)], rep)
		if err != nil {
			return nil, fmt.Errorf("source: table %s: %w", t.Name, err)
		}
		if t.rows != nil && s.pipes() {
			parts, err := t.rows.report(ctx, &c, rep)
			if err != nil {
				return nil, err
			}
			rows = append(rows, found{rule: t.rows.rule(), parts: parts})
		}
		rep.Tables = append(rep.Tables, c)
	}
	return rows, nil
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
func (t *sourceTable) compare(sum *summary, rep *SourceReport) (SourceCount, error) {
	c := SourceCount{Table: t.Name, Source: t.ops, Lake: map[string]int64{}, Summary: map[string]int64{}, Control: map[string]ControlTotals{}}
	say := func(format string, args ...any) {
		rep.Failed = append(rep.Failed, t.Name+": "+fmt.Sprintf(format, args...))
	}
	if !t.History {
		return c, nil
	}
	c.Lake = t.log.within
	for _, op := range slices.Sorted(maps.Keys(merged(c.Source, c.Lake))) {
		if c.Source[op] != c.Lake[op] {
			say("the stream has %d events %s, the change log %d", c.Source[op], op, c.Lake[op])
		}
	}
	theirs, err := t.control.Totals()
	if err != nil {
		return c, err
	}
	ours, err := t.log.control.Totals()
	if err != nil {
		return c, err
	}
	for _, name := range slices.Sorted(maps.Keys(merged(theirs, ours))) {
		c.Control[name] = ControlTotals{theirs[name], ours[name]}
		if !theirs[name].Equal(ours[name]) {
			say("control total %s: the stream adds up to %s, the change log to %s", name, theirs[name], ours[name])
		}
	}
	if sum == nil {
		return c, nil
	}
	whole, err := t.log.whole.Totals()
	if err != nil {
		return c, err
	}
	t.compareSummary(&c, sum, whole, say)
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
		{"inserts", sum.totals.Inserts, t.log.all["c"] + t.log.all["r"]}, {"updates", sum.totals.Updates, t.log.all["u"]}, {"deletes", sum.totals.Deletes, t.log.all["d"]},
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

// lakeLog is what a table's change log holds.
type lakeLog struct {
	all     map[string]int64   // rows by operation
	within  map[string]int64   // of events that the stream still has
	control *changelog.Control // of these
	whole   *changelog.Control // of all
	expired int64
}

// logs reads the change logs, as far as the stream reaches back.
func (s *sourceCheck) logs(ctx context.Context) error {
	for _, t := range s.tables {
		if !t.History {
			continue
		}
		if err := t.scanLog(ctx, s.run, s.first); err != nil {
			return fmt.Errorf("source: table %s: %w", t.Name, err)
		}
		s.expired += t.log.expired
	}
	return nil
}

// scanLog counts the rows of the change log and adds up its control totals.
func (t *sourceTable) scanLog(ctx context.Context, r *run, first map[string]int64) error {
	t.log = lakeLog{all: map[string]int64{}, within: map[string]int64{}, control: changelog.NewControl(t.columns), whole: changelog.NewControl(t.columns)}
	cols := []string{changelog.ColOp, changelog.ColShard, changelog.ColOffset}
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
		if err := catalog.EachBatch(ctx, in, func(b arrow.RecordBatch) error { return t.log.add(b, first) }); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	return nil
}

// add counts a batch. A shard that the stream shows nothing of has expired as a whole.
func (l *lakeLog) add(b arrow.RecordBatch, first map[string]int64) error {
	ops, ok1 := b.Column(0).(*array.String)
	shards, ok2 := b.Column(1).(*array.String)
	offsets, ok3 := b.Column(2).(*array.Int64)
	if !ok1 || !ok2 || !ok3 {
		return fmt.Errorf("unexpected columns of a change log: %s", b.Schema())
	}
	there := func(row int) bool {
		from, known := first[shards.Value(row)]
		return known && offsets.Value(row) >= from
	}
	for i := range ops.Len() {
		addOp(l.all, ops.Value(i))
		if there(i) {
			addOp(l.within, ops.Value(i))
		} else {
			l.expired++
		}
	}
	l.control.AddIf(b, there)
	l.whole.Add(b)
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
