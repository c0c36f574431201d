package dataset

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
	"github.com/millrace/millrace/sdk/expr"
)

// BatchReader is a sequence of record batches of one schema, used by one goroutine.
//
// Next returns the next batch, which the caller releases, or io.EOF at the end;
// after any error only Close may be called. Close may be called early, and twice.
type BatchReader = stream.Stream

// Ref names a [Tables], [Reader] or [Sink] so that another process can open it
// again: by the function that its [Environment] lists under Kind. It travels
// inside the pipeline, in clear: it must not hold secrets.
type Ref struct {
	Kind   string `json:"kind"`
	Config string `json:"config,omitempty"`
}

// Lake is anything that can act as tables; *catalog.Lake is one.
type Lake interface {
	// DatasetTables is the lake as a driver. It is called once for each operator and must be cheap.
	DatasetTables() Tables
}

// Tables is the driver of a lake. Everything but Ref may be called from several
// goroutines, processes and machines at once. Errors carry their kind (package
// fault) and name the table.
type Tables interface {
	// Ref is how another process opens the same tables.
	Ref() Ref
	// Pin returns the latest state in which all tables are consistent with one
	// another; the zero At if there is nothing to pin. All scans of a run that do
	// not say otherwise read the state pinned when it started.
	Pin(ctx context.Context) (At, error)
	// Describe returns what a table is now. It is called while a pipeline is built.
	Describe(ctx context.Context, table string) (TableInfo, error)
	// PlanScan cuts what a scan reads into splits.
	PlanScan(ctx context.Context, table string, opts ScanOptions) (ScanPlan, error)
	// OpenSplit reads one split of a plan: the plan's schema, rows that pass opts.Filter only.
	OpenSplit(ctx context.Context, table string, split Split, opts ScanOptions) (BatchReader, error)
	// NewWriter starts one task's files. A second attempt at the same task may run at
	// any time, also at once; files of an attempt that is not committed are garbage for the driver to collect.
	NewWriter(ctx context.Context, spec WriteSpec, task TaskID) (Writer, error)
	// Commit makes the files of all tasks visible in one atomic step. It is
	// idempotent by spec.Identity: a second commit of the same identity changes nothing.
	Commit(ctx context.Context, spec WriteSpec, files [][]byte) error
}

// TableInfo describes a table.
type TableInfo struct {
	Schema *arrow.Schema
	Layout Layout
	Key    []string
}

// Layout is how rows lie in a table or a plan.
type Layout struct {
	// BucketBy is the column whose Iceberg bucket[Buckets] hash partitions the rows; "" if they are not partitioned so.
	BucketBy string `json:"bucket_by,omitempty"`
	Buckets  int    `json:"buckets,omitempty"`
	// SortBy is the order, ascending, nulls first, in which a plan's splits can be read (ScanOptions.Order), and in which
	// a write lays the rows of each file; nil if there is none to rely on.
	SortBy []string `json:"sort_by,omitempty"`
}

// At says which state of the tables to read. The zero value is the latest; at most one field is set.
type At struct {
	Cut          int64            `json:"cut,omitempty"`
	Snapshot     int64            `json:"snapshot,omitempty"` // of the one table read
	Position     *change.Position `json:"position,omitempty"`
	BusinessDate time.Time        `json:"business_date,omitzero"`
	Tag          string           `json:"tag,omitempty"`
	Time         time.Time        `json:"time,omitzero"` // the last cut committed at or before
}

// IsZero reports whether at is the latest state.
func (at At) IsZero() bool {
	return at.Cut == 0 && at.Snapshot == 0 && at.Position == nil && at.BusinessDate.IsZero() && at.Tag == "" && at.Time.IsZero()
}

// ScanOptions narrow a scan.
type ScanOptions struct {
	Columns []string // in this order; nil is all
	// Filter leaves out the rows for which it is not true; nil keeps all. It may use columns that are not among Columns.
	Filter expr.Expr
	At     At
	// ByBucket asks for splits that never mix buckets.
	ByBucket bool
	// Order, which only OpenSplit is given, asks for the split's rows in this order: columns that the plan's SortBy starts with, all of them read.
	Order []string
	// BatchRows is how many rows a batch should have at most.
	BatchRows int
}

// ScanPlan is what a scan reads.
type ScanPlan struct {
	Schema *arrow.Schema // after projection
	Layout Layout        // BucketBy is set only if no split mixes buckets
	Splits []Split
}

// Split is a serialisable piece of a scan.
type Split struct {
	Bucket int    `json:"bucket"` // -1 if not bucketed, and for rows whose bucket column is null
	Rows   int64  `json:"rows,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	Data   []byte `json:"data"`
}

// WriteMode says what a write does to the rows that a table has.
type WriteMode string

// The write modes.
const (
	Replace WriteMode = "replace" // the table holds exactly the rows written
	Add     WriteMode = "add"     // the rows written are added
)

// WriteSpec says what a write does to a table, which is created where it does not exist.
type WriteSpec struct {
	Table  string
	Schema *arrow.Schema
	Key    []string
	Layout Layout // of a table that is created; SortBy is also the order in which each task writes
	Mode   WriteMode
	// Identity identifies the write for all time: committed once, it is never committed again.
	Identity   string
	Properties map[string]string
	// BusinessDate, if set, names the state after the commit as the end of that date.
	BusinessDate time.Time
}

// TaskID identifies a task of a run. Attempts of one task share it.
type TaskID struct {
	Run       string
	Stage     string
	Partition int64
	Digest    string // of the task's input
}

// String is the id as a file name.
func (t TaskID) String() string { return t.Stage + "-" + itoa(t.Partition) + "-" + t.Digest }

// Writer writes the files of one task.
type Writer interface {
	// Write adds rows. The writer does not keep the batch.
	Write(ctx context.Context, batch arrow.RecordBatch) error
	// Close ends the files and returns their descriptors for Commit.
	Close(ctx context.Context) ([][]byte, error)
	// Abort drops what was written. It is a no-op after Close, so it can be deferred.
	Abort(ctx context.Context)
}

// Reader is a source of batches that is not a table: files, generated rows, a
// database. Connectors implement it; [Read] makes a dataset of it.
type Reader interface {
	Ref() Ref
	// Schema of the batches. It is called while a pipeline is built.
	Schema() *arrow.Schema
	// Plan cuts the source into splits.
	Plan(ctx context.Context) ([]Split, error)
	// Open reads one split.
	Open(ctx context.Context, split Split, batchRows int) (BatchReader, error)
}

// Sink is a place for batches that is not a table. Connectors implement it; [WriteTo] writes a dataset to it.
type Sink interface {
	Ref() Ref
	// NewWriter starts one task's output. Attempts of one task share the id and may run at once.
	NewWriter(ctx context.Context, schema *arrow.Schema, task TaskID) (Writer, error)
	// Commit ends the run's output. It may be called again for the same run.
	Commit(ctx context.Context, run string, files [][]byte) error
}
