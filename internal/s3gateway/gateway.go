// Package s3gateway serves folders as S3 buckets, in process.
//
// Nouns. A [Gateway] is an HTTP(S) server over one folder, its root: each
// folder directly in the root is a bucket, each regular file below a bucket an
// object, so the lake can be looked at, copied and backed up as files. ETags,
// checksums and user metadata are extended attributes of the files (the file
// system must have them). Uploads in progress live in the bucket's .sgwtmp.
//
// Invariants:
//   - Every request must be signed by the one access key of the configuration.
//   - An object appears whole or not at all; If-None-Match: * is decided atomically.
//   - Unless NoSync, the reply to a PUT or a completed upload comes after the
//     object, its attributes and the folders above it are synced to disk.
//   - One gateway serves a root at a time: a second one, in any process, is refused.
//   - The working directory is left alone, so several gateways run in one process.
//
// What is not guaranteed: object names that are also folders of other names
// cannot exist, as in a file system. Deletes are not synced: after a power
// failure a deleted object may be back. Versioning, object locks, policies,
// tagging, server-side copies and the other calls that a lake does not use are
// answered with NotImplemented. It is meant for one machine: demos, tests, small sites.
//
// Errors: Start reports a bad configuration or an occupied address as fault.Usage.
package s3gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

// DefaultRegion is the region of a gateway whose Config names none.
const DefaultRegion = "us-east-1"

const (
	maxConnections = 1024
	maxRequests    = 512
	maxParts       = 10_000
	bindAttempts   = 8 // for a free port that somebody else takes before we do
)

// Config says what to serve and where. Root, AccessKey and SecretKey are required.
type Config struct {
	Root      string // the folder that holds buckets; created if absent
	Addr      string // host:port to listen on; default 127.0.0.1:0, a free port on loopback
	AccessKey string // at least 3 characters
	SecretKey string // at least 8 characters
	Region    string // default DefaultRegion
	NoSync    bool   // do not sync objects to disk: faster, and lost at a power failure
	// TLS serves HTTPS with these certificates; nil serves plain HTTP.
	TLS *tls.Config
	// Domain lets clients address a bucket as <bucket>.<Domain> in the Host header
	// (virtual-host style), beside the path style. With a port if clients send one.
	Domain string
	// Log gets internal errors; nil means slog.Default.
	Log *slog.Logger
}

func (c *Config) check() error {
	switch {
	case c.Root == "":
		return fault.Usagef("s3 gateway: no folder to serve: set Root")
	case len(c.AccessKey) < 3:
		return fault.Usagef("s3 gateway: the access key must have at least 3 characters")
	case len(c.SecretKey) < 8:
		return fault.Usagef("s3 gateway: the secret key must have at least 8 characters")
	}
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return fault.Usagef("s3 gateway: address %q: want host:port, such as 127.0.0.1:9000", c.Addr)
	}
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return nil
}

// Gateway is a running server. Close it.
type Gateway struct {
	cfg    Config
	addr   string // where clients connect
	server *s3api.S3ApiServer
	posix  *folder
	lock   *os.File
	front  *tunnel // the TLS listener, or nil
	serve  sync.WaitGroup
	once   sync.Once
	err    error
}

// Start serves cfg until Close. When it returns the gateway accepts connections.
func Start(cfg Config) (*Gateway, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	root, err := filepath.Abs(cfg.Root)
	if err != nil {
		return nil, fault.Usagef("s3 gateway: folder %q: %w", cfg.Root, err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fault.Usagef("s3 gateway: cannot create the folder to serve: %w", err)
	}
	lock, err := lockRoot(root)
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, lock: lock}
	if err := g.start(root); err != nil {
		lock.Close()
		return nil, err
	}
	return g, nil
}

func (g *Gateway) start(root string) error {
	posix, err := newFolder(root, !g.cfg.NoSync, g.cfg.Log)
	if err != nil {
		return err
	}
	g.posix = posix
	addr := g.cfg.Addr
	if g.cfg.TLS != nil {
		addr = "127.0.0.1:0" // the inner, plain listener; clients meet the tunnel
	}
	if err := g.listen(addr); err != nil {
		posix.Shutdown()
		return err
	}
	if g.cfg.TLS == nil {
		return nil
	}
	g.front, err = openTunnel(g.cfg.Addr, g.cfg.TLS, g.addr)
	if err != nil {
		return errors.Join(bindError(g.cfg.Addr, err), g.Close())
	}
	g.addr = g.front.addr()
	return nil
}

