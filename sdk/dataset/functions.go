package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset/internal/stream"
	"github.com/millrace/millrace/sdk/record"
)

// BatchFunc maps a batch to a batch, with any number of rows. It may return its
// argument; it must not change or keep it. It is called from several goroutines at once.
type BatchFunc func(ctx context.Context, batch arrow.RecordBatch) (arrow.RecordBatch, error)

// functions are the author's registered functions, by name. Like Beam's
// registry it is filled by init functions and only read afterwards.
var functions = struct {
	mu     sync.RWMutex
	byName map[string]*function
}{byName: map[string]*function{}}

// function is a registered function and how to run it.
type function struct {
	value     any
	ambiguous bool
	batches   BatchFunc
	maker     Maker
	coMaker   CoMaker
	rows      func(in stream.Stream, batchRows int) (stream.Stream, error)
}

// nameOf is the name under which a function is known: its package path and name.
func nameOf(fn any) string {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return ""
	}
	return runtime.FuncForPC(v.Pointer()).Name()
}

func registerFunction(fn any, f *function) {
	functions.mu.Lock()
	defer functions.mu.Unlock()
	name := nameOf(fn)
	f.value = fn
	if old, ok := functions.byName[name]; ok {
		f.ambiguous = reflect.TypeOf(old.value) != reflect.TypeOf(fn)
	}
	functions.byName[name] = f
}

func lookup(name string) (*function, error) {
	functions.mu.RLock()
	defer functions.mu.RUnlock()
	f, ok := functions.byName[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("the worker's program has no registered function %s", name)
	case f.ambiguous:
		return nil, fmt.Errorf("two instances of the generic function %s are registered: wrap each in a function of its own", name)
	}
	return f, nil
}

// registered finds the function that an author passes to an operator.
func registered(fn any, call string) (name string, err error) {
	if name = nameOf(fn); name == "" {
		return "", errors.New("the function is nil")
	}
	if _, err := lookup(name); err != nil {
		return "", fmt.Errorf("function %s is not registered, so that no worker could find it: add func init() { dataset.%s(%s) }",
			name, call, shortName(name))
	}
	return name, nil
}

func shortName(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			return name[i+1:]
		}
	}
	return name
}

// RegisterMapBatches makes a function usable with [MapBatches], here and in
// every worker that runs the same binary. Call it in an init function, as one
// registers DoFns with Beam. The function must be declared at package level.
func RegisterMapBatches(fn func(context.Context, arrow.RecordBatch) (arrow.RecordBatch, error)) {
	registerFunction(fn, &function{batches: fn})
}

// RegisterMap makes a function usable with [Map]. Call it in an init function.
func RegisterMap[In, Out any](fn func(In) (Out, error)) {
	registerFunction(fn, &function{rows: func(in stream.Stream, batchRows int) (stream.Stream, error) {
		return newRowMapper(in, batchRows, func(row In, out *record.Builder[Out]) error {
			o, err := fn(row)
			if err != nil {
				return err
			}
			return out.Append(o)
		})
	}})
}

// RegisterFlatMap makes a function usable with [FlatMap]. Call it in an init function.
func RegisterFlatMap[In, Out any](fn func(row In, emit func(Out)) error) {
	registerFunction(fn, &function{rows: func(in stream.Stream, batchRows int) (stream.Stream, error) {
		return newRowMapper(in, batchRows, func(row In, out *record.Builder[Out]) error {
			var failed error
			err := fn(row, func(o Out) {
				if failed == nil {
					failed = out.Append(o)
				}
			})
			return errors.Join(err, failed)
		})
	}})
}

// MapOption alters MapBatches.
type MapOption func(*node)

// OutputSchema is the schema of the batches that the function returns; default: that of its input.
func OutputSchema(schema *arrow.Schema) MapOption { return func(n *node) { n.schema = schema } }

// MapBatches runs a registered function ([RegisterMapBatches]) over the batches of
// a dataset. A task calls it for each of its batches, in their order; nothing
// else about the size or the sequence of batches is promised. A batch that does not have the
// declared schema fails the run. A panic in the function fails the run too.
func MapBatches(_ beam.Scope, in Rows, fn func(context.Context, arrow.RecordBatch) (arrow.RecordBatch, error), opts ...MapOption) Dataset {
	n := derived(nodeMap, in)
	if n.err != nil {
		return Dataset{n}
	}
	n.schema = n.in[0].schema
	for _, o := range opts {
		o(n)
	}
	name, err := registered(fn, "RegisterMapBatches")
	if err != nil {
		return n.fail("map batches: %w", err)
	}
	n.fn = name
	return Dataset{n}
}

