package datasettest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/record"
)

// Source is a dataset.Reader of batches in memory: one split a batch.
type Source struct {
	name    string
	schema  *arrow.Schema
	batches []arrow.RecordBatch
}

// NewSource makes a reader. The name tells it apart from others in one pipeline.
func NewSource(name string, schema *arrow.Schema, batches ...arrow.RecordBatch) *Source {
	return &Source{name, schema, batches}
}

// From makes a dataset of rows as structs.
func From[T any](s beam.Scope, name string, rows []T) (dataset.Dataset, error) {
	b, err := record.NewBuilder[T]()
	if err != nil {
		return dataset.Dataset{}, err
	}
	if err := b.AppendAll(rows); err != nil {
		return dataset.Dataset{}, err
	}
	return dataset.Read(s, NewSource(name, b.Schema(), b.NewRecord())), nil
}

// Ref names the source.
func (s *Source) Ref() dataset.Ref { return dataset.Ref{Kind: Kind, Config: s.name} }

// Schema is the batches' schema.
func (s *Source) Schema() *arrow.Schema { return s.schema }

// Plan makes a split of each batch.
func (s *Source) Plan(context.Context) ([]dataset.Split, error) {
	splits := make([]dataset.Split, len(s.batches))
	for i, b := range s.batches {
		data, err := json.Marshal(i)
		if err != nil {
			return nil, err
		}
		splits[i] = dataset.Split{Bucket: -1, Rows: b.NumRows(), Data: data}
	}
	return splits, nil
}

// Open reads a batch.
func (s *Source) Open(_ context.Context, split dataset.Split, batchRows int) (dataset.BatchReader, error) {
	var i int
	if err := json.Unmarshal(split.Data, &i); err != nil || i < 0 || i >= len(s.batches) {
		return nil, fmt.Errorf("split %q of %s: %w", split.Data, s.name, err)
	}
	return newReader(s.batches[i], dataset.ScanOptions{BatchRows: batchRows})
}
