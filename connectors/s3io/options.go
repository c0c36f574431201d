package s3io

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// Defaults of Options.
const (
	DefaultRegion      = "us-east-1"
	DefaultPartSize    = 8 << 20
	DefaultConcurrency = 2
	DefaultReadAhead   = 256 << 10
	DefaultDeadline    = 2 * time.Minute
	DefaultTryTimeout  = 15 * time.Second
	DefaultBackoff     = 50 * time.Millisecond
	DefaultMaxBackoff  = 5 * time.Second
)

// minPartSize is the smallest part that S3 accepts, the last one apart.
const minPartSize = 5 << 20

// AddressStyle says where a bucket's name goes in a request's URL.
type AddressStyle string

// The address styles.
const (
	AddressAuto        AddressStyle = ""             // virtual-host on AWS, path elsewhere
	AddressPath        AddressStyle = "path"         // https://host/bucket/key
	AddressVirtualHost AddressStyle = "virtual-host" // https://bucket.host/key
)

// Checksum says what protects uploads on their way.
type Checksum string

// The upload checksums.
const (
	ChecksumCRC32C Checksum = "crc32c" // x-amz-checksum-crc32c, verified and kept by the server; the default
	ChecksumSHA256 Checksum = "sha256" // the payload's SHA-256 is signed: safe against tampering on plain HTTP too
	ChecksumMD5    Checksum = "md5"    // Content-MD5, for servers that know nothing newer
	ChecksumNone   Checksum = "none"   // nothing but TLS and TCP
)

// Options says how to reach S3. The zero value reaches AWS with the credentials of the environment.
type Options struct {
	// Endpoint is the server's URL, such as http://127.0.0.1:9000; "" is AWS.
	Endpoint string
	// Region to sign for; "" takes AWS_REGION, then AWS_DEFAULT_REGION, then DefaultRegion.
	Region string
	// AddressStyle of bucket names; AddressAuto by default.
	AddressStyle AddressStyle
	// Credentials to sign with.
	Credentials Credentials

	// CAFile is a PEM file of authorities to trust beside the system's.
	CAFile string
	// Transport replaces the HTTP transport; CAFile is then not used.
	Transport http.RoundTripper

	// PartSize is the size in bytes of a multipart upload's parts: at least 5 MiB,
	// DefaultPartSize by default. An object can have 10,000 parts.
	PartSize int
	// Concurrency is how many parts of one object are uploaded at once; DefaultConcurrency by default.
	Concurrency int
	// ReadAhead is the size in bytes of the blocks in which small reads are fetched;
	// DefaultReadAhead by default, negative for exactly what is asked. Reads of that size or more are not blocked up.
	ReadAhead int
	// Checksum of uploads; ChecksumCRC32C by default.
	Checksum Checksum

	// Deadline is how long an operation is retried; DefaultDeadline by default.
	Deadline time.Duration
	// TryTimeout is how long a request may go without a byte moving; DefaultTryTimeout by default.
	TryTimeout time.Duration
	// Backoff is the first wait's upper bound, doubled with each try up to
	// MaxBackoff. DefaultBackoff and DefaultMaxBackoff by default.
	Backoff, MaxBackoff time.Duration

	// SkipBucketCheck lets Open succeed without asking whether the bucket is there
	// and the credentials are good, for keys that may not list.
	SkipBucketCheck bool
	// Getenv replaces os.Getenv.
	Getenv func(string) string
	// Clock replaces time.Now in measuring the deadline.
	Clock func() time.Time
}

// Validate reports every fault of the options at once, as a fault.Usage.
func (o Options) Validate() error {
	var faults []string
	add := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if o.Endpoint != "" {
		if msg := endpointFault(o.Endpoint); msg != "" {
			add("%s", msg)
		}
	}
	switch o.AddressStyle {
	case AddressAuto, AddressPath, AddressVirtualHost:
	default:
		add("address style %q: want %q, %q or nothing", o.AddressStyle, AddressPath, AddressVirtualHost)
	}
	switch o.Checksum {
	case "", ChecksumCRC32C, ChecksumSHA256, ChecksumMD5, ChecksumNone:
	default:
		add("checksum %q: want crc32c, sha256, md5 or none", o.Checksum)
	}
	if o.PartSize != 0 && o.PartSize < minPartSize {
		add("part size %d: want at least %d (5 MiB)", o.PartSize, minPartSize)
	}
	if o.Concurrency < 0 {
		add("concurrency %d is negative", o.Concurrency)
	}
	for name, d := range map[string]time.Duration{"deadline": o.Deadline, "try timeout": o.TryTimeout, "backoff": o.Backoff, "max backoff": o.MaxBackoff} {
		if d < 0 {
			add("%s %v is negative", name, d)
		}
	}
	if msg := o.Credentials.fault(); msg != "" {
		add("%s", msg)
	}
	if faults != nil {
		return fault.Usagef("s3 options: %s", strings.Join(faults, "; "))
	}
	return nil
}

func endpointFault(endpoint string) string {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Sprintf("endpoint %q: want http://host:port or https://host:port", storage.Redact(endpoint))
	case u.User != nil:
		return fmt.Sprintf("endpoint %q: credentials do not belong in it; set the access key and the secret key", u.Redacted())
	case u.Path != "" && u.Path != "/" || u.RawQuery != "":
		return fmt.Sprintf("endpoint %q: want no path; the bucket goes into the s3:// URL", endpoint)
	}
	return ""
}

// withDefaults fills what was left out.
func (o Options) withDefaults() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.Region = firstOf(o.Region, o.Getenv("AWS_REGION"), o.Getenv("AWS_DEFAULT_REGION"), DefaultRegion)
	o.Checksum = firstOf(o.Checksum, ChecksumCRC32C)
	o.PartSize = firstOf(o.PartSize, DefaultPartSize)
	o.Concurrency = firstOf(o.Concurrency, DefaultConcurrency)
	o.ReadAhead = firstOf(o.ReadAhead, DefaultReadAhead)
	o.Deadline = firstOf(o.Deadline, DefaultDeadline)
	o.TryTimeout = firstOf(o.TryTimeout, DefaultTryTimeout)
	o.Backoff = firstOf(o.Backoff, DefaultBackoff)
	o.MaxBackoff = firstOf(o.MaxBackoff, DefaultMaxBackoff)
	return o
}

// firstOf is the first of values that is not zero.
func firstOf[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}

// transport is what requests go through: connections are kept, bodies are
// passed as they are, and the try's own timer replaces the fixed time-outs.
func (o Options) transport() (http.RoundTripper, error) {
	if o.Transport != nil {
		return o.Transport, nil
	}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if o.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fault.Usagef("s3 options: read the CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.Usagef("s3 options: CA file %s holds no PEM certificate", o.CAFile)
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}