// Map runs a registered function ([RegisterMap]) over the rows of a dataset as
// structs, laid out as package record says. A column that In has no field for is dropped.
//
// Rows as structs are slow: filling and reading a struct of six fields costs about 130 ns,
// where MapBatches costs a few nanoseconds a row (BenchmarkMap beside BenchmarkMapBatches:
// about 8 times the time for the whole pipeline). Use it where the logic is worth more than the time.
func Map[In, Out any](_ beam.Scope, in Rows, fn func(In) (Out, error)) Dataset {
	return mapRows[In, Out](in, fn, "RegisterMap")
}

// FlatMap is Map for a function that emits any number of rows for each.
func FlatMap[In, Out any](_ beam.Scope, in Rows, fn func(row In, emit func(Out)) error) Dataset {
	return mapRows[In, Out](in, fn, "RegisterFlatMap")
}

func mapRows[In, Out any](in Rows, fn any, call string) Dataset {
	n := derived(nodeMapRows, in)
	if n.err != nil {
		return Dataset{n}
	}
	name, err := registered(fn, call)
	if err != nil {
		return n.fail("map rows: %w", err)
	}
	if _, err := record.NewReader[In](n.in[0].schema); err != nil {
		return n.fail("map rows with %s: %w", shortName(name), err)
	}
	if n.schema, err = record.SchemaOf[Out](); err != nil {
		return n.fail("map rows with %s: %w", shortName(name), err)
	}
	n.fn = name
	return Dataset{n}
}

// functionOf is a registered batch function, or what a registered maker makes of the configuration.
func functionOf(name, config string) (BatchFunc, error) {
	f, err := lookup(name)
	if err != nil {
		return nil, err
	}
	switch {
	case f.batches != nil:
		return f.batches, nil
	case f.maker == nil:
		return nil, fmt.Errorf("function %s is registered for rows, not for batches", name)
	}
	made, err := f.maker(config)
	if err != nil {
		return nil, fmt.Errorf("map batches with %s: %w", shortName(name), err)
	}
	return made, nil
}

// mapStream runs a batch function.
func mapStream(in stream.Stream, name string, f BatchFunc, schema *arrow.Schema) stream.Stream {
	next := func(ctx context.Context) (arrow.RecordBatch, error) {
		b, err := in.Next(ctx)
		if err != nil {
			return nil, err
		}
		out, err := f(ctx, b)
		if err != nil {
			b.Release()
			return nil, fmt.Errorf("map batches with %s: %w", shortName(name), err)
		}
		if out != b {
			b.Release()
		}
		if out == nil {
			return nil, fmt.Errorf("map batches with %s: it returned nil", shortName(name))
		}
		return conform(out, schema)
	}
	return stream.Func{OnNext: next, OnClose: in.Close}
}

// mapRowsStream runs a registered row function.
func mapRowsStream(in stream.Stream, name string, batchRows int) (stream.Stream, error) {
	f, err := lookup(name)
	if err != nil {
		return nil, err
	}
	if f.rows == nil {
		return nil, fmt.Errorf("function %s is registered for batches, not for rows", name)
	}
	return f.rows(in, batchRows)
}

// rowMapper maps rows as structs.
type rowMapper[In, Out any] struct {
	in        stream.Stream
	batchRows int
	f         func(In, *record.Builder[Out]) error
	reader    *record.Reader[In]
	out       *record.Builder[Out]
	rows      []In
	ended     bool
}

func newRowMapper[In, Out any](in stream.Stream, batchRows int, f func(In, *record.Builder[Out]) error) (stream.Stream, error) {
	out, err := record.NewBuilder[Out]()
	if err != nil {
		return nil, err
	}
	return &rowMapper[In, Out]{in: in, batchRows: batchRows, f: f, out: out}, nil
}

func (m *rowMapper[In, Out]) Next(ctx context.Context) (arrow.RecordBatch, error) {
	for !m.ended && m.out.Len() < m.batchRows {
		b, err := m.in.Next(ctx)
		if errors.Is(err, io.EOF) {
			m.ended = true
			break
		}
		if err != nil {
			return nil, err
		}
		err = m.add(b)
		b.Release()
		if err != nil {
			return nil, err
		}
	}
	if m.out.Len() == 0 {
		return nil, io.EOF
	}
	return m.out.NewRecord(), nil
}

func (m *rowMapper[In, Out]) add(b arrow.RecordBatch) (err error) {
	if m.reader == nil {
		if m.reader, err = record.NewReader[In](b.Schema()); err != nil {
			return err
		}
	}
	if m.rows, err = m.reader.AppendTo(m.rows[:0], b); err != nil {
		return fmt.Errorf("map rows: %w", err)
	}
	for i := range m.rows {
		if err := m.f(m.rows[i], m.out); err != nil {
			return fmt.Errorf("map rows: %w", err)
		}
	}
	return nil
}

func (m *rowMapper[In, Out]) Close() error { return m.in.Close() }
