package dataset

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// Environment is what a worker process can open. A program lists it in main,
// before beam.Init, so that the same binary works as a remote worker:
//
//	dataset.SetEnvironment(dataset.Environment{
//		Stores: stores,
//		Tables: map[string]dataset.OpenTables{catalog.RefKind: catalog.OpenTables},
//	})
//
// Inside the process that built the pipeline nothing needs to be listed but the
// store of a staging URL: the pipeline's own objects are used.
type Environment struct {
	Stores  storage.Resolver
	Tables  map[string]OpenTables
	Readers map[string]OpenReader
	Sinks   map[string]OpenSink
}

// OpenTables opens tables from the configuration in their Ref.
type OpenTables func(ctx context.Context, config string) (Tables, error)

// OpenReader opens a reader from the configuration in its Ref.
type OpenReader func(ctx context.Context, config string) (Reader, error)

// OpenSink opens a sink from the configuration in its Ref.
type OpenSink func(ctx context.Context, config string) (Sink, error)

// process is what Beam leaves no other way to reach: a DoFn that a worker
// decodes can only look around in its process.
var process = struct {
	mu     sync.Mutex
	env    Environment
	runs   map[string]*Run
	closed []*Run // the last ones, so that a late task of theirs finds that it is late
}{runs: map[string]*Run{}}

// SetEnvironment says what this process can open for pipelines that were built
// elsewhere. Call it once in main. It replaces an earlier environment.
func SetEnvironment(env Environment) {
	process.mu.Lock()
	defer process.mu.Unlock()
	process.env = env
}

// opened holds the drivers that a run uses, by the kind of driver and Ref.
type opened struct {
	mu  sync.Mutex
	env Environment
	all map[handleKey]any
}

type handleKey struct {
	driver string // "tables", "reader" or "sink"
	ref    Ref
}

// open returns the live object of a ref, or opens it once with the function listed for its kind.
func open[T any](ctx context.Context, o *opened, driver string, ref Ref, list map[string]func(context.Context, string) (T, error)) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := handleKey{driver, ref}
	if have, ok := o.all[key].(T); ok {
		return have, nil
	}
	var zero T
	f, ok := list[ref.Kind]
	if !ok {
		return zero, fault.Usagef("this worker cannot open %s of kind %q: it lists %s; add it to the dataset.Environment in main",
			driver, ref.Kind, names(list))
	}
	t, err := f(ctx, ref.Config)
	if err != nil {
		return zero, err
	}
	o.all[key] = t
	return t, nil
}

// forget lets go of all drivers.
func (o *opened) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = map[handleKey]any{}
}

func names[V any](m map[string]V) string {
	if len(m) == 0 {
		return "none"
	}
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (o *opened) tables(ctx context.Context, ref Ref) (Tables, error) {
	return open(ctx, o, "tables", ref, plain[Tables](o.env.Tables))
}

func (o *opened) reader(ctx context.Context, ref Ref) (Reader, error) {
	return open(ctx, o, "reader", ref, plain[Reader](o.env.Readers))
}

func (o *opened) sink(ctx context.Context, ref Ref) (Sink, error) {
	return open(ctx, o, "sink", ref, plain[Sink](o.env.Sinks))
}

// plain gives a map of named function types its underlying type.
func plain[T any, F ~func(context.Context, string) (T, error)](m map[string]F) map[string]func(context.Context, string) (T, error) {
	out := make(map[string]func(context.Context, string) (T, error), len(m))
	for k, f := range m {
		out[k] = f
	}
	return out
}
