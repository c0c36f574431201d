package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

func checkCommand() *cobra.Command {
	var p projectFlags
	var schema, offline bool
	c := &cobra.Command{
		Use:   "check",
		Short: "tell every mistake of the project file, test its connections, print what is in force",
		Long: `Tell every mistake of the project file, print what is in force (secrets masked), and test each connection. It changes
and makes nothing, neither in the lake's files nor in its catalog: of a lake that is not there yet it says so, and
whether its folders can be made.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if schema {
				s, err := project.JSONSchema()
				if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write(s)
				return err
			}
			f, err := p.load()
			if err != nil {
				return err
			}
			text, err := f.Effective()
			if err != nil {
				return err
			}
			if _, err := fmt.Fprint(c.OutOrStdout(), text); err != nil || offline {
				return err
			}
			return testConnections(c.Context(), f, c.OutOrStdout())
		},
	}
	p.add(c)
	c.Flags().BoolVar(&schema, "json-schema", false, "print the JSON Schema of project files, for editors")
	c.Flags().BoolVar(&offline, "offline", false, "do not test connections")
	return c
}

// testConnections tries the lake and the source, and writes a line for each. The error lists every one that failed.
func testConnections(ctx context.Context, f *project.File, w io.Writer) error {
	log := slog.New(slog.DiscardHandler)
	var failed []string
	try := func(name string, test func() (string, error)) {
		verdict, err := test()
		if err != nil {
			verdict = err.Error()
			failed = append(failed, name+": "+verdict)
		}
		fmt.Fprintf(w, "# %s: %s\n", name, verdict)
	}
	try("lake", func() (string, error) { return testLake(ctx, f, log) })
	if f.Source != nil {
		try("source", func() (string, error) {
			s, err := f.OpenSource(ctx, log)
			if err != nil {
				return "", err
			}
			_, err = s.Lag(ctx, change.Position{})
			return "ok", errors.Join(err, s.Close())
		})
	}
	if len(failed) > 0 {
		return fault.Usagef("%s", strings.Join(failed, "\n"))
	}
	return nil
}

// testLake opens the lake, for reading and without making a file, a folder or a table of it.
func testLake(ctx context.Context, f *project.File, log *slog.Logger) (string, error) {
	stores := f.Stores()
	stores["file"] = openFolderOrAbove
	at := f.Path(f.Lake.Catalog)
	lake, err := catalog.Open(ctx, catalog.Config{
		Catalog: at, Name: f.Lake.Name, Warehouse: f.Path(f.Lake.Warehouse), ReadOnly: true,
		Storage: stores.Open, REST: catalog.RESTConfig{Token: f.Lake.Token}, Logger: log,
	})
	if errors.Is(err, catalog.ErrNoLake) {
		if file, local := strings.CutPrefix(at, "sqlite://"); local {
			if _, err := folderOrAbove(filepath.Dir(file)); err != nil {
				return "", err
			}
		}
		_, err := stores.Open(ctx, f.Path(f.Lake.Warehouse))
		return "ok; no catalog yet: the first ingest makes it", err
	}
	if err != nil {
		return "", err
	}
	_, err = lake.Tables(ctx)
	return "ok", errors.Join(err, lake.Close())
}

// openFolderOrAbove opens a folder; where it is not there yet the one in which it would be made, which holds no file of it.
func openFolderOrAbove(_ context.Context, location string) (storage.Store, error) {
	dir, err := folderOrAbove(strings.TrimPrefix(location, "file://"))
	if err != nil {
		return nil, err
	}
	return localio.Open(dir, localio.Options{MustExist: true})
}

// isMissing says that nothing is at a path, also where a file is in the place of a folder above it.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// folderOrAbove finds a folder, or the nearest one above it that is there and may be written.
func folderOrAbove(want string) (string, error) {
	for dir := filepath.Clean(filepath.FromSlash(want)); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case isMissing(err) && dir != filepath.Dir(dir):
			continue
		case err != nil:
			return "", fault.Usagef("folder %s: %w", want, err)
		case !info.IsDir():
			return "", fault.Usagef("folder %s: %s is a file; give the folder that holds it", want, dir)
		case info.Mode().Perm()&0o222 == 0 || !mayWrite(dir): // such as /sys, of which root is told that it may
			return "", fault.Usagef("folder %s: nothing can be made in %s: it may not be written; choose another place", want, dir)
		}
		return dir, nil
	}
}
