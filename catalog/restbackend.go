package catalog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	icecat "github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// restBackend is an Iceberg REST catalog. It has no place for the lake's cut number but a table, so
// one more table, controlTable, has a single snapshot whose summary holds the number. A commit
// replaces that snapshot in the same transaction as the tables' own.
//
// Where the server cannot commit several tables at once, the number is reserved by a commit of its
// own before the one table's commit: it is still used only once, but a failed commit leaves a
// gap, and of two racing commits the later number may become visible first.
type restBackend struct {
	cat    *rest.Catalog
	url    string
	place  string // under which new tables go; "" if the server decides
	files  *fileStores
	hook   func(string)
	clock  func() time.Time
	single error // why several tables cannot be committed at once; nil if they can
}

// controlTable holds the lake's cut number in a REST catalog. It is not listed among the tables.
const controlTable = "millrace_system.cuts"

func openREST(ctx context.Context, c Config, files *fileStores) (backend, error) {
	var opts []rest.Option
	add := func(set bool, o rest.Option) {
		if set {
			opts = append(opts, o)
		}
	}
	add(c.REST.Token != "", rest.WithOAuthToken(c.REST.Token))
	add(c.REST.Credential != "", rest.WithCredential(c.REST.Credential))
	add(c.REST.Scope != "", rest.WithScope(c.REST.Scope))
	add(c.REST.Prefix != "", rest.WithPrefix(c.REST.Prefix))
	add(c.REST.Warehouse != "", rest.WithWarehouseLocation(c.REST.Warehouse))
	if c.REST.AuthURL != "" {
		u, err := url.Parse(c.REST.AuthURL)
		if err != nil {
			return nil, fault.Usagef("lake: REST token endpoint %q: %w", c.REST.AuthURL, err)
		}
		opts = append(opts, rest.WithAuthURI(u))
	}
	cat, err := rest.NewCatalog(ctx, c.Name, c.Catalog, opts...)
	if err != nil {
		return nil, restFail(c.Catalog, "connect", err)
	}
	hook := c.Hook
	if hook == nil {
		hook = func(string) {}
	}
	b := &restBackend{cat: cat, url: c.Catalog, place: c.Warehouse, files: files, hook: hook, clock: c.Clock}
	if err := b.prepare(ctx, c); err != nil {
		return nil, errors.Join(err, cat.Close())
	}
	return b, nil
}

// restFail names what was being done, and sorts failures by who can mend them.
func restFail(address, doing string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("REST catalog %s: %s: %w", storage.Redact(address), doing, err)
	switch {
	case errors.Is(err, rest.ErrUnauthorized), errors.Is(err, rest.ErrForbidden), errors.Is(err, rest.ErrOAuthError):
		return fault.Mark(fault.Usage, err)
	case restTransient(err):
		return fault.Mark(fault.Retryable, err)
	}
	return err
}

func restTransient(err error) bool {
	if errors.Is(err, rest.ErrServiceUnavailable) || errors.Is(err, rest.ErrServerError) || errors.Is(err, rest.ErrAuthorizationExpired) {
		return true
	}
	var netErr net.Error
	return errors.As(err, &netErr) && !errors.Is(err, context.Canceled)
}

func (b *restBackend) fail(doing string, err error) error { return restFail(b.url, doing, err) }

func (b *restBackend) retry(ctx context.Context, do func() error) error {
	return retryTransient(ctx, restTransient, do)
}

// prepare makes the control table where it is missing and finds out what the server can do; that not where the lake is
// only read, for it takes an attempt to commit.
func (b *restBackend) prepare(ctx context.Context, c Config) error {
	_, err := b.load(ctx, controlTable)
	if errors.Is(err, ErrNotFound) {
		if c.Existing {
			return noLake(fmt.Sprintf("%s (a REST catalog without the table %s)", storage.Redact(b.url), controlTable))
		}
		err = b.createControl(ctx)
	}
	if err != nil || c.ReadOnly {
		return err
	}
	b.single, err = b.probe(ctx)
	return err
}

func (b *restBackend) createControl(ctx context.Context) error {
	namespace, _ := splitName(controlTable)
	if err := b.createNamespace(ctx, namespace); err != nil {
		return err
	}
	err := b.create(ctx, controlTable, newTable{
		schema:     iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "cut", Type: iceberg.PrimitiveTypes.Int64}),
		order:      table.UnsortedSortOrder,
		properties: defaultProperties(),
	})
	if err != nil && !errors.Is(err, errExists) {
		return err
	}
	st, err := b.read(ctx)
	if err != nil || st.cut > 0 {
		return err
	}
	control, _ := st.token.(head)
	move, err := b.moveCut(ctx, control, st.lastCut())
	if err != nil {
		return err
	}
	if err = b.commitOne(ctx, move.tableUpdate); isMoved(err) { // another process was faster
		b.dropCut(ctx, move)
		return nil
	}
	return err
}

