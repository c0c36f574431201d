package nightly_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/millrace/millrace/jobs/nightly"
)

// TestMetricsAndSpans has every metric that docs/nightly.md lists counted by nights, and no other, and a span for the night and each attempt.
func TestMetricsAndSpans(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reader, spans := sdkmetric.NewManualReader(), tracetest.NewInMemoryExporter()
		meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
		b := newBank(t, "proof", "features proof")
		b.step("proof", func(s *nightly.Step) { s.Retries = 1 })
		tries := 0
		b.do = func(context.Context, nightly.Task) (nightly.Result, error) {
			if tries++; tries == 1 {
				return nightly.Result{}, errors.New("the store does not answer")
			}
			return nightly.Result{}, nil
		}
		o := b.options("a")
		o.Meter, o.Tracer = meters.Meter("millrace"), tracers.Tracer("millrace")
		stop := b.serving(o)
		b.until("01-03T12:00:00")
		b.mu.Lock()
		b.digest, b.settings.Plan.Digest = "2", "2"
		b.mu.Unlock()
		b.until("01-04T12:00:00")
		if err := stop(); err != nil {
			t.Error(err)
		}
		var all metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &all); err != nil {
			t.Fatal(err)
		}
		var shown []string
		for _, m := range all.ScopeMetrics[0].Metrics {
			name := strings.ReplaceAll(m.Name, ".", "_")
			if m.Unit == "s" {
				name += "_seconds"
			}
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
				name += "_total"
				for _, p := range sum.DataPoints {
					if outcome, _ := p.Attributes.Value("outcome"); m.Name == "millrace.nightly.attempts" && outcome.AsString() == "failed" && p.Value != 1 {
						t.Errorf("%d attempts failed", p.Value)
					}
				}
			}
			shown = append(shown, name)
		}
		doc, err := os.ReadFile("../../docs/nightly.md")
		if err != nil {
			t.Fatal(err)
		}
		var documented []string
		for _, m := range regexp.MustCompile("(?m)^\\| [a-z]+ \\| `(millrace_nightly_[a-z_]+)").FindAllStringSubmatch(string(doc), -1) {
			documented = append(documented, m[1])
		}
		slices.Sort(shown)
		slices.Sort(documented)
		if !slices.Equal(shown, documented) {
			t.Errorf("shown      %v\ndocumented %v", shown, documented)
		}
		var names []string
		for _, s := range spans.GetSpans() {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != "nightly.step nightly.step nightly.step nightly.night" {
			t.Error(got)
		}
	})
}
