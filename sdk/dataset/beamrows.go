package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/funcx"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/coder"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/util/reflectx"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/millrace/millrace/sdk/dataset/internal/rowcodec"
	"github.com/millrace/millrace/sdk/dataset/internal/runs"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
	"github.com/millrace/millrace/sdk/record"
)

// RegisterBeam makes T usable with [ToBeam] and [FromBeam], and as an element of
// any Beam collection, encoded exactly, decimals and nulls included. Call it in an init
// function. A mistake in T is reported where it is used.
func RegisterBeam[T any]() {
	t := reflect.TypeFor[T]()
	functions.mu.Lock()
	elements[t] = registerElement[T](t)
	functions.mu.Unlock()
}

// elements are the types of RegisterBeam, with what is wrong with them. Guarded by functions.mu.
var elements = map[reflect.Type]error{}

func registerElement[T any](t reflect.Type) error {
	schema, err := record.SchemaOf[T]()
	if err == nil {
		err = rowcodec.Supported(schema)
	}
	if err != nil {
		return err
	}
	c := &elementCoder[T]{schema: schema}
	enc, err := namedFunc("encode", t, c.encode)
	if err != nil {
		return err
	}
	dec, err := namedFunc("decode", t, c.decode)
	if err != nil {
		return err
	}
	coder.RegisterDeterministicCoderWithFuncs(t, enc, dec)
	runtime.RegisterType(t)
	register.DoFn4x1[context.Context, int64, func(*[]byte) bool, func(T), error](&toBeamFn[T]{})
	register.DoFn3x1[context.Context, T, func(int64, []byte), error](&fromBeamFn[T]{})
	register.Emitter1[T]()
	return nil
}

// namedFunc registers a function of a generic type under a name of its own; Go gives all instances the same.
func namedFunc(what string, t reflect.Type, fn any) (*funcx.Fn, error) {
	name := fmt.Sprintf("millrace/sdk/dataset.%s[%s.%s]", what, t.PkgPath(), t.Name())
	runtime.RegisterFunctionWithName(name, fn)
	return funcx.New(reflectx.MakeFuncWithName(name, fn))
}

// usableWithBeam checks that T was registered.
func usableWithBeam[T any]() error {
	functions.mu.RLock()
	defer functions.mu.RUnlock()
	t := reflect.TypeFor[T]()
	err, ok := elements[t]
	if !ok {
		return fmt.Errorf("type %s is not registered: add func init() { dataset.RegisterBeam[%s]() }", t, t.Name())
	}
	return err
}

// elementCoder encodes rows as Beam elements.
type elementCoder[T any] struct {
	schema *arrow.Schema
	pool   sync.Pool // of *record.Builder[T]
}

func (c *elementCoder[T]) encode(row T) ([]byte, error) {
	b, ok := c.pool.Get().(*record.Builder[T])
	if !ok {
		var err error
		if b, err = record.NewBuilder[T](); err != nil {
			return nil, err
		}
	}
	defer c.pool.Put(b)
	if err := b.Append(row); err != nil {
		return nil, err
	}
	rec := b.NewRecord()
	defer rec.Release()
	return rowcodec.Append(nil, rec, 0), nil
}

func (c *elementCoder[T]) decode(data []byte) (row T, err error) {
	rec, err := rowcodec.Decode(c.schema, data)
	if err != nil {
		return row, err
	}
	defer rec.Release()
	for row, err := range record.Rows[T](rec) {
		return row, err
	}
	return row, errors.New("decode row: there is none")
}

