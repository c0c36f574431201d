package s3io

import (
	"context"
	"crypto/md5" //nolint:gosec // Content-MD5 is a checksum of the protocol, not a defence
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"

	"github.com/millrace/millrace/sdk/storage"
	"github.com/minio/minio-go/v7"
)

// tokenKey is the user metadata that holds a conditional write's token.
const tokenKey = "millrace-put"

const (
	crcHeader       = "x-amz-checksum-crc32c"
	algorithmHeader = "x-amz-checksum-algorithm"
	deleteBatch     = 1000 // what S3 deletes in one request
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc32c(data []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, castagnoli)))
}

// sums are the checksums of one upload, as its request carries them.
type sums struct {
	md5, sha256, crc string
}

func (s *Store) sums(data []byte) sums {
	switch s.opts.Checksum {
	case ChecksumCRC32C:
		return sums{crc: crc32c(data)}
	case ChecksumSHA256:
		sum := sha256.Sum256(data)
		return sums{sha256: hex.EncodeToString(sum[:])}
	case ChecksumMD5:
		sum := md5.Sum(data) //nolint:gosec
		return sums{md5: base64.StdEncoding.EncodeToString(sum[:])}
	}
	return sums{}
}

// Put writes a whole object in one request. With IfAbsent it succeeds exactly
// if this call created the object, also where replies were lost.
func (s *Store) Put(ctx context.Context, name string, data []byte, opts storage.PutOptions) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	what := op{doing: "put", name: name}
	sum := s.sums(data)
	if !opts.IfAbsent {
		return s.do(ctx, what, func(t *try) error { return s.put(t, key, data, sum, "") })
	}
	token, doubt := rand.Text(), false
	return s.do(ctx, what, func(t *try) error {
		err := s.put(t, key, data, sum, token)
		if err == nil || !isConditionFailed(err) {
			doubt = doubt || err != nil && unknown(err)
			return err
		}
		if !doubt {
			return err
		}
		// An earlier try may be what is in the way.
		found, headErr := s.tokenOf(t, key)
		switch {
		case isAbsent(headErr):
			return errVanished // deleted meanwhile: decide again
		case headErr != nil:
			return headErr
		case found == token:
			return nil
		}
		return err
	})
}

// put makes one PUT request; with a token, only if the object is absent.
func (s *Store) put(t *try, key string, data []byte, sum sums, token string) error {
	opts := minio.PutObjectOptions{DisableContentSha256: true, UserMetadata: map[string]string{}}
	if sum.crc != "" {
		opts.UserMetadata[crcHeader] = sum.crc
	}
	if token != "" {
		opts.UserMetadata[tokenKey] = token
		opts.SetMatchETagExcept("*")
	}
	body := t.upload(data)
	_, err := s.core.PutObject(t.ctx, s.bucket, key, body, int64(len(data)), sum.md5, sum.sha256, opts)
	return err
}

// tokenOf reads back which write made the object.
func (s *Store) tokenOf(t *try, key string) (string, error) {
	info, err := s.core.StatObject(t.ctx, s.bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return "", err
	}
	t.moved()
	return info.Headers.Get("X-Amz-Meta-" + tokenKey), nil
}

// Get reads a whole object. Where the server keeps a full CRC32C of it, the bytes are verified.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	key, err := s.key(name)
	if err != nil {
		return nil, err
	}
	what := op{doing: "get", name: name}
	var d download
	err = s.do(ctx, what, func(t *try) error { return d.attempt(s, t, key) })
	if err != nil {
		return nil, truncated(err)
	}
	return d.data, nil
}

// download is a whole object on its way, kept over tries.
type download struct {
	etag string
	crc  string
	data []byte // what has arrived; its capacity is the object's size
}

