package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// Verification says whether an export is what its manifest says.
type Verification struct {
	Manifest Manifest `json:"manifest"`
	// Findings are the differences, a line each; none if the export is whole.
	Findings []string `json:"findings"`
}

func (v *Verification) find(format string, args ...any) {
	v.Findings = append(v.Findings, fmt.Sprintf(format, args...))
}

// Verify reads an export again, all of it: sizes, checksums, rows, columns and control totals. Differences are no
// error but findings. folder is the export's, in the store; "" is the store's own.
func Verify(ctx context.Context, store storage.Store, folder string) (Verification, error) {
	v := Verification{Findings: []string{}}
	m, err := ReadManifest(ctx, store, folder)
	if err != nil {
		return v, err
	}
	v.Manifest = m
	schema, err := m.schema()
	if err != nil {
		return v, fmt.Errorf("manifest of %s: %w", m.Name, err)
	}
	all := newSums(schema)
	var rows, bytes int64
	for _, f := range m.Files {
		rows, bytes = rows+f.Rows, bytes+f.Bytes
		whole, err := v.bytes(ctx, store, folder, f)
		if err != nil {
			return v, err
		}
		if !whole {
			continue // what it holds does not matter any more
		}
		n, err := v.rows(ctx, store, join(folder, f.Name), schema, all)
		if err != nil {
			return v, err
		}
		if n != f.Rows {
			v.find("%s has %d rows; the manifest says %d", f.Name, n, f.Rows)
		}
	}
	if rows != m.Rows || bytes != m.Bytes {
		v.find("the files are said to have %d rows in %d bytes together; the manifest says %d in %d", rows, bytes, m.Rows, m.Bytes)
	}
	if len(v.Findings) > 0 {
		return v, nil // totals of less than all files say nothing
	}
	return v, v.totals(all)
}

// schema is that of the columns.
func (m Manifest) schema() (*arrow.Schema, error) {
	fields := make([]arrow.Field, len(m.Columns))
	for i, c := range m.Columns {
		t, err := project.ColumnType(c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
		fields[i] = arrow.Field{Name: c.Name, Type: t, Nullable: c.Nullable}
	}
	return arrow.NewSchema(fields, nil), nil
}

// bytes checks a file's size and checksum.
func (v *Verification) bytes(ctx context.Context, store storage.Store, folder string, f files.FileInfo) (whole bool, err error) {
	r, err := store.Open(ctx, join(folder, f.Name))
	if errors.Is(err, storage.ErrNotExist) {
		v.find("%s is missing", f.Name)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if r.Size() != f.Bytes {
		v.find("%s has %d bytes; the manifest says %d", f.Name, r.Size(), f.Bytes)
		return false, nil
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(r, 0, r.Size())); err != nil {
		return false, fmt.Errorf("read %s in %s: %w", f.Name, store.URL(), err)
	}
	if have := hex.EncodeToString(digest.Sum(nil)); have != f.SHA256 {
		v.find("%s has the checksum %s; the manifest says %s", f.Name, have, f.SHA256)
		return false, nil
	}
	return true, nil
}

// rows reads a file whose bytes are right. What cannot be read is a finding: the manifest says the wrong columns.
func (v *Verification) rows(ctx context.Context, store storage.Store, name string, schema *arrow.Schema, all *sums) (n int64, err error) {
	splits, open, err := v.opener(ctx, store, name, schema)
	if err != nil {
		v.find("%s cannot be read with the manifest's columns: %v", name, err)
		return 0, nil
	}
	for _, sp := range splits {
		in, err := open(sp)
		if err != nil {
			v.find("%s cannot be read with the manifest's columns: %v", name, err)
			return n, nil
		}
		err = func() (err error) {
			defer func() { err = errors.Join(err, in.Close()) }()
			for {
				b, err := in.Next(ctx)
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return fmt.Errorf("read %s in %s: %w", name, store.URL(), err)
				}
				n += b.NumRows()
				all.add(b)
				b.Release()
			}
		}()
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// opener plans a file of the export's format.
func (v *Verification) opener(ctx context.Context, store storage.Store, name string, schema *arrow.Schema) ([]files.Split, func(files.Split) (dataset.BatchReader, error), error) {
	if v.Manifest.Format == CSV {
		opts := csvio.Options{Schema: schema}
		splits, err := csvio.Splits(ctx, store, name, opts)
		return splits, func(sp files.Split) (dataset.BatchReader, error) { return csvio.Open(ctx, store, sp, opts) }, err
	}
	have, err := parquetio.Infer(ctx, store, name, parquetio.Options{})
	if err != nil {
		return nil, nil, err
	}
	if cols := columnsOf(have); !slices.Equal(cols, v.Manifest.Columns) {
		return nil, nil, fmt.Errorf("its columns are %v", cols)
	}
	opts := parquetio.Options{Schema: schema}
	splits, err := parquetio.Splits(ctx, store, name, opts)
	return splits, func(sp files.Split) (dataset.BatchReader, error) { return parquetio.Open(ctx, store, sp, opts) }, err
}

// totals holds the sums of what was read against the manifest's.
func (v *Verification) totals(all *sums) error {
	have, err := all.totals()
	if err != nil {
		return err
	}
	name := func(t Total) string {
		if t.Currency == nil {
			return t.Column
		}
		return t.Column + " in " + *t.Currency
	}
	differ := func(a, b Total) bool {
		return name(a) != name(b) || a.Sum != b.Sum || a.Values != b.Values || a.Nulls != b.Nulls
	}
	for _, t := range have {
		if !slices.ContainsFunc(v.Manifest.Totals, func(o Total) bool { return !differ(t, o) }) {
			v.find("%s sums to %s over %d values, with %d nulls; the manifest says otherwise", name(t), t.Sum, t.Values, t.Nulls)
		}
	}
	if len(have) != len(v.Manifest.Totals) {
		v.find("the manifest has %d control totals, the files %d", len(v.Manifest.Totals), len(have))
	}
	return nil
}
