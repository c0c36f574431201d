package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/files"
)

// grid holds rows as texts.
type grid struct {
	fields []arrow.Field
	rows   [][]cell
	more   bool // there are rows that were not read
}

// cell is a value as a text.
type cell struct {
	text string
	null bool
}

// errEnough ends a scan.
var errEnough = errors.New("enough rows")

// readGrid reads rows of a table: those that pass the filter, at most limit, of the columns (nil: all).
func readGrid(ctx context.Context, lake *catalog.Lake, t *catalog.Table, whole *arrow.Schema, filter expr.Expr, columns []string, limit int) (*grid, error) {
	plan, err := t.PlanScan(ctx, catalog.ScanOptions{Columns: columns, Filter: filter})
	if err != nil {
		return nil, err
	}
	g := &grid{fields: plan.Schema.Fields()}
	batch := 4096
	if filter == nil && limit > 0 {
		batch = min(batch, limit+1)
	}
	for _, sp := range plan.Splits {
		in, err := lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{Filter: filter, Table: whole, BatchRows: batch, PrefetchBytes: 8 << 20})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", t.Name(), err)
		}
		err = catalog.EachBatch(ctx, in, func(b arrow.RecordBatch) error { return g.add(b, limit) })
		if errors.Is(err, errEnough) {
			return g, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", t.Name(), err)
		}
	}
	return g, nil
}

func (g *grid) add(b arrow.RecordBatch, limit int) error {
	for i := range int(b.NumRows()) {
		if limit > 0 && len(g.rows) == limit {
			g.more = true
			return errEnough
		}
		row := make([]cell, b.NumCols())
		for c := range row {
			var err error
			if row[c], err = cellOf(b.Column(c), i); err != nil {
				return fmt.Errorf("column %s: %w", b.ColumnName(c), err)
			}
		}
		g.rows = append(g.rows, row)
	}
	return nil
}

// cellOf is a value as a text: numbers exact, times in RFC 3339.
func cellOf(col arrow.Array, i int) (cell, error) {
	if col.IsNull(i) {
		return cell{null: true}, nil
	}
	if col.DataType().ID() == arrow.BINARY {
		return cell{text: col.ValueStr(i)}, nil
	}
	text, err := files.AppendValue(nil, col, i)
	return cell{text: string(text)}, err
}

// show is the text for a person: no control characters, no longer than fits beside others.
func (c cell) show() string {
	if c.null {
		return "null"
	}
	const longest = 80
	var b strings.Builder
	n := 0
	for _, r := range c.text {
		if n++; n > longest {
			b.WriteRune('…')
			break
		}
		b.WriteString(visible(r))
	}
	return b.String()
}

// visible writes a character that would do something to a terminal as its code.
func visible(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == '\r':
		return `\r`
	case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return string(r)
}

// width is how many columns of a terminal a text takes.
func width(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff ||
			r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd):
			n += 2
		default:
			n++
		}
	}
	return n
}

// numeric reports whether values stand to the right.
func numeric(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.INT64, arrow.INT32, arrow.DECIMAL128, arrow.FLOAT64:
		return true
	}
	return false
}

// print writes the rows in aligned columns.
func (g *grid) print(w io.Writer) error {
	widths := make([]int, len(g.fields))
	texts := make([][]string, 0, len(g.rows)+1)
	head := make([]string, len(g.fields))
	for c, f := range g.fields {
		head[c] = cell{text: f.Name}.show()
	}
	texts = append(texts, head)
	for _, row := range g.rows {
		line := make([]string, len(row))
		for c := range row {
			line[c] = row[c].show()
		}
		texts = append(texts, line)
	}
	for _, line := range texts {
		for c, t := range line {
			widths[c] = max(widths[c], width(t))
		}
	}
	var b bytes.Buffer
	if total := 2 * len(widths); len(g.rows) == 1 && total+sum(widths) > 110 {
		return g.printRecord(w, texts[1])
	}
	for _, line := range texts {
		start := b.Len()
		for c, t := range line {
			pad := strings.Repeat(" ", widths[c]-width(t))
			if c > 0 {
				b.WriteString("  ")
			}
			if numeric(g.fields[c].Type) {
				b.WriteString(pad + t)
			} else {
				b.WriteString(t + pad)
			}
		}
		trimmed := bytes.TrimRight(b.Bytes()[start:], " ")
		b.Truncate(start + len(trimmed))
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}

// printRecord writes one wide row as a line a column.
func (g *grid) printRecord(w io.Writer, texts []string) error {
	widest := 0
	for _, f := range g.fields {
		widest = max(widest, width(cell{text: f.Name}.show()))
	}
	var b bytes.Buffer
	for c, f := range g.fields {
		name := cell{text: f.Name}.show()
		fmt.Fprintf(&b, "%s%s  %s\n", name, strings.Repeat(" ", widest-width(name)), texts[c])
	}
	_, err := w.Write(b.Bytes())
	return err
}

func sum(ns []int) (n int) {
	for _, v := range ns {
		n += v
	}
	return n
}

// object is a row as JSON, its columns in order. Whole numbers and booleans are JSON's own; decimals are
// texts, so that no reader makes floats of them.
func (g *grid) object(row []cell) (json.RawMessage, error) {
	return objectOf(g.fields, row)
}

func objectOf(fields []arrow.Field, row []cell) (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for c, f := range fields {
		if c > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		switch id := f.Type.ID(); {
		case row[c].null:
			b.WriteString("null")
		case id == arrow.INT64 || id == arrow.INT32 || id == arrow.BOOL:
			b.WriteString(row[c].text)
		default:
			text, err := json.Marshal(row[c].text)
			if err != nil {
				return nil, err
			}
			b.Write(text)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// json writes the rows as one document.
func (g *grid) json(w io.Writer, name string, t *catalog.Table) error {
	out := struct {
		Table    string            `json:"table"`
		Cut      int64             `json:"cut"`
		Snapshot int64             `json:"snapshot"`
		More     bool              `json:"more"` // there are rows beyond the limit
		Rows     []json.RawMessage `json:"rows"`
	}{name, t.Cut(), t.Snapshot(), g.more, []json.RawMessage{}}
	for _, row := range g.rows {
		o, err := g.object(row)
		if err != nil {
			return err
		}
		out.Rows = append(out.Rows, o)
	}
	return printJSON(w, out)
}
