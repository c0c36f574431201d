package catalog

import (
	"context"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// DefaultName is the catalog's name where Config gives none. Other engines must
// be given the same name to see the tables.
const DefaultName = "millrace"

// Config says where a lake is.
type Config struct {
	// Catalog is the catalog's URL: sqlite:///data/lake/catalog.db (a file, made if absent, with
	// its folder), postgres://user@host/db, or the http(s):// address of an Iceberg REST catalog. Required.
	Catalog string
	// Name keeps several lakes apart in one database. Default: DefaultName.
	Name string
	// Warehouse is where new tables go: file:///data/lake or s3://bucket/prefix. Required,
	// except with a REST catalog that places its tables itself.
	Warehouse string
	// Existing refuses to make a catalog where there is none: ErrNoLake.
	Existing bool
	// ReadOnly opens the lake without leaving a trace of it: no file, folder, database table or namespace is made, and nothing is sent
	// to the catalog that could change it. Where there is none: ErrNoLake. What would change the lake is an ErrReadOnly.
	// SQLite's own files beside the catalog's (-wal, -shm) are there while it is open. A user who may not write the
	// folder of an SQLite catalog cannot read it either, unless a writer has it open.
	ReadOnly bool
	// REST holds what only a REST catalog needs.
	REST RESTConfig
	// Storage opens the store at a URL; connectors are injected here. Required. Open calls it
	// for the warehouse; tables that lie elsewhere call it again with their bucket or folder.
	Storage storage.Opener
	// Clock is the time of snapshots; default time.Now. Where it lags behind the last change of a table, that one's time is used.
	Clock func() time.Time
	// Logger gets a line a commit at debug level and each conflict at info level; default slog.Default.
	Logger *slog.Logger
	// Meter gets millrace.commit.duration, .attempts and .conflicts; default none.
	Meter metric.Meter
	// Hook, if set, is called with a name before each step of a commit goes on ("staged:0", "cas:1",
	// "precommit", "committed"), possibly from several goroutines at once. It is for tests that stop a process there.
	Hook func(stage string)
}

// RESTConfig holds what an Iceberg REST catalog asks for. All fields are optional.
type RESTConfig struct {
	Token      string // bearer token
	Credential string // OAuth2 client credentials, "id:secret"
	Scope      string // OAuth2 scope
	AuthURL    string // OAuth2 token endpoint, where it is not the catalog's own
	Prefix     string // path prefix of the catalog's resources
	Warehouse  string // name of the warehouse as the server knows it
}

func (c Config) withDefaults() (Config, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Meter == nil {
		c.Meter = metricnoop.NewMeterProvider().Meter("millrace")
	}
	c.Existing = c.Existing || c.ReadOnly
	if c.Catalog == "" {
		return c, fault.Usagef("lake: no catalog URL: give one such as sqlite:///data/lake/catalog.db")
	}
	if c.Storage == nil {
		return c, fault.Usagef("lake: no storage: Config.Storage must open the warehouse's URL")
	}
	c.Warehouse = strings.TrimRight(c.Warehouse, "/")
	rest := catalogScheme(c.Catalog) == "http" || catalogScheme(c.Catalog) == "https"
	if c.Warehouse == "" && !rest {
		return c, fault.Usagef("lake: no warehouse: give one such as file:///data/lake or s3://bucket/prefix")
	}
	return c, nil
}

func catalogScheme(rawURL string) string {
	scheme, _, _ := strings.Cut(rawURL, ":")
	return strings.ToLower(scheme)
}

// openBackend connects to the catalog that the configuration names.
func openBackend(ctx context.Context, c Config, files *fileStores) (backend, error) {
	switch catalogScheme(c.Catalog) {
	case "sqlite":
		path, err := sqlitePath(c.Catalog)
		if err != nil {
			return nil, err
		}
		return openSQLite(ctx, c, files, path)
	case "postgres", "postgresql":
		return openPostgres(ctx, c, files)
	case "http", "https":
		return openREST(ctx, c, files)
	}
	return nil, fault.Usagef("lake: catalog %q: unknown scheme; use sqlite:///path, postgres://… or https://…", storage.Redact(c.Catalog))
}

// sqlitePath is the file of sqlite:///abs/path or sqlite://rel/path.
func sqlitePath(rawURL string) (string, error) {
	rest, ok := strings.CutPrefix(rawURL, "sqlite://")
	if !ok || rest == "" || rest == "/" {
		return "", fault.Usagef("lake: catalog %q: write sqlite:///folder/catalog.db", rawURL)
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		return "", fault.Usagef("lake: catalog %q: %v", rawURL, err)
	}
	return filepath.Clean(path), nil
}
