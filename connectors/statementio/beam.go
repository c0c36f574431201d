package statementio

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/files/fileset"
	"github.com/millrace/millrace/sdk/storage"
)

// Kind names this package's sources in a dataset.Environment.
const Kind = "statementio"

// Source is a set of statement files to read in a pipeline.
type Source = fileset.Source[Options]

var format = fileset.Format[Options]{
	Kind: Kind, Splits: Splits, Open: fileset.Opener(Open),
	Infer: func(_ context.Context, _ storage.Store, _ string, opts Options) (*arrow.Schema, error) {
		return opts.schema(), opts.Validate()
	},
	Common: func(o *Options) fileset.Common {
		return fileset.Common{Schema: &o.Schema, Columns: o.Columns, BatchRows: &o.BatchRows, OnReject: &o.OnReject}
	},
}

// NewSource names the files that glob matches. opts.OnReject and opts.OnStatement do not travel to workers: say in rejects where
// malformed records go, and read the statements and their checks with Open.
func NewSource(ctx context.Context, store storage.Store, glob string, opts Options, rejects fileset.Rejects) (*Source, error) {
	return fileset.NewSource(ctx, format, store, glob, opts, rejects)
}

// Read makes a dataset of the entries of src.
func Read(s beam.Scope, src *Source) dataset.Dataset {
	return dataset.Read(s.Scope("statementio.Read"), src)
}

// OpenSource is for the Readers of a dataset.Environment, under Kind.
func OpenSource(stores storage.Resolver) dataset.OpenReader {
	return fileset.OpenSource(format, stores)
}
