package parquetio

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/files"
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
	Kind: Kind, Infer: Infer, Splits: Splits,
	Open: func(ctx context.Context, store storage.Store, split files.Split, opts Options) (dataset.BatchReader, error) {
		return Open(ctx, store, split, opts)
	},
	Schema: func(o Options) (whole, projected *arrow.Schema, err error) {
		if err := o.Validate(); err != nil || o.Schema == nil {
			return nil, nil, err
		}
		fields, err := project(o.Schema, o.Columns)
		meta := o.Schema.Metadata()
		return o.Schema, arrow.NewSchema(fields, &meta), err
	},
	With: func(o Options, schema *arrow.Schema, batchRows int, _ files.RejectFunc) Options {
		if schema != nil {
			o.Schema = schema
		}
		if batchRows > 0 {
			o.BatchRows = batchRows
		}
		return o
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
