package ingest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/source"
)

// tableTask is one element of the pipeline: the splits of an epoch that hold one
// table's events ("" for events whose table is not known beforehand).
type tableTask struct {
	Table  string         `json:"table"`
	Splits []source.Split `json:"splits"`
}

// written is what a task made: changes of lake tables, not yet committed.
type written struct {
	Changes  []catalog.TableChange `json:"changes"`
	Events   int64                 `json:"events"`
	Rejected int64                 `json:"rejected"`
}

// step is one epoch on its way into the lake. Its DoFns find it by its id in this process.
type step struct {
	id      string
	opts    *Options
	tables  map[string]*follower
	epoch   source.Epoch
	attempt int
	nonce   string

	span trace.Span // of the epoch

	mu        sync.Mutex
	committed catalog.Committed
	wrote     []wrote
	err       error // the first failure, as it was before the runner made text of it
}

// fail remembers the first failure.
func (st *step) fail(err error) error {
	if err != nil {
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.err == nil {
			st.err = err
		}
	}
	return err
}

// steps holds the epochs under way in this process, by id.
var steps sync.Map

func newStep(o *Options, tables map[string]*follower, ep source.Epoch, attempt int) *step {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	n := hex.EncodeToString(b[:])
	return &step{id: ep.ID + "-" + n, opts: o, tables: tables, epoch: ep, attempt: attempt, nonce: n}
}

