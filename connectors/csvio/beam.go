package csvio

import (
	"context"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/files/fileset"
	"github.com/millrace/millrace/sdk/storage"
)

// Kind names this package's sources and sinks in a dataset.Environment.
const Kind = "csvio"

// Source is a set of CSV files to read in a pipeline.
type Source = fileset.Source[Options]

// Sink is a set of CSV files to write in a pipeline.
type Sink = fileset.Sink[WriteOptions]

var format = fileset.Format[Options]{
	Kind: Kind, Infer: Infer, Splits: Splits, Open: fileset.Opener(Open),
	Common: func(o *Options) fileset.Common {
		return fileset.Common{Schema: &o.Schema, Columns: o.Columns, BatchRows: &o.BatchRows, OnReject: &o.OnReject}
	},
}

// NewSource settles the schema of the files that glob matches, which may read
// some of them. opts.OnReject does not travel to workers: say in rejects where bad records go.
func NewSource(ctx context.Context, store storage.Store, glob string, opts Options, rejects fileset.Rejects) (*Source, error) {
	return fileset.NewSource(ctx, format, store, glob, opts, rejects)
}

// Read makes a dataset of the records of src.
func Read(s beam.Scope, src *Source) dataset.Dataset { return dataset.Read(s.Scope("csvio.Read"), src) }

// OpenSource is for the Readers of a dataset.Environment, under Kind.
func OpenSource(stores storage.Resolver) dataset.OpenReader {
	return fileset.OpenSource(format, stores)
}

// NewSink names a set of files, <base>-…csv, and its manifest, <base>.manifest.json.
func NewSink(store storage.Store, base string, opts WriteOptions) (*Sink, error) {
	return fileset.NewSink(Kind, NewWriter, store, base, opts)
}

// Write writes rows as the set that sink names.
func Write(s beam.Scope, sink *Sink, rows dataset.Rows) {
	dataset.WriteTo(s.Scope("csvio.Write"), sink, rows)
}

// OpenSink is for the Sinks of a dataset.Environment, under Kind.
func OpenSink(stores storage.Resolver) dataset.OpenSink {
	return fileset.OpenSink(Kind, NewWriter, stores)
}
