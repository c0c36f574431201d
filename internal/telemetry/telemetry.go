// Package telemetry shows what a process does: metrics for Prometheus, spans for OpenTelemetry, and whether it is alive.
//
// Nouns. A [Telemetry] is what one process shows. Its meter feeds the metrics served at /metrics, its tracer the
// spans' exporter. A beat says that the process goes on; /healthz answers 503 once there was none for too long.
//
// Invariants. Nothing listens and nothing is sent unless it is asked for: metrics by an address, spans by the standard OTEL_
// variables ([Options].Lookup). Metrics and spans never fail the work: what cannot be exported is logged and dropped.
//
// Errors: fault.Usage for an address that cannot be listened on and for variables that name something unknown.
package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/millrace/millrace/sdk/fault"
)

// Options say what is shown. The zero value shows nothing.
type Options struct {
	// Addr is the host:port to serve /metrics and /healthz on; "": nowhere. Port 0 takes a free one.
	Addr string
	// Lookup gives environment variables, as os.LookupEnv; nil: none, so no spans.
	Lookup func(string) (string, bool)
	// Stale is how long the process may go without a beat before it counts as not alive. 0: 5 min.
	Stale  time.Duration
	Logger *slog.Logger     // nil: slog.Default()
	Clock  func() time.Time // nil: time.Now
}

// Telemetry is what a process shows.
type Telemetry struct {
	opts   Options
	meters *sdkmetric.MeterProvider // nil: none
	spans  *sdktrace.TracerProvider // nil: none
	server *http.Server
	addr   string
	beat   atomic.Int64 // unix nanoseconds
	ended  chan struct{}
}

// Start begins to show what the options ask for. Close it when the work is done.
func Start(ctx context.Context, o Options) (*Telemetry, error) {
	if o.Stale == 0 {
		o.Stale = 5 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	t := &Telemetry{opts: o}
	t.Beat()
	var err error
	if t.spans, err = newSpans(ctx, o); err != nil {
		return nil, err
	}
	if o.Addr == "" {
		return t, nil
	}
	if err := t.serve(ctx); err != nil {
		return nil, errors.Join(err, t.Close(ctx))
	}
	return t, nil
}

// serve listens, and answers until Close.
func (t *Telemetry) serve(ctx context.Context) error {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprom.New(otelprom.WithRegisterer(reg), otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo(),
		otelprom.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes))
	if err != nil {
		return fmt.Errorf("make metrics: %w", err)
	}
	t.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", t.opts.Addr)
	if err != nil {
		return fault.Usagef("serve metrics on %q: %w; choose another host:port", t.opts.Addr, err)
	}
	t.addr = l.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", t.health)
	t.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(t.opts.Logger.Handler(), slog.LevelDebug)}
	t.ended = make(chan struct{})
	go func() {
		defer close(t.ended)
		if err := t.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.opts.Logger.Error("metrics are not served any more", "reason", err)
		}
	}()
	t.opts.Logger.Info("serving metrics", "address", t.addr)
	return nil
}

// health answers whether the process is alive.
func (t *Telemetry) health(w http.ResponseWriter, _ *http.Request) {
	since := t.opts.Clock().Sub(time.Unix(0, t.beat.Load()))
	status, code := "ok", http.StatusOK
	if since > t.opts.Stale {
		status, code = "stalled", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// Whoever asked may have hung up, which is no concern of the process.
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "seconds_since_progress": since.Seconds()})
}

// Beat says that the process goes on. Safe for concurrent use.
func (t *Telemetry) Beat() { t.beat.Store(t.opts.Clock().UnixNano()) }

// Addr is the address that metrics are served on; "" if they are not.
func (t *Telemetry) Addr() string { return t.addr }

// Meter makes instruments; they count into nothing where metrics are not served.
func (t *Telemetry) Meter() metric.Meter {
	if t.meters == nil {
		return metricnoop.NewMeterProvider().Meter("millrace")
	}
	return t.meters.Meter("millrace")
}

// Tracer makes spans; they go nowhere where no exporter is set.
func (t *Telemetry) Tracer() trace.Tracer {
	if t.spans == nil {
		return tracenoop.NewTracerProvider().Tracer("millrace")
	}
	return t.spans.Tracer("millrace")
}

// closing bounds how long Close waits for the last spans to be sent.
const closing = 5 * time.Second

// Close sends what is left of the spans, and stops serving.
func (t *Telemetry) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	var errs []error
	if t.server != nil {
		errs = append(errs, t.server.Close())
		<-t.ended
	}
	if t.meters != nil {
		errs = append(errs, t.meters.Shutdown(ctx))
	}
	if t.spans != nil {
		if err := t.spans.Shutdown(ctx); err != nil { // the work is done; that somebody does not listen is no failure of it
			t.opts.Logger.Warn("spans could not be sent", "reason", err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop serving metrics: %w", err)
	}
	return nil
}
