package catalog

import (
	"context"

	"github.com/millrace/millrace/sdk/fault"
)

// readOnly is a catalog that refuses to be changed, before anything reaches its service.
type readOnly struct{ backend }

func (readOnly) create(_ context.Context, name string, _ newTable) error {
	return refused("create table " + name)
}

func (readOnly) drop(_ context.Context, name string) error { return refused("drop table " + name) }

func (readOnly) createNamespace(_ context.Context, name string) error {
	return refused("create namespace " + name)
}

func (readOnly) dropNamespace(_ context.Context, name string) error {
	return refused("drop namespace " + name)
}

func (readOnly) commit(context.Context, *cutStep, []tableUpdate) error { return refused("commit") }

// refused says what was not done.
func refused(doing string) error { return fault.Usagef("%s: %w", doing, ErrReadOnly) }
