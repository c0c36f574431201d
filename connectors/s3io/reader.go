package s3io

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/minio/minio-go/v7"
)

// keepBlocks is how many read-ahead blocks a reader keeps.
const keepBlocks = 8

// Open opens an object for range requests. ctx governs the reads too. Small
// reads are fetched in blocks of Options.ReadAhead bytes and kept for neighbours.
func (s *Store) Open(ctx context.Context, name string) (storage.Reader, error) {
	key, err := s.key(name)
	if err != nil {
		return nil, err
	}
	info, err := s.stat(ctx, op{doing: "open", name: name}, key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	return &reader{store: s, ctx: ctx, cancel: cancel, name: name, key: key, info: info}, nil
}

type reader struct {
	store  *Store
	ctx    context.Context
	cancel context.CancelCauseFunc
	name   string
	key    string
	info   storage.Info

	mu     sync.Mutex
	blocks []*block // most recently used last
}

// block is one aligned piece of the object. Its bytes are set once ready is closed.
type block struct {
	index int64
	ready chan struct{}
	data  []byte
	err   error
}

func (r *reader) Size() int64 { return r.info.Size }

// Close ends reads in progress.
func (r *reader) Close() error {
	r.cancel(fs.ErrClosed)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks = nil
	return nil
}

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fault.Usagef("s3: read %s at the negative offset %d", r.name, off)
	}
	if off >= r.info.Size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	var atEnd error
	if rest := r.info.Size - off; int64(len(p)) > rest {
		p, atEnd = p[:rest], io.EOF
	}
	n, err := r.read(p, off)
	if err != nil {
		return n, err
	}
	return n, atEnd
}

// read fills p, which lies within the object.
func (r *reader) read(p []byte, off int64) (int, error) {
	size := int64(r.store.opts.ReadAhead)
	if size <= 0 || int64(len(p)) >= size {
		return r.fetch(p, off)
	}
	n := 0
	for n < len(p) {
		at := off + int64(n)
		b := r.block(at / size)
		if b.err != nil {
			return n, b.err
		}
		n += copy(p[n:], b.data[at-b.index*size:])
	}
	return n, nil
}

// block gives the block with that index. The first to ask fetches it; others
// wait. A block that failed is forgotten, so that the next read asks again.
func (r *reader) block(index int64) *block {
	b, fresh := r.claim(index)
	if !fresh {
		<-b.ready
		return b
	}
	size := int64(r.store.opts.ReadAhead)
	data := make([]byte, min(size, r.info.Size-index*size))
	_, b.err = r.fetch(data, index*size)
	b.data = data
	close(b.ready)
	if b.err != nil {
		r.forget(b)
	}
	return b
}

// claim finds a block or adds an empty one, which the caller must fill.
func (r *reader) claim(index int64) (b *block, fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, b := range r.blocks {
		if b.index == index {
			r.blocks = append(append(r.blocks[:i:i], r.blocks[i+1:]...), b)
			return b, false
		}
	}
	b = &block{index: index, ready: make(chan struct{})}
	r.blocks = append(r.blocks, b)
	if len(r.blocks) > keepBlocks {
		r.blocks = r.blocks[1:]
	}
	return b, true
}

func (r *reader) forget(b *block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.blocks {
		if r.blocks[i] == b {
			r.blocks = append(r.blocks[:i:i], r.blocks[i+1:]...)
			return
		}
	}
}

// fetch fills p with a ranged request, and with more for what a cut body left out.
func (r *reader) fetch(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	err := r.store.do(r.ctx, op{doing: "read", name: r.name}, func(t *try) error {
		got, err := r.fetchOnce(t, p[n:], off+int64(n))
		n += got
		if n == len(p) {
			return nil
		}
		return err
	})
	return n, truncated(err)
}

func (r *reader) fetchOnce(t *try, p []byte, off int64) (int, error) {
	opts := minio.GetObjectOptions{}
	if err := opts.SetRange(off, off+int64(len(p))-1); err != nil {
		return 0, err
	}
	if r.info.ETag != "" {
		if err := opts.SetMatchETag(r.info.ETag); err != nil {
			return 0, err
		}
	}
	body, info, _, err := r.store.core.GetObject(t.ctx, r.store.bucket, r.key, opts)
	switch {
	case isConditionFailed(err):
		return 0, fmt.Errorf("%w (it had ETag %s)", errChanged, r.info.ETag)
	case hasCode(err, "InvalidRange"):
		return 0, fmt.Errorf("%w: %w", errShrunk, storage.ErrTruncated)
	case err != nil:
		return 0, err
	}
	defer body.Close()
	if r.info.ETag != "" && info.ETag != "" && info.ETag != r.info.ETag {
		return 0, fmt.Errorf("%w (ETag %s, was %s)", errChanged, info.ETag, r.info.ETag)
	}
	if want := int64(len(p)); info.Size > want { // the range was not heeded
		return 0, fmt.Errorf("the server sent %d bytes where %d were asked for", info.Size, want)
	}
	n, err := io.ReadFull(t.download(body), p)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, cut(err, n, len(p))
}
