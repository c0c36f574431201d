package s3io_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
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
)

// wantUsage checks that err is one line for the user with all of parts and without the secret.
func wantUsage(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil || fault.Of(err) != fault.Usage {
		t.Fatalf("got %v, want a usage error", err)
	}
	text := err.Error()
	if strings.Contains(text, "\n") || strings.Contains(text, gatewaytest.SecretKey) {
		t.Errorf("%q: want one line without the secret", text)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "lake")
	secret := "wrong-and-private"
	for _, c := range []struct {
		name, url string
		change    func(*s3io.Options)
		says      []string
	}{
		{"wrong secret", "s3://lake", func(o *s3io.Options) { o.Credentials.SecretKey = secret }, []string{g.Endpoint(), "lake", gatewaytest.AccessKey}},
		{"unknown key", "s3://lake", func(o *s3io.Options) { o.Credentials.AccessKey = "nobody" }, []string{g.Endpoint(), "lake", "nobody"}},
		{"no bucket", "s3://absent", func(*s3io.Options) {}, []string{g.Endpoint(), "absent"}},
		{"wrong region", "s3://lake", func(o *s3io.Options) { o.Region = "eu-west-1" }, []string{g.Endpoint(), "lake"}},
		{"anonymous", "s3://lake", func(o *s3io.Options) { o.Credentials = s3io.Credentials{Source: s3io.Anonymous} }, []string{"lake", "without credentials"}},
		{"https to http", "s3://lake", func(o *s3io.Options) { o.Endpoint = strings.Replace(o.Endpoint, "http:", "https:", 1) }, []string{"scheme"}},
		{"no such host", "s3://lake", func(o *s3io.Options) { o.Transport = lookupFails{} }, []string{"cannot find the host"}},
		{"not s3", "http://lake", func(*s3io.Options) {}, []string{"s3://bucket"}},
		{"bad bucket", "s3://LAKE", func(*s3io.Options) {}, []string{"LAKE"}},
		{"climbing prefix", "s3://lake/../x", func(*s3io.Options) {}, []string{".."}},
		{"endpoint without scheme", "s3://lake", func(o *s3io.Options) { o.Endpoint = g.Addr() }, []string{"http://host:port"}},
		{"secret in endpoint", "s3://lake", func(o *s3io.Options) { o.Endpoint = "http://a:" + secret + "@h:1" }, []string{"do not belong"}},
		{"half a key", "s3://lake", func(o *s3io.Options) { o.Credentials.SecretKey = "" }, []string{"together"}},
		{"no credentials", "s3://lake", func(o *s3io.Options) { o.Credentials = s3io.Credentials{Source: s3io.FromEnv} }, []string{"MILLRACE_S3_ACCESS_KEY"}},
		{"no profile", "s3://lake", func(o *s3io.Options) { o.Credentials = s3io.Credentials{Source: s3io.FromFile, File: "/absent"} }, []string{"/absent"}},
		{"all at once", "s3://lake", func(o *s3io.Options) { o.PartSize, o.Checksum, o.AddressStyle, o.Deadline = 1, "x", "y", -1 }, []string{"part size", "checksum", "address style", "deadline"}},
		{"no CA file", "s3://lake", func(o *s3io.Options) { o.CAFile = "/absent.pem" }, []string{"/absent.pem"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opts := options(g.Endpoint())
			c.change(&opts)
			s, err := s3io.Open(t.Context(), c.url, opts)
			if err == nil {
				s.Close()
			}
			wantUsage(t, err, c.says...)
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v: shows the secret", err)
			}
		})
	}
}

type lookupFails struct{}

func (lookupFails) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "tpyo", IsNotFound: true}}
}

func TestEnsureBucket(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	opts := options(g.Endpoint())
	for range 2 {
		if err := s3io.EnsureBucket(t.Context(), "s3://fresh/prefix", opts); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, "s3://fresh/prefix", opts)
	if err := s.Put(t.Context(), "x", []byte("y"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := s.URL(), "s3://fresh/prefix"; got != want {
		t.Errorf("URL %q, want %q", got, want)
	}
}

// Each checksum protects single and multipart uploads.
func TestChecksums(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "lake")
	for _, sum := range []s3io.Checksum{s3io.ChecksumCRC32C, s3io.ChecksumSHA256, s3io.ChecksumMD5, s3io.ChecksumNone} {
		t.Run(string(sum), func(t *testing.T) {
			t.Parallel()
			opts := options(g.Endpoint())
			opts.Checksum = sum
			s := open(t, "s3://lake/"+string(sum), opts)
			for _, size := range []int{0, 10, 6 << 20} {
				w, err := s.Create(t.Context(), "x")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(make([]byte, size)); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if got, err := s.Get(t.Context(), "x"); err != nil || len(got) != size {
					t.Fatalf("got %d bytes of %d, %v", len(got), size, err)
				}
			}
		})
	}
}

// corrupting flips a byte of each upload's body the first time.
type corrupting struct {
	http.RoundTripper
	left *int
}

func (c corrupting) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPut && req.Body != nil && *c.left > 0 {
		*c.left--
		req = req.Clone(req.Context())
		req.Body = flipped{req.Body}
	}
	return c.RoundTripper.RoundTrip(req)
}

