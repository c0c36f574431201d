package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// colPlace numbers a row: its line, or the row of a Parquet file, above placeBits the file's number. What
// travels with millions of rows is this, and statementFile.place makes of it what people read.
const (
	colPlace  = "_place"
	placeBits = 40
)

// statementFile is the statement as a dataset.Reader. A file is one split, so that every row knows its line.
type statementFile struct {
	store   storage.Store
	glob    string
	format  string
	csv     csvio.Options
	schema  *arrow.Schema // of the file's columns that are used
	out     *arrow.Schema // and the place
	rejects storage.Store // where records go that cannot be read; nil refuses the first
	most    int64
	names   atomic.Pointer[[]string] // of the files, once they are planned: by several tasks at once, each alike
}

const rejectPrefix = "rejects/"

// openStatement settles what is read of the statement's files, and with which types.
func openStatement(ctx context.Context, o *Options, work storage.Store, scale int32) (*statementFile, error) {
	st := o.Statement
	store, glob, err := o.Stores.OpenObject(ctx, st.File)
	if err != nil {
		return nil, fmt.Errorf("statement %s: %w", st.File, err)
	}
	f := &statementFile{store: store, glob: glob, format: st.Format, csv: st.CSV, most: st.Quarantine}
	if st.Quarantine > 0 {
		f.rejects = work
	}
	if f.format == "" {
		if f.format, err = formatOf(glob); err != nil {
			return nil, err
		}
	}
	c := st.Right
	wanted := slices.Concat(c.Key, []string{c.Amount}, c.Show)
	for _, n := range []string{c.Currency, c.Date} {
		if n != "" {
			wanted = append(wanted, n)
		}
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	switch f.format {
	case "csv":
		f.schema = csvSchema(wanted, st, scale)
		f.csv.Schema, f.csv.Extra, f.csv.SplitBytes = f.schema, csvio.IgnoreExtra, math.MaxInt64
	case "parquet":
		whole, err := parquetio.Infer(ctx, store, glob, parquetio.Options{})
		if err != nil {
			return nil, fmt.Errorf("statement %s: %w", st.File, err)
		}
		if f.schema, err = pick(whole, wanted); err != nil {
			return nil, fmt.Errorf("statement %s: %w", st.File, err)
		}
	default:
		return nil, fault.Usagef("statement %s: format %q: want csv or parquet", st.File, f.format)
	}
	f.out = arrow.NewSchema(append(slices.Clone(f.schema.Fields()), arrow.Field{Name: colPlace, Type: arrow.PrimitiveTypes.Int64}), nil)
	return f, nil
}

func formatOf(name string) (string, error) {
	bare := name
	for _, ext := range []string{".gz", ".zst", ".zstd"} {
		bare = strings.TrimSuffix(bare, ext)
	}
	switch {
	case strings.HasSuffix(bare, ".csv"), strings.HasSuffix(bare, ".txt"), strings.HasSuffix(bare, ".tsv"):
		return "csv", nil
	case strings.HasSuffix(bare, ".parquet"):
		return "parquet", nil
	}
	return "", fault.Usagef("statement %s: its name does not say what it is; set the format to csv or parquet", name)
}

// csvSchema gives a CSV file's columns the types that a comparison needs. An amount is
// not null: a line without one is rejected.
func csvSchema(names []string, st *Statement, scale int32) *arrow.Schema {
	fields := make([]arrow.Field, len(names))
	for i, n := range names {
		fields[i] = arrow.Field{Name: n, Type: arrow.BinaryTypes.String, Nullable: true}
		switch n {
		case st.Right.Amount:
			fields[i].Type, fields[i].Nullable = &arrow.Decimal128Type{Precision: 38, Scale: scale}, false
		case st.Right.Date:
			fields[i].Type = arrow.FixedWidthTypes.Date32
		case st.Right.Currency:
			fields[i].Nullable = false
		}
	}
	return arrow.NewSchema(fields, nil)
}

func pick(schema *arrow.Schema, names []string) (*arrow.Schema, error) {
	fields := make([]arrow.Field, len(names))
	for i, n := range names {
		f, ok := schema.FieldsByName(n)
		if !ok {
			var have []string
			for _, f := range schema.Fields() {
				have = append(have, f.Name)
			}
			return nil, fault.Usagef("there is no column %q; there are %s", n, strings.Join(have, ", "))
		}
		fields[i] = f[0]
	}
	return arrow.NewSchema(fields, nil), nil
}

// describe lists the statement's files with their checksums.
func (f *statementFile) describe(ctx context.Context) ([]File, error) {
	out, err := describeFiles(ctx, f.store, f.glob)
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	return out, nil
}

// describeFiles lists files with their checksums.
func describeFiles(ctx context.Context, store storage.Store, glob string) ([]File, error) {
	found, err := files.Match(ctx, store, glob)
	if err != nil {
		return nil, err
	}
	out := make([]File, len(found))
	for i, info := range found {
		r, err := store.Open(ctx, info.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", info.Name, err)
		}
		sum := sha256.New()
		n, err := io.Copy(sum, io.NewSectionReader(r, 0, r.Size()))
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", info.Name, err)
		}
		out[i] = File{info.Name, n, hex.EncodeToString(sum.Sum(nil))}
	}
	return out, nil
}

