package catalog

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

// TableKind says what a table's rows are.
type TableKind string

// The kinds of tables. The kind is kept in the table property millrace.kind.
const (
	Plain      TableKind = "plain"       // rows written by runs (marts, exports, matches)
	ChangeLog  TableKind = "changelog"   // one row an event, append-only
	Mirror     TableKind = "mirror"      // current state of a source table: one row a key
	DeadLetter TableKind = "dead-letter" // quarantined messages
)

// TableSpec says how a table is laid out. It is used to create the table; on an
// existing table only Schema is compared, by the evolution policy.
type TableSpec struct {
	Name   string        // namespace and table: "ledger.entries"
	Schema *arrow.Schema // nullable only where the source says so
	Kind   TableKind
	Key    []string // columns that identify a row; required for mirrors
	// BucketBy hash-partitions the table into Buckets by one column (Iceberg bucket[N]); "" leaves it unpartitioned.
	BucketBy string
	Buckets  int
	// SortBy is the order of rows inside each file, ascending.
	SortBy     []string
	Properties map[string]string
}

// DataFile describes a finished Parquet file that is not yet part of a table.
type DataFile struct {
	Path    string // full location, such as s3://lake/wh/ledger/entries/data/….parquet
	Content Content
	Bucket  int // partition bucket; -1 for an unpartitioned table
	Rows    int64
	Bytes   int64
	Sorted  bool // rows follow the table's sort order
	// Column statistics by Iceberg field id. Bounds are in Iceberg's single-value binary form.
	Columns map[int]ColumnStats
	// SplitOffsets are the byte offsets of the row groups.
	SplitOffsets []int64
	// References lists the data files that a position-delete file names. The commit fails with
	// ErrConflict if one of them left the table since TableChange.Based. Where it is nil, that
	// goes for every file within the bounds of the path column.
	References []string
}

// Content is what a DataFile holds.
type Content int

// The contents of files: rows, or positions of deleted rows.
const (
	Rows Content = iota
	PositionDeletes
)

// ColumnStats are complete statistics of one column in one file.
type ColumnStats struct {
	Bytes        int64 // compressed size
	Values       int64 // including nulls
	Nulls        int64
	Lower, Upper []byte // nil if all values are null; Upper of a long text may be truncated upward
}

// Totals are carried from source to table and compared on every run.
type Totals struct {
	Rows    int64 `json:"rows"`
	Inserts int64 `json:"inserts"`
	Updates int64 `json:"updates"`
	Deletes int64 `json:"deletes"`
	// Control holds sums of numeric columns, exact, as "amount[currency=EUR]" or "amount".
	Control map[string]money.Decimal `json:"control,omitempty"`
}

// TableChange is what one commit does to one table.
type TableChange struct {
	Table string
	// Schema, if set, is the schema that the new files have; the table is evolved to hold it, in the same commit, by the policy.
	Schema *arrow.Schema
	Add    []DataFile // rows and position deletes
	// Remove lists data and delete files that leave the table (compaction, copy-on-write, overwrite).
	Remove []string
	// ReplaceAll removes every file that the table holds when the commit is applied.
	ReplaceAll bool
	// Rewrite says that Add holds the same rows as Remove (compaction): the snapshot's operation is then "replace".
	Rewrite bool
	// Based is the snapshot that Remove and position deletes were computed from: the
	// commit fails with ErrConflict if the table's rows at those files changed since. 0 for plain appends.
	Based  int64
	Totals Totals
	// Summary is added to the snapshot's summary.
	Summary map[string]string
}

// Commit is one atomic step of the lake over any number of tables.
type Commit struct {
	// Stream and Epoch make an epoch's commit idempotent: where the stream's
	// position in the lake is not From any more, nothing is changed and the
	// result says Dropped. Stream "" is a run (maintenance, export, mart), identified by Epoch alone.
	Stream   string
	Epoch    string
	From, To change.Position
	// Reset says that the stream goes on from To although that is not after From, because its log was lost or made
	// again. What the lake holds of the stream is then replaced by Tables.
	Reset  bool
	Tables []TableChange
	// BusinessDate, if set, moves the tag bd-YYYY-MM-DD on every table of the namespaces touched, in the same commit.
	BusinessDate time.Time
	// LastCommit is the source's commit time of the last transaction held; zero if unknown.
	LastCommit time.Time
}

// Committed is what became of a commit.
type Committed struct {
	Cut       int64            // the lake's cut number after the commit
	Snapshots map[string]int64 // snapshot id by table
	Dropped   bool             // the epoch was in the lake already; the files of this attempt are garbage
	Attempts  int
}

// At says which cut of the lake to read. The zero value is the latest. Set at most one field.
type At struct {
	Cut          int64
	Snapshot     int64 // of the one table read
	Position     *change.Position
	BusinessDate time.Time
	Tag          string
	Time         time.Time // the last cut committed at or before
}

// ScanOptions narrow a scan.
type ScanOptions struct {
	Columns []string  // in this order; nil is all
	Filter  expr.Expr // rows that are not true are left out; nil keeps all
	Buckets []int     // only these buckets; nil is all
	// TargetBytes is how many bytes of files one split should hold; 0: 64 MiB. Splits of a
	// bucketed table never mix buckets.
	TargetBytes int64
	// WholeBuckets makes one split a bucket, for streaming merges and aggregates by the key.
	WholeBuckets bool
}

// ScanPlan is what a scan reads.
type ScanPlan struct {
	Table    string
	Snapshot int64
	Cut      int64
	Schema   *arrow.Schema // after projection
	Splits   []ScanSplit
	Layout   Layout
	Pruned   Pruned
}

// Layout is what a plan's consumer may rely on: each split holds one bucket only, each file's rows are sorted.
type Layout struct {
	BucketBy string
	Buckets  int
	SortBy   []string // empty if any file is not sorted
}

// Pruned says how much of the table the plan leaves out: of Files data files in all, so many by
// their bucket and so many by their column statistics.
type Pruned struct {
	Files, ByPartition, ByStatistics int
}

// ScanSplit is a serialisable piece of a scan.
type ScanSplit struct {
	Bucket int        `json:"bucket"` // -1 if not bucketed
	Files  []ScanFile `json:"files"`
}

// ScanFile is one data file of a split with the deletes that apply to it.
type ScanFile struct {
	Path      string   `json:"path"`
	Bytes     int64    `json:"bytes"`
	Rows      int64    `json:"rows"`
	Sorted    bool     `json:"sorted"`
	RowGroups []int    `json:"row_groups,omitempty"` // nil is all
	Deletes   []string `json:"deletes,omitempty"`    // position-delete files
}
