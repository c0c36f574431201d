package catalog

import (
	"context"
	"errors"

	"github.com/apache/iceberg-go/table"
)

// backend is a catalog service: it knows where each table's metadata is, and moves any number of
// tables to new metadata in one step. Names are "namespace.table".
type backend interface {
	// read returns where all tables stand at one moment.
	read(ctx context.Context) (state, error)
	// readTables is read for a caller that looks only at the named tables.
	readTables(ctx context.Context, names []string) (state, error)
	// create makes a table; errExists if the name is taken. The namespace must exist.
	create(ctx context.Context, name string, spec newTable) error
	drop(ctx context.Context, name string) error
	namespaces(ctx context.Context) ([]string, error)
	createNamespace(ctx context.Context, name string) error // no error if it exists
	dropNamespace(ctx context.Context, name string) error
	// commit applies all updates or none, and moves the lake's cut number if next is not nil.
	// It returns errMoved (nothing happened: somebody was faster) or errUnknown (the reply was
	// lost: read back). On nil the tables are visible.
	commit(ctx context.Context, next *cutStep, updates []tableUpdate) error
	// multiTable reports, as a fault.Usage, why a commit over several tables is impossible; nil if it is possible.
	multiTable() error
	close() error
}

// state is one moment of the lake.
type state struct {
	cut   int64 // number of the last commit; 0 before the first
	heads map[string]head
	// token is what commit must find unchanged for the cut to move (REST: the control table's snapshot).
	token any
}

// head is where one table stands.
type head struct {
	name     string
	location string // of the metadata file
	meta     table.Metadata
}

// cutStep moves the lake's cut number by one, if it still is what from says.
type cutStep struct {
	from state
	to   int64
}

// tableUpdate is a change of one table's metadata.
type tableUpdate struct {
	base    head
	updates []table.Update
	reqs    []table.Requirement
}

var (
	errMoved   = errors.New("tables moved while they were being committed")
	errUnknown = errors.New("outcome of the commit is unknown")
	errExists  = errors.New("table exists")
)
