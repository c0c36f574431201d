package fileset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// NewWriter starts a set of files of one format.
type NewWriter[O any] func(store storage.Store, base string, schema *arrow.Schema, opts O) (*files.Writer, error)

// Sink is a set of files to write, with a manifest.
type Sink[O any] struct {
	store storage.Store
	base  string
	opts  O
	write NewWriter[O]
	ref   dataset.Ref
}

var _ dataset.Sink = (*Sink[struct{}])(nil)

type sinkConfig struct {
	URL     string          `json:"url"`
	Base    string          `json:"base"`
	Options json.RawMessage `json:"options"`
}

// NewSink names the set: its files are <base>-<task>-<number>, its manifest is <base>.manifest.json.
func NewSink[O any](kind string, write NewWriter[O], store storage.Store, base string, opts O) (*Sink[O], error) {
	if err := storage.CheckName(base); err != nil {
		return nil, err
	}
	data, err := json.Marshal(opts)
	if err == nil {
		data, err = json.Marshal(sinkConfig{URL: store.URL(), Base: base, Options: data})
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s sink: %w", kind, err)
	}
	return &Sink[O]{store: store, base: base, opts: opts, write: write, ref: dataset.Ref{Kind: kind, Config: string(data)}}, nil
}

// OpenSink opens sinks from their refs, for a dataset.Environment.
func OpenSink[O any](kind string, write NewWriter[O], stores storage.Resolver) dataset.OpenSink {
	return func(ctx context.Context, text string) (dataset.Sink, error) {
		var c sinkConfig
		var opts O
		if err := errors.Join(json.Unmarshal([]byte(text), &c), json.Unmarshal(c.Options, &opts)); err != nil {
			return nil, fault.Usagef("open %s sink: %w", kind, err)
		}
		store, err := stores.Open(ctx, c.URL)
		if err != nil {
			return nil, err
		}
		return NewSink(kind, write, store, c.Base, opts)
	}
}

// Ref is how a worker opens the sink again.
func (s *Sink[O]) Ref() dataset.Ref { return s.ref }

// Manifest is the name of the set's manifest.
func (s *Sink[O]) Manifest() string { return s.base + ".manifest.json" }

// NewWriter starts one task's files.
func (s *Sink[O]) NewWriter(_ context.Context, schema *arrow.Schema, task dataset.TaskID) (dataset.Writer, error) {
	w, err := s.write(s.store, s.base+"-"+task.String(), schema, s.opts)
	if err != nil {
		return nil, err
	}
	return &writer{w}, nil
}

type writer struct{ files *files.Writer }

func (w *writer) Write(ctx context.Context, batch arrow.RecordBatch) error {
	return w.files.Write(ctx, batch)
}

func (w *writer) Close(ctx context.Context) ([][]byte, error) {
	m, err := w.files.Close(ctx)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("describe written files: %w", err)
	}
	return [][]byte{data}, nil
}

func (w *writer) Abort(context.Context) { _ = w.files.Abort() } // what it leaves is no object

// Commit writes the manifest, and then deletes what only the manifest before named.
func (s *Sink[O]) Commit(ctx context.Context, run string, parts [][]byte) error {
	manifests := make([]files.Manifest, len(parts))
	for i, p := range parts {
		if err := json.Unmarshal(p, &manifests[i]); err != nil {
			return fmt.Errorf("commit %s: %w", s.base, err)
		}
	}
	m, err := files.Merge(manifests...)
	if err != nil {
		return fmt.Errorf("commit %s: %w", s.base, err)
	}
	m.Extra = map[string]string{"run": run}
	before, err := files.GetManifest(ctx, s.store, s.Manifest())
	if err != nil && !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	if err := files.PutManifest(ctx, s.store, s.Manifest(), m); err != nil {
		return err
	}
	return s.store.Delete(ctx, stale(before, m)...)
}

// stale are the files of one manifest that another does not have.
func stale(before, now files.Manifest) []string {
	current := map[string]bool{}
	for _, f := range now.Files {
		current[f.Name] = true
	}
	var names []string
	for _, f := range before.Files {
		if !current[f.Name] {
			names = append(names, f.Name)
		}
	}
	return names
}
