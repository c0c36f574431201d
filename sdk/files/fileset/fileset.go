// Package fileset makes datasets of sets of files: what the file connectors' Read and Write stand on.
//
// Nouns. A [Format] is what a connector can do with its files. A [Source] is a
// set of files to read, as a dataset.Reader; a [Sink] is a set to write, as a dataset.Sink.
//
// Invariants: a source's schema is settled when the pipeline is built, its
// splits when the run starts. What travels to workers is the store's URL and
// the options, never credentials: a worker opens the store with its own resolver. A sink's set is complete
// once its manifest, <base>.manifest.json, is there, which is written last; files of the
// set that the manifest before named and this one does not are then deleted.
// Attempts of one task write the same names.
//
// What is not guaranteed: files of a run that failed stay until a later run of
// the same base writes the same names; only the manifest says what counts.
package fileset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// Rejects says where the tasks of a source put records that cannot be rows.
type Rejects struct {
	// To is a prefix in the source's store: each split that has rejects writes
	// <To>/<file>-<offset>.ndjson, in the form of files.Reject. "" makes the first reject an error.
	To string `json:"to,omitempty"`
	// Most is how many a split may have before the run ends; 0 is no limit.
	Most int64 `json:"most,omitempty"`
}

// Options are what a connector's files are read with. They must survive JSON, apart from their schema and their handler.
type Options interface {
	Validate() error
}

// Common are the options that every file format has, as pointers into a connector's own.
type Common struct {
	Schema    **arrow.Schema // of the whole files; nil there if it must be inferred
	Columns   []string       // what is read of it; nil: all
	BatchRows *int
	OnReject  *files.RejectFunc // nil for formats that have no bad records
}

// Format is what a connector can do with files whose options are an O.
type Format[O Options] struct {
	Kind   string // names the connector in a dataset.Ref, such as "csvio"
	Infer  func(ctx context.Context, store storage.Store, glob string, opts O) (*arrow.Schema, error)
	Splits func(ctx context.Context, store storage.Store, glob string, opts O) ([]files.Split, error)
	Open   func(ctx context.Context, store storage.Store, split files.Split, opts O) (dataset.BatchReader, error)
	Common func(opts *O) Common
}

// Opener is a connector's Open, which returns its own type of reader, as Format.Open.
func Opener[O Options, R dataset.BatchReader](open func(context.Context, storage.Store, files.Split, O) (R, error)) func(context.Context, storage.Store, files.Split, O) (dataset.BatchReader, error) {
	return func(ctx context.Context, store storage.Store, split files.Split, opts O) (dataset.BatchReader, error) {
		r, err := open(ctx, store, split, opts)
		if err != nil {
			return nil, err
		}
		return r, nil
	}
}

// schema returns the schema in opts, nil if it must be inferred, and what their projection leaves of it.
func (f Format[O]) schema(opts O) (whole, projected *arrow.Schema, err error) {
	if err := opts.Validate(); err != nil {
		return nil, nil, err
	}
	c := f.Common(&opts)
	if *c.Schema == nil {
		return nil, nil, nil
	}
	projected, err = files.Project(*c.Schema, c.Columns)
	return *c.Schema, projected, err
}

// with returns opts with a batch size and a handler of rejects, each set unless it is nil or 0.
func (f Format[O]) with(opts O, batchRows int, onReject files.RejectFunc) O {
	c := f.Common(&opts)
	if batchRows > 0 {
		*c.BatchRows = batchRows
	}
	if onReject != nil && c.OnReject != nil {
		*c.OnReject = onReject
	}
	return opts
}

// config is a source as it travels.
type config struct {
	URL     string          `json:"url"`
	Glob    string          `json:"glob"`
	Schema  string          `json:"schema"`
	Options json.RawMessage `json:"options"`
	Rejects Rejects         `json:"rejects,omitzero"`
}

// Source is a set of files to read.
type Source[O Options] struct {
	format  Format[O]
	store   storage.Store
	glob    string
	opts    O
	rejects Rejects
	schema  *arrow.Schema
	ref     dataset.Ref
}

// NewSource settles the schema of the files that glob matches, by inference if opts name none. A handler of
// rejects in opts is refused: a function cannot travel to workers.
func NewSource[O Options](ctx context.Context, f Format[O], store storage.Store, glob string, opts O, rejects Rejects) (*Source[O], error) {
	if handler := f.Common(&opts).OnReject; handler != nil && *handler != nil {
		return nil, fault.Usagef("%s source: a reject function cannot travel to workers; name a prefix for rejects instead", f.Kind)
	}
	whole, schema, err := f.schema(opts)
	if err == nil && whole == nil {
		if whole, err = f.Infer(ctx, store, glob, opts); err != nil {
			return nil, err
		}
		*f.Common(&opts).Schema = whole
		whole, schema, err = f.schema(opts)
	}
	if err != nil {
		return nil, err
	}
	s := &Source[O]{format: f, store: store, glob: glob, opts: opts, rejects: rejects, schema: schema}
	return s, s.describe(whole)
}

