package s3io_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/s3io"
	"github.com/millrace/millrace/internal/s3gateway/gatewaytest"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// options reach gateways of package gatewaytest, impatiently.
func options(endpoint string) s3io.Options {
	return s3io.Options{
		Endpoint:    endpoint,
		Credentials: s3io.Credentials{AccessKey: gatewaytest.AccessKey, SecretKey: gatewaytest.SecretKey},
		PartSize:    5 << 20,
		Backoff:     time.Millisecond, MaxBackoff: 20 * time.Millisecond,
		Deadline: time.Minute, TryTimeout: 10 * time.Second,
		Getenv: func(string) string { return "" },
	}
}

func open(t *testing.T, url string, opts s3io.Options) *s3io.Store {
	t.Helper()
	s, err := s3io.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// contract runs the suite, each test under a prefix of its own.
func contract(t *testing.T, opts s3io.Options) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		return open(t, "s3://lake/"+t.Name(), opts)
	})
}

func TestContract(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "lake")
	contract(t, options(g.Endpoint()))
}
