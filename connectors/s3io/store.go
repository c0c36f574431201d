package s3io

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/minio/minio-go/v7"
)

// maxKeyLen is S3's limit of an object's key in bytes.
const maxKeyLen = 1024

// Store is a bucket with a prefix. It is safe for concurrent use.
type Store struct {
	bucket   string
	prefix   string // "" or with a trailing slash
	endpoint string
	keyID    string // the access key when the store was opened; "" if anonymous
	opts     Options
	core     *minio.Core
	http     http.RoundTripper
	parts    sync.Pool // of *[]byte with PartSize capacity
}

var _ storage.Store = (*Store)(nil)

// Opener opens s3:// URLs with opts, for a storage.Resolver under the scheme "s3".
func Opener(opts Options) storage.Opener {
	return func(ctx context.Context, url string) (storage.Store, error) { return Open(ctx, url, opts) }
}

// Open opens s3://bucket or s3://bucket/prefix. Unless opts.SkipBucketCheck it
// asks the server for the bucket, so that wrong credentials, a wrong endpoint or
// a missing bucket show now, as a fault.Usage. Close it to free its connections.
func Open(ctx context.Context, rawURL string, opts Options) (*Store, error) {
	s, err := connect(ctx, rawURL, opts)
	if err != nil {
		return nil, err
	}
	if opts.SkipBucketCheck {
		return s, nil
	}
	if err := s.checkBucket(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// EnsureBucket makes the bucket of an s3:// URL if it is not there. One that
// this account has already is no error; one that belongs to somebody else is a fault.Usage.
func EnsureBucket(ctx context.Context, rawURL string, opts Options) error {
	s, err := connect(ctx, rawURL, opts)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.makeBucket(ctx)
}

// connect builds a store without asking the server anything.
func connect(ctx context.Context, rawURL string, opts Options) (*Store, error) {
	bucket, prefix, err := splitURL(rawURL)
	if err != nil {
		return nil, err
	}
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	transport, err := opts.transport()
	if err != nil {
		return nil, err
	}
	creds, keyID, err := opts.Credentials.resolve(ctx, opts.Getenv, transport)
	if err != nil {
		return nil, err
	}
	s := &Store{bucket: bucket, prefix: prefix, keyID: keyID, opts: opts, http: transport}
	host, secure := "s3.amazonaws.com", true
	s.endpoint = "https://s3." + opts.Region + ".amazonaws.com"
	if opts.Endpoint != "" {
		u, err := url.Parse(opts.Endpoint)
		if err != nil {
			return nil, fault.Usagef("s3 options: endpoint: %w", err)
		}
		host, secure, s.endpoint = u.Host, u.Scheme == "https", u.Scheme+"://"+u.Host
	}
	s.core, err = minio.NewCore(host, &minio.Options{
		Creds: creds, Secure: secure, Region: opts.Region, Transport: transport,
		BucketLookup: opts.lookup(), MaxRetries: 1, // retries are ours: they know what may be repeated
	})
	if err != nil {
		return nil, fault.Usagef("s3 options: endpoint %s: %w", s.endpoint, err)
	}
	return s, nil
}

func (o Options) lookup() minio.BucketLookupType {
	switch {
	case o.AddressStyle == AddressVirtualHost:
		return minio.BucketLookupDNS
	case o.AddressStyle == AddressPath, o.Endpoint != "":
		return minio.BucketLookupPath
	default:
		return minio.BucketLookupAuto
	}
}

func splitURL(rawURL string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(rawURL, "s3://")
	if !ok || strings.ContainsAny(rest, "@") {
		return "", "", fault.Usagef("open %q: want s3://bucket or s3://bucket/prefix", storage.Redact(rawURL))
	}
	bucket, prefix, _ = strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	if len(bucket) < 3 || len(bucket) > 63 || strings.Trim(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return "", "", fault.Usagef("open %q: %q is not a bucket's name: 3 to 63 of a-z, 0-9, dot and dash", rawURL, bucket)
	}
	if prefix == "" {
		return bucket, "", nil
	}
	if err := storage.CheckName(prefix); err != nil {
		return "", "", fault.Usagef("open %q: the prefix: %w", rawURL, err)
	}
	return bucket, prefix + "/", nil
}

// URL is s3://bucket or s3://bucket/prefix.
func (s *Store) URL() string {
	return strings.TrimSuffix("s3://"+s.bucket+"/"+s.prefix, "/")
}

// Endpoint is the server's URL.
func (s *Store) Endpoint() string { return s.endpoint }

// Close closes idle connections, unless the transport is the caller's. Readers
// and writers that are open go on working. Using the store again opens new connections.
func (s *Store) Close() error {
	if t, ok := s.http.(*http.Transport); ok && s.opts.Transport == nil {
		t.CloseIdleConnections()
	}
	return nil
}

// key is the object's key in the bucket.
func (s *Store) key(name string) (string, error) {
	if err := storage.CheckName(name); err != nil {
		return "", err
	}
	if len(s.prefix)+len(name) > maxKeyLen {
		return "", fault.Usagef("object name %.40q… with its prefix has %d bytes: S3 allows %d", name, len(s.prefix)+len(name), maxKeyLen)
	}
	return s.prefix + name, nil
}

// checkBucket lists one key: unlike a HEAD request, a refusal then says its reason.
func (s *Store) checkBucket(ctx context.Context) error {
	_, err := s.page(ctx, op{doing: "open", first: true}, "", "", 1)
	return err
}

func (s *Store) makeBucket(ctx context.Context) error {
	return s.do(ctx, op{doing: "create bucket", first: true}, func(t *try) error {
		err := s.core.MakeBucket(t.ctx, s.bucket, minio.MakeBucketOptions{Region: s.opts.Region})
		if err == nil || minio.ToErrorResponse(err).Code == minio.BucketAlreadyOwnedByYou {
			return nil
		}
		if found, headErr := s.core.BucketExists(t.ctx, s.bucket); headErr == nil && found {
			return nil // made by a try whose reply was lost, or ours under an older code
		}
		return err
	})
}
