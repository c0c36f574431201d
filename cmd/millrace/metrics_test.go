package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMetrics scrapes a running ingest: every metric that docs/operations.md lists for ingest and commits is there, and no other of ours.
func TestMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "millrace.yaml")
	line(t, 0, "wrote", "init", "-p", file, "--source", "files")
	arrive(t, dir, "transactions/1.ndjson", `{"status":"BEGIN","id":"1","ts_ms":1}
{"status":"END","id":"1","ts_ms":1,"event_count":1,"data_collections":[{"data_collection":"core.entries","event_count":1}]}
`)
	arrive(t, dir, "entries/1.ndjson", `{"before":null,"after":{"entry_id":1,"transaction_id":1,"account_id":1,"amount":"MA==","currency":"EUR","booked_at":1,"memo":null},"source":{"ts_ms":1,"txId":1,"lsn":1},"op":"c","ts_ms":1,"transaction":{"id":"1","total_order":1,"data_collection_order":1}}
`)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, outW := io.Pipe()
	errs, errsW := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, []string{"ingest", "-p", file, "--metrics-addr", "127.0.0.1:0", "--set", "log.format=json"}, outW, errsW)
		outW.Close()
		errsW.Close()
		ended <- code
	}()
	addr := make(chan string, 1)
	go func() {
		for s := bufio.NewScanner(errs); s.Scan(); {
			if m := regexp.MustCompile(`"serving metrics","address":"([^"]+)"`).FindStringSubmatch(s.Text()); m != nil {
				addr <- m[1]
			}
		}
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), `"event":"epoch"`) {
	}
	var epoch map[string]any
	if err := json.Unmarshal(lines.Bytes(), &epoch); err != nil {
		t.Fatal(err)
	}
	base := "http://" + <-addr
	metrics, health := fetch(t, base+"/metrics"), fetch(t, base+"/healthz")
	stop()
	for lines.Scan() {
	}
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(health, `"status":"ok"`) {
		t.Errorf("health: %s", health)
	}
	for _, want := range []string{"millrace_ingest_events_total 1\n", "millrace_ingest_epochs_total 1\n", "millrace_ingest_cut 1\n", `millrace_ingest_written_rows_total{table="core.entries"} 1` + "\n", "millrace_commit_duration_seconds_count 1\n"} {
		if !strings.Contains(metrics, want) && !strings.Contains(metrics, strings.ReplaceAll(want, "core.", "ledger.")) {
			t.Errorf("no %q in\n%s", want, ours(metrics))
		}
	}
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := names(regexp.MustCompile("(?m)^\\| `(millrace_[a-z_]+)"), string(doc))
	shown := names(regexp.MustCompile(`(?m)^# TYPE (millrace_\S+)`), metrics)
	if !slices.Equal(documented, shown) {
		t.Errorf("the document lists\n%q, the process shows\n%q", documented, shown)
	}
	fields := names(regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| epoch"), string(doc))
	for f := range epoch {
		if !slices.Contains(fields, f) {
			t.Errorf("the document does not list the field %s of a line of progress", f)
		}
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, res.StatusCode, err)
	}
	return string(b)
}

// names are the first groups of a pattern's matches, sorted, each once.
func names(pattern *regexp.Regexp, text string) []string {
	var out []string
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func ours(metrics string) string {
	var b strings.Builder
	for l := range strings.Lines(metrics) {
		if strings.Contains(l, "millrace_") && !strings.HasPrefix(l, "#") {
			fmt.Fprint(&b, l)
		}
	}
	return b.String()
}
