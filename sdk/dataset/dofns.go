package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/fault"
)

// The DoFns of this file are known to runners, savepoints and remote workers by
// the names of their types and fields: testdata/wire-names.txt lists them.

func init() {
	register.DoFn3x1[context.Context, []byte, func(int64, []byte), error](&planFn{})
	register.DoFn4x1[context.Context, int64, func(*[]byte) bool, func(int64, []byte), error](&taskFn{})
	register.DoFn4x1[context.Context, int64, func(*[]byte) bool, func(int64), error](&commitFn{})
	register.DoFn2x1[context.Context, []byte, error](&mistakeFn{})
	register.Emitter1[int64]()
	register.Emitter2[int64, []byte]()
	register.Iter1[[]byte]()
}

// Beam looks into the exported fields of a registered type and cannot bear
// recursive ones, so that the DoFns have none: they encode themselves.

// planFn plans a stage's scans: one message a split.
type planFn struct{ wire planWire }

type planWire struct {
	Run   runConfig   `json:"run"`
	Scans []*scanSpec `json:"scans,omitempty"`
	// Pack lets small splits share a task.
	Pack bool `json:"pack,omitempty"`
	// Seed, if set, is a source of which an empty piece is emitted, so that there is a task where nothing else arrives.
	Seed string `json:"seed,omitempty"`
}

// MarshalJSON encodes the DoFn for its worker.
func (f *planFn) MarshalJSON() ([]byte, error) { return json.Marshal(f.wire) }

// UnmarshalJSON decodes what MarshalJSON wrote.
func (f *planFn) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &f.wire) }

func (f *planFn) configure(c runConfig)      { f.wire.Run = c }
func (f *planFn) mistakes() []error          { return nil }
func (f *planFn) scans() []*scanSpec         { return f.wire.Scans }
func (f *planFn) handles() map[handleKey]any { return handlesOf(f.wire.Scans) }

func handlesOf(scans []*scanSpec) map[handleKey]any {
	m := map[handleKey]any{}
	for _, s := range scans {
		if s.live.value != nil {
			m[s.live.key] = s.live.value
		}
	}
	return m
}

// ProcessElement emits a descriptor for each split, and at least one, so that every stage has a task.
func (f *planFn) ProcessElement(ctx context.Context, _ []byte, emit func(int64, []byte)) error {
	run := joinRun(f.wire.Run)
	out, err := f.messages(ctx, run)
	if err != nil {
		run.fail(err)
		return frame(err)
	}
	for _, m := range out {
		emit(m.partition, m.data)
	}
	return nil
}

func (f *planFn) messages(ctx context.Context, run *Run) ([]message, error) {
	if f.wire.Seed != "" {
		return seeds(f.wire.Seed)
	}
	var out []message
	weights, next := map[int64]int64{}, int64(0)
	for _, s := range f.wire.Scans {
		plan, err := s.plan(ctx, run)
		if err == nil {
			err = s.checkLayout(plan)
		}
		if err != nil {
			return nil, fmt.Errorf("plan the scan of %s: %w", s.name(), err)
		}
		for i := range plan.Splits {
			p := piece{Source: s.Source, Split: &plan.Splits[i], Sorted: plan.Layout.SortBy, Seq: i}
			m := message{partition: next}
			if s.ByBucket { // equal keys meet in one task
				m.partition = int64(max(p.Split.Bucket, 0))
			}
			next++
			if m.data, err = p.encode(); err != nil {
				return nil, err
			}
			weights[m.partition] += p.weight()
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return seeds(f.wire.Scans[0].Source)
	}
	if f.wire.Pack {
		out = repartition(out, pack(weights))
	}
	return out, nil
}

// checkLayout refuses a plan that does not lie as the stage was built for.
func (s *scanSpec) checkLayout(plan ScanPlan) error {
	if !s.ByBucket || len(plan.Splits) == 0 || plan.Layout.BucketBy == s.Layout.BucketBy && plan.Layout.Buckets == s.Layout.Buckets {
		return nil
	}
	return fault.Retryablef("the table's layout changed from bucket[%d](%s) to bucket[%d](%s) since the pipeline was built, or not all of its files have it yet: build the pipeline again after the table's maintenance",
		s.Layout.Buckets, s.Layout.BucketBy, plan.Layout.Buckets, plan.Layout.BucketBy)
}

// seeds makes sure that task 0 runs.
func seeds(source string) ([]message, error) {
	data, err := piece{Source: source}.encode()
	return []message{{0, data}}, err
}

// keyOf spreads the segments of a file over tasks.
func keyOf(name string, i int) int64 {
	return int64(xxh3.HashString(name)>>1) + int64(i) // 63 bits; where it overflows it is a key like any other
}

func (s *scanSpec) plan(ctx context.Context, run *Run) (ScanPlan, error) {
	if s.Table == "" {
		r, err := run.opened.reader(ctx, s.Ref)
		if err != nil {
			return ScanPlan{}, err
		}
		splits, err := r.Plan(ctx)
		return ScanPlan{Schema: r.Schema(), Splits: splits}, err
	}
	tables, err := run.opened.tables(ctx, s.Ref)
	if err != nil {
		return ScanPlan{}, err
	}
	plan, err := tables.PlanScan(ctx, s.Table, s.options(run.config.BatchRows))
	if err != nil {
		return ScanPlan{}, err
	}
	return plan, checkSchema(plan.Schema, s.Schema.Schema)
}

// taskFn runs a stage's tasks in a pool: ProcessElement submits, FinishBundle waits and emits.
type taskFn struct {
	taskBase
	pool   *pool
	joined *Run
}

// taskBase is what DoFns that run a stage have in common.
type taskBase struct {
	wire taskWire
	live map[handleKey]any // in the process that built the pipeline
}

type taskWire struct {
	Run   runConfig `json:"run"`
	Stage *stage    `json:"stage"`
}

// MarshalJSON encodes the DoFn for its worker.
func (f *taskBase) MarshalJSON() ([]byte, error) { return json.Marshal(f.wire) }

// UnmarshalJSON decodes what MarshalJSON wrote.
func (f *taskBase) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &f.wire) }

