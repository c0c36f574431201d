package csvio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// batchBytes ends a batch of long texts before it has Options.BatchRows.
const batchBytes = 8 << 20

// Reader reads one split as record batches. It is used by one goroutine.
type Reader struct {
	split  files.Split
	opts   Options
	source *source
	scan   *scanner
	parse  *files.Parser
	schema *arrow.Schema
	places []int // of the file's fields in the row; -1 where a field is not read
	line   int64 // of the next record; 0 where it is not known
	counts files.Counts
	lines  []int64 // of the batch's rows

	out     []field
	scratch []byte
	latin   []byte
	bytes   int // of records in the batch so far
	err     error
}

// Open reads a split that Splits planned, with the same options. Close the reader.
func Open(ctx context.Context, store storage.Store, split files.Split, opts Options) (*Reader, error) {
	d, err := opts.dialect()
	if err != nil {
		return nil, err
	}
	if opts.Schema == nil {
		return nil, fault.Usagef("read %s: no schema; infer one with csvio.Infer, once for all splits", split.Name)
	}
	schema, err := files.Project(opts.Schema, opts.Columns)
	if err != nil {
		return nil, err
	}
	r := &Reader{split: split, opts: opts, schema: schema}
	if r.parse, err = files.NewParser(schema, opts.Text); err != nil {
		return nil, err
	}
	if r.source, err = open(ctx, store, split, opts); err != nil {
		r.parse.Release()
		return nil, err
	}
	if err := r.begin(ctx, d); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s in %s: %w", split, store.URL(), err), r.Close())
	}
	return r, nil
}