// ToBeam makes an ordinary collection of a dataset's rows, for any other Beam
// transform. The rows must have a column for each field of T, which RegisterBeam has registered.
//
// Each row becomes a Beam element: on every runner that is some hundred times slower than staying in columns, and a
// runner may hold all of them in memory (prism does). Use it for small results.
func ToBeam[T any](s beam.Scope, in Rows) beam.PCollection {
	s = s.Scope("dataset.ToBeam")
	n := in.node()
	col, err := toBeam[T](s, n)
	if err != nil {
		err = fmt.Errorf("to Beam: %w", err)
		failLater(s, err)
		// A collection of the right type, so that the rest of the pipeline can be built.
		return beam.ParDo(s, &toBeamFn[T]{}, beam.GroupByKey(s, beam.ParDo(s, &planFn{}, beam.Impulse(s))))
	}
	return col
}

func toBeam[T any](s beam.Scope, n *node) (beam.PCollection, error) {
	if n.err != nil {
		return beam.PCollection{}, n.err
	}
	if err := usableWithBeam[T](); err != nil {
		return beam.PCollection{}, err
	}
	if _, err := record.NewReader[T](n.schema); err != nil {
		return beam.PCollection{}, err
	}
	c := &compiler{ctx: context.Background(), scope: s}
	f, err := c.compile(n, want{})
	if err != nil {
		return beam.PCollection{}, err
	}
	grouped := inputs(s, f, false)
	st := &stage{ID: stageID(grouped), Name: describe(f.op), Root: f.op}
	return beam.ParDo(s, &toBeamFn[T]{taskBase{wire: taskWire{RunOptions{}.config(), st}, live: f.live(nil)}}, grouped), nil
}

// toBeamFn runs a stage's tasks one after the other and emits their rows.
type toBeamFn[T any] struct{ taskBase }

// ProcessElement runs the task of one partition.
func (f *toBeamFn[T]) ProcessElement(ctx context.Context, partition int64, pieces func(*[]byte) bool, emit func(T)) error {
	run := joinRun(f.wire.Run)
	if err := run.begin(); err != nil {
		return frame(err)
	}
	defer run.end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(run.ctx, func() { cancel(context.Cause(run.ctx)) })()
	t, err := newTask(run, f.wire.Stage, partition, drain(pieces))
	if err == nil {
		_, err = guard(ctx, func(ctx context.Context) ([]message, error) { return nil, t.rows(ctx, emitRows(emit)) })
	}
	if err != nil {
		run.fail(err)
		return frame(err)
	}
	return nil
}

func emitRows[T any](emit func(T)) func(arrow.RecordBatch) error {
	var rows []T
	return func(b arrow.RecordBatch) error {
		r, err := record.NewReader[T](b.Schema())
		if err != nil {
			return err
		}
		if rows, err = r.AppendTo(rows[:0], b); err != nil {
			return err
		}
		for i := range rows {
			emit(rows[i])
		}
		return nil
	}
}

// rows runs the task's operators and gives each batch to f.
func (t *task) rows(ctx context.Context, f func(arrow.RecordBatch) error) (err error) {
	if t.staged.area, err = t.run.staging(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.staged.close()) }()
	rows, _, err := t.build(ctx, t.stage.Root, nil)
	if err == nil {
		err = stream.Each(ctx, rows, f)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", t.stage.Name, err)
	}
	return nil
}

// FromBeam makes a dataset of the elements of an ordinary collection, of type
// T, which RegisterBeam has registered. The elements are staged as columns, once. They may be in any window; windows are dropped.
func FromBeam[T any](s beam.Scope, col beam.PCollection) Dataset {
	s = s.Scope("dataset.FromBeam")
	n := &node{kind: nodeBeam, partitions: DefaultPartitions}
	if err := usableWithBeam[T](); err != nil {
		return n.fail("from Beam: %w", err)
	}
	var err error
	if n.schema, err = record.SchemaOf[T](); err != nil {
		return n.fail("from Beam: %w", err)
	}
	if have, want := col.Type().Type(), reflect.TypeFor[T](); have != want {
		return n.fail("from Beam: the collection holds %s, not %s", have, want)
	}
	id := "b" + stageID(col)
	staged := beam.ParDo(s, &fromBeamFn[T]{fromBase: fromBase{wire: fromWire{RunOptions{}.config(), id}}}, col)
	marker := beam.ParDo(s, &planFn{planWire{Run: RunOptions{}.config(), Seed: id}}, beam.Impulse(s))
	n.staged = exchanged{id: id, col: beam.Flatten(s, staged, marker)}
	return Dataset{n}
}