func (d *download) attempt(s *Store, t *try, key string) error {
	opts := minio.GetObjectOptions{}
	opts.Set("x-amz-checksum-mode", "ENABLED")
	resume := len(d.data)
	if resume > 0 {
		if err := errors.Join(opts.SetMatchETag(d.etag), opts.SetRange(int64(resume), 0)); err != nil {
			return err
		}
	}
	body, info, _, err := s.core.GetObject(t.ctx, s.bucket, key, opts)
	if err != nil {
		if isConditionFailed(err) {
			*d = download{} // replaced meanwhile: take the new one whole
			return errChangedAgain
		}
		return err
	}
	defer body.Close()
	if resume == 0 {
		d.etag, d.crc = info.ETag, info.ChecksumCRC32C
		d.data = make([]byte, 0, info.Size)
	}
	n, err := io.ReadFull(t.download(body), d.data[resume:cap(d.data)])
	d.data = d.data[:resume+n]
	if err != nil && len(d.data) < cap(d.data) {
		return cut(err, len(d.data), cap(d.data))
	}
	return d.verify()
}

func (d *download) verify() error {
	if d.crc == "" || len(d.crc) != 8 { // none, or one composed of parts' ("…-3")
		return nil
	}
	if got := crc32c(d.data); got != d.crc {
		want := d.crc
		*d = download{}
		return fmt.Errorf("the bytes have CRC32C %s, the server says %s", got, want)
	}
	return nil
}

func cut(err error, got, want int) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w after %d bytes of %d: %w", errCut, got, want, err)
}

// truncated makes an error that ended with a cut body a storage.ErrTruncated too.
func truncated(err error) error {
	if errors.Is(err, errCut) {
		return fmt.Errorf("%w: %w", err, storage.ErrTruncated)
	}
	return err
}

// Stat describes an object.
func (s *Store) Stat(ctx context.Context, name string) (storage.Info, error) {
	key, err := s.key(name)
	if err != nil {
		return storage.Info{}, err
	}
	return s.stat(ctx, op{doing: "stat", name: name}, key)
}

func (s *Store) stat(ctx context.Context, what op, key string) (storage.Info, error) {
	var info storage.Info
	err := s.do(ctx, what, func(t *try) error {
		found, err := s.core.StatObject(t.ctx, s.bucket, key, minio.StatObjectOptions{})
		if err == nil {
			info = s.info(found)
			info.Name = what.name
		}
		return err
	})
	return info, err
}

func (s *Store) info(o minio.ObjectInfo) storage.Info {
	return storage.Info{Name: o.Key, Size: o.Size, Modified: o.LastModified.UTC(), ETag: o.ETag}
}

// Delete removes objects, up to a thousand in one request.
func (s *Store) Delete(ctx context.Context, names ...string) error {
	keys := map[string]bool{}
	for _, name := range names {
		key, err := s.key(name)
		if err != nil {
			return err
		}
		keys[key] = true
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("s3: %s: %w", s.describe(op{doing: "delete"}), err)
	}
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(keys)), deleteBatch) {
		what := op{doing: "delete", name: batch[0][len(s.prefix):]}
		if len(batch) > 1 {
			what.name = fmt.Sprintf("%s and %d more", what.name, len(batch)-1)
		}
		if err := s.do(ctx, what, func(t *try) error { return s.deleteOnce(t, batch) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) deleteOnce(t *try, keys []string) error {
	if len(keys) == 1 {
		err := s.core.RemoveObject(t.ctx, s.bucket, keys[0], minio.RemoveObjectOptions{})
		if isAbsent(err) {
			return nil
		}
		return err
	}
	objects := make(chan minio.ObjectInfo, len(keys))
	for _, key := range keys {
		objects <- minio.ObjectInfo{Key: key}
	}
	close(objects)
	var first error
	for result := range s.core.RemoveObjects(t.ctx, s.bucket, objects, minio.RemoveObjectsOptions{}) {
		if first == nil && !isAbsent(result.Err) {
			first = result.Err
		}
	}
	if first == nil {
		return t.ctx.Err() // a cancelled batch reports nothing
	}
	return first
}
