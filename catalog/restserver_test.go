package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// RESTServer is an Iceberg REST catalog over a SQL catalog: small, but real, with a transaction
// endpoint that is atomic. Its fields break it on purpose.
type RESTServer struct {
	NoTransactions bool         // POST transactions/commit is not known
	Token          string       // required as bearer, if set
	LoseReplies    atomic.Int32 // so many commits are applied, but answered with 503
	FailCommits    atomic.Int32 // so many commits are answered with 503 and not applied

	sql *sqlBackend
	mux *http.ServeMux
}

// NewRESTServer serves the catalog that cfg names, which must be a SQL catalog.
func NewRESTServer(ctx context.Context, cfg Config) (*RESTServer, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	files := newFileStores(cfg.Storage)
	if _, err := files.add(ctx, cfg.Warehouse); err != nil {
		return nil, err
	}
	b, err := openBackend(ctx, cfg, files)
	if err != nil {
		return nil, err
	}
	s := &RESTServer{sql: b.(*sqlBackend), mux: http.NewServeMux()}
	for pattern, h := range map[string]func(*http.Request) (any, error){
		"GET /v1/config":                            s.config,
		"GET /v1/namespaces":                        s.listNamespaces,
		"POST /v1/namespaces":                       s.createNamespace,
		"DELETE /v1/namespaces/{ns}":                s.dropNamespace,
		"GET /v1/namespaces/{ns}/tables":            s.listTables,
		"POST /v1/namespaces/{ns}/tables":           s.createTable,
		"GET /v1/namespaces/{ns}/tables/{table}":    s.loadTable,
		"DELETE /v1/namespaces/{ns}/tables/{table}": s.dropTable,
		"POST /v1/namespaces/{ns}/tables/{table}":   s.commitTable,
		"POST /v1/transactions/commit":              s.commitTransaction,
	} {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, h) })
	}
	return s, nil
}

// Close closes the catalog behind the server.
func (s *RESTServer) Close() error { return s.sql.close() }

func (s *RESTServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token {
		writeError(w, httpError{http.StatusUnauthorized, "NotAuthorizedException", errors.New("no valid token")})
		return
	}
	s.mux.ServeHTTP(w, r)
}

type httpError struct {
	status int
	kind   string
	error
}

func (s *RESTServer) answer(w http.ResponseWriter, r *http.Request, h func(*http.Request) (any, error)) {
	out, err := h(r)
	switch {
	case err == nil && out == nil:
		w.WriteHeader(http.StatusNoContent)
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	default:
		writeError(w, err)
	}
}

func writeError(w http.ResponseWriter, err error) {
	e := httpError{http.StatusInternalServerError, "InternalServerError", err}
	var known httpError
	switch {
	case errors.As(err, &known):
		e = known
	case errors.Is(err, ErrNotFound):
		e.status, e.kind = http.StatusNotFound, "NoSuchTableException"
	case errors.Is(err, errExists):
		e.status, e.kind = http.StatusConflict, "AlreadyExistsException"
	case errors.Is(err, errMoved):
		e.status, e.kind = http.StatusConflict, "CommitFailedException"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": e.Error(), "type": e.kind, "code": e.status}})
}

func (s *RESTServer) config(*http.Request) (any, error) {
	// No endpoints are advertised, as older servers do: the client has to probe.
	return map[string]any{"defaults": map[string]string{}, "overrides": map[string]string{}}, nil
}

const unitSeparator = "\x1f"

func nameOf(r *http.Request) string {
	return strings.ReplaceAll(r.PathValue("ns"), unitSeparator, ".") + "." + r.PathValue("table")
}

func (s *RESTServer) listNamespaces(r *http.Request) (any, error) {
	all, err := s.sql.namespaces(r.Context())
	parent := strings.ReplaceAll(r.URL.Query().Get("parent"), unitSeparator, ".")
	seen := map[string]bool{}
	out := [][]string{}
	for _, ns := range all {
		rest := ns
		if parent != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(ns, parent+"."); !ok {
				continue
			}
		}
		first, _, _ := strings.Cut(rest, ".")
		child := strings.TrimPrefix(parent+"."+first, ".")
		if !seen[child] {
			seen[child] = true
			out = append(out, strings.Split(child, "."))
		}
	}
	return map[string]any{"namespaces": out}, err
}

func (s *RESTServer) createNamespace(r *http.Request) (any, error) {
	var in struct{ Namespace []string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, httpError{http.StatusBadRequest, "BadRequestException", err}
	}
	name := strings.Join(in.Namespace, ".")
	all, err := s.sql.namespaces(r.Context())
	if err != nil {
		return nil, err
	}
	for _, ns := range all {
		if ns == name {
			return nil, httpError{http.StatusConflict, "AlreadyExistsException", errors.New(name)}
		}
	}
	return map[string]any{"namespace": in.Namespace}, s.sql.createNamespace(r.Context(), name)
}

