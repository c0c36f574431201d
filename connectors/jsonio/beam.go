package jsonio

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/fileset"
	"github.com/millrace/millrace/sdk/storage"
)

// Kind names this package's sources and sinks in a dataset.Environment.
const Kind = "jsonio"

// Source is a set of JSON files to read in a pipeline.
type Source = fileset.Source[Options]

// Sink is a set of JSON files to write in a pipeline.
type Sink = fileset.Sink[WriteOptions]

var format = fileset.Format[Options]{
	Kind: Kind, Infer: Infer, Splits: Splits,
	Open: func(ctx context.Context, store storage.Store, split files.Split, opts Options) (dataset.BatchReader, error) {
		return Open(ctx, store, split, opts)
	},
	Schema: func(o Options) (whole, projected *arrow.Schema, err error) {
		if err := o.Validate(); err != nil || o.Schema == nil {
			return nil, nil, err
		}
		projected, err = o.project()
		return o.Schema, projected, err
	},
	With: func(o Options, schema *arrow.Schema, batchRows int, onReject files.RejectFunc) Options {
		if schema != nil {
			o.Schema = schema
		}
		if batchRows > 0 {
			o.BatchRows = batchRows
		}
		if onReject != nil {
			o.OnReject = onReject
		}
		return o
	},
}

// NewSource settles the schema of the files that glob matches, which may read
// some of them. opts.OnReject does not travel to workers: say in rejects where bad records go.
func NewSource(ctx context.Context, store storage.Store, glob string, opts Options, rejects fileset.Rejects) (*Source, error) {
	if opts.OnReject != nil {
		return nil, fault.Usagef("json source: a reject function cannot travel to workers; name a prefix for rejects instead")
	}
	return fileset.NewSource(ctx, format, store, glob, opts, rejects)
}

// Read makes a dataset of the records of src.
func Read(s beam.Scope, src *Source) dataset.Dataset {
	return dataset.Read(s.Scope("jsonio.Read"), src)
}

// OpenSource is for the Readers of a dataset.Environment, under Kind.
func OpenSource(stores storage.Resolver) dataset.OpenReader {
	return fileset.OpenSource(format, stores)
}

// NewSink names a set of files, <base>-…ndjson, and its manifest, <base>.manifest.json.
func NewSink(store storage.Store, base string, opts WriteOptions) (*Sink, error) {
	return fileset.NewSink(Kind, NewWriter, store, base, opts)
}

// Write writes rows as the set that sink names.
func Write(s beam.Scope, sink *Sink, rows dataset.Rows) {
	dataset.WriteTo(s.Scope("jsonio.Write"), sink, rows)
}

// OpenSink is for the Sinks of a dataset.Environment, under Kind.
func OpenSink(stores storage.Resolver) dataset.OpenSink {
	return fileset.OpenSink(Kind, NewWriter, stores)
}
