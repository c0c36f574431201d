package datasettest

import (
	"testing"

	"github.com/millrace/millrace/sdk/dataset"
)

func TestMemoryTables(t *testing.T) {
	t.Parallel()
	TestTables(t, Harness{New: func(t *testing.T) dataset.Lake { return NewTables(t.Name()) }})
}