// listen binds addr and serves. The server can only be told an address, so a
// free port is found first and may be lost to another program: then try again.
func (g *Gateway) listen(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return bindError(addr, err)
	}
	for attempt := 1; ; attempt++ {
		chosen := addr
		if port == "0" {
			if chosen, err = freePort(host); err != nil {
				return bindError(addr, err)
			}
		}
		err = g.serveAt(chosen)
		if err == nil {
			return nil
		}
		if port != "0" || attempt == bindAttempts {
			return bindError(chosen, err)
		}
	}
}

func freePort(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (g *Gateway) serveAt(addr string) error {
	ready := make(chan struct{})
	opts := []s3api.Option{
		s3api.WithConcurrencyLimiter(maxConnections, maxRequests), s3api.WithMpMaxParts(maxParts),
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithOnListen(func() { close(ready) }),
	}
	if g.cfg.Domain != "" {
		opts = append(opts, s3api.WithHostStyle(g.cfg.Domain))
	}
	account := auth.Account{Access: g.cfg.AccessKey, Secret: g.cfg.SecretKey, Role: auth.RoleAdmin}
	root := middlewares.RootUserConfig{Access: g.cfg.AccessKey, Secret: g.cfg.SecretKey}
	server, err := s3api.New(g.posix, root, g.cfg.Region, auth.NewIAMServiceSingle(account), nil, nil, nil, nil, opts...)
	if err != nil {
		return fmt.Errorf("set up the server: %w", err)
	}
	failed := make(chan error, 1)
	g.serve.Go(func() { failed <- server.ServeMultiPort([]string{addr}) })
	select {
	case <-ready:
		g.server, g.addr = server, addr
		return nil
	case err := <-failed:
		return err
	}
}

func bindError(addr string, err error) error {
	return fault.Usagef("s3 gateway: cannot listen on %s: %w; choose another address", addr, err)
}

// lockRoot makes this the only gateway over root. The lock ends with the process.
func lockRoot(root string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(root, ".millrace-gateway.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fault.Usagef("s3 gateway: cannot write in the folder to serve: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fault.Usagef("s3 gateway: another gateway serves %s already (%w); stop it first", root, err)
	}
	return f, nil
}

// Addr is the host:port that clients connect to.
func (g *Gateway) Addr() string { return g.addr }

// Endpoint is the URL that S3 clients want, such as http://127.0.0.1:9000.
func (g *Gateway) Endpoint() string {
	if g.cfg.TLS != nil {
		return "https://" + g.addr
	}
	return "http://" + g.addr
}

// Region is the region that clients must sign for.
func (g *Gateway) Region() string { return g.cfg.Region }

// CreateBucket makes a bucket; one that exists is no error.
func (g *Gateway) CreateBucket(ctx context.Context, name string) error {
	return g.posix.ensureBucket(ctx, name, g.cfg.AccessKey)
}

// await waits until the server has ended. One that was told to stop before it quite
// served may go on: it is told again.
func (g *Gateway) await() {
	ended := make(chan struct{})
	go func() {
		g.serve.Wait()
		close(ended)
	}()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-ended:
			return
		case <-again.C:
			_ = g.server.ShutDown() // the first answer is the one to report
		}
	}
}

// Close stops accepting, lets requests in flight end (for at most ten seconds)
// and frees the root. It may be called more than once.
func (g *Gateway) Close() error {
	g.once.Do(func() {
		if g.front != nil {
			g.front.close()
		}
		if err := g.server.ShutDown(); err != nil {
			g.err = fmt.Errorf("s3 gateway: stop: %w", err)
		}
		g.await()
		g.posix.Shutdown()
		if err := g.lock.Close(); err != nil && g.err == nil {
			g.err = fmt.Errorf("s3 gateway: unlock the folder: %w", err)
		}
	})
	return g.err
}
