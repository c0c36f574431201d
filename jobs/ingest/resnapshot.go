package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/planner"
)

// SummaryResnapshot is the key of a snapshot's summary that says since when the events are lost that a new snapshot stands in for:
// the source's last commit that the lake had.
const SummaryResnapshot = "millrace.resnapshot"

// ResnapshotOptions say what a new snapshot replaces.
type ResnapshotOptions struct {
	// Stream is the stream whose state in the lake is replaced. Options.Source is another one, named by StagingStream,
	// over the same topics from the new snapshot's beginning on.
	Stream string
	// Empty names tables whose source is empty, so that the snapshot has no row of them.
	Empty []string
}

// ResnapshotReport says what a new snapshot brought.
type ResnapshotReport struct {
	Cut   int64            `json:"cut"`
	Since time.Time        `json:"since"` // the source's last commit that the lake had before: what follows is lost to the change logs, up to the snapshot
	Reads map[string]int64 `json:"reads"` // rows of the snapshot, by table
	Rows  map[string]int64 `json:"rows"`  // of each mirror now
	Log   map[string]int64 `json:"log"`   // events that joined each change log
}

// StagingStream names the stream by which the snapshot that replaces a stream's state at a position is brought in. A run that was killed
// goes on with it.
func StagingStream(stream string, at change.Position) string {
	return stream + " resnapshot " + change.EpochID(stream, at)
}

// StagingNamespace is where a new snapshot is gathered.
func StagingNamespace(namespace string) string { return namespace + "_resnapshot" }

// Resnapshot replaces what the lake holds of a stream by a new snapshot of all its tables, after a gap.
//
// The snapshot, and what the stream brought with and after it, is gathered in tables of a namespace of its own, as an ingest. Once
// that has come to the stream's end, one commit replaces all mirrors, adds the events to the change logs and dead letters, and moves the stream's
// position behind the gap. Until then readers see the state before. It may be killed at any moment, and goes on when it is
// run again. No ingest may follow the stream meanwhile: it would only meet the gap.
//
// Errors: fault.Usage where a table has no row of a new snapshot and is not said to be empty; those of Run.
func Resnapshot(ctx context.Context, o Options, r ResnapshotOptions) (ResnapshotReport, error) {
	if err := o.complete(); err != nil {
		return ResnapshotReport{}, err
	}
	w := &resnapshot{o: &o, r: r, report: ResnapshotReport{Reads: map[string]int64{}, Rows: map[string]int64{}, Log: map[string]int64{}}}
	var err error
	if w.from, err = o.Lake.StreamPosition(ctx, r.Stream); err != nil {
		return w.report, fmt.Errorf("resnapshot: %w", err)
	}
	if w.from.IsZero() {
		return w.report, fault.Usagef("resnapshot: the lake holds nothing of stream %s yet; run: millrace ingest", r.Stream)
	}
	if want := StagingStream(r.Stream, w.from); o.Source.Stream() != want {
		return w.report, fault.Usagef("resnapshot: the source is named %q, it must be %q", o.Source.Stream(), want)
	}
	if err := w.gather(ctx); err != nil {
		return w.report, err
	}
	if err := w.replace(ctx); err != nil {
		return w.report, err
	}
	return w.report, dropStaging(ctx, o.Lake, StagingNamespace(o.Namespace))
}

// resnapshot is one run.
type resnapshot struct {
	o      *Options
	r      ResnapshotOptions
	from   change.Position // of the stream in the lake
	to     change.Position // of the staging stream at its end
	cut    *catalog.Cut    // with the staged tables
	report ResnapshotReport
}