// probe sends a transaction that cannot succeed: a server that knows transactions says that it conflicts.
func (b *restBackend) probe(ctx context.Context) (single, err error) {
	never := int64(1)
	impossible := []table.TableCommit{{
		Identifier:   identifier(controlTable),
		Requirements: []table.Requirement{table.AssertRefSnapshotID("millrace-probe", &never)},
		Updates:      []table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{"millrace.probe": "1"})},
	}}
	err = b.retry(ctx, func() error { return b.cat.CommitTransaction(ctx, impossible) })
	switch {
	case errors.Is(err, table.ErrCommitFailed):
		return nil, nil
	case err == nil:
		return nil, fmt.Errorf("REST catalog %s applied a transaction whose requirements did not hold: it cannot hold a lake", storage.Redact(b.url))
	case errors.Is(err, rest.ErrUnauthorized), errors.Is(err, rest.ErrForbidden), restTransient(err), errors.Is(err, rest.ErrCommitStateUnknown):
		return nil, b.fail("probe for transactions", err)
	}
	return fault.Usagef("REST catalog %s cannot commit several tables in one step (POST transactions/commit: %v): "+
		"use a server that can, or a SQL catalog (sqlite:///… or postgres://…)", storage.Redact(b.url), err), nil
}

func (b *restBackend) multiTable() error { return b.single }

func (b *restBackend) close() error { return b.cat.Close() }

func (b *restBackend) load(ctx context.Context, name string) (head, error) {
	var t *table.Table
	err := b.retry(ctx, func() (err error) {
		t, err = b.cat.LoadTable(ctx, identifier(name))
		return err
	})
	if errors.Is(err, icecat.ErrNoSuchTable) {
		return head{}, fmt.Errorf("table %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return head{}, b.fail("load table "+name, err)
	}
	return head{name: name, location: t.MetadataLocation(), meta: t.Metadata()}, nil
}

// read loads the control table before all others, so each of them has at least what the cut
// number says. What was committed after that is recognised by its own numbers.
func (b *restBackend) read(ctx context.Context) (state, error) {
	names, err := b.list(ctx)
	if err != nil {
		return state{}, err
	}
	return b.readTables(ctx, names)
}

// readTables reads only the named tables, all of which must exist or have existed a moment ago.
func (b *restBackend) readTables(ctx context.Context, names []string) (state, error) {
	control, err := b.load(ctx, controlTable)
	if err != nil {
		return state{}, err
	}
	st := state{heads: map[string]head{}, token: control}
	if s := control.meta.CurrentSnapshot(); s != nil {
		st.cut = summaryOf(*s).cut()
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(stageWorkers)
	for _, name := range names {
		g.Go(func() error {
			h, err := b.load(ctx, name)
			if errors.Is(err, ErrNotFound) {
				return nil // dropped between listing and loading
			}
			mu.Lock()
			defer mu.Unlock()
			st.heads[name] = h
			return err
		})
	}
	return st, g.Wait()
}

func (b *restBackend) list(ctx context.Context) ([]string, error) {
	spaces, err := b.namespaces(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, ns := range spaces {
		err := b.retry(ctx, func() error {
			for id, err := range b.cat.ListTables(ctx, identifier(ns)) {
				if err != nil {
					return err
				}
				if name := strings.Join(id, "."); name != controlTable {
					names = append(names, name)
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, icecat.ErrNoSuchNamespace) {
			return nil, b.fail("list tables of "+ns, err)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (b *restBackend) create(ctx context.Context, name string, spec newTable) error {
	opts := []icecat.CreateTableOpt{icecat.WithProperties(spec.properties), icecat.WithSortOrder(spec.order)}
	if spec.partition != nil {
		opts = append(opts, icecat.WithPartitionSpec(spec.partition))
	}
	if b.place != "" {
		namespace, tbl := splitName(name)
		opts = append(opts, icecat.WithLocation(b.place+"/"+namespace+"/"+tbl))
	}
	_, err := b.cat.CreateTable(ctx, identifier(name), spec.schema, opts...)
	if errors.Is(err, icecat.ErrTableAlreadyExists) {
		return fmt.Errorf("create table %s: %w", name, errExists)
	}
	return b.fail("create table "+name, err)
}

func (b *restBackend) drop(ctx context.Context, name string) error {
	err := b.cat.DropTable(ctx, identifier(name))
	if errors.Is(err, icecat.ErrNoSuchTable) {
		return fmt.Errorf("drop table %s: %w", name, ErrNotFound)
	}
	return b.fail("drop table "+name, err)
}

func (b *restBackend) namespaces(ctx context.Context) ([]string, error) {
	var out []string
	var walk func(parent []string) error
	walk = func(parent []string) error {
		var children []table.Identifier
		err := b.retry(ctx, func() (err error) {
			children, err = b.cat.ListNamespaces(ctx, parent)
			return err
		})
		if err != nil {
			return err
		}
		for _, child := range children {
			if len(child) <= len(parent) { // a server that answers with the parent itself
				continue
			}
			out = append(out, strings.Join(child, "."))
			if err := walk(child); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(nil); err != nil {
		return nil, b.fail("list namespaces", err)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (b *restBackend) createNamespace(ctx context.Context, name string) error {
	err := b.cat.CreateNamespace(ctx, identifier(name), nil)
	if errors.Is(err, icecat.ErrNamespaceAlreadyExists) {
		return nil
	}
	return b.fail("create namespace "+name, err)
}

func (b *restBackend) dropNamespace(ctx context.Context, name string) error {
	err := b.cat.DropNamespace(ctx, identifier(name))
	if errors.Is(err, icecat.ErrNoSuchNamespace) {
		return fmt.Errorf("drop namespace %s: %w", name, ErrNotFound)
	}
	return b.fail("drop namespace "+name, err)
}
