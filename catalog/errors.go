package catalog

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/sdk/fault"
)

// ErrConflict is returned, wrapped, where what a commit was computed from is no
// longer so: files that it removes or deletes from left the table, or a stream
// stands before the epoch's start. Nothing was changed. Rebuild from the
// present state and try again; the same commit would fail again.
var ErrConflict = errors.New("conflict with the lake's present state")

// ErrNotFound is returned, wrapped, for a table, cut, snapshot or tag that is not (or no longer) there.
var ErrNotFound = errors.New("not found in the lake")

// ErrNoLake is returned, wrapped in a fault.Usage, where a lake that must exist is not there yet.
var ErrNoLake = errors.New("no lake")

// ErrReadOnly is returned, wrapped in a fault.Usage, for what would change a lake that is opened read-only.
var ErrReadOnly = errors.New("the lake is opened read-only")

// noLake says that there is no lake at a place, and what to do.
func noLake(where string) error {
	return fault.Usagef("%w at %s yet: run `millrace ingest` first, or check where lake.catalog points", ErrNoLake, where)
}

// ErrSchema matches every [SchemaError] by errors.Is.
var ErrSchema = errors.New("schema change refused")

// SchemaError says which column of which table cannot take the new data, and why.
type SchemaError struct {
	Table  string
	Column string // full path, as in address.city
	Old    string // the table's type; "" where the column is new
	New    string // the new data's type; "" where the column is absent
	Reason string // what to do about it, in lower case
}

// Error names the table, the column and both types.
func (e *SchemaError) Error() string {
	was, is := e.Old, e.New
	if was == "" {
		was = "absent"
	}
	if is == "" {
		is = "absent"
	}
	return fmt.Sprintf("%v: table %s, column %s: table has %s, new data has %s: %s", ErrSchema, e.Table, e.Column, was, is, e.Reason)
}

// Is reports whether target is ErrSchema.
func (e *SchemaError) Is(target error) bool { return target == ErrSchema }
