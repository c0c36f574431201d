package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// kind names this package's sink.
const kind = "millrace.export"

// sink writes an export's files and, at the end, its manifest.
type sink struct {
	p      *plan
	schema *arrow.Schema
}

var _ dataset.Sink = (*sink)(nil)

// Ref names the sink. Its plan lives in this process: a remote worker cannot open it.
func (s *sink) Ref() dataset.Ref {
	return dataset.Ref{Kind: kind, Config: s.p.o.To.URL() + "/" + s.p.name + "#" + s.p.identity}
}

// newWriter writes files of the export's format.
func newWriter(store storage.Store, base string, schema *arrow.Schema, o Options) (*files.Writer, error) {
	opts := files.WriterOptions{MaxBytes: o.MaxFileBytes}
	if o.Format == CSV {
		return csvio.NewWriter(store, base, schema, csvio.WriteOptions{WriterOptions: opts})
	}
	return parquetio.NewWriter(store, base, schema, parquetio.WriteOptions{WriterOptions: opts})
}

// NewWriter starts one task's files. Attempts of a task write the same names, and the same rows.
func (s *sink) NewWriter(_ context.Context, schema *arrow.Schema, task dataset.TaskID) (dataset.Writer, error) {
	w, err := newWriter(s.p.o.To, s.p.base(task.String()), schema, s.p.o)
	if err != nil {
		return nil, err
	}
	return &writer{files: w, sums: newSums(schema)}, nil
}

// written is what a task reports to the commit.
type written struct {
	Files []files.FileInfo `json:"files"`
	Sums  []part           `json:"sums"`
}

type writer struct {
	files *files.Writer
	sums  *sums
}

// Write adds rows.
func (w *writer) Write(ctx context.Context, rec arrow.RecordBatch) error {
	w.sums.add(rec)
	return w.files.Write(ctx, rec)
}

// Close ends the files and describes them.
func (w *writer) Close(ctx context.Context) ([][]byte, error) {
	m, err := w.files.Close(ctx)
	if err != nil {
		return nil, err
	}
	out := written{Files: m.Files}
	if out.Sums, err = w.sums.parts(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("describe written files: %w", err)
	}
	return [][]byte{data}, nil
}

// Abort drops the file in progress. Those that ended mean nothing without a manifest.
func (w *writer) Abort(context.Context) { _ = w.files.Abort() }

// Commit checks the rows and writes the manifest; then it deletes what no manifest names.
func (s *sink) Commit(ctx context.Context, _ string, parts [][]byte) error {
	p, all := s.p, newSums(s.schema)
	m := p.manifest
	m.Columns = columnsOf(s.schema)
	var empty []files.FileInfo
	for _, data := range parts {
		var w written
		if err := json.Unmarshal(data, &w); err != nil {
			return fmt.Errorf("decode a task's report: %w", err)
		}
		if err := all.merge(w.Sums); err != nil {
			return err
		}
		for _, f := range w.Files {
			f.Name = strings.TrimPrefix(f.Name, p.name+"/")
			if f.Rows == 0 {
				empty = append(empty, f)
				continue
			}
			m.add(f)
		}
	}
	if len(m.Files) == 0 && len(empty) > 0 { // a file without rows still says the schema
		m.add(empty[0])
	}
	var err error
	if m.Totals, err = all.totals(); err != nil {
		return err
	}
	if have := p.table.Rows(); m.Where == "" && m.Rows != have {
		return fault.Findingsf("%d rows of %s were written, but snapshot %d has %d: the export was not finished", m.Rows, m.Table, m.Snapshot, have)
	}
	m.CreatedAt = p.o.Clock().UTC()
	if err := p.publish(ctx, m); err != nil {
		return err
	}
	return p.sweep(ctx, m)
}

func (m *Manifest) add(f files.FileInfo) {
	m.Files = append(m.Files, f)
	m.Rows += f.Rows
	m.Bytes += f.Bytes
}

// publish writes the manifest in one step. Only a replacement takes the place of another export's.
func (p *plan) publish(ctx context.Context, m Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	err = p.o.To.Put(ctx, join(p.name, ManifestName), append(data, '\n'), storage.PutOptions{IfAbsent: !p.o.Replace})
	if !errors.Is(err, storage.ErrExist) {
		return err
	}
	there, err := ReadManifest(ctx, p.o.To, p.name)
	if err != nil {
		return err
	}
	if there.Identity != m.Identity {
		return p.taken(there)
	}
	// Its files, if some were lost, are there again now.
	return p.o.To.Put(ctx, join(p.name, ManifestName), append(data, '\n'), storage.PutOptions{})
}

func (p *plan) taken(m Manifest) error {
	return fault.Usagef("%s/%s holds another export already, of %s at cut %d (identity %s): give this one another name, or replace that one", p.o.To.URL(), p.name, m.Table, m.Cut, m.Identity)
}

// sweep deletes files of the export's folder that its manifest does not name: those of runs that did not
// end, of other exports that this one replaces, and those without rows.
func (p *plan) sweep(ctx context.Context, m Manifest) error {
	named := map[string]bool{ManifestName: true}
	for _, f := range m.Files {
		named[f.Name] = true
	}
	var stale []string
	for info, err := range p.o.To.List(ctx, p.name+"/part-") {
		if err != nil {
			return fmt.Errorf("list %s: %w", p.name, err)
		}
		if !named[strings.TrimPrefix(info.Name, p.name+"/")] {
			stale = append(stale, info.Name)
		}
	}
	return p.o.To.Delete(ctx, stale...)
}
