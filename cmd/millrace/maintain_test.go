package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMaintainMetrics scrapes a running maintenance: every metric that docs/operations.md lists for it is there, and no other of its own.
func TestMaintainMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "millrace.yaml")
	line(t, 0, "wrote", "init", "-p", file, "--source", "files")
	arrive(t, dir, "transactions/1.ndjson", `{"status":"BEGIN","id":"1","ts_ms":1}
{"status":"END","id":"1","ts_ms":1,"event_count":1,"data_collections":[{"data_collection":"core.entries","event_count":1}]}
`)
	arrive(t, dir, "entries/1.ndjson", `{"before":null,"after":{"entry_id":1,"transaction_id":1,"account_id":1,"amount":"MA==","currency":"EUR","booked_at":1,"memo":null},"source":{"ts_ms":1,"txId":1,"lsn":1},"op":"c","ts_ms":1,"transaction":{"id":"1","total_order":1,"data_collection_order":1}}
`)
	line(t, 0, `"event":"done"`, "ingest", "-p", file, "--until-caught-up", "--in-process")
	line(t, 2, "choose another host:port", "maintain", "-p", file, "--metrics-addr", "nowhere")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, outW := io.Pipe()
	errs, errsW := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, []string{"maintain", "-p", file, "--every", "1h", "--metrics-addr", "127.0.0.1:0", "--set", "log.format=json"}, outW, errsW)
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
	for lines.Scan() && !strings.Contains(lines.Text(), `"event":"maintained"`) {
	}
	if t.Failed() || lines.Text() == "" {
		t.Fatalf("it ended without a pass: exit code %d", <-ended)
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
	for _, want := range []string{`millrace_maintain_passes_total{outcome="ok"} 1`, `millrace_maintain_failures_total{table="ledger.entries"} 0`, "millrace_maintain_pass_duration_seconds_count 1"} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("no %q in\n%s", want, ours(metrics))
		}
	}
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := names(regexp.MustCompile("(?m)^\\| [a-z]+ \\| `(millrace_maintain_[a-z_]+)"), string(doc))
	if shown := names(regexp.MustCompile(`(?m)^# TYPE (millrace_maintain_\S+)`), metrics); !slices.Equal(documented, shown) {
		t.Errorf("the document lists\n%q, the process shows\n%q", documented, shown)
	}
}