func (s *RESTServer) dropNamespace(r *http.Request) (any, error) {
	err := s.sql.dropNamespace(r.Context(), strings.ReplaceAll(r.PathValue("ns"), unitSeparator, "."))
	if errors.Is(err, ErrNotFound) {
		return nil, httpError{http.StatusNotFound, "NoSuchNamespaceException", err}
	}
	return nil, err
}

func (s *RESTServer) listTables(r *http.Request) (any, error) {
	st, err := s.sql.readLocations(r.Context())
	ns := strings.ReplaceAll(r.PathValue("ns"), unitSeparator, ".")
	out := []map[string]any{}
	for name := range st.heads {
		if n, t := splitName(name); n == ns {
			out = append(out, map[string]any{"namespace": strings.Split(n, "."), "name": t})
		}
	}
	return map[string]any{"identifiers": out}, err
}

func (s *RESTServer) createTable(r *http.Request) (any, error) {
	var in struct {
		Name       string                 `json:"name"`
		Schema     *iceberg.Schema        `json:"schema"`
		Location   string                 `json:"location"`
		Partition  *iceberg.PartitionSpec `json:"partition-spec"`
		Order      *table.SortOrder       `json:"write-order"`
		Properties iceberg.Properties     `json:"properties"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, httpError{http.StatusBadRequest, "BadRequestException", err}
	}
	name := strings.ReplaceAll(r.PathValue("ns"), unitSeparator, ".") + "." + in.Name
	spec := newTable{schema: in.Schema, partition: in.Partition, order: table.UnsortedSortOrder, properties: in.Properties}
	if in.Order != nil {
		spec.order = *in.Order
	}
	if err := s.sql.create(r.Context(), name, spec); err != nil {
		return nil, err
	}
	return s.describe(r.Context(), name)
}

func (s *RESTServer) loadTable(r *http.Request) (any, error) {
	return s.describe(r.Context(), nameOf(r))
}

func (s *RESTServer) describe(ctx context.Context, name string) (any, error) {
	st, err := s.sql.readTables(ctx, []string{name})
	if err != nil {
		return nil, err
	}
	h, err := st.head(name)
	if err != nil {
		return nil, err
	}
	return map[string]any{"metadata-location": h.location, "metadata": h.meta, "config": map[string]string{}}, nil
}

func (s *RESTServer) dropTable(r *http.Request) (any, error) {
	return nil, s.sql.drop(r.Context(), nameOf(r))
}

type commitRequest struct {
	Identifier struct {
		Namespace []string
		Name      string
	} `json:"identifier"`
	Requirements table.Requirements `json:"requirements"`
	Updates      table.Updates      `json:"updates"`
}

func (s *RESTServer) commitTable(r *http.Request) (any, error) {
	var in commitRequest
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, httpError{http.StatusBadRequest, "BadRequestException", err}
	}
	name := nameOf(r)
	if err := s.apply(r.Context(), map[string]commitRequest{name: in}); err != nil {
		return nil, err
	}
	return s.describe(r.Context(), name)
}

func (s *RESTServer) commitTransaction(r *http.Request) (any, error) {
	if s.NoTransactions {
		return nil, httpError{http.StatusNotFound, "", errors.New("no such path")}
	}
	var in struct {
		Changes []commitRequest `json:"table-changes"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, httpError{http.StatusBadRequest, "BadRequestException", err}
	}
	changes := map[string]commitRequest{}
	for _, c := range in.Changes {
		changes[strings.Join(append(c.Identifier.Namespace, c.Identifier.Name), ".")] = c
	}
	return nil, s.apply(r.Context(), changes)
}

func (s *RESTServer) apply(ctx context.Context, changes map[string]commitRequest) error {
	unavailable := httpError{http.StatusServiceUnavailable, "ServiceUnavailableException", errors.New("try again")}
	st, err := s.sql.read(ctx)
	if err != nil {
		return err
	}
	var work []tableUpdate
	for name, c := range changes {
		h, err := st.head(name)
		if err != nil {
			return err
		}
		work = append(work, tableUpdate{base: h, reqs: c.Requirements, updates: c.Updates})
		for _, q := range c.Requirements { // before a fault may strike, so that probes are answered
			if err := q.Validate(h.meta); err != nil {
				return fmt.Errorf("%w: %w", errMoved, err)
			}
		}
	}
	if s.FailCommits.Add(-1) >= 0 {
		return unavailable
	}
	if err := s.sql.commit(ctx, nil, work); err != nil {
		return err
	}
	if s.LoseReplies.Add(-1) >= 0 {
		return unavailable
	}
	return nil
}
