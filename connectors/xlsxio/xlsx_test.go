package xlsxio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/connectors/xlsxio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

func write(t rapid.TB, rows ...[]xlsxio.Cell) []byte {
	var b bytes.Buffer
	w := xlsxio.New(&b)
	s, err := w.Sheet("breaks & more", []string{"one", "two"}, 20, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := s.Row(r...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t rapid.TB, data []byte) *excelize.File {
	f, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Another program reads what was written: texts stay texts, numbers are numbers of the same digits.
func TestAnotherProgramReadsIt(t *testing.T) {
	t.Parallel()
	texts := []string{"plain", "<script>alert(1)</script>", "=HYPERLINK(\"http://evil\")", "+1", "-1", "@SUM(A1)", "\tx", " two  blanks ", "Σ ž 漢", "a\nb", "'quoted", "x & y"}
	var rows [][]xlsxio.Cell
	for _, s := range texts {
		rows = append(rows, []xlsxio.Cell{xlsxio.Text(s), xlsxio.Int(1)})
	}
	f := open(t, write(t, rows...))
	for i, want := range texts {
		cell := fmt.Sprintf("A%d", i+2)
		got, err := f.GetCellValue("breaks & more", cell)
		if err != nil || got != want {
			t.Errorf("%q came back as %q, %v", want, got, err)
		}
		if formula, err := f.GetCellFormula("breaks & more", cell); err != nil || formula != "" {
			t.Errorf("%q became the formula %q, %v", want, formula, err)
		}
		if kind, err := f.GetCellType("breaks & more", cell); err != nil || kind != excelize.CellTypeInlineString {
			t.Errorf("%q is of type %v, %v", want, kind, err)
		}
	}
	if got, err := f.GetCellValue("breaks & more", "A1"); err != nil || got != "one" {
		t.Errorf("heading %q, %v", got, err)
	}
}

// Every decimal comes back with its digits: as a number up to 15 significant ones, as text beyond.
func TestDecimalsKeepTheirDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d, err := money.New(rapid.Int64().Draw(t, "coefficient"), rapid.IntRange(0, 18).Draw(t, "scale"))
		if err != nil {
			t.Fatal(err)
		}
		f := open(t, write(t, []xlsxio.Cell{xlsxio.Number(d)}))
		got, err := f.GetCellValue("breaks & more", "A2", excelize.Options{RawCellValue: true})
		if err != nil || got != d.String() {
			t.Fatalf("%s came back as %q, %v", d, got, err)
		}
		kind, err := f.GetCellType("breaks & more", "A2")
		if err != nil || (kind == excelize.CellTypeInlineString) != (d.Normalize().Precision() > 15 || d.Scale() > 15 || len(strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(d.String()), "0")) > 15) {
			t.Fatalf("%s is of type %v, %v", d, kind, err)
		}
	})
}

func TestLongTextsAndMistakes(t *testing.T) {
	t.Parallel()
	f := open(t, write(t, []xlsxio.Cell{xlsxio.Text(strings.Repeat("ž", 40000))}))
	got, err := f.GetCellValue("breaks & more", "A2")
	if n := len([]rune(got)); err != nil || n != xlsxio.MaxText || !strings.HasSuffix(got, "… [cut]") {
		t.Errorf("%d characters, %v", n, err)
	}
	w := xlsxio.New(io.Discard)
	if err := w.Close(); fault.Of(err) != fault.Usage {
		t.Errorf("no sheet: %v", err)
	}
	first, err := w.Sheet("a", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "A", "b/c", strings.Repeat("x", 25)} {
		if _, err := w.Sheet(name, nil); fault.Of(err) != fault.Usage {
			t.Errorf("sheet %q: %v", name, err)
		}
	}
	if _, err := w.Sheet("b", nil); err != nil {
		t.Fatal(err)
	}
	if err := first.Row(xlsxio.Int(1)); fault.Of(err) != fault.Usage {
		t.Errorf("a sheet that has ended: %v", err)
	}
}

func TestTheSameRowsAreTheSameBytes(t *testing.T) {
	t.Parallel()
	row := []xlsxio.Cell{xlsxio.Text("a"), xlsxio.Int(7)}
	if !bytes.Equal(write(t, row, row), write(t, row, row)) {
		t.Error("two workbooks of the same rows differ")
	}
}

type full struct{ n int }

func (f *full) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, errors.New("disk full")
	}
	return len(b), nil
}

func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	w := xlsxio.New(&full{1000})
	s, err := w.Sheet("a", nil)
	for err == nil {
		err = s.Row(xlsxio.Text(strings.Repeat("x", 100)), xlsxio.Int(1<<40))
	}
	if !strings.Contains(err.Error(), "write workbook: disk full") || w.Close() == nil {
		t.Error(err)
	}
}

// A sheet that is full is continued.
func TestAFullSheetIsContinued(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := xlsxio.New(&b)
	w.SetMost(100)
	s, err := w.Sheet("a", []string{"h"})
	if err != nil {
		t.Fatal(err)
	}
	for range 205 {
		if err := s.Row(xlsxio.Int(1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := open(t, b.Bytes())
	if got := f.GetSheetList(); strings.Join(got, ";") != "a;a (2);a (3)" {
		t.Fatalf("sheets %q", got)
	}
	rows, err := f.GetRows("a (3)")
	if err != nil || len(rows) != 8 || rows[0][0] != "h" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func ExampleWorkbook() {
	file, err := os.CreateTemp("", "breaks-*.xlsx")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(file.Name())
	defer file.Close()
	amount, err := money.Parse("-12.50")
	if err != nil {
		fmt.Println(err)
		return
	}
	book := xlsxio.New(file)
	sheet, err := book.Sheet("breaks", []string{"key", "difference"}, 24, 16)
	if err == nil {
		err = sheet.Row(xlsxio.Text("=INV-17"), xlsxio.Number(amount))
	}
	if err == nil {
		err = book.Close()
	}
	fmt.Println(err)
	// Output: <nil>
}