type flipped struct {
	rc interface {
		Read([]byte) (int, error)
		Close() error
	}
}

func (f flipped) Close() error { return f.rc.Close() }
func (f flipped) Read(p []byte) (int, error) {
	n, err := f.rc.Read(p)
	if n > 0 {
		p[0] ^= 1
	}
	return n, err
}

// An upload that was damaged on the way is refused by the server and sent again.
func TestDamagedUpload(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "lake")
	for _, sum := range []s3io.Checksum{s3io.ChecksumCRC32C, s3io.ChecksumSHA256, s3io.ChecksumMD5} {
		t.Run(string(sum), func(t *testing.T) {
			t.Parallel()
			transport := &http.Transport{DisableCompression: true}
			defer transport.CloseIdleConnections()
			left := 2
			opts := options(g.Endpoint())
			opts.Checksum, opts.Transport = sum, corrupting{transport, &left}
			s := open(t, "s3://lake/damaged", opts)
			if err := s.Put(t.Context(), string(sum), []byte("precious"), storage.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Get(t.Context(), string(sum)); err != nil || string(got) != "precious" || left != 0 {
				t.Errorf("got %q, %v; %d damages left", got, err, left)
			}
		})
	}
}

// certificate makes a self-signed authority for 127.0.0.1 and writes its certificate to a file.
func certificate(t *testing.T) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "millrace test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, file
}

func TestTLS(t *testing.T) {
	t.Parallel()
	config, ca := certificate(t)
	g := gatewaytest.StartWith(t, s3gateway.Config{TLS: config}, "lake")
	opts := options(g.Endpoint())
	if !strings.HasPrefix(opts.Endpoint, "https://") {
		t.Fatalf("endpoint %s", opts.Endpoint)
	}
	_, err := s3io.Open(t.Context(), "s3://lake", opts)
	wantUsage(t, err, "CAFile", g.Endpoint())
	opts.CAFile = ca
	contract(t, opts)
}

func TestVirtualHostStyle(t *testing.T) {
	t.Parallel()
	g := gatewaytest.StartWith(t, s3gateway.Config{Domain: "s3.example"}, "lake")
	transport := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if !strings.HasPrefix(addr, "lake.s3.example:") {
			return nil, fmt.Errorf("dialled %s, want the bucket in the host name", addr)
		}
		return (&net.Dialer{}).DialContext(ctx, network, g.Addr())
	}}
	t.Cleanup(transport.CloseIdleConnections)
	opts := options("http://s3.example")
	opts.AddressStyle, opts.Transport = s3io.AddressVirtualHost, transport
	contract(t, opts)
}

func TestCredentialSources(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "lake")
	file := filepath.Join(t.TempDir(), "credentials")
	profile := fmt.Sprintf("[bank]\naws_access_key_id = %s\naws_secret_access_key = %s\n", gatewaytest.AccessKey, gatewaytest.SecretKey)
	if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Method == http.MethodPut:
			fmt.Fprint(w, "token")
		case strings.HasSuffix(req.URL.Path, "/security-credentials/"):
			fmt.Fprint(w, "lake-writer")
		default:
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":%q,"Expiration":"2099-01-01T00:00:00Z"}`, gatewaytest.AccessKey, gatewaytest.SecretKey)
		}
	}))
	t.Cleanup(role.Close)
	env := func(names ...string) func(string) string {
		return func(name string) string {
			for i, value := range []string{gatewaytest.AccessKey, gatewaytest.SecretKey} {
				if names != nil && name == names[i] {
					return value
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		name   string
		creds  s3io.Credentials
		getenv func(string) string
	}{
		{"static", s3io.Credentials{Source: s3io.FromStatic, AccessKey: gatewaytest.AccessKey, SecretKey: gatewaytest.SecretKey}, env()},
		{"millrace environment", s3io.Credentials{Source: s3io.FromEnv}, env("MILLRACE_S3_ACCESS_KEY", "MILLRACE_S3_SECRET_KEY")},
		{"aws environment", s3io.Credentials{Source: s3io.FromEnv}, env("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
		{"file", s3io.Credentials{Source: s3io.FromFile, File: file, Profile: "bank"}, env()},
		{"iam", s3io.Credentials{Source: s3io.FromIAM, IAMEndpoint: role.URL}, env()},
		{"anywhere: environment", s3io.Credentials{}, env("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
		{"anywhere: file", s3io.Credentials{File: file, Profile: "bank"}, env()},
		{"anywhere: role", s3io.Credentials{File: "/absent", IAMEndpoint: role.URL}, env()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opts := options(g.Endpoint())
			opts.Credentials, opts.Getenv = c.creds, c.getenv
			s := open(t, "s3://lake/"+strings.ReplaceAll(c.name, " ", "-"), opts)
			if err := s.Put(t.Context(), "x", nil, storage.PutOptions{}); err != nil {
				t.Error(err)
			}
			if text := fmt.Sprintf("%v %+v %#v", c.creds, c.creds, c.creds); strings.Contains(text, gatewaytest.SecretKey) {
				t.Errorf("printing shows the secret: %s", text)
			}
		})
	}
}