// run takes the epoch into the lake by one bounded pipeline.
func (st *step) run(ctx context.Context) (catalog.Committed, error) {
	st.span = trace.SpanFromContext(ctx)
	steps.Store(st.id, st)
	defer steps.Delete(st.id)
	if err := st.opts.Run(ctx, st.build); err != nil {
		st.discard()
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.err != nil {
			err = st.err
		}
		return catalog.Committed{}, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.committed, nil
}

func (st *step) discard() {
	for _, f := range st.tables {
		if f.mirror != nil {
			f.mirror.Discard()
		}
	}
}

// build adds the epoch's pipeline to a scope: tasks by table → write → commit.
func (st *step) build(s beam.Scope) error {
	s = s.Scope("ingest.Epoch")
	tasks, err := st.tasks()
	if err != nil {
		return err
	}
	elems := beam.CreateList(s, tasks)
	changes := beam.ParDo(s, &writeFn{Step: st.id}, elems)
	all := beam.GroupByKey(s, beam.AddFixedKey(s, changes))
	committed := beam.ParDo(s, &commitFn{Step: st.id}, all)
	// Prism polls without a pause while a stage without output runs, so the stage that takes its time, the commit, has one, and
	// it goes to a grouping, which prism does by itself: a last stage of ours would keep a core busy until it gets to run.
	beam.GroupByKey(s, beam.AddFixedKey(s, committed))
	return nil
}

// tasks groups the epoch's splits by table.
func (st *step) tasks() ([]string, error) {
	by := map[string]*tableTask{}
	var order []*tableTask
	for _, sp := range st.epoch.Splits {
		t := by[sp.Table]
		if t == nil {
			t = &tableTask{Table: sp.Table}
			by[sp.Table] = t
			order = append(order, t)
		}
		t.Splits = append(t.Splits, sp)
	}
	out := make([]string, len(order))
	for i, t := range order {
		b, err := json.Marshal(t)
		if err != nil {
			return nil, fmt.Errorf("ingest: encode task of table %s: %w", t.Table, err)
		}
		out[i] = string(b)
	}
	return out, nil
}

// writeFn writes the tables of an epoch, in a bounded pool: prism hands over all elements in one bundle.
type writeFn struct {
	Step string

	group *errgroup.Group
	mu    sync.Mutex
	out   []string
}

// poolSize is how many tables are written at once.
const poolSize = 4

// StartBundle opens the pool.
func (f *writeFn) StartBundle(context.Context, func(string)) error {
	f.group, f.out = new(errgroup.Group), nil
	f.group.SetLimit(poolSize)
	return nil
}

// ProcessElement submits one table's task.
func (f *writeFn) ProcessElement(ctx context.Context, task string, _ func(string)) error {
	st, err := stepOf(f.Step)
	if err != nil {
		return err
	}
	var t tableTask
	if err := json.Unmarshal([]byte(task), &t); err != nil {
		return fmt.Errorf("ingest: decode task: %w", err)
	}
	f.group.Go(func() error {
		w, err := st.write(ctx, t)
		if err != nil {
			return st.fail(fmt.Errorf("ingest: epoch %s, table %s: %w", st.epoch.ID, t.Table, err))
		}
		b, err := json.Marshal(w)
		if err != nil {
			return fmt.Errorf("ingest: encode changes of table %s: %w", t.Table, err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.out = append(f.out, string(b))
		return nil
	})
	return nil
}

// FinishBundle waits for the pool and emits what it wrote.
func (f *writeFn) FinishBundle(_ context.Context, emit func(string)) error {
	if err := f.group.Wait(); err != nil {
		return err
	}
	for _, o := range f.out {
		emit(o)
	}
	return nil
}

// commitFn commits an epoch's changes.
type commitFn struct{ Step string }

// ProcessElement receives all changes of the epoch at once, and emits its id.
func (f *commitFn) ProcessElement(ctx context.Context, _ int, next func(*string) bool, emit func(string)) error {
	st, err := stepOf(f.Step)
	if err != nil {
		return err
	}
	var all []written
	var text string
	for next(&text) {
		var w written
		if err := json.Unmarshal([]byte(text), &w); err != nil {
			return fmt.Errorf("ingest: decode changes: %w", err)
		}
		all = append(all, w)
	}
	if err := st.fail(st.commit(ctx, all)); err != nil {
		return err
	}
	emit(st.epoch.ID)
	return nil
}

func stepOf(id string) (*step, error) {
	st, ok := steps.Load(id)
	if !ok {
		return nil, fmt.Errorf("ingest: epoch %s is not under way in this process", id)
	}
	return st.(*step), nil
}

func init() {
	register.DoFn3x1[context.Context, string, func(string), error](&writeFn{})
	register.DoFn4x1[context.Context, int, func(*string) bool, func(string), error](&commitFn{})
	register.Emitter1[string]()
	register.Iter1[string]()
	beam.RegisterType(reflect.TypeFor[tableTask]())
}

// collector takes what splits hold.
type collector struct {
	batches  map[string][]*source.Batch
	rejected []source.Rejected
	events   int64
}

// Batch keeps a batch. Arrow counts the nulls of a slice at the first look and keeps the
// count in it without a lock: that look is taken here, before tasks share the batch.
func (c *collector) Batch(_ context.Context, b *source.Batch) error {
	for _, rows := range []arrow.RecordBatch{b.Row, b.Before} {
		if rows == nil {
			continue
		}
		for _, col := range rows.Columns() {
			col.NullN()
		}
	}
	c.batches[b.Table] = append(c.batches[b.Table], b)
	c.events += int64(b.Rows())
	return nil
}

// Reject keeps a rejected event.
func (c *collector) Reject(_ context.Context, r source.Rejected) error {
	c.rejected = append(c.rejected, r)
	return nil
}

func (c *collector) release() {
	for _, bs := range c.batches {
		for _, b := range bs {
			b.Release()
		}
	}
}

// write reads a task's splits and writes its tables.
func (st *step) write(ctx context.Context, t tableTask) (_ written, err error) {
	ctx, span := st.opts.Tracer.Start(trace.ContextWithSpan(ctx, st.span), "ingest.write", trace.WithAttributes(attribute.String("table", t.Table)))
	defer func() { endSpan(span, false, err) }()
	c := &collector{batches: map[string][]*source.Batch{}}
	defer c.release()
	for _, sp := range t.Splits {
		if err := st.opts.Source.Read(ctx, sp, c); err != nil {
			return written{}, fmt.Errorf("read %s [%d, %d): %w", sp.Shard, sp.From, sp.To, err)
		}
	}
	w := written{Events: c.events, Rejected: int64(len(c.rejected))}
	for name, batches := range c.batches {
		f := st.tables[name]
		if f == nil {
			return written{}, fmt.Errorf("the stream brings events of table %q, which is not among the tables of this ingest", name)
		}
		changes, err := f.apply(ctx, st.opts.Lake, st.epoch.ID, st.nonce, batches)
		if err != nil {
			return written{}, err
		}
		w.Changes = append(w.Changes, changes...)
	}
	if len(c.rejected) > 0 {
		ch, err := deadLetters(ctx, st.opts.Lake, st.opts.Namespace, st.epoch.ID, st.nonce, st.attempt, c.rejected)
		if err != nil {
			return written{}, fmt.Errorf("quarantine: %w", err)
		}
		w.Changes = append(w.Changes, ch)
	}
	return w, nil
}

var errCounts = errors.New("what was written differs from what was planned")

// commit checks the counts and takes all changes into the lake in one step.
func (st *step) commit(ctx context.Context, all []written) (err error) {
	ctx, span := st.opts.Tracer.Start(trace.ContextWithSpan(ctx, st.span), "ingest.commit")
	defer func() { endSpan(span, false, err) }()
	var events, rejected int64
	var changes []catalog.TableChange
	for _, w := range all {
		events += w.Events
		rejected += w.Rejected
		changes = append(changes, w.Changes...)
	}
	if want := st.epoch.Counts; events != want.Events || rejected != want.Rejected {
		return fmt.Errorf("ingest: epoch %s: %w: %d events and %d rejects written, %d and %d planned", st.epoch.ID, errCounts, events, rejected, want.Events, want.Rejected)
	}
	done, err := st.opts.Lake.Commit(ctx, catalog.Commit{Stream: st.opts.Source.Stream(), Epoch: st.epoch.ID, From: st.epoch.From, To: st.epoch.To,
		Tables: merge(changes), BusinessDate: st.epoch.BusinessDate, LastCommit: st.epoch.LastCommit})
	if err != nil {
		return fmt.Errorf("ingest: commit epoch %s: %w", st.epoch.ID, err)
	}
	span.SetAttributes(attribute.Int64("cut", done.Cut), attribute.Int("attempts", done.Attempts))
	st.wrote = writes(changes)
	st.settle(done)
	return nil
}

// settle tells the mirrors what became of their changes.
func (st *step) settle(done catalog.Committed) {
	for _, f := range st.tables {
		if f.mirror == nil {
			continue
		}
		if snap, ok := done.Snapshots[f.spec.Name]; ok && !done.Dropped {
			f.mirror.Committed(snap)
		} else {
			f.mirror.Discard()
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.committed = done
}

// merge joins changes of the same table, such as dead letters from several tasks.
func merge(changes []catalog.TableChange) []catalog.TableChange {
	at := map[string]int{}
	var out []catalog.TableChange
	for _, c := range changes {
		i, ok := at[c.Table]
		if !ok {
			at[c.Table] = len(out)
			out = append(out, c)
			continue
		}
		out[i].Add = append(out[i].Add, c.Add...)
		out[i].Totals.Rows += c.Totals.Rows
		out[i].Totals.Inserts += c.Totals.Inserts
	}
	return out
}
