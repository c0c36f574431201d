package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/s3gateway/gatewaytest"
)

// line is one command line and what it must say.
func line(t *testing.T, code int, want string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(t.Context(), args, &out, &errs); got != code || !strings.Contains(out.String()+errs.String(), want) {
		t.Fatalf("millrace %s: exit code %d, want %d, with %q in\n%s%s", strings.Join(args, " "), got, code, want, out.String(), errs.String())
	}
	return errs.String()
}

// arrive puts a file of the stream into the folder that the project of init reads.
func arrive(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, "arriving", filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFilesFromInitToTables goes the way of a newcomer whose change stream arrives as files.
func TestFilesFromInitToTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "millrace.yaml")
	line(t, 2, "kafka or files", "init", "-p", file, "--source", "mysql")
	line(t, 0, "wrote", "init", "-p", file, "--source", "files")
	line(t, 2, "exists already", "init", "-p", file)
	errs := line(t, 2, "there is no such folder", "ingest", "-p", file, "--until-caught-up")
	if strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "source.files.location") {
		t.Errorf("a missing folder must be one line that names the setting: %s", errs)
	}
	line(t, 2, "there is no such folder", "check", "-p", file)

	day := func(n int) {
		id := fmt.Sprintf("%d:%d", n, n)
		arrive(t, dir, fmt.Sprintf("transactions/%06d.ndjson", n), fmt.Sprintf(`{"status":"BEGIN","id":"%s","ts_ms":%d}
{"status":"END","id":"%[1]s","ts_ms":%[2]d,"event_count":2,"data_collections":[{"data_collection":"core.entries","event_count":2}]}
`, id, n))
		var lines strings.Builder
		for i, amount := range []string{"MA==", "0A=="} { // 0.48 and -0.48: base64 of one byte
			fmt.Fprintf(&lines, `{"before":null,"after":{"entry_id":%d,"transaction_id":%d,"account_id":%d,"amount":"%s","currency":"EUR","booked_at":%d,"memo":null},"source":{"ts_ms":%d,"txId":%[2]d,"lsn":%[2]d},"op":"c","ts_ms":%[6]d,"transaction":{"id":"%s","total_order":%d,"data_collection_order":%[8]d}}`+"\n",
				2*n+i, n, i+1, amount, int64(n)*1e6, n, id, i+1)
		}
		arrive(t, dir, fmt.Sprintf("entries/%06d.ndjson", n), lines.String())
	}
	day(1)
	line(t, 0, "# source: ok", "check", "-p", file)
	line(t, 0, `"events_total":2`, "ingest", "-p", file, "--until-caught-up")
	day(2)
	line(t, 0, `"events":2`, "ingest", "-p", file, "--until-caught-up")
	line(t, 0, `"epochs":0`, "ingest", "-p", file, "--until-caught-up") // nothing is read twice
	out := line(t, 2, "came late", ingestLate(t, dir, file)...)
	if strings.Count(out, "\n") != 1 {
		t.Errorf("not one line: %s", out)
	}
}

// ingestLate lets a file come late.
func ingestLate(t *testing.T, dir, file string) []string {
	t.Helper()
	arrive(t, dir, "entries/000000.ndjson", "null\n")
	return []string{"ingest", "-p", file, "--until-caught-up"}
}

// TestCheckOfFilesInABucket has each way in which a bucket cannot be read told in one line.
func TestCheckOfFilesInABucket(t *testing.T) {
	t.Parallel()
	gw := gatewaytest.Start(t, "landing")
	dir := t.TempDir()
	file := filepath.Join(dir, "millrace.yaml")
	text := fmt.Sprintf(`name: landing
lake: {catalog: "sqlite://catalog.db", warehouse: "file://warehouse"}
source:
  files:
    location: s3://landing/core
    s3: {endpoint: %q, access_key: %s, secret_key: %s, deadline: 2s}
ingest: {tables: {entries: {key: [entry_id], columns: [entry_id bigint]}}}
`, gw.Endpoint(), gatewaytest.AccessKey, gatewaytest.SecretKey)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	line(t, 0, "# source: ok", "check", "-p", file)
	for name, c := range map[string]struct{ set, want string }{
		"wrong bucket":    {"source.files.location=s3://lnading/core", "lnading"},
		"wrong secret":    {"source.files.s3.secret_key=wrong", gatewaytest.AccessKey},
		"wrong key":       {"source.files.s3.access_key=nobody", "nobody"},
		"nobody listens":  {"source.files.s3.endpoint=http://127.0.0.1:1", "127.0.0.1:1"},
		"no such setting": {"source.files.s3.bucket=b", "bucket"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code := 2
			for _, verb := range [][]string{{"check"}, {"ingest", "--until-caught-up"}} {
				errs := line(t, code, c.want, append(verb, "-p", file, "--set", c.set)...)
				if strings.Count(errs, "\n") != 1 || strings.Contains(errs, gatewaytest.SecretKey) {
					t.Errorf("%s must tell it in one line, without the secret: %s", verb[0], errs)
				}
				if name == "nobody listens" {
					code = 3 // for a run that may be the fault of the other side
				}
			}
		})
	}
}
