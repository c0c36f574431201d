package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/project"
)

// lakeFlags choose a lake: by project file, or by the folder that the demo left.
type lakeFlags struct {
	projectFlags
	dir string
}

func (l *lakeFlags) add(c *cobra.Command) {
	l.projectFlags.add(c)
	c.Flags().StringVar(&l.dir, "dir", "", "a folder that holds a lake, such as the demo wrote; instead of --project")
}

// read opens the lake for reading, and leaves no trace where there is none. A demo folder's
// objects lie on disk, so its lake can be read with no server running.
func (l *lakeFlags) read(ctx context.Context, log *slog.Logger) (*catalog.Lake, error) {
	if l.dir != "" {
		lake, _, err := project.ReadFolder(ctx, l.dir, log)
		return lake, err
	}
	f, err := l.load()
	if err != nil {
		return nil, err
	}
	return f.ReadLake(ctx, log)
}

// open opens the lake for a verb that writes into it, but makes no catalog.
func (l *lakeFlags) open(ctx context.Context, log *slog.Logger) (*catalog.Lake, error) {
	if l.dir != "" {
		return openDemoLake(ctx, l.dir, log)
	}
	f, err := l.load()
	if err != nil {
		return nil, err
	}
	return f.OpenLake(ctx, true, log)
}

// openDemoLake opens the lake in a folder: of the demo, through the files that its S3 service keeps, or a plain one.
func openDemoLake(ctx context.Context, dir string, log *slog.Logger) (*catalog.Lake, error) {
	lake, _, err := project.OpenFolder(ctx, dir, log)
	return lake, err
}

func tablesCommand() *cobra.Command {
	var l lakeFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "tables",
		Short: "list the lake's tables, their rows and cuts",
		RunE: func(c *cobra.Command, _ []string) error {
			lake, err := l.read(c.Context(), slog.New(slog.NewTextHandler(os.Stderr, nil)))
			if err != nil {
				return err
			}
			defer lake.Close()
			list, err := listTables(c.Context(), lake)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(list)
			}
			return printTables(c.OutOrStdout(), list)
		},
	}
	l.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

type tableLine struct {
	Table    string `json:"table"`
	Kind     string `json:"kind"`
	Rows     int64  `json:"rows"`
	Cut      int64  `json:"cut"` // the last one that changed the table
	Snapshot int64  `json:"snapshot"`
	Metadata string `json:"metadata"` // location of the Iceberg metadata, for engines without a catalog
}

type tableList struct {
	Cut    int64       `json:"cut"`
	Tables []tableLine `json:"tables"`
	Cuts   []cutLine   `json:"cuts"`
}

type cutLine struct {
	Cut          int64            `json:"cut"`
	Time         string           `json:"time"`
	Epoch        string           `json:"epoch"`
	BusinessDate string           `json:"business_date,omitempty"`
	Rows         map[string]int64 `json:"rows"`
	Snapshots    map[string]int64 `json:"snapshots"`
}

func listTables(ctx context.Context, lake *catalog.Lake) (tableList, error) {
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		return tableList{}, err
	}
	list := tableList{Cut: cut.Number(), Tables: []tableLine{}, Cuts: []cutLine{}}
	for _, name := range cut.Tables() {
		t, err := cut.Table(name)
		if err != nil {
			return tableList{}, err
		}
		spec, err := t.Spec()
		if err != nil {
			return tableList{}, err
		}
		changed, err := changedBy(t)
		if err != nil {
			return tableList{}, err
		}
		list.Tables = append(list.Tables, tableLine{name, string(spec.Kind), t.Rows(), changed, t.Snapshot(), t.MetadataFile()})
	}
	cuts, err := lake.Cuts(ctx)
	if err != nil {
		return tableList{}, err
	}
	for _, c := range cuts {
		line := cutLine{Cut: c.Cut, Time: c.Time.Format("2006-01-02T15:04:05.000Z"), Epoch: c.Epoch, BusinessDate: c.BusinessDate, Rows: map[string]int64{}, Snapshots: map[string]int64{}}
		for name, t := range c.Tables {
			line.Rows[name], line.Snapshots[name] = t.Rows, t.Snapshot
		}
		list.Cuts = append(list.Cuts, line)
	}
	return list, nil
}

// changedBy is the cut that a table's snapshot came with; 0 for a table that holds nothing yet.
func changedBy(t *catalog.Table) (int64, error) {
	text := t.Summary()[catalog.KeyCut]
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("table %s: snapshot %d: its cut %q is not a number", t.Name(), t.Snapshot(), text)
	}
	return n, nil
}

func printTables(w io.Writer, list tableList) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TABLE\tKIND\tROWS\tCUT")
	for _, l := range list.Tables {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\n", l.Table, l.Kind, l.Rows, l.Cut)
	}
	fmt.Fprintf(t, "\n%d cuts kept; the lake is at cut %d\n", len(list.Cuts), list.Cut)
	return t.Flush()
}