// fromBeamFn stages elements as columns.
type fromBeamFn[T any] struct {
	fromBase
	builder *record.Builder[T]
}

// fromBase is what does not depend on the type.
type fromBase struct {
	wire fromWire
	out  *stagingWriter
}

type fromWire struct {
	Run    runConfig `json:"run"`
	Source string    `json:"source"`
}

func (f *fromBase) configure(c runConfig)        { f.wire.Run = c }
func (f *fromBase) mistakes() []error            { return nil }
func (f *fromBase) scans() []*scanSpec           { return nil }
func (f *fromBase) handles() map[handleKey]any   { return nil }
func (f *fromBase) MarshalJSON() ([]byte, error) { return json.Marshal(f.wire) }

func (f *fromBase) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &f.wire) }

// StartBundle starts a file.
func (f *fromBeamFn[T]) StartBundle(context.Context, func(int64, []byte)) (err error) {
	f.out = &stagingWriter{run: joinRun(f.wire.Run), source: f.wire.Source}
	f.builder, err = record.NewBuilder[T]()
	return err
}

// ProcessElement adds a row.
func (f *fromBeamFn[T]) ProcessElement(ctx context.Context, row T, _ func(int64, []byte)) error {
	if err := f.builder.Append(row); err != nil {
		return frame(err)
	}
	if f.builder.Len() >= f.wire.Run.BatchRows {
		return f.out.add(ctx, f.builder.NewRecord())
	}
	return nil
}

// FinishBundle ends the file and emits a descriptor of each of its segments.
func (f *fromBeamFn[T]) FinishBundle(ctx context.Context, emit func(int64, []byte)) error {
	if f.builder.Len() > 0 {
		if err := f.out.add(ctx, f.builder.NewRecord()); err != nil {
			return err
		}
	}
	return f.out.close(emit)
}

// stagingWriter writes batches that come from Beam. A bundle has no identity
// that survives a retry, so its file has a random name; the file of a failed bundle stays unused until the run ends.
type stagingWriter struct {
	run    *Run
	source string
	name   string
	ex     *exchangeWriter
}

func (w *stagingWriter) add(ctx context.Context, b arrow.RecordBatch) error {
	defer b.Release()
	if err := w.write(ctx, b); err != nil {
		w.run.fail(err)
		return frame(err)
	}
	w.run.counters.rowsRead.Add(b.NumRows())
	return nil
}

func (w *stagingWriter) write(ctx context.Context, b arrow.RecordBatch) error {
	if err := context.Cause(w.run.ctx); err != nil {
		return err
	}
	if w.ex == nil {
		area, err := w.run.staging(ctx)
		if err != nil {
			return err
		}
		buf, err := runs.NewBuffer(b.Schema(), nil)
		if err != nil {
			return err
		}
		w.name = randomID()
		t := &task{run: w.run, staged: stagedFiles{area: area}}
		w.ex = &exchangeWriter{task: t, spec: &exchangeSpec{ID: w.source}, buf: buf, name: w.source + "-" + w.name + ".arrow"}
	}
	w.ex.buf.Add(b)
	if w.ex.buf.Bytes() < w.run.config.Memory {
		return nil
	}
	return w.ex.flush(ctx)
}

func (w *stagingWriter) close(emit func(int64, []byte)) error {
	if w.ex == nil {
		return nil
	}
	out, err := w.ex.close(context.Background())
	if err != nil {
		w.run.fail(err)
		return frame(err)
	}
	for i, m := range out {
		emit(keyOf(w.name, i), m.data)
	}
	w.ex = nil
	return nil
}
