package project

import (
	"net"

	"go.opentelemetry.io/otel/metric"
)

// Metrics says where a running process shows what it does.
type Metrics struct {
	Addr string `yaml:"addr" required:"true" doc:"host:port to serve /metrics (Prometheus) and /healthz on, such as 127.0.0.1:9464"`
}

// MetricsAddr is where metrics are served; "": nowhere.
func (f *File) MetricsAddr() string {
	if f.Metrics == nil {
		return ""
	}
	return f.Metrics.Addr
}

// Observe makes what is opened from the file count into a meter. Call it before opening.
func (f *File) Observe(m metric.Meter) { f.meter = m }

func (f *File) checkMetrics(say sayer) {
	if f.Metrics == nil || f.Metrics.Addr == "" {
		return
	}
	if _, port, err := net.SplitHostPort(f.Metrics.Addr); err != nil || port == "" {
		say("metrics.addr", "%q is not an address; write host:port, such as 127.0.0.1:9464", f.Metrics.Addr)
	}
}
