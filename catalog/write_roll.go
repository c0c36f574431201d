package catalog

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/parquetfile"
)

// bucketFiles writes one bucket's rows into one file after another.
type bucketFiles struct {
	w      *FileWriter
	bucket int
	pw     *parquetfile.Writer // of the open file, nil between files
	out    *object
	sealed DataFile
}

// path is the next file's location.
func (w *FileWriter) path(bucket int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	folder := "data"
	if bucket >= 0 {
		folder = fmt.Sprintf("data/bucket=%d", bucket)
	}
	return fmt.Sprintf("%s/%s/%s-%s-%05d.parquet", w.to.Location, folder, w.opts.EpochID, w.opts.Nonce, w.seq)
}

func (b *bucketFiles) open(ctx context.Context) error {
	out, err := b.w.lake.openObject(ctx, b.w.path(b.bucket))
	if err != nil {
		return err
	}
	if b.pw = b.w.takeWriter(); b.pw == nil {
		if b.pw, err = parquetfile.NewWriter(out, b.w.to.Spec.Schema, b.w.opts.Parquet); err != nil {
			return fmt.Errorf("write %s: %w", out.location, err)
		}
	}
	b.pw.Reset(out)
	b.out = out
	return nil
}

// takeWriter gives a writer whose buffers can be used again, or nil.
func (w *FileWriter) takeWriter() *parquetfile.Writer {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.writers)
	if n == 0 {
		return nil
	}
	pw := w.writers[n-1]
	w.writers = w.writers[:n-1]
	return pw
}

func (b *bucketFiles) write(ctx context.Context, rec arrow.RecordBatch) error {
	if b.pw == nil {
		if err := b.open(ctx); err != nil {
			return err
		}
	}
	if err := b.pw.Write(rec); err != nil {
		return fmt.Errorf("write %s: %w", b.out.location, err)
	}
	if b.pw.Size() >= b.w.opts.TargetBytes {
		return b.finish()
	}
	return ctx.Err()
}

// finish ends the open file, if there is one, and makes it visible.
func (b *bucketFiles) finish() error {
	if err := b.seal(); err != nil {
		return err
	}
	return b.publish()
}

// seal encodes the rest of the open file.
func (b *bucketFiles) seal() error {
	if b.pw == nil {
		return nil
	}
	stats, err := b.pw.Close()
	if err != nil {
		return fmt.Errorf("write %s: %w", b.out.location, err)
	}
	w := b.w
	w.mu.Lock()
	w.writers = append(w.writers, b.pw)
	w.mu.Unlock()
	b.pw = nil
	b.sealed = describeFile(b.out.location, stats)
	b.sealed.Bucket, b.sealed.Sorted = b.bucket, len(w.sort) > 0
	return nil
}

// publish makes the sealed file visible.
func (b *bucketFiles) publish() error {
	if b.out == nil {
		return nil
	}
	if err := b.out.close(); err != nil {
		return err
	}
	b.out = nil
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	b.w.files = append(b.w.files, b.sealed)
	return nil
}

// abort discards the open file, if there is one.
func (b *bucketFiles) abort() {
	if b.out != nil {
		b.out.abort()
		b.out, b.pw = nil, nil
	}
}
