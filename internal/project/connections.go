package project

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// FolderOfBuckets opens s3:// locations in a folder whose subfolders are the
// buckets, as the embedded S3 service keeps them: its lake can be read with no server.
func FolderOfBuckets(root string) storage.Resolver {
	local := localio.Opener(localio.Options{})
	return storage.Resolver{"file": local, "s3": func(ctx context.Context, location string) (storage.Store, error) {
		u, err := url.Parse(location)
		if err != nil {
			return nil, fault.Usagef("location %q: %w", location, err)
		}
		return local(ctx, filepath.Join(root, u.Host, filepath.FromSlash(strings.TrimPrefix(u.Path, "/"))))
	}}
}

// TestConnections opens the lake and the source, and writes a line for each. The
// error lists every connection that failed.
func (f *File) TestConnections(ctx context.Context, w io.Writer, log *slog.Logger) error {
	var failed []string
	try := func(name string, open func() error) {
		verdict := "ok"
		if err := open(); err != nil {
			verdict = err.Error()
			failed = append(failed, name+": "+verdict)
		}
		fmt.Fprintf(w, "# %s: %s\n", name, verdict) //nolint // a report to whoever reads it
	}
	try("lake", func() error {
		lake, err := f.OpenLake(ctx, false, log)
		if err != nil {
			return err
		}
		defer lake.Close()
		_, err = lake.Tables(ctx)
		return err
	})
	if f.Source != nil {
		try("source", func() error {
			s, err := f.OpenSource(ctx, log)
			if err != nil {
				return err
			}
			defer s.Close()
			_, err = s.Lag(ctx, change.Position{})
			return err
		})
	}
	if len(failed) > 0 {
		return fault.Usagef("%s", strings.Join(failed, "\n"))
	}
	return nil
}
