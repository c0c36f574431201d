package s3gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/s3io"
	"github.com/millrace/millrace/internal/s3gateway"
	"github.com/millrace/millrace/internal/s3gateway/gatewaytest"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, gatewaytest.IgnoreServer()...) }

func config(root string) s3gateway.Config {
	return s3gateway.Config{Root: root, AccessKey: gatewaytest.AccessKey, SecretKey: gatewaytest.SecretKey}
}

func open(t *testing.T, g *s3gateway.Gateway) *s3io.Store {
	t.Helper()
	s, err := s3io.Open(t.Context(), "s3://lake", s3io.Options{
		Endpoint:    g.Endpoint(),
		Credentials: s3io.Credentials{AccessKey: gatewaytest.AccessKey, SecretKey: gatewaytest.SecretKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Several gateways run in one process, and none of them moves it elsewhere.
func TestWorkingDirectoryIsLeftAlone(t *testing.T) {
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var roots []string
	for i := range 2 {
		root := t.TempDir()
		roots = append(roots, root)
		g := gatewaytest.StartWith(t, s3gateway.Config{Root: root}, "lake")
		if err := open(t, g).Put(t.Context(), "x", fmt.Appendf(nil, "gateway %d", i), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := os.Getwd(); err != nil || after != before {
		t.Errorf("the working directory was %s and is %s (%v)", before, after, err)
	}
	for i, root := range roots {
		if data, err := os.ReadFile(filepath.Join(root, "lake", "x")); err != nil || string(data) != fmt.Sprintf("gateway %d", i) {
			t.Errorf("file of gateway %d: %q, %v", i, data, err)
		}
	}
	if found, err := os.ReadDir("."); err != nil || containsGatewayFiles(found) {
		t.Errorf("files in the working directory: %v, %v", found, err)
	}
}

func containsGatewayFiles(entries []os.DirEntry) bool {
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".vgw") || strings.HasPrefix(e.Name(), ".sgw") || e.Name() == "lake" {
			return true
		}
	}
	return false
}

// What was written with syncing on is there for the next gateway over the root.
func TestRestart(t *testing.T) {
	t.Parallel()
	cfg := config(t.TempDir())
	for i := range 2 {
		g, err := s3gateway.Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.CreateBucket(t.Context(), "lake"); err != nil {
			t.Fatal(err)
		}
		s := open(t, g)
		if i == 1 {
			if got, err := s.Get(t.Context(), "deep/er/object"); err != nil || string(got) != "kept" {
				t.Errorf("after a restart: %q, %v", got, err)
			}
		}
		if err := s.Put(t.Context(), "deep/er/object", []byte("kept"), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := g.Close(); err != nil { // with a client's idle connection open
			t.Fatal(err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("closing took %v", took)
		}
		if err := g.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	gatewaytest.StartWith(t, s3gateway.Config{Root: root})
	for _, c := range []struct {
		name string
		cfg  func() s3gateway.Config
		says string
	}{
		{"root served already", func() s3gateway.Config { return config(root) }, "another gateway"},
		{"no root", func() s3gateway.Config { return config("") }, "Root"},
		{"no keys", func() s3gateway.Config { return s3gateway.Config{Root: root} }, "access key"},
		{"short secret", func() s3gateway.Config { c := config(root); c.SecretKey = "short"; return c }, "secret key"},
		{"bad address", func() s3gateway.Config { c := config(root); c.Addr = "nonsense"; return c }, "host:port"},
		{"address taken", func() s3gateway.Config {
			c := config(t.TempDir())
			c.Addr = taken.Addr().String()
			return c
		}, taken.Addr().String()},
		{"root is a file", func() s3gateway.Config {
			file := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return config(file)
		}, "folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := s3gateway.Start(c.cfg())
			if err == nil {
				g.Close()
			}
			if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a usage error that says %q", err, c.says)
			}
		})
	}
}

// Unsigned requests and calls that would touch the working directory are refused; buckets are listed.
func TestProtocol(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "lake", "other")
	res, err := http.Get(g.Endpoint() + "/lake")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden || strings.Contains(string(body), "/tmp") {
		t.Errorf("unsigned: status %d, %s", res.StatusCode, body)
	}
	http.DefaultClient.CloseIdleConnections()

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := minio.New(g.Addr(), &minio.Options{Region: g.Region(), Transport: transport,
		Creds: credentials.NewStaticV4(gatewaytest.AccessKey, gatewaytest.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	buckets, err := c.ListBuckets(t.Context())
	if err != nil || len(buckets) != 2 || buckets[0].Name != "lake" || buckets[1].Name != "other" {
		t.Errorf("buckets: %v, %v", buckets, err)
	}
	if _, err := c.PutObject(t.Context(), "lake", "x", strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
		t.Errorf("a streaming-signed put: %v", err)
	}
	_, err = c.CopyObject(t.Context(), minio.CopyDestOptions{Bucket: "lake", Object: "y"}, minio.CopySrcOptions{Bucket: "lake", Object: "x"})
	if code := minio.ToErrorResponse(err).Code; code != "NotImplemented" {
		t.Errorf("copy: %v, want NotImplemented", err)
	}
	_, err = c.StatObject(t.Context(), "absent", "x", minio.StatObjectOptions{})
	if err == nil {
		t.Error("stat in an absent bucket: want an error")
	}
	for range c.ListObjectsIter(t.Context(), "absent", minio.ListObjectsOptions{}) {
	}
}

func TestCreateBucket(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "lake", "lake")
	for _, name := range []string{"", "../up", ".hidden", "a/b"} {
		if err := g.CreateBucket(context.Background(), name); fault.Of(err) != fault.Usage {
			t.Errorf("bucket %q: got %v, want a usage error", name, err)
		}
	}
}
