// Package laketest makes small lakes for the tests of programs: a generated bank, brought into a folder by
// the ingest job from files of change events, and reads tables back as text.
//
// Invariants. The same seed and size give the same rows. The lake is a folder that --lake of
// a program takes, with a project file millrace.yaml in it.
package laketest

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
)

// Bank makes a lake of a generated bank in a temporary folder and returns the folder and what the books hold.
func Bank(t testing.TB, cfg ledgergen.Config) (dir string, truth *ledgergen.Truth) {
	t.Helper()
	dir = t.TempDir()
	truth, err := writeStream(filepath.Join(dir, "arriving"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	text := `name: bank
lake: {catalog: "sqlite://catalog.db", warehouse: "file://warehouse"}
source:
  files: {location: "file://arriving", pattern: "{table}.ndjson", transactions: transaction.ndjson}
reconcile: {balances: {stated: {}}}
ingest:
` + Tables()
	file := filepath.Join(dir, "millrace.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	Ingest(t, file)
	return dir, truth
}

// writeStream writes a bank's messages, a file for each topic.
func writeStream(dir string, cfg ledgergen.Config) (*ledgergen.Truth, error) {
	bank, err := ledgergen.New(cfg)
	if err != nil {
		return nil, err
	}
	enc, err := ledgergen.NewEncoder(bank.Config())
	if err != nil {
		return nil, err
	}
	files, truth := map[string]*bytes.Buffer{}, ledgergen.NewTruth()
	for tx := range bank.Transactions() {
		truth.Apply(tx)
		for m := range enc.Messages(tx) {
			name := m.Topic[strings.LastIndexByte(m.Topic, '.')+1:]
			if files[name] == nil {
				files[name] = new(bytes.Buffer)
			}
			if m.Value == nil {
				m.Value = []byte("null")
			}
			files[name].Write(bytes.ReplaceAll(m.Value, []byte("\n"), []byte(" ")))
			files[name].WriteByte('\n')
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name+".ndjson"), b.Bytes(), 0o600); err != nil {
			return nil, err
		}
	}
	return truth, nil
}

// Tables is the section ingest.tables of a project over a generated bank.
func Tables() string { return ledgergen.ProjectTables(nil) }

// Ingest brings what a project file's stream holds into its lake.
func Ingest(t testing.TB, projectFile string) ingest.Report {
	t.Helper()
	f, err := project.Load(projectFile, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	o, err := ingest.FromProject(t.Context(), f, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Lake.Close()
	defer o.Source.Close()
	o.UntilCaughtUp = true
	o.Run = func(ctx context.Context, build func(beam.Scope) error) error {
		_, err := embedded.Run(ctx, build, embedded.Options{Name: "ingest", Log: quiet})
		return err
	}
	rep, err := ingest.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// Open opens the lake in a folder.
func Open(t testing.TB, dir string) *catalog.Lake {
	t.Helper()
	lake, err := catalog.Open(t.Context(), catalog.Config{
		Catalog: "sqlite://" + filepath.Join(dir, "catalog.db"), Warehouse: "file://" + filepath.Join(dir, "warehouse"),
		Existing: true, Storage: localio.Opener(localio.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lake.Close(); err != nil {
			t.Error(err)
		}
	})
	return lake
}

// Rows are the rows of a table of the lake in a folder, or of the columns named, as text, sorted: "7 | 12.5 | card".
func Rows(t testing.TB, dir, table string, columns ...string) []string {
	t.Helper()
	lake, out := Open(t, dir), datasettest.NewTables(t.Name()+table)
	_, err := embedded.Run(t.Context(), func(s beam.Scope) error {
		in := dataset.ScanTable(t.Context(), s, lake, table)
		if len(columns) > 0 {
			in = dataset.Select(s, in, columns...)
		}
		dataset.Write(s, out, "out", in)
		return nil
	}, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := out.Rows("out")
	if err != nil {
		t.Fatal(err)
	}
	return datasettest.Texts(b)
}
