package project

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// FolderOfBuckets opens s3:// locations in a folder whose subfolders are the
// buckets, as the embedded S3 service keeps them: its lake can be read with no server.
func FolderOfBuckets(root string) storage.Resolver {
	return bucketsIn(root, localio.Options{Lazy: true})
}

func bucketsIn(root string, o localio.Options) storage.Resolver {
	local := localio.Opener(o)
	return storage.Resolver{"file": local, "s3": func(ctx context.Context, location string) (storage.Store, error) {
		u, err := url.Parse(location)
		if err != nil {
			return nil, fault.Usagef("location %q: %w", location, err)
		}
		return local(ctx, filepath.Join(root, u.Host, filepath.FromSlash(strings.TrimPrefix(u.Path, "/"))))
	}}
}
