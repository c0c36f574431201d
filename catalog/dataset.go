package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
)

// RefKind names lakes in a dataset.Environment.
const RefKind = "millrace.lake"

// refConfig is what another process needs to open the same lake, but for secrets.
type refConfig struct {
	Catalog   string `json:"catalog"`
	Name      string `json:"name"`
	Warehouse string `json:"warehouse,omitempty"`
}

// DatasetTables is the lake as pipelines of package dataset see it.
func (l *Lake) DatasetTables() dataset.Tables { return datasetTables{l} }

// OpenTables returns the function for the Tables of a dataset.Environment, under
// RefKind, by which a worker opens the lakes of the pipelines that it is sent.
// Where a lake is comes with the pipeline, without passwords; everything else comes from base: Storage, the
// secrets of a REST catalog, Logger, Clock. A database's password comes from
// the database driver's own environment (PGPASSWORD, PGPASSFILE).
func OpenTables(base Config) dataset.OpenTables {
	return func(ctx context.Context, config string) (dataset.Tables, error) {
		var c refConfig
		if err := json.Unmarshal([]byte(config), &c); err != nil {
			return nil, fmt.Errorf("decode where the lake is: %w", err)
		}
		cfg := base
		cfg.Catalog, cfg.Name, cfg.Warehouse, cfg.Existing = c.Catalog, c.Name, c.Warehouse, true
		l, err := Open(ctx, cfg)
		if err != nil {
			return nil, err
		}
		return datasetTables{l}, nil
	}
}

// datasetTables is the driver of a lake for package dataset.
type datasetTables struct{ lake *Lake }

// Ref names the lake without its secrets.
func (d datasetTables) Ref() dataset.Ref {
	cfg := d.lake.cfg
	c := refConfig{Catalog: withoutPassword(cfg.Catalog), Name: cfg.Name, Warehouse: cfg.Warehouse}
	b, err := json.Marshal(c)
	if err != nil { // three texts always encode
		b = nil
	}
	return dataset.Ref{Kind: RefKind, Config: string(b)}
}

func withoutPassword(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.User == nil {
		return rawURL
	}
	u.User = url.User(u.User.Username())
	return u.String()
}

// Pin is the lake's last cut.
func (d datasetTables) Pin(ctx context.Context) (dataset.At, error) {
	cut, err := d.lake.At(ctx, At{})
	if err != nil {
		return dataset.At{}, err
	}
	return dataset.At{Cut: cut.Number()}, nil
}

// Describe is the table as it stands now.
func (d datasetTables) Describe(ctx context.Context, name string) (dataset.TableInfo, error) {
	t, err := d.lake.Table(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return dataset.TableInfo{}, fault.Mark(fault.Usage, fmt.Errorf("%w: %w", dataset.ErrNoTable, err))
	}
	if err != nil {
		return dataset.TableInfo{}, err
	}
	spec, err := t.Spec()
	if err != nil {
		return dataset.TableInfo{}, err
	}
	return dataset.TableInfo{
		Schema: spec.Schema,
		Key:    spec.Key,
		Layout: dataset.Layout{BucketBy: spec.BucketBy, Buckets: spec.Buckets, SortBy: spec.SortBy},
	}, nil
}

// splitData is a split with the schemas that reading it needs.
type splitData struct {
	Split  ScanSplit `json:"split"`
	Schema []byte    `json:"schema"`          // of what is read
	Table  []byte    `json:"table,omitempty"` // the whole, where a filter may need it
}

// PlanScan plans by whole buckets where the consumer wants so, else by size.
func (d datasetTables) PlanScan(ctx context.Context, name string, opts dataset.ScanOptions) (dataset.ScanPlan, error) {
	cut, err := d.lake.At(ctx, At(opts.At))
	if err != nil {
		return dataset.ScanPlan{}, err
	}
	plan, err := cut.PlanScan(ctx, name, ScanOptions{Columns: opts.Columns, Filter: opts.Filter, WholeBuckets: opts.ByBucket})
	if err != nil {
		return dataset.ScanPlan{}, err
	}
	base := splitData{}
	if base.Schema, err = encodeSchema(plan.Schema); err != nil {
		return dataset.ScanPlan{}, err
	}
	if opts.Filter != nil {
		if base.Table, err = tableSchema(cut, name); err != nil {
			return dataset.ScanPlan{}, err
		}
	}
	out := dataset.ScanPlan{Schema: plan.Schema, Layout: dataset.Layout(plan.Layout)}
	for _, s := range plan.Splits {
		base.Split = s
		data, err := json.Marshal(base)
		if err != nil {
			return dataset.ScanPlan{}, fmt.Errorf("encode a split of %s: %w", name, err)
		}
		sp := dataset.Split{Bucket: s.Bucket, Data: data}
		for _, f := range s.Files {
			sp.Rows += f.Rows
			sp.Bytes += f.Bytes
		}
		out.Splits = append(out.Splits, sp)
	}
	return out, nil
}

func tableSchema(cut *Cut, name string) ([]byte, error) {
	t, err := cut.Table(name)
	if err != nil {
		return nil, err
	}
	schema, err := t.Schema()
	if err != nil {
		return nil, err
	}
	return encodeSchema(schema)
}

// OpenSplit reads a split of PlanScan.
func (d datasetTables) OpenSplit(ctx context.Context, name string, split dataset.Split, opts dataset.ScanOptions) (dataset.BatchReader, error) {
	var s splitData
	if err := json.Unmarshal(split.Data, &s); err != nil {
		return nil, fmt.Errorf("decode a split of %s: %w", name, err)
	}
	schema, err := decodeSchema(s.Schema)
	if err != nil {
		return nil, err
	}
	// A process reads a split for each of its workers at once.
	read := ReadOptions{Filter: opts.Filter, MergeBy: opts.Order, BatchRows: opts.BatchRows, PrefetchBytes: 32 << 20}
	if s.Table != nil {
		if read.Table, err = decodeSchema(s.Table); err != nil {
			return nil, err
		}
	}
	return d.lake.OpenSplit(ctx, schema, s.Split, read)
}

func encodeSchema(s *arrow.Schema) ([]byte, error) {
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(s))
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode a scan's schema: %w", err)
	}
	return buf.Bytes(), nil
}

func decodeSchema(data []byte) (*arrow.Schema, error) {
	r, err := ipc.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decode a scan's schema: %w", err)
	}
	defer r.Release()
	return r.Schema(), nil
}
