package spillfile_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/sdk/spillfile"
)

func ExampleOpen() {
	f, err := spillfile.Open("")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("4711|12.50"), 8192); err != nil {
		log.Fatal(err)
	}
	row := make([]byte, 10)
	if _, err := f.ReadAt(row, 8192); err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(row))
	// Output: 4711|12.50
}

func TestLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := spillfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("rows"); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
		t.Errorf("while it is open the folder has %v, %v", names, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "none")
	if _, err := spillfile.Open(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}