// Ref does not open the statement elsewhere: runs are of this process.
func (f *statementFile) Ref() dataset.Ref {
	return dataset.Ref{Kind: "millrace.statement", Config: f.glob}
}

// Schema of the rows.
func (f *statementFile) Schema() *arrow.Schema { return f.out }

// Plan makes a split of each file.
func (f *statementFile) Plan(ctx context.Context) ([]dataset.Split, error) {
	var pieces []files.Split
	var err error
	if f.format == "csv" {
		pieces, err = csvio.Splits(ctx, f.store, f.glob, f.csv)
	} else {
		pieces, err = parquetio.Splits(ctx, f.store, f.glob, parquetio.Options{Schema: f.schema, SplitBytes: math.MaxInt64})
	}
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	names := make([]string, len(pieces))
	out := make([]dataset.Split, len(pieces))
	for i, p := range pieces {
		names[i] = p.Name
		data, err := json.Marshal(numbered{p, i})
		if err != nil {
			return nil, fmt.Errorf("statement: %w", err)
		}
		out[i] = dataset.Split{Bucket: -1, Rows: p.Rows, Bytes: p.Size, Data: data}
	}
	f.names.Store(&names)
	return out, nil
}

// Open reads one file.
func (f *statementFile) Open(ctx context.Context, split dataset.Split, batchRows int) (dataset.BatchReader, error) {
	var n numbered
	if err := json.Unmarshal(split.Data, &n); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	piece, p := n.Split, &placed{file: f, first: int64(n.Number) << placeBits}
	if f.format != "csv" {
		r, err := parquetio.Open(ctx, f.store, piece, parquetio.Options{Schema: f.schema, BatchRows: batchRows})
		if err != nil {
			return nil, fmt.Errorf("statement: %w", err)
		}
		p.rows = r
		return p, nil
	}
	opts := f.csv
	opts.BatchRows = batchRows
	if f.rejects != nil {
		p.kept = files.NewRejectFile(f.rejects, rejectPrefix+piece.Name+".ndjson")
		opts.OnReject = files.Limit(f.most, p.kept.Add)
	} else {
		opts.OnReject = func(_ context.Context, r files.Reject) error {
			return fault.Usagef("the statement is refused: correct the line, or allow some records to be quarantined")
		}
	}
	r, err := csvio.Open(ctx, f.store, piece, opts)
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	p.rows, p.lines = r, r.Lines
	return p, nil
}

// numbered is a file of the statement as a split.
type numbered struct {
	files.Split
	Number int `json:"number"`
}

// place is where a row stands, for people: file:line, or file row number.
func (f *statementFile) place(ref string) string {
	at, err := strconv.ParseInt(ref, 10, 64)
	names := f.names.Load()
	if err != nil || names == nil || at>>placeBits >= int64(len(*names)) {
		return ref
	}
	name, row := (*names)[at>>placeBits], strconv.FormatInt(at&(1<<placeBits-1), 10)
	if f.format == "csv" {
		return name + ":" + row
	}
	return name + " row " + row
}

// placed adds to each row where it stands.
type placed struct {
	file  *statementFile
	first int64 // of the file's places
	rows  dataset.BatchReader
	lines func() []int64 // nil counts rows
	n     int64
	kept  *files.RejectFile
}

func (p *placed) Next(ctx context.Context) (arrow.RecordBatch, error) {
	b, err := p.rows.Next(ctx)
	if errors.Is(err, io.EOF) && p.kept != nil {
		if closeErr := p.kept.Close(); closeErr != nil {
			return nil, closeErr
		}
	}
	if err != nil {
		return nil, err
	}
	defer b.Release()
	places := array.NewInt64Builder(memory.DefaultAllocator)
	defer places.Release()
	places.Reserve(int(b.NumRows()))
	if p.lines != nil {
		for _, line := range p.lines() {
			places.UnsafeAppend(p.first + line)
		}
	} else {
		for range b.NumRows() {
			p.n++
			places.UnsafeAppend(p.first + p.n)
		}
	}
	col := places.NewArray()
	defer col.Release()
	cols := make([]arrow.Array, 0, b.NumCols()+1)
	for _, f := range p.file.schema.Fields() {
		cols = append(cols, b.Column(b.Schema().FieldIndices(f.Name)[0]))
	}
	return array.NewRecordBatch(p.file.out, append(cols, col), b.NumRows()), nil
}

func (p *placed) Close() error {
	err := p.rows.Close()
	if p.kept != nil {
		err = errors.Join(err, p.kept.Abort())
	}
	return err
}

// quarantined counts the records that were set aside, and gives the first.
func quarantined(ctx context.Context, work storage.Store) (n int64, first string, err error) {
	for info, err := range work.List(ctx, rejectPrefix) {
		if err != nil {
			return n, first, fmt.Errorf("quarantine: %w", err)
		}
		data, err := work.Get(ctx, info.Name)
		if err != nil {
			return n, first, fmt.Errorf("quarantine: %w", err)
		}
		for line := range strings.Lines(string(data)) {
			n++
			if first != "" {
				continue
			}
			var r files.Reject
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				return n, first, fmt.Errorf("quarantine: %w", err)
			}
			first = r.String()
		}
	}
	return n, first, nil
}
