package export

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// Report says what became of an export.
type Report struct {
	Location string   `json:"location"` // URL of its folder
	Existed  bool     `json:"existed"`  // it was there already, and nothing was written
	Manifest Manifest `json:"manifest"`
}

func usageIfAbsent(err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return fault.Mark(fault.Usage, err)
	}
	return err
}

// Run exports a table. Where the same export is there already, whole, it says so and writes nothing.
func Run(ctx context.Context, o Options) (Report, error) {
	p, err := prepare(ctx, o)
	if err != nil {
		return Report{}, err
	}
	rep := Report{Location: p.o.To.URL() + "/" + p.name}
	there, whole, err := p.there(ctx)
	if err != nil {
		return rep, fmt.Errorf("export %s: %w", p.o.Table, err)
	}
	if whole {
		rep.Existed, rep.Manifest = true, there
		return rep, nil
	}
	p.o.Logger.InfoContext(ctx, "export", "table", p.o.Table, "snapshot", p.table.Snapshot(), "to", rep.Location)
	if err := p.o.Run(ctx, p.build); err != nil {
		return rep, fmt.Errorf("export %s: %w", p.o.Table, err)
	}
	rep.Manifest, err = ReadManifest(ctx, p.o.To, p.name)
	return rep, err
}

// there looks for an export of the plan's name. whole says that it is the plan's own, with all its files.
func (p *plan) there(ctx context.Context) (m Manifest, whole bool, err error) {
	m, err = ReadManifest(ctx, p.o.To, p.name)
	switch {
	case errors.Is(err, storage.ErrNotExist):
		return m, false, nil
	case err != nil:
		return m, false, err
	case m.Identity != p.identity && !p.o.Replace:
		return m, false, p.taken(m)
	case m.Identity != p.identity:
		return m, false, nil
	}
	for _, f := range m.Files {
		info, err := p.o.To.Stat(ctx, join(p.name, f.Name))
		if errors.Is(err, storage.ErrNotExist) || err == nil && info.Size != f.Bytes {
			return m, false, nil
		}
		if err != nil {
			return m, false, err
		}
	}
	return m, true, nil
}

// build is the pipeline: scan, filter, project, write.
func (p *plan) build(s beam.Scope) error {
	s = s.Scope("export.Run(" + p.o.Table + ")")
	at := dataset.AtSnapshot(p.table.Snapshot())
	if p.table.Snapshot() == 0 {
		at = dataset.AtCut(p.o.At.Cut)
	}
	rows := dataset.ScanTable(context.Background(), s, p.o.Lake, p.o.Table, at)
	if p.o.Where != nil {
		rows = dataset.Filter(s, rows, p.o.Where)
	}
	rows = dataset.Select(s, rows, p.columns...)
	if err := rows.Err(); err != nil {
		return fault.Mark(fault.Usage, err)
	}
	dataset.WriteTo(s, &sink{p, rows.Schema()}, rows)
	return nil
}