// describe makes the source's ref.
func (s *Source[O]) describe(whole *arrow.Schema) error {
	text, err := files.EncodeSchema(whole)
	if err != nil {
		return err
	}
	opts, err := json.Marshal(s.opts)
	if err != nil {
		return fmt.Errorf("describe %s source: %w", s.format.Kind, err)
	}
	data, err := json.Marshal(config{URL: s.store.URL(), Glob: s.glob, Schema: text, Options: opts, Rejects: s.rejects})
	if err != nil {
		return fmt.Errorf("describe %s source: %w", s.format.Kind, err)
	}
	s.ref = dataset.Ref{Kind: s.format.Kind, Config: string(data)}
	return nil
}

// OpenSource opens sources from their refs, for a dataset.Environment under Format.Kind.
func OpenSource[O Options](f Format[O], stores storage.Resolver) dataset.OpenReader {
	return func(ctx context.Context, text string) (dataset.Reader, error) {
		var c config
		var opts O
		if err := errors.Join(json.Unmarshal([]byte(text), &c), json.Unmarshal(c.Options, &opts)); err != nil {
			return nil, fault.Usagef("open %s source: %w", f.Kind, err)
		}
		whole, err := files.DecodeSchema(c.Schema)
		if err != nil {
			return nil, err
		}
		*f.Common(&opts).Schema = whole
		_, schema, err := f.schema(opts)
		if err != nil {
			return nil, err
		}
		store, err := stores.Open(ctx, c.URL)
		if err != nil {
			return nil, err
		}
		ref := dataset.Ref{Kind: f.Kind, Config: text}
		return &Source[O]{format: f, store: store, glob: c.Glob, opts: opts, rejects: c.Rejects, schema: schema, ref: ref}, nil
	}
}

// Ref is how a worker opens the source again.
func (s *Source[O]) Ref() dataset.Ref { return s.ref }

// Schema of the rows.
func (s *Source[O]) Schema() *arrow.Schema { return s.schema }

// Plan cuts the files into splits.
func (s *Source[O]) Plan(ctx context.Context) ([]dataset.Split, error) {
	pieces, err := s.format.Splits(ctx, s.store, s.glob, s.opts)
	if err != nil {
		return nil, err
	}
	splits := make([]dataset.Split, len(pieces))
	for i, p := range pieces {
		data, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("plan %s: %w", p, err)
		}
		splits[i] = dataset.Split{Bucket: -1, Rows: p.Rows, Bytes: p.Size, Data: data}
		if len(pieces) > 1 && p.To <= p.Size && p.Rows == 0 {
			splits[i].Bytes = p.To - p.From
		}
	}
	return splits, nil
}

// Open reads one split.
func (s *Source[O]) Open(ctx context.Context, split dataset.Split, batchRows int) (dataset.BatchReader, error) {
	var piece files.Split
	if err := json.Unmarshal(split.Data, &piece); err != nil {
		return nil, fmt.Errorf("open split of %s source: %w", s.format.Kind, err)
	}
	if s.rejects.To == "" {
		return s.format.Open(ctx, s.store, piece, s.format.with(s.opts, batchRows, nil))
	}
	kept := files.NewRejectFile(s.store, fmt.Sprintf("%s/%s-%d.ndjson", s.rejects.To, piece.Name, piece.From))
	handle := files.RejectFunc(kept.Add)
	if s.rejects.Most > 0 {
		handle = files.Limit(s.rejects.Most, handle)
	}
	rows, err := s.format.Open(ctx, s.store, piece, s.format.with(s.opts, batchRows, handle))
	if err != nil {
		return nil, errors.Join(err, kept.Abort())
	}
	return &rejecting{rows, kept}, nil
}

// rejecting publishes a split's rejects when it has been read to its end.
type rejecting struct {
	dataset.BatchReader
	kept *files.RejectFile
}

func (r *rejecting) Next(ctx context.Context) (arrow.RecordBatch, error) {
	b, err := r.BatchReader.Next(ctx)
	if errors.Is(err, io.EOF) {
		if closeErr := r.kept.Close(); closeErr != nil {
			return nil, closeErr
		}
	}
	return b, err
}

func (r *rejecting) Close() error { return errors.Join(r.BatchReader.Close(), r.kept.Abort()) }
