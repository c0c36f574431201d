package reconcile

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/connectors/fixedio"
	"github.com/millrace/millrace/connectors/sqlio"
	"github.com/millrace/millrace/connectors/statementio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/statement"
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

// placeBy names rows by columns that tell them apart: joined by |, or by their number where one column is of integers.
func placeBy(b arrow.RecordBatch, columns []string) place {
	by := make([]arrow.Array, len(columns))
	for k, name := range columns {
		by[k] = b.Column(b.Schema().FieldIndices(name)[0])
	}
	if len(by) == 1 {
		if ids, ok := by[0].(*array.Int64); ok {
			return func(i int) (string, int64) {
				if id := ids.Value(i); id > 0 && ids.IsValid(i) {
					return "", id
				}
				return textOf(ids, i), 0
			}
		}
		return func(i int) (string, int64) { return textOf(by[0], i), 0 }
	}
	texts := make([]string, len(by))
	return func(i int) (string, int64) {
		for k, c := range by {
			texts[k] = textOf(c, i)
		}
		return strings.Join(texts, "|"), 0
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

// FileChecks counts the checks of what a side's files state about themselves: balances, counts, control totals.
type FileChecks struct {
	Passed   int64 `json:"passed"`
	Failed   int64 `json:"failed"`
	Unproved int64 `json:"unproved"` // could not be made
}

// statements reads a side of bank statements. A total that does not tie out refuses the file, or, where records may be set aside, counts as one of them: a
// run over such a file does not pass.
func (l *loader) statements(ctx context.Context, store storage.Store, glob string) error {
	reject := l.onReject()
	opts := statementio.Options{OnReject: reject, Totals: statement.RefuseTotals}
	if l.spec.Quarantine > 0 {
		opts.Totals = statement.ReportTotals
	}
	var file string
	told := func(checks []statement.Check) error {
		for _, c := range checks {
			if c.Verdict != statement.Fail {
				continue
			}
			if err := reject(ctx, files.Reject{File: file, Line: c.Line, Reason: c.String()}); err != nil {
				return err
			}
		}
		return nil
	}
	opts.OnStatement = func(name string, s *statement.Statement) error {
		file = name
		return told(s.Checks)
	}
	splits, err := statementio.Splits(ctx, store, glob, opts)
	if err != nil {
		return err
	}
	l.report.Checks = &FileChecks{}
	return l.each(ctx, splits, statementio.Schema(statementio.DefaultScale), func(s files.Split) (batches, func() []int64, error) {
		r, err := statementio.Open(ctx, store, s, opts)
		if err != nil {
			return nil, nil, err
		}
		return &checked{Reader: r, ended: func(f statement.File) error {
			l.report.Checks.Passed += f.Passed
			l.report.Checks.Failed += f.Failed
			l.report.Checks.Unproved += f.Unproved
			file = s.Name
			return told(f.Checks)
		}}, r.Lines, nil
	})
}

// checked tells what a file has said of itself, once it was read to its end.
type checked struct {
	*statementio.Reader
	ended func(statement.File) error
}

// Next is that of the reader.
func (c *checked) Next(ctx context.Context) (arrow.RecordBatch, error) {
	b, err := c.Reader.Next(ctx)
	if errors.Is(err, io.EOF) && c.ended != nil {
		ended := c.ended
		c.ended = nil
		if told := ended(c.Report().File); told != nil {
			return nil, told
		}
	}
	return b, err
}
