package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// ManifestName is the manifest's name in an export's folder.
const ManifestName = "manifest.json"

const manifestVersion = 1

// Manifest says what an export is. Its JSON is a contract with those who read exports.
type Manifest struct {
	Version   int       `json:"manifest_version"` // 1
	Name      string    `json:"name"`             // of the export's folder
	Identity  string    `json:"identity"`         // of what is in it
	CreatedAt time.Time `json:"created_at"`

	Table     string `json:"table"`
	Snapshot  int64  `json:"snapshot"`   // of the table, as Iceberg knows it
	Cut       int64  `json:"cut"`        // of the lake, which made the snapshot
	SourceCut int64  `json:"source_cut"` // that the export was asked of, which holds the snapshot
	// AsOf is what a features table's last run was asked for; BusinessDate that of the snapshot. "" for none.
	AsOf         string `json:"as_of,omitempty"`
	BusinessDate string `json:"business_date,omitempty"`

	Format  string   `json:"format"` // parquet or csv
	Columns []Column `json:"columns"`
	Where   string   `json:"where,omitempty"` // the filter, "" for none

	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
	// Files in the export's folder.
	Files []files.FileInfo `json:"files"`
	// Totals of every column of numbers, amounts by currency.
	Totals []Total `json:"totals"`
}

// Column describes a column.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // as in a project file: decimal(38,2), timestamp (UTC, microseconds), date, bigint, text, …
	Nullable bool   `json:"nullable"`
}

// Total is the exact sum of a column.
type Total struct {
	Column string `json:"column"`
	// Currency is that of the rows summed, where the column is an amount and the export has a column currency; "" for rows without one.
	Currency *string `json:"currency,omitempty"`
	Sum      string  `json:"sum"`    // a decimal number of the column's scale
	Values   int64   `json:"values"` // that are not null
	Nulls    int64   `json:"nulls"`
}

// typeName is a type's name in project files; Arrow's own where they have none.
func typeName(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.Decimal128Type:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case *arrow.TimestampType:
		return "timestamp"
	}
	names := map[arrow.Type]string{arrow.DATE32: "date", arrow.INT64: "bigint", arrow.INT32: "int", arrow.STRING: "text",
		arrow.BOOL: "boolean", arrow.FLOAT64: "double", arrow.BINARY: "binary"}
	if name, ok := names[t.ID()]; ok {
		return name
	}
	return t.String()
}

func columnsOf(schema *arrow.Schema) []Column {
	out := make([]Column, schema.NumFields())
	for i, f := range schema.Fields() {
		out[i] = Column{Name: f.Name, Type: typeName(f.Type), Nullable: f.Nullable}
	}
	return out
}

// ReadManifest reads the manifest in a folder of a store. Where there is none the error is a fault.Usage
// that wraps storage.ErrNotExist: the export is not (yet) there.
func ReadManifest(ctx context.Context, store storage.Store, folder string) (Manifest, error) {
	var m Manifest
	name := join(folder, ManifestName)
	data, err := store.Get(ctx, name)
	if errors.Is(err, storage.ErrNotExist) {
		return m, fault.Usagef("there is no export in %s: it has no %s: %w", store.URL(), name, err)
	}
	if err != nil {
		return m, fmt.Errorf("read manifest %s in %s: %w", name, store.URL(), err)
	}
	m, err = decodeManifest(data)
	if err != nil {
		return m, fmt.Errorf("read manifest %s in %s: %w", name, store.URL(), err)
	}
	return m, nil
}

// decodeManifest is strict: a manifest is written by this package only.
func decodeManifest(data []byte) (Manifest, error) {
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", files.ErrCorrupt, err)
	}
	if m.Version != manifestVersion {
		return Manifest{}, fault.Usagef("the manifest has version %d, and this program reads version %d", m.Version, manifestVersion)
	}
	for _, f := range m.Files {
		if err := storage.CheckName(f.Name); err != nil || f.Rows < 0 || f.Bytes < 0 {
			return Manifest{}, fmt.Errorf("%w: file %q with %d rows in %d bytes", files.ErrCorrupt, f.Name, f.Rows, f.Bytes)
		}
	}
	return m, nil
}

func join(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}