func (f *taskBase) configure(c runConfig)      { f.wire.Run = c }
func (f *taskBase) mistakes() []error          { return nil }
func (f *taskBase) scans() []*scanSpec         { return f.wire.Stage.Root.scans() }
func (f *taskBase) handles() map[handleKey]any { return f.live }

func (o *op) scans() []*scanSpec {
	var all []*scanSpec
	if o.Scan != nil {
		all = append(all, o.Scan)
	}
	for _, in := range o.In {
		all = append(all, in.scans()...)
	}
	return all
}

// StartBundle makes the bundle's pool.
func (f *taskFn) StartBundle(ctx context.Context, _ func(int64, []byte)) error {
	f.joined = joinRun(f.wire.Run)
	f.pool = newPool(ctx, f.joined)
	return nil
}

// ProcessElement submits the task of one partition.
func (f *taskFn) ProcessElement(_ context.Context, partition int64, pieces func(*[]byte) bool, _ func(int64, []byte)) error {
	if f.pool.failed() != nil {
		return f.stop()
	}
	t, err := newTask(f.joined, f.wire.Stage, partition, drain(pieces))
	if err != nil {
		f.pool.fail(err)
		return f.stop()
	}
	f.pool.submit(partition, t.do)
	return nil
}

// drain copies what an iterator yields.
func drain(next func(*[]byte) bool) [][]byte {
	var all [][]byte
	var data []byte
	for next(&data) {
		all = append(all, slices.Clone(data))
	}
	return all
}

// stop waits for the tasks of a bundle that failed: Beam will not call FinishBundle.
func (f *taskFn) stop() error {
	_, err := f.pool.wait()
	f.joined.fail(err)
	return frame(err)
}

// FinishBundle waits for the tasks and emits what they report.
func (f *taskFn) FinishBundle(_ context.Context, emit func(int64, []byte)) error {
	out, err := f.pool.wait()
	if err != nil {
		f.joined.fail(err)
		return frame(err)
	}
	for _, m := range out {
		emit(m.partition, m.data)
	}
	return nil
}

// commitFn ends a write.
type commitFn struct{ wire commitWire }

type commitWire struct {
	Run   runConfig  `json:"run"`
	Stage string     `json:"stage"`
	Write *writeSpec `json:"write,omitempty"`
	Sink  *sinkSpec  `json:"sink,omitempty"`
}

// MarshalJSON encodes the DoFn for its worker.
func (f *commitFn) MarshalJSON() ([]byte, error) { return json.Marshal(f.wire) }

// UnmarshalJSON decodes what MarshalJSON wrote.
func (f *commitFn) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &f.wire) }

func (f *commitFn) configure(c runConfig) { f.wire.Run = c }
func (f *commitFn) mistakes() []error     { return nil }
func (f *commitFn) scans() []*scanSpec    { return nil }
func (f *commitFn) handles() map[handleKey]any {
	h := handle{}
	if f.wire.Write != nil {
		h = f.wire.Write.live
	} else {
		h = f.wire.Sink.live
	}
	return map[handleKey]any{h.key: h.value}
}

// ProcessElement commits the files of all tasks, and emits how many tasks there were.
func (f *commitFn) ProcessElement(ctx context.Context, _ int64, reports func(*[]byte) bool, emit func(int64)) error {
	run, all := joinRun(f.wire.Run), drain(reports)
	if err := f.commit(ctx, run, all); err != nil {
		run.fail(err)
		return frame(err)
	}
	emit(int64(len(all)))
	return nil
}

func (f *commitFn) commit(ctx context.Context, run *Run, reports [][]byte) error {
	slices.SortFunc(reports, slices.Compare)
	var files [][]byte
	for _, r := range reports {
		var w written
		if err := json.Unmarshal(r, &w); err != nil {
			return fmt.Errorf("decode a task's report: %w", err)
		}
		files = append(files, w.Files...)
	}
	if f.wire.Sink != nil {
		sink, err := run.opened.sink(ctx, f.wire.Sink.Ref)
		if err != nil {
			return err
		}
		return sink.Commit(ctx, run.config.ID, files)
	}
	tables, err := run.opened.tables(ctx, f.wire.Write.Ref)
	if err != nil {
		return err
	}
	if err := tables.Commit(ctx, f.wire.Write.spec(run.config.ID, f.wire.Stage), files); err != nil {
		return fmt.Errorf("commit table %s: %w", f.wire.Write.Table, err)
	}
	return nil
}

// mistakeFn stands for a sink that could not be built. Prepare finds it; a runner that does not prepare fails on it.
type mistakeFn struct {
	Message string `json:"message"`

	err error
}

func (f *mistakeFn) configure(runConfig)        {}
func (f *mistakeFn) scans() []*scanSpec         { return nil }
func (f *mistakeFn) handles() map[handleKey]any { return nil }
func (f *mistakeFn) mistakes() []error          { return []error{f.err} }

// ProcessElement fails.
func (f *mistakeFn) ProcessElement(context.Context, []byte) error {
	return frame(fault.Mark(fault.Usage, errors.New(f.Message)))
}

// failLater puts a build mistake into the pipeline.
func failLater(s beam.Scope, err error) {
	beam.ParDo0(s, &mistakeFn{Message: err.Error(), err: err}, beam.Impulse(s))
}
