package statementio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/storage"
)

// detectBytes is how much of a file its format is told by.
const detectBytes = 4096

// Splits makes a split of each file that glob matches, in the language of storage.Glob.
func Splits(ctx context.Context, store storage.Store, glob string, opts Options) ([]files.Split, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	return files.WholeSplits(ctx, store, glob)
}

// Report is what a file says beside its rows.
type Report struct {
	statement.File
	Ended bool `json:"ended"` // the file was read to its end
}

// Reader reads one file as record batches. It is used by one goroutine.
type Reader struct {
	name   string
	opts   Options
	source *source
	dec    statement.Decoder
	batch  *batcher
	lines  []int64
	counts files.Counts
	ctx    context.Context // of the call of Next, for the handler of rejects
	entry  statement.Entry
	ended  bool
	err    error
}

// Open reads a file that Splits planned, with the same options. Close the reader.
func Open(ctx context.Context, store storage.Store, split files.Split, opts Options) (*Reader, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	schema, err := files.Project(opts.schema(), opts.Columns)
	if err != nil {
		return nil, err
	}
	r := &Reader{name: split.Name, opts: opts, ctx: ctx}
	if r.batch, err = newBatcher(schema, opts.scale()); err != nil {
		return nil, fault.Mark(fault.Usage, fmt.Errorf("read %s: %w", split.Name, err))
	}
	if err := r.open(ctx, store, split); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", split.Name, err), r.Close())
	}
	return r, nil
}

func (r *Reader) open(ctx context.Context, store storage.Store, split files.Split) error {
	var err error
	if r.source, err = openSource(ctx, store, split, r.opts.Compression); err != nil {
		return err
	}
	format := r.opts.Format
	if format == "" {
		head, err := r.source.Peek(detectBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if format = Detect(head); format == "" {
			return fault.Usagef("its first bytes %q are of no format that is known; set the format", statement.Short(head))
		}
	}
	opts := r.opts.decoding(split.Name)
	if r.opts.OnReject != nil {
		opts.OnQuarantine = r.reject
	}
	if r.opts.OnStatement != nil {
		opts.OnStatement = func(s *statement.Statement) error { return r.opts.OnStatement(split.Name, s) }
	}
	r.dec, err = decoders[format](r.source, opts, &r.opts)
	return err
}

// reject hands a quarantined record on.
func (r *Reader) reject(q statement.Quarantine) error {
	r.counts.Rejects++
	return r.opts.OnReject(r.ctx, files.Reject{File: q.File, Offset: q.Offset, Line: q.Line, Reason: q.Reason, Raw: q.Raw})
}

// Schema is the batches' schema.
func (r *Reader) Schema() *arrow.Schema { return r.batch.schema }

// Counts says what was read so far. Bytes are those of the file, decompressed.
func (r *Reader) Counts() files.Counts {
	c := r.counts
	c.Records = c.Rows + c.Rejects
	if r.dec != nil {
		c.Bytes = r.dec.File().Bytes
	}
	return c
}

// Report is what the file has said so far: all that it says once Next returned io.EOF.
func (r *Reader) Report() Report {
	if r.dec == nil {
		return Report{}
	}
	return Report{r.dec.File(), r.ended}
}

// Lines are the numbers, from 1, of the lines on which the records of the last batch's rows begin. They are valid until
// the next call of Next.
func (r *Reader) Lines() []int64 { return r.lines }

// Next returns the next batch, which the caller releases, or io.EOF.
func (r *Reader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.ctx = ctx
	rows := r.opts.BatchRows
	if rows == 0 {
		rows = DefaultBatchRows
	}
	r.lines = r.lines[:0]
	for r.batch.rows < rows && r.err == nil {
		r.err = r.row(ctx)
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		r.err = fmt.Errorf("read %s: %w", r.name, r.err)
		return nil, r.err
	}
	if r.err != nil {
		r.ended = true
	}
	if r.batch.rows == 0 {
		return nil, r.err
	}
	return r.batch.batch(), nil
}

// row adds one entry to the batch.
func (r *Reader) row(ctx context.Context) error {
	if err := r.dec.Next(&r.entry); err != nil {
		return err
	}
	amount, err := r.batch.amount(&r.entry)
	if err != nil {
		return r.counts.Rejected(ctx, r.opts.OnReject, files.Reject{File: r.name, Offset: r.entry.Offset, Line: r.entry.Line, Reason: err.Error()})
	}
	r.batch.add(&r.entry, amount, r.name)
	r.lines = append(r.lines, r.entry.Line)
	r.counts.Rows++
	return nil
}

// Close frees what the reader holds. It may be called early and more than once.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	if r.batch != nil && r.batch.build != nil {
		r.batch.build.Release()
		r.batch.build = nil
	}
	if r.source == nil {
		return nil
	}
	s := r.source
	r.source = nil
	return s.close()
}

// source is a file's bytes, decompressed.
type source struct {
	*bufio.Reader
	close func() error
}

func openSource(ctx context.Context, store storage.Store, split files.Split, c files.Compression) (*source, error) {
	in, err := files.OpenWhole(ctx, store, split, c)
	if err != nil {
		return nil, err
	}
	return &source{bufio.NewReaderSize(in, 64<<10), in.Close}, nil
}
