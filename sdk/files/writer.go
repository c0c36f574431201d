package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// Defaults of WriterOptions.
const (
	DefaultFileBytes = 256 << 20
	DefaultFileRows  = 16 << 20
)

// sliceRows is how many rows are written before a file's size is looked at.
const sliceRows = 4096

// Encoder writes batches in one format to one file.
type Encoder interface {
	// Write adds a batch, which is not kept.
	Write(batch arrow.RecordBatch) error
	// Close ends the file. It does not close the writer below.
	Close() error
}

// Format starts files of one format. Each call makes an encoder that writes to w.
type Format func(w io.Writer, schema *arrow.Schema) (Encoder, error)

// WriterOptions says when a file ends and the next begins.
type WriterOptions struct {
	// MaxBytes ends a file once it has so many bytes, as stored; DefaultFileBytes by default.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// MaxRows ends a file at so many rows; DefaultFileRows by default.
	MaxRows int64 `json:"max_rows,omitempty"`
	// Compression of the files as a whole; Auto is none here. Not for Parquet, which compresses inside.
	Compression Compression `json:"compression,omitempty"`
}

// Check reports a fault.Usage.
func (o WriterOptions) Check() error {
	if o.MaxBytes < 0 || o.MaxRows < 0 {
		return fault.Usagef("files of %d bytes and %d rows: want limits above 0, or 0 for the defaults", o.MaxBytes, o.MaxRows)
	}
	return o.Compression.Check()
}

// FileInfo describes one finished file.
type FileInfo struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`  // as stored
	SHA256 string `json:"sha256"` // of the bytes as stored, in hexadecimal
}

// Writer writes batches as a set of files, <base>-00000<ext>, <base>-00001<ext>,
// and so on. A file becomes visible when the next begins or the writer is
// closed. It is not safe for concurrent use.
type Writer struct {
	store  storage.Store
	schema *arrow.Schema
	format Format
	base   string
	ext    string
	opts   WriterOptions

	file  *file
	files []FileInfo
	err   error
	done  bool
}

// NewWriter starts a set of files. ext is the format's ending, such as ".csv"; the
// compression's is added. A set without rows still has one file, which says the schema.
func NewWriter(store storage.Store, base, ext string, schema *arrow.Schema, format Format, opts WriterOptions) (*Writer, error) {
	if err := opts.Check(); err != nil {
		return nil, err
	}
	if err := storage.CheckName(base); err != nil {
		return nil, err
	}
	if opts.Compression == Auto {
		opts.Compression = None
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultFileBytes
	}
	if opts.MaxRows == 0 {
		opts.MaxRows = DefaultFileRows
	}
	return &Writer{store: store, schema: schema, format: format, base: base, ext: ext + opts.Compression.Ext(), opts: opts}, nil
}

// Write adds a batch of the writer's schema. The batch is not kept. After an error the writer is of no more use.
func (w *Writer) Write(ctx context.Context, batch arrow.RecordBatch) error {
	if w.done {
		return fmt.Errorf("write %s: %w", w.base, fs.ErrClosed)
	}
	if w.err != nil {
		return w.err
	}
	w.err = w.write(ctx, batch)
	return w.err
}

func (w *Writer) write(ctx context.Context, batch arrow.RecordBatch) error {
	if !batch.Schema().Equal(w.schema) {
		return fault.Usagef("write %s: the batch has the schema (%s), the files (%s)", w.base, batch.Schema(), w.schema)
	}
	for from := int64(0); from < batch.NumRows(); {
		if w.file == nil {
			if err := w.begin(ctx); err != nil {
				return err
			}
		}
		to := min(batch.NumRows(), from+sliceRows, from+w.opts.MaxRows-w.file.rows)
		if err := w.file.add(batch, from, to); err != nil {
			return fmt.Errorf("write %s in %s: %w", w.file.name, w.store.URL(), err)
		}
		from = to
		if w.file.rows >= w.opts.MaxRows || w.file.bytes() >= w.opts.MaxBytes {
			if err := w.end(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close ends the last file and describes them all.
func (w *Writer) Close(ctx context.Context) (Manifest, error) {
	if w.done {
		return Manifest{}, fmt.Errorf("close %s: %w", w.base, fs.ErrClosed)
	}
	if w.err == nil && w.file == nil && len(w.files) == 0 {
		w.err = w.begin(ctx)
	}
	if w.err == nil && w.file != nil {
		w.err = w.end()
	}
	if w.err != nil {
		return Manifest{}, errors.Join(w.err, w.Abort())
	}
	w.done = true
	return newManifest(w.schema, w.files), nil
}

// Abort discards the file in progress. Files that ended before stay; their names
// are known from the base, and another writer of the same base replaces them. It is a no-op after Close.
func (w *Writer) Abort() error {
	w.done = true
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return f.out.Abort()
}

func (w *Writer) begin(ctx context.Context) error {
	name := fmt.Sprintf("%s-%05d%s", w.base, len(w.files), w.ext)
	out, err := w.store.Create(ctx, name)
	if err != nil {
		return err
	}
	f := &file{name: name, out: out, sum: sha256.New()}
	if f.comp, err = compress(f, w.opts.Compression); err == nil {
		f.enc, err = w.format(f.comp, w.schema)
	}
	if err != nil {
		return errors.Join(err, out.Abort())
	}
	w.file = f
	return nil
}

func (w *Writer) end() error {
	f := w.file
	w.file = nil
	if err := f.close(); err != nil {
		return errors.Join(fmt.Errorf("finish %s in %s: %w", f.name, w.store.URL(), err), f.out.Abort())
	}
	w.files = append(w.files, FileInfo{Name: f.name, Rows: f.rows, Bytes: f.size, SHA256: hex.EncodeToString(f.sum.Sum(nil))})
	return nil
}

// file is one file in progress. As an io.Writer it takes the bytes that are stored.
type file struct {
	name string
	out  storage.Writer
	sum  hash.Hash
	comp io.WriteCloser
	enc  Encoder
	rows int64
	size int64
}

func (f *file) Write(p []byte) (int, error) {
	n, err := f.out.Write(p)
	f.sum.Write(p[:n])
	f.size += int64(n)
	return n, err
}

// sizer is an encoder that knows its size before it has written all of it.
type sizer interface{ Size() int64 }

func (f *file) bytes() int64 {
	if s, ok := f.enc.(sizer); ok {
		return max(f.size, s.Size())
	}
	return f.size
}

func (f *file) add(batch arrow.RecordBatch, from, to int64) error {
	part := batch
	if from > 0 || to < batch.NumRows() {
		part = batch.NewSlice(from, to)
		defer part.Release()
	}
	f.rows += to - from
	return f.enc.Write(part)
}

func (f *file) close() error {
	if err := f.enc.Close(); err != nil {
		return err
	}
	if err := f.comp.Close(); err != nil {
		return err
	}
	return f.out.Close()
}
