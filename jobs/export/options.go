package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// The formats of files.
const (
	Parquet = "parquet"
	CSV     = "csv"
)

// currencyColumn is the column by which amounts are totalled, where a table has it.
const currencyColumn = "currency"

// Runner runs a bounded pipeline to its end.
type Runner func(ctx context.Context, build func(beam.Scope) error) error

// Options describe an export. Lake, Table, To and Run are required.
type Options struct {
	Lake  *catalog.Lake
	Table string
	// To is where exports go: the folder of this one is To's URL and its name.
	To  storage.Store
	Run Runner

	// Columns in this order; nil: all of the table's.
	Columns []string
	// Where leaves out rows for which it is not true; nil keeps all. It may use columns that are not among Columns.
	Where expr.Expr
	// At is the state of the lake to export. Zero: the latest.
	At     catalog.At
	Format string // Parquet ("" too) or CSV
	// Name is the export's folder in To. "": the table, its cut and the identity, as in features.account_daily-cut-7-0f9d3a1c.
	Name string
	// Replace lets the export take the place of another one of its name.
	Replace bool
	// MaxFileBytes is the size at which an export goes on in another file. 0: files.DefaultFileBytes.
	MaxFileBytes int64
	Logger       *slog.Logger     // nil: slog.Default
	Clock        func() time.Time // of Manifest.CreatedAt; nil: time.Now
}

func (o *Options) fill() {
	if o.Format == "" {
		o.Format = Parquet
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
}

func (o *Options) check() error {
	switch {
	case o.Lake == nil || o.To == nil || o.Run == nil:
		return fault.Usagef("export: a lake, a place to write to and a runner are required")
	case o.Format != Parquet && o.Format != CSV:
		return fault.Usagef("export: %q is not a format; write %s or %s", o.Format, Parquet, CSV)
	case o.MaxFileBytes < 0:
		return fault.Usagef("export: files of %d bytes: write a size above 0, or 0 for the default", o.MaxFileBytes)
	case o.Name != "":
		return storage.CheckName(o.Name)
	}
	return nil
}

// plan is an export that is ready.
type plan struct {
	o        Options
	table    *catalog.Table
	columns  []string
	identity string
	name     string
	manifest Manifest // but for the files
}

// prepare pins the table's snapshot and checks columns.
func prepare(ctx context.Context, o Options) (*plan, error) {
	o.fill()
	if err := o.check(); err != nil {
		return nil, err
	}
	cut, err := o.Lake.At(ctx, o.At)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", o.Table, usageIfAbsent(err))
	}
	if !slices.Contains(cut.Tables(), o.Table) {
		if _, err := cut.Table(o.Table); err != nil && len(cut.Tables()) == 0 {
			return nil, usageIfAbsent(err)
		}
		return nil, fault.Usagef("export: there is no table %s at cut %d of the lake%s", o.Table, cut.Number(), strictyaml.DidYouMean(o.Table, cut.Tables()))
	}
	p := &plan{o: o}
	if p.table, err = cut.Table(o.Table); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	if err := p.describe(cut); err != nil {
		return nil, err
	}
	return p, nil
}

// describe finds columns and identity, and what the manifest says before there are files.
func (p *plan) describe(cut *catalog.Cut) error {
	schema, err := p.table.Schema()
	if err != nil {
		return fmt.Errorf("export %s: %w", p.o.Table, err)
	}
	var all []string
	for _, f := range schema.Fields() {
		all = append(all, f.Name)
	}
	if p.columns = p.o.Columns; p.columns == nil {
		p.columns = all
	}
	for i, c := range p.columns {
		if len(schema.FieldIndices(c)) != 1 {
			return fault.Usagef("export: %s has no column %q%s", p.o.Table, c, strictyaml.DidYouMean(c, all))
		}
		if slices.Contains(p.columns[:i], c) {
			return fault.Usagef("export: the column %s is listed twice", c)
		}
	}
	m, summary := &p.manifest, p.table.Summary()
	m.Version, m.Table, m.Snapshot, m.Format = manifestVersion, p.o.Table, p.table.Snapshot(), p.o.Format
	if m.Cut, err = strconv.ParseInt(summary[catalog.KeyCut], 10, 64); err != nil {
		m.Cut = p.table.Cut() // another engine made the snapshot, or there is none
	}
	m.AsOf, m.BusinessDate = summary["millrace.features.as-of"], summary[catalog.KeyBusinessDate]
	m.SourceCut = cut.Number()
	if p.o.Where != nil {
		m.Where = p.o.Where.String()
	}
	return p.identify()
}

// identify digests what is exported.
func (p *plan) identify() error {
	what := struct {
		Table, Location  string
		Snapshot         int64
		Columns          []string
		Where, Format    string
		MaxFileBytes     int64
		ManifestsVersion int
	}{p.o.Table, p.table.Location(), p.table.Snapshot(), p.columns, p.manifest.Where, p.o.Format, p.o.MaxFileBytes, manifestVersion}
	data, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("export %s: %w", p.o.Table, err)
	}
	digest := sha256.Sum256(data)
	p.identity = hex.EncodeToString(digest[:16])
	if p.name = p.o.Name; p.name == "" {
		p.name = fmt.Sprintf("%s-cut-%d-%s", p.o.Table, p.manifest.Cut, p.identity[:8])
	}
	p.manifest.Name, p.manifest.Identity = p.name, p.identity
	return nil
}

// short is the identity in file names.
func (p *plan) short() string { return p.identity[:8] }

// base is the start of a task's file names.
func (p *plan) base(task string) string {
	return strings.Join([]string{p.name, "part-" + p.short() + "-" + task}, "/")
}