// gather brings the snapshot into the staging namespace.
func (w *resnapshot) gather(ctx context.Context) error {
	stage := *w.o
	stage.Namespace, stage.UntilCaughtUp, stage.Undated = StagingNamespace(w.o.Namespace), true, true
	stage.Tables = slices.Clone(w.o.Tables)
	for i := range stage.Tables {
		t := &stage.Tables[i]
		t.Mirror, t.History, t.AppendOnly = true, true, false // a row may come by its event and by the snapshot
	}
	pos, err := w.o.Lake.StreamPosition(ctx, w.o.Source.Stream())
	if err != nil {
		return fmt.Errorf("resnapshot: %w", err)
	}
	if pos.IsZero() { // what is there is of another one
		if err := dropStaging(ctx, w.o.Lake, stage.Namespace); err != nil {
			return err
		}
	}
	if _, err := Run(ctx, stage); err != nil {
		return fmt.Errorf("resnapshot: gather: %w", err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("resnapshot: stopped before the snapshot was read to its end; run it again to go on: %w", context.Cause(ctx))
	}
	if w.to, err = w.o.Lake.StreamPosition(ctx, w.o.Source.Stream()); err != nil {
		return fmt.Errorf("resnapshot: %w", err)
	}
	if w.cut, err = w.o.Lake.At(ctx, catalog.At{}); err != nil {
		return fmt.Errorf("resnapshot: %w", err)
	}
	return w.count(ctx)
}

// count counts the snapshot's rows, and refuses tables that have none.
func (w *resnapshot) count(ctx context.Context) error {
	var missing []string
	for _, t := range w.o.Tables {
		err := w.scan(ctx, w.staged(t.Name+"_changes"), []string{changelog.ColOp}, func(rec arrow.RecordBatch) error {
			ops, ok := rec.Column(0).(*array.String)
			if !ok {
				return fmt.Errorf("the column of operations is %s, not a text", rec.Column(0).DataType())
			}
			for i := range ops.Len() {
				if ops.Value(i) == string(byte(change.Read)) {
					w.report.Reads[t.Name]++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if w.report.Reads[t.Name] == 0 && !slices.Contains(w.r.Empty, t.Name) {
			missing = append(missing, t.Name)
		}
	}
	if len(missing) > 0 {
		return fault.Usagef("resnapshot: the stream has no row of a new snapshot of %s: let the connector take one, wait for its end, and run this again; "+
			"or say that the source's table is empty, with --empty", strings.Join(missing, ", "))
	}
	return nil
}

func (w *resnapshot) staged(table string) string {
	return StagingNamespace(w.o.Namespace) + "." + table
}

// scan reads columns of a staged table; nil is all.
func (w *resnapshot) scan(ctx context.Context, table string, cols []string, f func(arrow.RecordBatch) error) error {
	plan, err := w.cut.PlanScan(ctx, table, catalog.ScanOptions{Columns: cols})
	if err != nil {
		return fmt.Errorf("resnapshot: read %s: %w", table, err)
	}
	for _, sp := range plan.Splits {
		in, err := w.o.Lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{})
		if err == nil {
			err = catalog.EachBatch(ctx, in, f)
		}
		if err != nil {
			return fmt.Errorf("resnapshot: read %s: %w", table, err)
		}
	}
	return nil
}

// replace commits the staged tables in the place of the lake's.
func (w *resnapshot) replace(ctx context.Context) error {
	since, err := w.lastCommit(ctx)
	if err != nil {
		return err
	}
	w.report.Since = since
	all, err := open(ctx, w.o) // so that all tables are there
	if err != nil {
		return err
	}
	closeAll(all)
	note := map[string]string{SummaryResnapshot: since.UTC().Format(time.RFC3339Nano)}
	var changes []catalog.TableChange
	add := func(c catalog.TableChange, err error) error {
		c.Summary = note
		changes = append(changes, c)
		return err
	}
	for _, t := range w.o.Tables {
		if t.Mirror {
			if err := add(w.mirror(ctx, t)); err != nil {
				return err
			}
		}
		if t.History {
			log := t.spec(w.o.Namespace)
			log.Name += "_changes"
			c, err := w.events(ctx, log, w.staged(t.Name+"_changes"))
			if err := add(c, err); err != nil {
				return err
			}
			w.report.Log[t.Name] = c.Totals.Rows
		}
	}
	dead := changelog.DeadLetterSpec(w.o.Namespace)
	if err := add(w.events(ctx, dead, changelog.DeadLetterSpec(StagingNamespace(w.o.Namespace)).Name)); err != nil {
		return err
	}
	done, err := w.o.Lake.Commit(ctx, catalog.Commit{Stream: w.r.Stream, Epoch: w.epoch(), From: w.from, To: w.end(), Reset: true, Tables: changes})
	if err != nil {
		return fmt.Errorf("resnapshot: %w", err)
	}
	if done.Dropped {
		return fmt.Errorf("resnapshot: stream %s moved on meanwhile: stop what follows it, and run this again", w.r.Stream)
	}
	w.report.Cut = done.Cut
	w.o.Logger.Warn("a new snapshot stands in for events that are lost", "stream", w.r.Stream, "after", since, "cut", done.Cut)
	return nil
}

func (w *resnapshot) epoch() string { return "resnapshot-" + change.EpochID(w.r.Stream, w.from) }

// end is the stream's position behind the snapshot. The open business date stays: its tag is the state before the gap, until a later transaction.
func (w *resnapshot) end() change.Position {
	to := w.to.Clone()
	if date := w.from.Marks[planner.DateMark]; date != "" {
		if to.Marks == nil {
			to.Marks = map[string]string{}
		}
		to.Marks[planner.DateMark] = date
	}
	return to
}

// lastCommit is the source's last commit that the lake has of the stream.
func (w *resnapshot) lastCommit(ctx context.Context) (time.Time, error) {
	cuts, err := w.o.Lake.Cuts(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("resnapshot: %w", err)
	}
	var last time.Time
	for _, c := range cuts {
		if c.Stream == w.r.Stream && c.SourceTime.After(last) {
			last = c.SourceTime
		}
	}
	return last, nil
}

// mirror writes a table's new state.
func (w *resnapshot) mirror(ctx context.Context, t Table) (catalog.TableChange, error) {
	c, err := w.rewrite(ctx, t.spec(w.o.Namespace), w.staged(t.Name), func(arrow.RecordBatch) []rows { return nil })
	c.ReplaceAll, c.Totals.Inserts, c.Totals.Updates, c.Totals.Deletes = true, c.Totals.Rows, 0, 0
	w.report.Rows[t.Name] = c.Totals.Rows
	return c, err
}

// events writes the events of a log that the lake's does not have. Its totals count events by kind, as those of an epoch do.
func (w *resnapshot) events(ctx context.Context, table catalog.TableSpec, staged string) (catalog.TableChange, error) {
	return w.rewrite(ctx, table, staged, func(rec arrow.RecordBatch) []rows { return w.fresh(rec) })
}

// rows are the rows [from, to) of a batch.
type rows struct{ from, to int64 }

// fresh finds the rows of a log that lie behind the lake's position, in shards that are still the same log.
func (w *resnapshot) fresh(rec arrow.RecordBatch) []rows {
	shards, ok1 := column[*array.String](rec, changelog.ColShard)
	offsets, ok2 := column[*array.Int64](rec, changelog.ColOffset)
	if !ok1 { // dead letters
		shards, ok1 = column[*array.String](rec, "shard")
		offsets, ok2 = column[*array.Int64](rec, "offset")
	}
	if !ok1 || !ok2 {
		return nil
	}
	out := []rows{}
	for i := range rec.NumRows() {
		if w.known(shards.Value(int(i)), offsets.Value(int(i))) {
			continue
		}
		if n := len(out); n > 0 && out[n-1].to == i {
			out[n-1].to++
			continue
		}
		out = append(out, rows{i, i + 1})
	}
	return out
}

// known reports whether the lake's log has an event already.
func (w *resnapshot) known(shard string, offset int64) bool {
	next, ok := w.from.Next[shard]
	if !ok || offset >= next || w.to.Next[shard] < next {
		return false
	}
	topic := "topic:" + shard[:max(0, strings.LastIndexByte(shard, '/'))]
	was, is := w.from.Marks[topic], w.to.Marks[topic]
	return was == "" || is == "" || was == is
}

func column[T arrow.Array](rec arrow.RecordBatch, name string) (T, bool) {
	var none T
	at := rec.Schema().FieldIndices(name)
	if len(at) != 1 {
		return none, false
	}
	c, ok := rec.Column(at[0]).(T)
	return c, ok
}

// rewrite copies a staged table's rows into files of a table: those that choose picks, all where it returns nil.
func (w *resnapshot) rewrite(ctx context.Context, spec catalog.TableSpec, staged string, choose func(arrow.RecordBatch) []rows) (catalog.TableChange, error) {
	table := spec.Name
	c := catalog.TableChange{Table: table}
	from, err := w.cut.Table(staged)
	if err != nil {
		return c, fmt.Errorf("resnapshot: %w", err)
	}
	schema, err := from.Schema()
	if err != nil {
		return c, fmt.Errorf("resnapshot: table %s: %w", staged, err)
	}
	c.Schema = bare(schema)
	controls, err := changelog.Controls(values(c.Schema), spec.Properties)
	if err != nil {
		return c, fmt.Errorf("resnapshot: table %s: %w", table, err)
	}
	sums := changelog.NewControl(controls)
	out, err := newWriter(ctx, w.o.Lake, catalog.TableSpec{Name: table}, c.Schema, w.epoch(), newStep(w.o, nil, source.Epoch{}, 1).nonce)
	if err != nil {
		return c, fmt.Errorf("resnapshot: write %s: %w", table, err)
	}
	defer func() { _ = out.Abort(context.WithoutCancel(ctx)) }() // does nothing after Close
	err = w.scan(ctx, staged, nil, func(rec arrow.RecordBatch) error {
		pieces := choose(rec)
		if pieces == nil {
			pieces = []rows{{0, rec.NumRows()}}
		}
		for _, p := range pieces {
			part := rec.NewSlice(p.from, p.to)
			err := out.Write(ctx, part)
			if err == nil {
				sums.Add(part)
				count(&c.Totals, part)
			}
			part.Release()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return c, err
	}
	if c.Add, err = out.Close(ctx); err != nil {
		return c, fmt.Errorf("resnapshot: write %s: %w", table, err)
	}
	if c.Totals.Control, err = sums.Totals(); err != nil {
		return c, fmt.Errorf("resnapshot: table %s: %w", table, err)
	}
	return c, nil
}

// count adds rows to totals: of a log by what they do, else, as of dead letters, as inserts.
func count(t *catalog.Totals, rec arrow.RecordBatch) {
	t.Rows += rec.NumRows()
	ops, ok := column[*array.String](rec, changelog.ColOp)
	if !ok {
		t.Inserts += rec.NumRows()
		return
	}
	for i := range ops.Len() {
		switch change.Op(ops.Value(i)[0]) {
		case change.Create, change.Read:
			t.Inserts++
		case change.Update:
			t.Updates++
		case change.Delete:
			t.Deletes++
		}
	}
}

// values is the schema of a log's value columns, each of which has one for the row before; of another table all columns.
func values(s *arrow.Schema) *arrow.Schema {
	var out []arrow.Field
	for _, f := range s.Fields() {
		if s.HasField(changelog.BeforePrefix + f.Name) {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return s
	}
	return arrow.NewSchema(out, nil)
}

// bare is a schema without the ids of another table's columns.
func bare(s *arrow.Schema) *arrow.Schema {
	fields := slices.Clone(s.Fields())
	for i := range fields {
		fields[i].Metadata = arrow.Metadata{}
	}
	return arrow.NewSchema(fields, nil)
}

// dropStaging removes the tables of a staging namespace, and their files.
func dropStaging(ctx context.Context, lake *catalog.Lake, namespace string) error {
	names, err := lake.Tables(ctx)
	if err != nil {
		return fmt.Errorf("resnapshot: %w", err)
	}
	for _, n := range names {
		if !strings.HasPrefix(n, namespace+".") {
			continue
		}
		t, err := lake.Table(ctx, n)
		if err == nil {
			err = lake.Drop(ctx, n)
		}
		if err == nil {
			err = purge(ctx, lake, t.Location())
		}
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return fmt.Errorf("resnapshot: drop %s: %w", n, err)
		}
	}
	return nil
}

// purge deletes the files below a location.
func purge(ctx context.Context, lake *catalog.Lake, location string) error {
	store, prefix, err := lake.Storage(ctx, location+"/")
	if err != nil {
		return err
	}
	var names []string
	for f, err := range store.List(ctx, strings.TrimSuffix(prefix, "/")+"/") {
		if err != nil {
			return err
		}
		names = append(names, f.Name)
	}
	for part := range slices.Chunk(names, 1000) {
		if err := store.Delete(ctx, part...); err != nil {
			return err
		}
	}
	return nil
}