// begin finds the columns and the split's first record.
func (r *Reader) begin(ctx context.Context, d dialect) error {
	head, err := r.source.from(ctx, 0)
	if err != nil {
		return err
	}
	s := newScanner(head, d, 0)
	names, lines, err := s.header(r.opts)
	if err != nil {
		return err
	}
	if r.places, err = r.match(names); err != nil {
		return err
	}
	if r.split.From == 0 {
		r.scan, r.line = s, lines+1
		return nil
	}
	at := r.split.From
	if d.oneLine {
		at-- // the byte before tells whether a line begins at the border
	}
	body, err := r.source.from(ctx, at)
	if err != nil {
		return err
	}
	first := s.off
	r.scan = newScanner(body, d, at)
	if d.oneLine {
		if err := r.scan.seekLine(); err != nil {
			return err
		}
	}
	for r.scan.off < first { // a border inside the header
		if _, err := r.scan.one(); err != nil {
			return ignoreEOF(err)
		}
	}
	return nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// header reads what comes before the first row: names is nil if the file does not name its columns.
func (s *scanner) header(opts Options) (names []string, lines int64, err error) {
	if err := s.dropMark(); err != nil {
		return nil, 0, err
	}
	if err := s.preamble(opts); err != nil {
		return nil, 0, err
	}
	lines = int64(opts.SkipLines)
	if opts.NoHeader {
		return nil, lines, nil
	}
	rec, err := s.next()
	if errors.Is(err, io.EOF) {
		return nil, lines, nil // an empty file has no rows either
	}
	if err != nil {
		return nil, 0, err
	}
	if rec.bad != "" {
		return nil, 0, fmt.Errorf("%w: the header: %s", files.ErrCorrupt, rec.bad)
	}
	fields, _, err := s.fields(rec.raw, nil, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: the header: %w", files.ErrCorrupt, err)
	}
	for _, f := range fields {
		text := bytes.TrimSpace(f.text)
		if s.latin1 {
			text = appendLatin1(nil, text)
		}
		names = append(names, string(text))
	}
	return names, lines + rec.lines + s.blankLines(), nil
}

// dropMark passes over a byte order mark.
func (s *scanner) dropMark() error {
	for !s.eof && len(s.held()) < 3 {
		s.more()
	}
	if s.err != nil {
		return s.err
	}
	if !s.latin1 && bytes.HasPrefix(s.held(), []byte("\xef\xbb\xbf")) {
		s.pos += 3
		s.off += 3
	}
	return nil
}

// match finds each of the file's fields in the row.
func (r *Reader) match(names []string) ([]int, error) {
	all := r.opts.Schema
	if names == nil {
		names = make([]string, all.NumFields())
		for i, f := range all.Fields() {
			names[i] = f.Name
		}
	}
	places := make([]int, len(names))
	var extra []string
	seen := map[string]bool{}
	for i, name := range names {
		if seen[name] {
			return nil, fault.Usagef("the header has the column %q twice", name)
		}
		seen[name] = true
		places[i] = -1
		if len(all.FieldIndices(name)) == 0 {
			extra = append(extra, strconv.Quote(name))
		} else if at := r.schema.FieldIndices(name); len(at) > 0 {
			places[i] = at[0]
		}
	}
	if extra != nil && r.opts.Extra == RefuseExtra {
		return nil, fault.Usagef("the header has columns that the schema does not: %s; add them, or ignore extra columns", strings.Join(extra, ", "))
	}
	var missing []string
	for _, f := range r.schema.Fields() {
		if !seen[f.Name] {
			missing = append(missing, strconv.Quote(f.Name))
		}
	}
	if missing != nil {
		return nil, fault.Usagef("the header (%s) lacks the columns %s", strings.Join(names, ", "), strings.Join(missing, ", "))
	}
	return places, nil
}

// project is the schema's columns in the order asked for.
// Schema is the batches' schema.
func (r *Reader) Schema() *arrow.Schema { return r.schema }

// Counts says what was read so far.
func (r *Reader) Counts() files.Counts { return r.counts }

// Next returns the next batch, which the caller releases, or io.EOF.
func (r *Reader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows := r.opts.BatchRows
	if rows == 0 {
		rows = DefaultBatchRows
	}
	r.bytes, r.lines = 0, r.lines[:0]
	for r.parse.Rows() < rows && r.bytes < batchBytes {
		if r.err = r.row(ctx); r.err != nil {
			break
		}
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		r.err = fmt.Errorf("read %s: %w", r.split, r.err)
		return nil, r.err
	}
	if r.parse.Rows() == 0 {
		return nil, r.err
	}
	return r.parse.Batch(), nil
}

// Lines are the numbers, from 1, of the lines on which the rows of the last batch
// begin; 0 where they are not known (in a split that does not begin the file). They are valid until the next call of Next.
func (r *Reader) Lines() []int64 { return r.lines }

// row reads one record, good or bad.
func (r *Reader) row(ctx context.Context) error {
	if r.scan.off >= r.split.To && !r.source.compressed {
		return io.EOF
	}
	rec, err := r.scan.next()
	if err != nil {
		return err
	}
	if rec.offset >= r.split.To && !r.source.compressed { // blank lines led over the border
		return io.EOF
	}
	r.counts.Records++
	r.counts.Bytes += int64(len(rec.raw))
	r.bytes += len(rec.raw)
	line := r.advance(rec.lines)
	bad := rec.bad
	if bad == "" {
		if err := r.values(rec.raw); err != nil {
			bad = err.Error()
		}
	}
	if bad == "" {
		r.counts.Rows++
		r.lines = append(r.lines, line)
		return nil
	}
	return r.counts.Rejected(ctx, r.opts.OnReject, files.Reject{File: r.split.Name, Offset: rec.offset, Line: line, Reason: bad, Raw: rec.raw})
}

// advance counts lines and returns the record's first.
func (r *Reader) advance(lines int64) int64 {
	blank := r.scan.blankLines()
	if r.line == 0 {
		return 0
	}
	line := r.line + blank
	r.line = line + lines
	return line
}

// values parses a record into a row.
func (r *Reader) values(raw []byte) error {
	var err error
	if r.out, r.scratch, err = r.scan.fields(raw, r.out[:0], r.scratch[:0]); err != nil {
		return err
	}
	if len(r.out) != len(r.places) {
		return fmt.Errorf("%d fields where %d were expected", len(r.out), len(r.places))
	}
	r.parse.Begin()
	r.latin = r.latin[:0]
	for i, f := range r.out {
		if to := r.places[i]; to >= 0 {
			if err := r.value(to, f); err != nil {
				return err
			}
		}
	}
	return r.parse.Add()
}

func (r *Reader) value(to int, f field) error {
	if (!f.quoted || !r.parse.IsText(to)) && r.scan.nulls[string(f.text)] {
		return r.parse.Null(to)
	}
	text := f.text
	if r.scan.latin1 && !isASCII(text) {
		start := len(r.latin)
		r.latin = appendLatin1(r.latin, text)
		text = r.latin[start:]
	}
	return r.parse.Text(to, text)
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// appendLatin1 appends ISO 8859-1 text as UTF-8.
func appendLatin1(dst, text []byte) []byte {
	for _, c := range text {
		if c < 0x80 {
			dst = append(dst, c)
		} else {
			dst = append(dst, 0xc0|c>>6, 0x80|c&0x3f)
		}
	}
	return dst
}

// Close frees what the reader holds. It may be called early and more than once.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	if r.source == nil {
		return nil
	}
	src := r.source
	r.source = nil
	r.parse.Release()
	return src.close()
}
