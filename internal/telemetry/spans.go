package telemetry

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/millrace/millrace/sdk/fault"
)

// newSpans makes the spans' provider that the OTEL_ variables ask for; nil: none.
//
// Spans are off unless OTEL_TRACES_EXPORTER is otlp or console, or an endpoint is set
// (OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT). The exporter reads the others: headers, certificates,
// timeouts; the provider OTEL_TRACES_SAMPLER, OTEL_BSP_*, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
func newSpans(ctx context.Context, o Options) (*sdktrace.TracerProvider, error) {
	get := func(names ...string) string {
		for _, n := range names {
			if o.Lookup == nil {
				return ""
			}
			if v, ok := o.Lookup(n); ok && v != "" {
				return v
			}
		}
		return ""
	}
	kind := get("OTEL_TRACES_EXPORTER")
	if kind == "" && get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		kind = "otlp"
	}
	if kind == "" || kind == "none" || get("OTEL_SDK_DISABLED") == "true" {
		return nil, nil
	}
	exporter, err := newExporter(ctx, kind, get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"))
	if err != nil {
		return nil, err
	}
	name := get("OTEL_SERVICE_NAME")
	if name == "" {
		name = "millrace"
	}
	res, err := resource.Merge(resource.Default(), resource.NewSchemaless(attribute.String("service.name", name)))
	if err != nil {
		return nil, fmt.Errorf("describe the service for spans: %w", err)
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res)), nil
}

func newExporter(ctx context.Context, kind, protocol string) (sdktrace.SpanExporter, error) {
	var out sdktrace.SpanExporter
	var err error
	switch {
	case kind == "console":
		out, err = stdouttrace.New(stdouttrace.WithWriter(os.Stderr))
	case kind != "otlp":
		return nil, fault.Usagef("OTEL_TRACES_EXPORTER: %q is not known; write otlp, console or none", kind)
	case protocol == "grpc":
		out, err = otlptracegrpc.New(ctx)
	case protocol == "" || protocol == "http/protobuf":
		out, err = otlptracehttp.New(ctx)
	default:
		return nil, fault.Usagef("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not known; write grpc or http/protobuf", protocol)
	}
	if err != nil {
		return nil, fmt.Errorf("make the spans' exporter: %w", err)
	}
	return out, nil
}
