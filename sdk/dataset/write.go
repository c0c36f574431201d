package dataset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

// ErrNoTable is wrapped by Tables.Describe where a table does not exist.
var ErrNoTable = errors.New("table does not exist")

// WriteOption alters Write.
type WriteOption func(*writeSpec)

// Key names the columns that identify a row. Rows are sorted by them inside each file, unless SortBy says otherwise.
func Key(columns ...string) WriteOption { return func(w *writeSpec) { w.Key = columns } }

// Buckets partitions a table that is created into n buckets by its first key column. Default: no partitions.
func Buckets(n int) WriteOption { return func(w *writeSpec) { w.Layout.Buckets = n } }

// BucketBy partitions a table that is created into n buckets by a column.
func BucketBy(column string, n int) WriteOption {
	return func(w *writeSpec) { w.Layout.BucketBy, w.Layout.Buckets = column, n }
}

// SortBy is the order of rows inside each file.
func SortBy(columns ...string) WriteOption { return func(w *writeSpec) { w.Layout.SortBy = columns } }

// Append adds the rows to what the table has, once: a second write with the same
// identity, in whatever run, changes nothing. Default: the table's rows are replaced.
func Append(identity string) WriteOption {
	return func(w *writeSpec) { w.Mode, w.Identity = Add, identity }
}

// Properties are set on a table that is created.
func Properties(p map[string]string) WriteOption { return func(w *writeSpec) { w.Properties = p } }

// BusinessDate names the state after the write as the end of a business date, on all tables of the namespace.
func BusinessDate(day time.Time) WriteOption { return func(w *writeSpec) { w.Date = day } }

// Write writes a dataset to a table, which is created where it does not exist and
// else keeps its layout. All rows become visible in one atomic commit at the
// end, or none. A run that is tried again replaces what it wrote.
func Write(s beam.Scope, lk Lake, table string, in Rows, opts ...WriteOption) {
	s = s.Scope("dataset.Write(" + table + ")")
	n := in.node()
	err := n.err
	if err == nil {
		err = write(s, lk, table, n, opts)
	}
	if err != nil {
		failLater(s, fmt.Errorf("write table %s: %w", table, err))
	}
}

func write(s beam.Scope, lk Lake, table string, n *node, opts []WriteOption) error {
	ctx := context.Background() // Beam builds pipelines without one
	tables := lk.DatasetTables()
	ref := tables.Ref()
	w := &writeSpec{Ref: ref, Table: table, Schema: wireSchema{n.schema}, Mode: Replace, live: handle{handleKey{"tables", ref}, tables}}
	for _, o := range opts {
		o(w)
	}
	if err := w.settle(ctx, tables); err != nil {
		return err
	}
	c := &compiler{ctx: ctx, scope: s}
	f, err := c.arranged(n, w.Layout)
	if err != nil {
		return err
	}
	col := c.stage("write", f, &outputSpec{Write: w})
	commit := &commitFn{commitWire{Run: RunOptions{}.config(), Stage: "write " + table, Write: w}}
	commitLast(s, commit, col)
	return nil
}

// commitLast ends a pipeline with a commit. Prism keeps a core busy while a stage without output runs, so the commit has one, which
// goes to a grouping: that needs no worker.
func commitLast(s beam.Scope, commit *commitFn, reports beam.PCollection) {
	s = s.Scope("commit")
	beam.GroupByKey(s, beam.AddFixedKey(s, beam.ParDo(s, commit, beam.GroupByKey(s, reports))))
}

// settle completes the layout: an existing table keeps its own.
func (w *writeSpec) settle(ctx context.Context, tables Tables) error {
	if w.Mode == Add && w.Identity == "" {
		return errors.New("append needs an identity, such as the job's name and its business date")
	}
	info, err := tables.Describe(ctx, w.Table)
	switch {
	case err == nil:
		w.Layout = info.Layout
		if len(w.Key) == 0 {
			w.Key = info.Key
		}
	case !errors.Is(err, ErrNoTable):
		return err
	}
	if w.Layout.Buckets > 1 && w.Layout.BucketBy == "" {
		if len(w.Key) == 0 {
			return errors.New("buckets need a key or a column: use Key or BucketBy")
		}
		w.Layout.BucketBy = w.Key[0]
	}
	if w.Layout.SortBy == nil {
		w.Layout.SortBy = w.Key
	}
	for _, c := range slices.Concat(w.Key, w.Layout.SortBy, []string{w.Layout.BucketBy}) {
		if c != "" && !w.Schema.HasField(c) {
			return fmt.Errorf("there is no column %q: the columns are %s", c, strings.Join(fieldNames(w.Schema.Schema), ", "))
		}
	}
	return w.checkBucket()
}

func (w *writeSpec) checkBucket() error {
	if w.Layout.BucketBy == "" {
		return nil
	}
	t := w.Schema.Field(w.Schema.FieldIndices(w.Layout.BucketBy)[0]).Type
	if !bucketable(t) {
		return fmt.Errorf("column %q of type %s cannot be a bucket key", w.Layout.BucketBy, t)
	}
	return nil
}

// arranged compiles a chain so that each task gets the rows of one bucket, in order.
func (c *compiler) arranged(n *node, layout Layout) (*fragment, error) {
	var keys []string
	if layout.BucketBy != "" {
		keys = []string{layout.BucketBy}
	}
	f, err := c.compile(n, want{keys: keys})
	if err != nil {
		return nil, err
	}
	if layout.BucketBy != "" {
		p := partition{Kind: partBucket, Columns: keys, N: layout.Buckets}
		if !f.isAt(p) {
			return c.exchange(n, f, p, layout.SortBy)
		}
	}
	if len(layout.SortBy) > 0 {
		f = f.over(op{Kind: opSort, Sort: layout.SortBy, Schema: f.op.Schema})
	}
	return f, nil
}

// WriteTo writes a dataset to a sink. It is what connectors build their own Write on, as in parquetio.Write.
func WriteTo(s beam.Scope, sink Sink, in Rows) {
	ref := sink.Ref()
	s = s.Scope("dataset.WriteTo(" + ref.Kind + ")")
	n := in.node()
	if n.err != nil {
		failLater(s, fmt.Errorf("write to %s: %w", ref.Kind, n.err))
		return
	}
	c := &compiler{ctx: context.Background(), scope: s}
	f, err := c.compile(n, want{})
	if err != nil {
		failLater(s, fmt.Errorf("write to %s: %w", ref.Kind, err))
		return
	}
	spec := &sinkSpec{Ref: ref, Schema: f.op.Schema, live: handle{handleKey{"sink", ref}, sink}}
	col := c.stage("write", f, &outputSpec{Sink: spec})
	commit := &commitFn{commitWire{Run: RunOptions{}.config(), Stage: "write to " + ref.Kind, Sink: spec}}
	commitLast(s, commit, col)
}
