package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/storage"
)

// Lake is an opened catalog with its storage. It is safe for concurrent use; close it when done.
type Lake struct {
	cfg       Config
	files     *fileStores
	backend   backend
	manifests *manifestCache
	meter     meters
	turn      chan struct{} // held by the committer of this process
	buffers   *parquetfile.Buffers
}

// Open opens the lake that cfg names, making an empty catalog where there is none (unless
// cfg.Existing or cfg.ReadOnly). It reads the warehouse's store and the catalog, so wrong credentials and paths show here, as fault.Usage.
func Open(ctx context.Context, cfg Config) (*Lake, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	files := newFileStores(cfg.Storage)
	if cfg.Existing { // before the warehouse: its opener may make a folder
		if err := missingFile(cfg.Catalog); err != nil {
			return nil, fmt.Errorf("open lake: %w", err)
		}
	}
	b, err := openBoth(ctx, cfg, files)
	if err != nil {
		return nil, fmt.Errorf("open lake: %w", err)
	}
	m, err := newMeters(cfg.Meter)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open lake: %w", err), b.close())
	}
	return &Lake{cfg: cfg, files: files, backend: b, manifests: newManifestCache(files), meter: m, turn: make(chan struct{}, 1), buffers: parquetfile.NewBuffers(0)}, nil
}

// openBoth opens the warehouse's store and the catalog; that first where the lake is only read, so that it says where there is no lake.
func openBoth(ctx context.Context, cfg Config, files *fileStores) (backend, error) {
	warehouse := func() error {
		if cfg.Warehouse == "" {
			return nil
		}
		if _, err := files.add(ctx, cfg.Warehouse); err != nil {
			return fmt.Errorf("warehouse: %w", err)
		}
		return nil
	}
	if !cfg.ReadOnly {
		if err := warehouse(); err != nil {
			return nil, err
		}
		return openBackend(ctx, cfg, files)
	}
	b, err := openBackend(ctx, cfg, files)
	if err != nil {
		return nil, err
	}
	if err := warehouse(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return readOnly{b}, nil
}

// Close releases the connection to the catalog, and closes the stores that the lake opened if they are io.Closers:
// idle connections to an object storage end. The lake must not be used after it. Closing it again does nothing more.
func (l *Lake) Close() error {
	errs := []error{l.backend.close()}
	l.files.mu.Lock()
	defer l.files.mu.Unlock()
	for _, root := range l.files.roots {
		if c, ok := l.files.stores[root].(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	l.files.roots = nil
	clear(l.files.stores)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close lake: %w", err)
	}
	return nil
}

// Name is the catalog's name.
func (l *Lake) Name() string { return l.cfg.Name }

// Warehouse is the URL under which new tables are placed; "" if a REST catalog decides.
func (l *Lake) Warehouse() string { return l.cfg.Warehouse }

// Storage finds the store that holds the object at a full location (such as DataFile.Path), and
// the object's name in it.
func (l *Lake) Storage(ctx context.Context, location string) (storage.Store, string, error) {
	return l.files.resolve(ctx, location)
}

// Tables lists the tables by name, sorted.
func (l *Lake) Tables(ctx context.Context) ([]string, error) {
	st, err := l.backend.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return slices.Sorted(maps.Keys(st.heads)), nil
}

// Namespaces lists the namespaces by name, sorted.
func (l *Lake) Namespaces(ctx context.Context) ([]string, error) { return l.backend.namespaces(ctx) }

// CreateNamespace makes a namespace; it is no error if it exists. EnsureTable makes its own.
func (l *Lake) CreateNamespace(ctx context.Context, name string) error {
	if err := checkNamespace(name); err != nil {
		return err
	}
	return l.backend.createNamespace(ctx, name)
}

// DropNamespace removes an empty namespace: ErrNotFound if it is not there.
func (l *Lake) DropNamespace(ctx context.Context, name string) error {
	names, err := l.Tables(ctx)
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasPrefix(n, name+".") {
			return fmt.Errorf("drop namespace %s: it holds table %s; drop that first", name, n)
		}
	}
	return l.backend.dropNamespace(ctx, name)
}

// Drop takes a table out of the catalog: ErrNotFound if it is not there. Its files stay in the
// storage; the streams that only this table remembers start anew.
func (l *Lake) Drop(ctx context.Context, name string) error { return l.backend.drop(ctx, name) }

// Table is a table of the lake as it stands now. To read several tables that belong together, use At.
func (l *Lake) Table(ctx context.Context, name string) (*Table, error) {
	st, err := l.backend.readTables(ctx, []string{name})
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	c, err := l.cutAt(st, At{})
	if err != nil {
		return nil, err
	}
	return c.Table(name)
}

// StreamPosition is where a stream stands in the lake: the end of the epoch with the highest
// cut. It is the beginning (the zero Position) where no epoch of the stream was committed.
func (l *Lake) StreamPosition(ctx context.Context, stream string) (change.Position, error) {
	st, err := l.backend.read(ctx)
	if err != nil {
		return change.Position{}, fmt.Errorf("position of stream %s: %w", stream, err)
	}
	marks, err := st.streamMarks()
	if err != nil {
		return change.Position{}, fmt.Errorf("position of stream %s: %w", stream, err)
	}
	return marks[stream].Position.Clone(), nil
}

// ResolveSchema returns the schema that files with in's columns must be written with to be
// committed to the table: the table's columns with their types and field ids, evolved by the
// table's policy. Nothing is changed yet; the commit does it (see TableChange.Schema). A
// SchemaError says what the policy refuses.
func (l *Lake) ResolveSchema(ctx context.Context, name string, in *arrow.Schema) (*arrow.Schema, error) {
	h, err := l.head(ctx, name)
	if err != nil {
		return nil, err
	}
	ch, err := evolveFor(name, h.meta, in, false)
	if err != nil {
		return nil, err
	}
	props := h.meta.Properties()
	if text, ok, err := withFieldMetadata(props, ch.schema, in); err != nil {
		return nil, err
	} else if ok {
		props = maps.Clone(props)
		props[propFields] = text
	}
	return arrowSchema(ch.schema, props)
}

func (l *Lake) head(ctx context.Context, name string) (head, error) {
	st, err := l.backend.readTables(ctx, []string{name})
	if err != nil {
		return head{}, fmt.Errorf("table %s: %w", name, err)
	}
	return st.head(name)
}

func (st state) head(name string) (head, error) {
	h, ok := st.heads[name]
	if !ok {
		return head{}, fmt.Errorf("table %s: %w", name, ErrNotFound)
	}
	return h, nil
}

// Metadata is the Iceberg metadata of a table as it stands now, for maintenance and inspection, and its location.
func (l *Lake) Metadata(ctx context.Context, name string) (m table.Metadata, location string, err error) {
	h, err := l.head(ctx, name)
	return h.meta, h.location, err
}
