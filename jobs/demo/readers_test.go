package demo_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// readersAgree holds the lake against PyIceberg and DuckDB, through the S3 that `lake serve` serves.
func readersAgree(t *testing.T, bin, dir string) {
	t.Helper()
	out, err := exec.Command("bash", "../../internal/scripts/python.sh").Output()
	if err != nil {
		t.Fatalf("install PyIceberg and DuckDB: %v", err)
	}
	serve := exec.CommandContext(t.Context(), bin, "lake", "serve", "--dir", dir, "--addr", "127.0.0.1:0")
	serve.Env = append(os.Environ(), "MILLRACE_S3_ACCESS_KEY=reader-key", "MILLRACE_S3_SECRET_KEY=reader-secret")
	pipe, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(pipe).ReadString('\n')
	if err != nil {
		t.Fatalf("lake serve said nothing: %v", err)
	}
	endpoint := strings.TrimSpace(strings.TrimPrefix(line, "serving "))
	py := exec.CommandContext(t.Context(), strings.TrimSpace(string(out)), "testdata/readers.py", filepath.Join(dir, "catalog.db"), endpoint, "reader-key", "reader-secret", filepath.Join(dir, "look.sql"))
	py.Stdin = bytes.NewReader(verb(t, bin, 0, "tables", "--dir", dir, "--json"))
	said, err := py.CombinedOutput()
	if err != nil {
		t.Errorf("the readers disagree: %v\n%s", err, said)
	}
	t.Logf("%s", said)
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("lake serve did not end well on SIGTERM: %v", err)
	}
}
