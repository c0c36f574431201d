package reconcile

import (
	"context"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/connectors/fixedio"
	"github.com/millrace/millrace/connectors/sqlio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// database reads a side that is a query.
func (l *loader) database(ctx context.Context) error {
	in, err := sqlio.Open(ctx, *l.spec.Database, sqlio.Options{})
	if err != nil {
		return err
	}
	l.report.Database = l.spec.Database.Place()
	rows, err := l.reader(in.Schema())
	if err != nil {
		_ = in.Close() // nothing was read
		return err
	}
	return eachOf(ctx, in, func(b arrow.RecordBatch) error { return rows.read(ctx, b, placeBy(b, l.spec.Database.Ref)) })
}

// placeBy names rows by columns that tell them apart.
func placeBy(b arrow.RecordBatch, columns []string) func(i int) string {
	var by []arrow.Array
	for _, name := range columns {
		by = append(by, b.Column(b.Schema().FieldIndices(name)[0]))
	}
	return func(i int) string {
		texts := make([]string, len(by))
		for k, c := range by {
			texts[k] = textOf(c, i)
		}
		return strings.Join(texts, "|")
	}
}

// fixed reads a side of fixed-width files.
func (l *loader) fixed(ctx context.Context, store storage.Store, glob string) error {
	if l.spec.Fixed == nil {
		return fault.Usagef("fixed: say where its columns stand")
	}
	opts := fixedio.Options{Layout: *l.spec.Fixed, OnReject: l.onReject()}
	splits, err := fixedio.Splits(ctx, store, glob, opts)
	if err != nil {
		return err
	}
	return l.each(ctx, splits, opts.Schema(), func(s files.Split) (batches, func() []int64, error) {
		r, err := fixedio.Open(ctx, store, s, opts)
		if err != nil {
			return nil, nil, err
		}
		return r, r.Lines, nil
	})
}
