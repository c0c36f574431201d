package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/millrace/millrace/sdk/dataset/internal/aggregate"
	"github.com/millrace/millrace/sdk/dataset/internal/runs"
	"github.com/millrace/millrace/sdk/dataset/internal/scatter"
	"github.com/millrace/millrace/sdk/expr"
)

// This file is the physical plan: what travels inside a pipeline as JSON. Its
// field names are part of the wire contract between a submitting process and
// its workers, which are the same binary.

// stage is one task's chain of operators and what becomes of its rows.
type stage struct {
	ID     string      `json:"id"`
	Name   string      `json:"name"`
	Root   *op         `json:"root"`
	Output *outputSpec `json:"output"`
}

// op is one operator of a stage; its inputs are other operators.
type op struct {
	Kind   opKind     `json:"kind"`
	In     []*op      `json:"in,omitempty"`
	Schema wireSchema `json:"schema"` // of the rows that come out

	Source string       `json:"source,omitempty"` // leaf: whose pieces it reads
	Scan   *scanSpec    `json:"scan,omitempty"`   // leaf over splits
	Filter expr.Expr    `json:"filter,omitempty"`
	Items  []expr.Named `json:"items,omitempty"`
	Func   string       `json:"func,omitempty"` // registered name
	Config string       `json:"config,omitempty"`
	Keys   []string     `json:"keys,omitempty"` // mapgroups
	Group  *groupSpec   `json:"group,omitempty"`
	Sort   []string     `json:"sort,omitempty"`
	Join   *joinSpec    `json:"join,omitempty"`
	// Clusters says that a leaf's rows are in clusters.
	Clusters bool `json:"clusters,omitempty"`
}

type opKind string

const (
	opLeaf    opKind = "leaf"
	opFilter  opKind = "filter"
	opProject opKind = "project"
	opMap     opKind = "map"     // MapBatches
	opMapRows opKind = "maprows" // Map
	opUnion   opKind = "union"
	opSort    opKind = "sort"
	opJoin    opKind = "join"
	opPartial opKind = "partial" // rows to states of groups
	opFinal   opKind = "final"   // sorted states to groups
	opGroup   opKind = "group"   // rows to groups, all rows of a group being in the task
	// opMapGroups is MapGroups, opCoGroup CoGroup.
	opMapGroups opKind = "mapgroups"
	opCoGroup   opKind = "cogroup"
)

type groupSpec struct {
	In   wireSchema       `json:"in"` // of raw rows
	Keys []string         `json:"keys"`
	Aggs []aggregate.Spec `json:"aggs"`
}

func (g *groupSpec) plan() (*aggregate.Plan, error) {
	return aggregate.NewPlan(g.In.Schema, g.Keys, g.Aggs)
}

type joinSpec struct {
	Kind  JoinKind `json:"kind"`
	Left  []string `json:"left"`
	Right []string `json:"right"`
	// Keep are the right side's columns in the result, with their names there.
	Keep []renamed `json:"keep,omitempty"`
}

type renamed struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// scanSpec is a source of splits: a table, or a Reader if Table is "".
type scanSpec struct {
	Source    string     `json:"source"`
	Ref       Ref        `json:"ref"`
	Table     string     `json:"table,omitempty"`
	Columns   []string   `json:"columns,omitempty"`
	Filter    expr.Expr  `json:"filter,omitempty"`
	At        At         `json:"at"`
	Layout    Layout     `json:"layout"` // ByBucket: what the stage was built for
	ByBucket  bool       `json:"by_bucket,omitempty"`
	BatchRows int        `json:"batch_rows,omitempty"`
	Schema    wireSchema `json:"schema"` // what the author expects

	live handle // in the process that built the pipeline
}

type handle struct {
	key   handleKey
	value any
}

func (s *scanSpec) options(batchRows int) ScanOptions {
	return ScanOptions{Columns: s.Columns, Filter: s.Filter, At: s.At, ByBucket: s.ByBucket, BatchRows: batchRows}
}

// outputSpec says where a stage's rows go. Exactly one field is set.
type outputSpec struct {
	Exchange *exchangeSpec `json:"exchange,omitempty"`
	Write    *writeSpec    `json:"write,omitempty"`
	Sink     *sinkSpec     `json:"sink,omitempty"`
}

