package parquetio

import (
	"context"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/files/fileset"
	"github.com/millrace/millrace/sdk/storage"
)

// Kind names this package's sources and sinks in a dataset.Environment.
const Kind = "parquetio"

// Source is a set of Parquet files to read in a pipeline.
type Source = fileset.Source[Options]

// Sink is a set of Parquet files to write in a pipeline.
type Sink = fileset.Sink[WriteOptions]

var format = fileset.Format[Options]{
	Kind: Kind, Infer: Infer, Splits: Splits, Open: fileset.Opener(Open),
	Common: func(o *Options) fileset.Common {
		return fileset.Common{Schema: &o.Schema, Columns: o.Columns, BatchRows: &o.BatchRows}
	},
}

// NewSource settles the schema of the files that glob matches, which may read
// some of them.
func NewSource(ctx context.Context, store storage.Store, glob string, opts Options) (*Source, error) {
	return fileset.NewSource(ctx, format, store, glob, opts, fileset.Rejects{})
}

// Read makes a dataset of the records of src.
func Read(s beam.Scope, src *Source) dataset.Dataset {
	return dataset.Read(s.Scope("parquetio.Read"), src)
}

// OpenSource is for the Readers of a dataset.Environment, under Kind.
func OpenSource(stores storage.Resolver) dataset.OpenReader {
	return fileset.OpenSource(format, stores)
}

// NewSink names a set of files, <base>-…parquet, and its manifest, <base>.manifest.json.
func NewSink(store storage.Store, base string, opts WriteOptions) (*Sink, error) {
	return fileset.NewSink(Kind, NewWriter, store, base, opts)
}

// Write writes rows as the set that sink names.
func Write(s beam.Scope, sink *Sink, rows dataset.Rows) {
	dataset.WriteTo(s.Scope("parquetio.Write"), sink, rows)
}

// OpenSink is for the Sinks of a dataset.Environment, under Kind.
func OpenSink(stores storage.Resolver) dataset.OpenSink {
	return fileset.OpenSink(Kind, NewWriter, stores)
}
