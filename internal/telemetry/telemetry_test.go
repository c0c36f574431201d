package telemetry_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/telemetry"
	"github.com/millrace/millrace/sdk/fault"
)

var quiet = slog.New(slog.DiscardHandler)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestMetricsAndHealth(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	now := atomic.Int64{}
	tel, err := telemetry.Start(t.Context(), telemetry.Options{Addr: "127.0.0.1:0", Stale: time.Minute, Logger: quiet, Clock: func() time.Time { return time.Unix(now.Load(), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	c, err := tel.Meter().Int64Counter("millrace.test.input", metric.WithUnit("By"), metric.WithDescription("what came in"))
	if err != nil {
		t.Fatal(err)
	}
	c.Add(t.Context(), 42)
	code, body := get(t, "http://"+tel.Addr()+"/metrics")
	if code != 200 || !strings.Contains(body, "# HELP millrace_test_input_bytes_total what came in\n") || !strings.Contains(body, "\nmillrace_test_input_bytes_total 42\n") || !strings.Contains(body, "go_goroutines") {
		t.Errorf("%d\n%s", code, body)
	}
	if code, body := get(t, "http://"+tel.Addr()+"/healthz"); code != 200 || !strings.Contains(body, `"status":"ok"`) {
		t.Errorf("%d %s", code, body)
	}
	now.Add(61)
	if code, body := get(t, "http://"+tel.Addr()+"/healthz"); code != 503 || !strings.Contains(body, `"status":"stalled"`) {
		t.Errorf("without a beat for a minute: %d %s", code, body)
	}
	tel.Beat()
	if code, _ := get(t, "http://"+tel.Addr()+"/healthz"); code != 200 {
		t.Errorf("after a beat: %d", code)
	}
	_, err = telemetry.Start(t.Context(), telemetry.Options{Addr: tel.Addr(), Logger: quiet})
	if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), tel.Addr()) {
		t.Errorf("an address that is in use: %v", err)
	}
	if err := tel.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNothingIsShownUnlessAsked(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, env := range []map[string]string{nil, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "console"}} {
		tel, err := telemetry.Start(t.Context(), telemetry.Options{Lookup: lookup(env), Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		_, span := tel.Tracer().Start(t.Context(), "x")
		if span.IsRecording() || tel.Addr() != "" {
			t.Errorf("%v: something is shown", env)
		}
		if err := tel.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, env := range []map[string]string{{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon"}} {
		if _, err := telemetry.Start(t.Context(), telemetry.Options{Lookup: lookup(env)}); fault.Of(err) != fault.Usage {
			t.Errorf("%v: %v", env, err)
		}
	}
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(n string) (string, bool) { v, ok := env[n]; return v, ok }
}

// TestSpansAreSent sends spans to a collector by the standard variables.
func TestSpansAreSent(t *testing.T) {
	got := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- r.URL.Path + " " + string(b)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL) // the exporter reads the environment itself
	tel, err := telemetry.Start(t.Context(), telemetry.Options{Lookup: lookup(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tel.Tracer().Start(context.Background(), "ingest.epoch")
	span.End()
	if err := tel.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := <-got; !strings.HasPrefix(s, "/v1/traces ") || !strings.Contains(s, "ingest.epoch") || !strings.Contains(s, "millrace") {
		t.Errorf("the collector got %q", s)
	}
}
