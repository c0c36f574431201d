package s3io

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/storage"
	"github.com/minio/minio-go/v7"
)

// listPage is how many objects one request lists.
const listPage = 1000

// List yields the objects whose names start with prefix, in byte order of their
// names, a thousand to a request. Keys that end with a slash, with which some
// tools mark folders, are not objects and are left out.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return s.list(ctx, prefix, listPage)
}

func (s *Store) list(ctx context.Context, prefix string, pageSize int) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		after := ""
		for {
			page, err := s.page(ctx, op{doing: "list", name: prefix}, prefix, after, pageSize)
			if err != nil {
				yield(storage.Info{}, err)
				return
			}
			for _, o := range page {
				info := s.info(o)
				info.Name = strings.TrimPrefix(info.Name, s.prefix)
				if !strings.HasSuffix(info.Name, "/") && info.Name != "" && !yield(info, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			after = page[len(page)-1].Key
		}
	}
}

// page lists up to pageSize keys that come after one.
func (s *Store) page(ctx context.Context, what op, prefix, after string, pageSize int) ([]minio.ObjectInfo, error) {
	var page []minio.ObjectInfo
	owner := false
	opts := minio.ListObjectsOptions{Prefix: s.prefix + prefix, StartAfter: after, MaxKeys: pageSize, Recursive: true, FetchOwner: &owner}
	err := s.do(ctx, what, func(t *try) error {
		page = page[:0]
		for o := range s.core.ListObjectsIter(t.ctx, s.bucket, opts) {
			if o.Err != nil {
				return o.Err
			}
			t.moved()
			if page = append(page, o); len(page) == pageSize {
				return nil
			}
		}
		return t.ctx.Err() // a cancelled listing just ends
	})
	return page, err
}

// AbortStale aborts the multipart uploads under the store's prefix that began
// before cutoff: what killed processes left behind. Choose a cutoff older than
// any upload can last, since it cannot tell one in progress. It returns how many it aborted.
func (s *Store) AbortStale(ctx context.Context, cutoff time.Time) (int, error) {
	var stale []minio.ObjectMultipartInfo
	err := s.do(ctx, op{doing: "list uploads"}, func(t *try) error {
		stale = stale[:0]
		keyMarker, idMarker := "", ""
		for {
			page, err := s.core.ListMultipartUploads(t.ctx, s.bucket, s.prefix, keyMarker, idMarker, "", listPage)
			if err != nil {
				return err
			}
			t.moved()
			for _, u := range page.Uploads {
				if u.Initiated.Before(cutoff) {
					stale = append(stale, u)
				}
			}
			if !page.IsTruncated || page.NextKeyMarker == "" && page.NextUploadIDMarker == "" {
				return nil
			}
			keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
		}
	})
	if err != nil {
		return 0, err
	}
	for i, u := range stale {
		if err := s.abortUpload(ctx, u.Key, u.UploadID); err != nil {
			return i, err
		}
	}
	return len(stale), nil
}

// abortUpload frees what an upload holds. One that is gone is no error.
func (s *Store) abortUpload(ctx context.Context, key, id string) error {
	return s.do(ctx, op{doing: "abort upload", name: strings.TrimPrefix(key, s.prefix)}, func(t *try) error {
		err := s.core.AbortMultipartUpload(t.ctx, s.bucket, key, id)
		if hasCode(err, minio.NoSuchUpload) {
			return nil
		}
		return err
	})
}
