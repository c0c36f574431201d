package xlsxio

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

const (
	// MaxRows is how many rows a sheet has, with its heading.
	MaxRows = 1 << 20
	// MaxText is how many characters a cell has.
	MaxText = 32767
	// exact is how many significant digits a spreadsheet program keeps.
	exact = 15
	// maxScale is the most digits behind the point that a number is shown with.
	maxScale = 15
)

// Styles are indexes into cellXfs of the part styles.xml: plain, heading, quoted text, text to the right, then a number for each scale.
const (
	plain = iota
	heading
	quoted
	right
	scaled
)

// Cell is the content of a cell. The zero value is an empty cell.
type Cell struct {
	text   string
	number bool
	style  int
}

// Text is a cell of text, which is never evaluated.
func Text(s string) Cell {
	c := Cell{text: s}
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		c.style = quoted
	}
	return c
}

// Int is a cell of a whole number; beyond 15 digits it is text.
func Int(n int64) Cell { return Number(money.FromInt64(n)) }

// Number is a cell of a decimal, shown with all its digits behind the point; beyond 15 significant digits it is text.
func Number(d money.Decimal) Cell {
	text := d.String()
	if digits := strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(text), "0"); len(digits) > exact || d.Scale() > maxScale {
		return Cell{text: text, style: right}
	}
	return Cell{text: text, number: true, style: scaled + d.Scale()}
}

// Workbook is a workbook that is being written. It is used by one goroutine.
type Workbook struct {
	zip    *zip.Writer
	sheets []string
	names  map[string]bool
	open   *Sheet
	most   int // rows of a sheet
	err    error
}

// New begins a workbook. Close it.
func New(w io.Writer) *Workbook {
	return &Workbook{zip: zip.NewWriter(w), names: map[string]bool{}, most: MaxRows}
}

// Sheet is a sheet that is being written, until the next one begins.
type Sheet struct {
	book   *Workbook
	name   string
	header []Cell
	widths []int
	out    *bufio.Writer
	rows   int
	parts  int // sheets that this one is continued by
}

// Sheet ends the sheet before and begins another. The heading stands in its first row, which stays in view; widths are those of columns in
// characters, 0 or none for the usual one.
func (b *Workbook) Sheet(name string, header []string, widths ...int) (*Sheet, error) {
	s := &Sheet{book: b, name: name, widths: widths}
	for _, h := range header {
		s.header = append(s.header, Cell{text: h, style: heading})
	}
	if name == "" || utf8.RuneCountInString(name) > 24 || strings.ContainsAny(name, `[]:*?/\'`) || b.names[strings.ToLower(name)] {
		return nil, fault.Usagef("a sheet cannot be called %q: 1 to 24 characters other than []:*?/\\', once", name)
	}
	b.names[strings.ToLower(name)] = true
	return s, b.begin(s, name)
}

// begin opens the part of a sheet.
func (b *Workbook) begin(s *Sheet, name string) error {
	if err := b.end(); err != nil {
		return err
	}
	b.sheets = append(b.sheets, name)
	part, err := b.part(fmt.Sprintf("xl/worksheets/sheet%d.xml", len(b.sheets)))
	if err != nil {
		return err
	}
	s.out, s.rows, b.open = bufio.NewWriterSize(part, 64<<10), 0, s
	s.out.WriteString(head + `<worksheet xmlns="` + mainNS + `"><sheetViews><sheetView workbookViewId="0">`)
	if len(s.header) > 0 {
		s.out.WriteString(`<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>`)
	}
	s.out.WriteString(`</sheetView></sheetViews>`)
	if len(s.widths) > 0 {
		s.out.WriteString(`<cols>`)
		for i, w := range s.widths {
			if w > 0 {
				fmt.Fprintf(s.out, `<col min="%d" max="%d" width="%d" customWidth="1"/>`, i+1, i+1, w)
			}
		}
		s.out.WriteString(`</cols>`)
	}
	s.out.WriteString(`<sheetData>`)
	if len(s.header) > 0 {
		return s.write(s.header)
	}
	return nil
}

// end closes the part of the sheet that is open.
func (b *Workbook) end() error {
	if b.open == nil {
		return b.err
	}
	s := b.open
	b.open = nil
	s.out.WriteString(`</sheetData></worksheet>`)
	b.fail(s.out.Flush())
	return b.err
}

func (b *Workbook) fail(err error) {
	if b.err == nil && err != nil {
		b.err = fmt.Errorf("write workbook: %w", err)
	}
}

func (b *Workbook) part(name string) (io.Writer, error) {
	w, err := b.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
	b.fail(err)
	return w, b.err
}

// Row writes a row. A sheet that is full is continued by another.
func (s *Sheet) Row(cells ...Cell) error {
	if s.book.open != s {
		return fault.Usagef("sheet %s has ended: another was begun", s.name)
	}
	if s.rows == s.book.most {
		s.parts++
		if err := s.book.begin(s, fmt.Sprintf("%s (%d)", s.name, s.parts+1)); err != nil {
			return err
		}
	}
	return s.write(cells)
}

func (s *Sheet) write(cells []Cell) error {
	s.rows++
	s.out.WriteString(`<row>`)
	for _, c := range cells {
		if err := s.cell(c); err != nil {
			s.book.fail(err)
			return s.book.err
		}
	}
	if _, err := s.out.WriteString(`</row>`); err != nil {
		s.book.fail(err)
	}
	return s.book.err
}

func (s *Sheet) cell(c Cell) error {
	s.out.WriteString(`<c s="`)
	s.out.WriteString(strconv.Itoa(c.style))
	switch {
	case c.text == "":
		_, err := s.out.WriteString(`"/>`)
		return err
	case c.number:
		s.out.WriteString(`"><v>`)
		s.out.WriteString(c.text)
		_, err := s.out.WriteString(`</v></c>`)
		return err
	}
	s.out.WriteString(`" t="inlineStr"><is><t xml:space="preserve">`)
	if err := xml.EscapeText(s.out, []byte(short(c.text))); err != nil {
		return err
	}
	_, err := s.out.WriteString(`</t></is></c>`)
	return err
}

// short cuts a text that no cell can hold.
func short(text string) string {
	if len(text) <= MaxText {
		return text
	}
	r := []rune(text)
	if len(r) <= MaxText {
		return text
	}
	const mark = "… [cut]"
	return string(r[:MaxText-utf8.RuneCountInString(mark)]) + mark
}

// Close ends the workbook. Without it there is no file that a program can open. A workbook without a sheet is a fault.Usage.
func (b *Workbook) Close() error {
	if len(b.sheets) == 0 {
		return fault.Usagef("a workbook needs a sheet")
	}
	if err := b.end(); err != nil {
		return err
	}
	for _, p := range b.parts() {
		w, err := b.part(p[0])
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, head+p[1])
		b.fail(err)
	}
	b.fail(b.zip.Close())
	return b.err
}
