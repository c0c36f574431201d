// Package gatewaytest starts an S3 gateway for a test.
package gatewaytest

import (
	"testing"

	"github.com/millrace/millrace/internal/s3gateway"
	"go.uber.org/goleak"
)

// The keys of every gateway that Start starts.
const (
	AccessKey = "millrace-test"
	SecretKey = "not-a-real-secret"
)

// Start serves a fresh folder on a free loopback port with the buckets given,
// and stops at the test's end. It does not sync objects to disk.
func Start(t testing.TB, buckets ...string) *s3gateway.Gateway {
	t.Helper()
	return StartWith(t, s3gateway.Config{}, buckets...)
}

// StartWith is Start with a configuration: Root and the keys are set here.
func StartWith(t testing.TB, cfg s3gateway.Config, buckets ...string) *s3gateway.Gateway {
	t.Helper()
	cfg.AccessKey, cfg.SecretKey, cfg.NoSync = AccessKey, SecretKey, true
	if cfg.Root == "" {
		cfg.Root = t.TempDir()
	}
	g, err := s3gateway.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, bucket := range buckets {
		if err := g.CreateBucket(t.Context(), bucket); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// IgnoreServer tells goleak about two goroutines of the HTTP server library
// that end some seconds after a gateway is closed, or never.
func IgnoreServer() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	}
}
