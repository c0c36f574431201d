package reconcile

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/connectors/xlsxio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/storage"
)

// The files of breaks that a rule file may ask for.
const (
	breaksParquet = "breaks.parquet"
	breaksXLSX    = "breaks.xlsx"
	breaksJSON    = "breaks.ndjson"
)

// breakFile is a file of breaks that is being written.
type breakFile interface {
	add(b *ruleBreak) error
	finish() error // once all breaks are added
}

// breakFiles are the files of a run's breaks: breaks.csv, what else the rules ask for, and the page. Close ends them or, before finish, drops them.
type breakFiles struct {
	files []breakFile
	open  []storage.Writer
}

// openBreaks begins the files. Files that were asked for once, and are not any more, are deleted.
func openBreaks(ctx context.Context, out storage.Store, o *RulesOptions, page *page, scale int) (*breakFiles, error) {
	all := &breakFiles{files: []breakFile{page}}
	wanted := map[string]bool{}
	for _, r := range o.Rules.Reports {
		wanted[r] = true
	}
	for _, f := range []struct {
		name string
		yes  bool
		make func(storage.Writer) (breakFile, error)
	}{
		{breaksName, true, newBreakCSV},
		{breaksJSON, wanted[rulefile.ReportJSON], func(w storage.Writer) (breakFile, error) { return &breakLines{bufio.NewWriter(w)}, nil }},
		{breaksParquet, wanted[rulefile.ReportParquet], func(w storage.Writer) (breakFile, error) { return newBreakParquet(w, scale) }},
		{breaksXLSX, wanted[rulefile.ReportXLSX], func(w storage.Writer) (breakFile, error) { return newBreakBook(w, page) }},
	} {
		if !f.yes {
			if err := out.Delete(ctx, f.name); err != nil {
				all.abort()
				return nil, err
			}
			continue
		}
		w, err := out.Create(ctx, f.name)
		if err != nil {
			all.abort()
			return nil, err
		}
		all.open = append(all.open, w)
		file, err := f.make(w)
		if err != nil {
			all.abort()
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		all.files = append(all.files, file)
	}
	return all, nil
}

func (a *breakFiles) add(b *ruleBreak) error {
	for _, f := range a.files {
		if err := f.add(b); err != nil {
			return err
		}
	}
	return nil
}

// close makes the files visible.
func (a *breakFiles) close() error {
	for _, f := range a.files {
		if err := f.finish(); err != nil {
			return err
		}
	}
	for _, w := range a.open {
		if err := w.Close(); err != nil {
			return err
		}
	}
	return nil
}

// abort drops what was not made visible.
func (a *breakFiles) abort() {
	for _, w := range a.open {
		w.Abort()
	}
}

// breakCSV is breaks.csv: texts are those of the sources, exactly, also where they begin like a formula, because scripts rely on them.
type breakCSV struct{ *csv.Writer }

func newBreakCSV(w storage.Writer) (breakFile, error) {
	f := breakCSV{csv.NewWriter(bufio.NewWriterSize(w, 256<<10))}
	return f, f.Write(ruleBreakHeader)
}

func (f breakCSV) add(b *ruleBreak) error { return f.Write(b.fields()) }

func (f breakCSV) finish() error {
	f.Flush()
	return f.Error()
}

// breakLines is breaks.ndjson: a break a line, with the columns of breaks.csv; rows are objects, and what is blank is left out.
type breakLines struct{ *bufio.Writer }

func (f *breakLines) add(b *ruleBreak) error {
	f.WriteByte('{')
	first := true
	for i, v := range b.fields() {
		if v == "" {
			continue
		}
		if !first {
			f.WriteByte(',')
		}
		first = false
		name := ruleBreakHeader[i]
		fmt.Fprintf(f, "%q:", name)
		if name == "row_left" || name == "row_right" {
			f.WriteString(v) // JSON already
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		f.Write(text)
	}
	_, err := f.WriteString("}\n")
	return err
}

func (f *breakLines) finish() error { return f.Flush() }

// breakParquet is breaks.parquet: amounts are decimals, days and counts integers, all else text.
type breakParquet struct {
	file  *parquetfile.Writer
	b     *array.RecordBuilder
	scale int
	rows  int
}

// decimals and whole are the columns of breaks that are no texts.
var (
	decimals = map[string]bool{"amount_left": true, "amount_right": true, "difference": true, "over": true}
	whole    = map[string]bool{"days": true, "rows_left": true, "rows_right": true, "similarity": true, "age_days": true}
)

func newBreakParquet(w storage.Writer, scale int) (breakFile, error) {
	var fields []arrow.Field
	for _, name := range ruleBreakHeader {
		f := arrow.Field{Name: name, Type: utf8, Nullable: true}
		switch {
		case decimals[name]:
			f.Type = &arrow.Decimal128Type{Precision: 38, Scale: int32(scale)}
		case whole[name]:
			f.Type = bigint
		}
		fields = append(fields, f)
	}
	schema := arrow.NewSchema(fields, nil)
	file, err := parquetfile.NewWriter(w, schema, parquetfile.WriterOptions{})
	if err != nil {
		return nil, err
	}
	return &breakParquet{file: file, b: array.NewRecordBuilder(memory.DefaultAllocator, schema), scale: scale}, nil
}

func (f *breakParquet) add(b *ruleBreak) error {
	for i, v := range b.fields() {
		if v == "" {
			f.b.Field(i).AppendNull()
			continue
		}
		switch c := f.b.Field(i).(type) {
		case *array.Decimal128Builder:
			d, err := money.Parse(v)
			if err == nil {
				d, err = d.RescaleExact(f.scale)
			}
			if err != nil {
				return fmt.Errorf("break %s: %s: %w", b.ID, ruleBreakHeader[i], err)
			}
			c.Append(num(d))
		case *array.Int64Builder:
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return fmt.Errorf("break %s: %s: %w", b.ID, ruleBreakHeader[i], err)
			}
			c.Append(n)
		case *array.StringBuilder:
			c.Append(v)
		}
	}
	if f.rows++; f.rows%matchRows == 0 {
		return f.flush()
	}
	return nil
}

func (f *breakParquet) flush() error {
	b := f.b.NewRecordBatch()
	defer b.Release()
	return f.file.Write(b)
}

func (f *breakParquet) finish() error {
	defer f.b.Release()
	if f.rows%matchRows != 0 {
		if err := f.flush(); err != nil {
			return err
		}
	}
	_, err := f.file.Close()
	return err
}

// breakBook is breaks.xlsx.
type breakBook struct {
	book  *xlsxio.Workbook
	sheet *xlsxio.Sheet
	cells []xlsxio.Cell
}

// newBreakBook writes the sheets that are known before the breaks: the run and its totals.
func newBreakBook(w storage.Writer, p *page) (breakFile, error) {
	f := &breakBook{book: xlsxio.New(w)}
	run, err := f.book.Sheet("run", []string{"what", "value"}, 24, 80)
	if err != nil {
		return nil, err
	}
	text := xlsxio.Text
	rows := [][]xlsxio.Cell{{text("rules"), text(p.Rules)}, {text("verdict"), text(string(p.Verdict))}, {text("reason"), text(p.Reason)}, {text("as of"), text(p.AsOf)},
		{text("run"), text(p.Run)}, {text("SHA-256 of the rule file"), text(p.SHA256)}, {text("matches"), xlsxio.Int(p.Matched)}, {text("breaks"), xlsxio.Int(p.Total)}}
	for _, s := range p.Sides {
		rows = append(rows, []xlsxio.Cell{text("rows of " + s.Name), xlsxio.Int(s.Rows)})
		for _, file := range s.Files {
			rows = append(rows, []xlsxio.Cell{text("file of " + s.Name), text(file.Name + ", SHA-256 " + file.SHA256)})
		}
		if s.Database != "" {
			rows = append(rows, []xlsxio.Cell{text("query of " + s.Name), text(s.Database)})
		}
		if s.Table != "" {
			rows = append(rows, []xlsxio.Cell{text("table of " + s.Name), text(fmt.Sprintf("%s, snapshot %d", s.Table, s.Snapshot))})
		}
	}
	for _, r := range rows {
		if err := run.Row(r...); err != nil {
			return nil, err
		}
	}
	totals, err := f.book.Sheet("totals", []string{"leg", "currency", "left rows", "right rows", "left", "right", "within tolerances", "in breaks", "unexplained"}, 24, 10, 12, 12, 22, 22, 18, 18, 14)
	if err != nil {
		return nil, err
	}
	for _, l := range p.Legs {
		for _, c := range l.Controls {
			if err := totals.Row(text(l.Name), text(c.Currency), xlsxio.Int(c.LeftRows), xlsxio.Int(c.RightRows), xlsxio.Number(c.Left), xlsxio.Number(c.Right),
				xlsxio.Number(c.Matched), xlsxio.Number(c.Breaks), xlsxio.Number(c.Unexplained)); err != nil {
				return nil, err
			}
		}
	}
	f.sheet, err = f.book.Sheet("breaks", ruleBreakHeader, 34, 16, 8, 14, 24, 18, 18, 18)
	return f, err
}

func (f *breakBook) add(b *ruleBreak) error {
	f.cells = f.cells[:0]
	for i, v := range b.fields() {
		name := ruleBreakHeader[i]
		if v == "" || !decimals[name] && !whole[name] {
			f.cells = append(f.cells, xlsxio.Text(v))
			continue
		}
		d, err := money.Parse(v)
		if err != nil {
			return fmt.Errorf("break %s: %s: %w", b.ID, name, err)
		}
		f.cells = append(f.cells, xlsxio.Number(d))
	}
	return f.sheet.Row(f.cells...)
}

func (f *breakBook) finish() error { return f.book.Close() }
