package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/rogpeppe/go-internal/testscript"
)

// restCatalog is an Iceberg REST catalog in memory, with the atomic commit over several tables that a lake
// needs. Its tables lie below folder.
type restCatalog struct {
	folder string

	mu         sync.Mutex
	namespaces map[string]bool
	tables     map[string]restTable
	writes     int
}

type restTable struct {
	location string
	meta     table.Metadata
}

type restError struct {
	status int
	kind   string
}

func (e restError) Error() string { return e.kind }

// startREST serves an empty catalog until the script ends, and returns its address.
func startREST(ts *testscript.TestScript) string {
	c := &restCatalog{folder: ts.MkAbs("rest"), namespaces: map[string]bool{}, tables: map[string]restTable{}}
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(*http.Request) (any, error){
		"GET /v1/config":                          func(*http.Request) (any, error) { return map[string]any{"defaults": nil, "overrides": nil}, nil },
		"GET /v1/namespaces":                      c.listNamespaces,
		"POST /v1/namespaces":                     c.createNamespace,
		"GET /v1/namespaces/{ns}/tables":          c.listTables,
		"POST /v1/namespaces/{ns}/tables":         c.create,
		"GET /v1/namespaces/{ns}/tables/{table}":  func(r *http.Request) (any, error) { return c.load(restName(r, r.PathValue("table"))) },
		"POST /v1/transactions/commit":            c.commit,
		"POST /v1/namespaces/{ns}/tables/{table}": c.commitOne,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { c.answer(w, r, h) })
	}
	server := httptest.NewServer(mux)
	ts.Defer(server.Close)
	return server.URL
}

func (c *restCatalog) answer(w http.ResponseWriter, r *http.Request, h func(*http.Request) (any, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, err := h(r)
	if err != nil {
		e := restError{http.StatusInternalServerError, "InternalServerError"}
		errors.As(err, &e)
		w.WriteHeader(e.status)
		out = map[string]any{"error": map[string]any{"message": err.Error(), "type": e.kind, "code": e.status}}
	} else if out == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_ = json.NewEncoder(w).Encode(out) // the client notices
}

func restName(r *http.Request, tbl string) string {
	return strings.ReplaceAll(r.PathValue("ns"), "\x1f", ".") + "." + tbl
}

func (c *restCatalog) listNamespaces(r *http.Request) (any, error) {
	out := [][]string{}
	for ns := range c.namespaces {
		if r.URL.Query().Get("parent") == "" {
			out = append(out, []string{ns})
		}
	}
	return map[string]any{"namespaces": out}, nil
}

func (c *restCatalog) createNamespace(r *http.Request) (any, error) {
	var in struct{ Namespace []string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	name := strings.Join(in.Namespace, ".")
	if c.namespaces[name] {
		return nil, restError{http.StatusConflict, "AlreadyExistsException"}
	}
	c.namespaces[name] = true
	return map[string]any{"namespace": in.Namespace}, nil
}

func (c *restCatalog) listTables(r *http.Request) (any, error) {
	out := []map[string]any{}
	for name := range c.tables {
		if tbl, ok := strings.CutPrefix(name, restName(r, "")); ok {
			out = append(out, map[string]any{"namespace": []string{r.PathValue("ns")}, "name": tbl})
		}
	}
	return map[string]any{"identifiers": out}, nil
}

func (c *restCatalog) load(name string) (any, error) {
	t, ok := c.tables[name]
	if !ok {
		return nil, restError{http.StatusNotFound, "NoSuchTableException"}
	}
	return map[string]any{"metadata-location": t.location, "metadata": t.meta, "config": map[string]string{}}, nil
}

func (c *restCatalog) create(r *http.Request) (any, error) {
	var in struct {
		Name       string                 `json:"name"`
		Schema     *iceberg.Schema        `json:"schema"`
		Location   string                 `json:"location"`
		Partition  *iceberg.PartitionSpec `json:"partition-spec"`
		Order      *table.SortOrder       `json:"write-order"`
		Properties iceberg.Properties     `json:"properties"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	name, order := restName(r, in.Name), table.UnsortedSortOrder
	if _, ok := c.tables[name]; ok {
		return nil, restError{http.StatusConflict, "AlreadyExistsException"}
	}
	if in.Order != nil {
		order = *in.Order
	}
	if in.Location == "" {
		in.Location = "file://" + filepath.ToSlash(filepath.Join(c.folder, name))
	}
	meta, err := table.NewMetadata(in.Schema, in.Partition, order, in.Location, in.Properties)
	if err != nil {
		return nil, err
	}
	if err := c.store(map[string]table.Metadata{name: meta}); err != nil {
		return nil, err
	}
	return c.load(name)
}

// store writes metadata files and moves all pointers at once.
func (c *restCatalog) store(all map[string]table.Metadata) error {
	moved := map[string]restTable{}
	for name, meta := range all {
		folder := filepath.Join(strings.TrimPrefix(meta.Location(), "file://"), "metadata")
		data, err := json.Marshal(meta)
		if err == nil {
			err = os.MkdirAll(folder, 0o755)
		}
		c.writes++
		path := filepath.Join(folder, fmt.Sprintf("%05d-rest.metadata.json", c.writes))
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			return err
		}
		moved[name] = restTable{"file://" + path, meta}
	}
	for name, t := range moved {
		c.tables[name] = t
	}
	return nil
}

// restChange is what a client wants of one table.
type restChange struct {
	Identifier struct {
		Namespace []string
		Name      string
	} `json:"identifier"`
	Requirements table.Requirements `json:"requirements"`
	Updates      table.Updates      `json:"updates"`
}

func (c *restCatalog) commitOne(r *http.Request) (any, error) {
	var in restChange
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	name := restName(r, r.PathValue("table"))
	if err := c.apply(map[string]restChange{name: in}); err != nil {
		return nil, err
	}
	return c.load(name)
}

func (c *restCatalog) commit(r *http.Request) (any, error) {
	var in struct {
		Changes []restChange `json:"table-changes"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	all := map[string]restChange{}
	for _, change := range in.Changes {
		all[strings.Join(append(change.Identifier.Namespace, change.Identifier.Name), ".")] = change
	}
	return nil, c.apply(all)
}

// apply validates every requirement, then changes all tables or none.
func (c *restCatalog) apply(changes map[string]restChange) error {
	all := map[string]table.Metadata{}
	for name, change := range changes {
		base, ok := c.tables[name]
		if !ok {
			return restError{http.StatusNotFound, "NoSuchTableException"}
		}
		for _, q := range change.Requirements {
			if err := q.Validate(base.meta); err != nil {
				return fmt.Errorf("%w: %w", restError{http.StatusConflict, "CommitFailedException"}, err)
			}
		}
		meta, err := table.UpdateTableMetadata(base.meta, change.Updates, base.location)
		if err != nil {
			return err
		}
		all[name] = meta
	}
	return c.store(all)
}
