package s3io

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/minio/minio-go/v7"
)

// maxParts is S3's limit of parts in one object.
const maxParts = 10_000

// abortTime bounds the clean-up after a failed or cancelled write.
const abortTime = 10 * time.Second

// Create starts an object. Up to one part is buffered and written by a single
// request at Close; more goes out as a multipart upload while it is written.
func (s *Store) Create(ctx context.Context, name string) (storage.Writer, error) {
	key, err := s.key(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("s3: %s: %w", s.describe(op{doing: "create", name: name}), err)
	}
	work, cancel := context.WithCancel(ctx)
	return &writer{store: s, ctx: work, cancel: cancel, what: op{doing: "write", name: name}, key: key, slots: make(chan struct{}, s.opts.Concurrency)}, nil
}

type writer struct {
	store  *Store
	ctx    context.Context
	cancel context.CancelFunc
	what   op
	key    string
	buf    []byte
	done   bool

	upload string // the multipart upload's id; "" before there is one
	token  string
	count  int // parts handed to goroutines
	slots  chan struct{}
	group  sync.WaitGroup

	mu    sync.Mutex
	parts []minio.CompletePart
	err   error // the first failure
}

func (w *writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, fmt.Errorf("s3: %s: %w", w.store.describe(w.what), fs.ErrClosed)
	}
	written := 0
	for len(p) > 0 {
		if err := w.failure(); err != nil {
			return written, err
		}
		n := min(len(p), w.store.opts.PartSize-len(w.buf))
		w.buf = append(w.buf, p[:n]...)
		p = p[n:]
		written += n
		if len(w.buf) == w.store.opts.PartSize {
			if err := w.sendPart(); err != nil {
				w.fail(err)
				return written, err
			}
		}
	}
	return written, nil
}

// sendPart hands the buffer to a goroutine, once one of the slots is free.
func (w *writer) sendPart() error {
	if w.upload == "" {
		if err := w.begin(); err != nil {
			return err
		}
	}
	if w.count == maxParts {
		return fault.Usagef("s3: %s: the object has more than %d parts of %d bytes; raise the part size", w.store.describe(w.what), maxParts, w.store.opts.PartSize)
	}
	select {
	case w.slots <- struct{}{}:
	case <-w.ctx.Done():
		return fmt.Errorf("s3: %s: %w", w.store.describe(w.what), w.ctx.Err())
	}
	w.count++
	number, data := w.count, w.buf
	w.buf = w.store.partBuffer()
	w.group.Go(func() {
		defer func() { <-w.slots }()
		w.sendOne(number, data)
		w.store.freePart(data)
	})
	return nil
}

// begin starts the multipart upload. A lost reply leaves an upload that AbortStale collects.
func (w *writer) begin() error {
	w.token = rand.Text()
	opts := minio.PutObjectOptions{UserMetadata: map[string]string{tokenKey: w.token}}
	if w.store.opts.Checksum == ChecksumCRC32C {
		opts.UserMetadata[algorithmHeader] = "CRC32C"
	}
	return w.store.do(w.ctx, w.what, func(t *try) error {
		id, err := w.store.core.NewMultipartUpload(t.ctx, w.store.bucket, w.key, opts)
		w.upload = id
		return err
	})
}

func (w *writer) sendOne(number int, data []byte) {
	sum := w.store.sums(data)
	opts := minio.PutObjectPartOptions{Md5Base64: sum.md5, Sha256Hex: sum.sha256, DisableContentSha256: true}
	err := w.store.do(w.ctx, w.what, func(t *try) error {
		if sum.crc != "" {
			opts.CustomHeader = map[string][]string{"X-Amz-Checksum-Crc32c": {sum.crc}}
		}
		part, err := w.store.core.PutObjectPart(t.ctx, w.store.bucket, w.key, w.upload, number, t.upload(data), int64(len(data)), opts)
		if err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.parts = append(w.parts, minio.CompletePart{PartNumber: number, ETag: part.ETag, ChecksumCRC32C: sum.crc})
		return nil
	})
	if err != nil {
		w.fail(err)
		w.cancel() // the other parts are of no use
	}
}

func (w *writer) Close() error {
	if w.done {
		return fmt.Errorf("s3: %s: %w", w.store.describe(w.what), fs.ErrClosed)
	}
	w.done = true
	defer w.cancel()
	err := w.finish()
	if err != nil {
		err = errors.Join(err, w.discard())
	}
	return err
}

func (w *writer) finish() error {
	if err := w.failure(); err != nil {
		return err
	}
	if w.upload == "" {
		sum := w.store.sums(w.buf)
		return w.store.do(w.ctx, w.what, func(t *try) error { return w.store.put(t, w.key, w.buf, sum, "") })
	}
	if len(w.buf) > 0 {
		if err := w.sendPart(); err != nil {
			return err
		}
	}
	w.group.Wait()
	if err := w.failure(); err != nil {
		return err
	}
	return w.complete()
}

// complete makes the parts an object. A try that succeeded without being heard
// leaves no upload for the next: then the object's token tells whether it was ours.
func (w *writer) complete() error {
	slices.SortFunc(w.parts, func(a, b minio.CompletePart) int { return a.PartNumber - b.PartNumber })
	doubt := false
	err := w.store.do(w.ctx, w.what, func(t *try) error {
		_, err := w.store.core.CompleteMultipartUpload(t.ctx, w.store.bucket, w.key, w.upload, w.parts, minio.PutObjectOptions{})
		if err == nil {
			return nil
		}
		if hasCode(err, minio.NoSuchUpload) && doubt {
			found, headErr := w.store.tokenOf(t, w.key)
			if headErr == nil && found == w.token {
				return nil
			}
			if headErr != nil && !isAbsent(headErr) {
				return headErr
			}
		}
		doubt = doubt || unknown(err)
		return err
	})
	if err == nil {
		w.upload = ""
	}
	return err
}

// Abort discards the object. Parts that were sent are removed from the bucket.
func (w *writer) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	w.cancel()
	return w.discard()
}

func (w *writer) discard() error {
	w.cancel()
	w.group.Wait()
	w.buf = nil
	if w.upload == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), abortTime)
	defer cancel()
	return w.store.abortUpload(ctx, w.key, w.upload)
}

func (s *Store) partBuffer() []byte {
	if b, ok := s.parts.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, s.opts.PartSize)
}

func (s *Store) freePart(b []byte) {
	if cap(b) == s.opts.PartSize {
		s.parts.Put(&b)
	}
}