// exchangeSpec is a hash-partitioned hand-over to the next stage, of sorted rows or of clusters.
type exchangeSpec struct {
	ID        string     `json:"id"`
	Schema    wireSchema `json:"schema"`
	Partition partition  `json:"partition"`
	Sort      []string   `json:"sort,omitempty"`
	// Cluster are the keys by which rows are brought together instead of sorted.
	Cluster []string `json:"cluster,omitempty"`
}

// partition says which rows are in which task. Two streams with equal
// partitions, but for the columns' names, have equal keys in tasks of equal number.
type partition struct {
	// Kind is how the number is computed: "bucket" is Iceberg's bucket[N] of the
	// only column, rows with null in 0; "hash" is of all columns; "cluster" is a clustered exchange's own.
	Kind    string   `json:"kind"`
	Columns []string `json:"columns"`
	N       int      `json:"n"`
}

type writeSpec struct {
	Ref        Ref               `json:"ref"`
	Table      string            `json:"table"`
	Schema     wireSchema        `json:"schema"`
	Key        []string          `json:"key,omitempty"`
	Layout     Layout            `json:"layout"`
	Mode       WriteMode         `json:"mode"`
	Identity   string            `json:"identity,omitempty"` // "": of the run
	Properties map[string]string `json:"properties,omitempty"`
	Date       time.Time         `json:"business_date,omitzero"`

	live handle
}

// spec is the driver's form for a run.
func (w *writeSpec) spec(run, stage string) WriteSpec {
	id := w.Identity
	if id == "" {
		id = run + "/" + stage
	}
	return WriteSpec{Table: w.Table, Schema: w.Schema.Schema, Key: w.Key, Layout: w.Layout, Mode: w.Mode, Identity: id,
		Properties: w.Properties, BusinessDate: w.Date}
}

type sinkSpec struct {
	Ref    Ref        `json:"ref"`
	Schema wireSchema `json:"schema"`

	live handle
}

// piece describes some of a task's input. It is the only kind of element that stages hand to tasks.
type piece struct {
	Source string `json:"x"`
	// Split is set for scans.
	Split *Split `json:"split,omitempty"`
	// Sorted is the order of the split's rows.
	Sorted []string `json:"sorted,omitempty"`
	// File and Segment are set for exchanged rows, File and Extent where they are in clusters; By and Seq put them in a stable order.
	File    string          `json:"f,omitempty"`
	Segment *runs.Segment   `json:"g,omitempty"`
	Extent  *scatter.Extent `json:"e,omitempty"`
	By      int64           `json:"b,omitempty"`
	Seq     int             `json:"n,omitempty"`
}

// empty reports whether the piece only makes sure that its task runs.
func (p piece) empty() bool { return p.Split == nil && p.Segment == nil && p.Extent == nil }

func (p piece) encode() ([]byte, error) { return json.Marshal(p) }

func decodePiece(data []byte) (piece, error) {
	var p piece
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("decode a task's input descriptor: %w", err)
	}
	return p, nil
}

// written is what a writing task reports.
type written struct {
	Files [][]byte `json:"files"`
	Rows  int64    `json:"rows"`
}

// wireSchema is a schema that encodes in JSON, as the bytes of an Arrow IPC schema message.
type wireSchema struct{ *arrow.Schema }

// MarshalJSON encodes the schema.
func (w wireSchema) MarshalJSON() ([]byte, error) {
	if w.Schema == nil {
		return []byte("null"), nil
	}
	var buf bytes.Buffer
	iw := ipc.NewWriter(&buf, ipc.WithSchema(w.Schema))
	if err := iw.Close(); err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return json.Marshal(buf.Bytes())
}

// UnmarshalJSON decodes what MarshalJSON wrote.
func (w *wireSchema) UnmarshalJSON(data []byte) error {
	var raw []byte
	if err := json.Unmarshal(data, &raw); err != nil {
		return fmt.Errorf("decode schema: %w", err)
	}
	if raw == nil {
		return nil
	}
	r, err := ipc.NewReader(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("decode schema: %w", err)
	}
	defer r.Release()
	w.Schema = r.Schema()
	return nil
}
