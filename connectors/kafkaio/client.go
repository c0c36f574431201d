package kafkaio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace/millrace/sdk/fault"
)

// mechanism is nil where there are no credentials.
func (s SASL) mechanism() (sasl.Mechanism, error) {
	if s.User == "" {
		if s.Mechanism != "" || s.Password != "" {
			return nil, fault.Usagef("kafka: sasl without a user")
		}
		return nil, nil
	}
	auth := scram.Auth{User: s.User, Pass: s.Password}
	switch strings.ToUpper(s.Mechanism) {
	case "", "PLAIN":
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return auth.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return auth.AsSha512Mechanism(), nil
	}
	return nil, fault.Usagef("kafka: sasl mechanism %q: choose PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
}

// dials remembers why the last connection failed, because a request that runs out of time does not say.
type dials struct{ last atomic.Pointer[error] }

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (d *dials) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		d.last.Store(nil)
		return
	}
	d.last.Store(&err)
}

// client connects to the cluster.
func (o *Options) client(d *dials, more ...kgo.Opt) (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Brokers...), kgo.ClientID("millrace"), kgo.WithHooks(d),
		kgo.DialTimeout(min(o.Timeout, 10*time.Second)), kgo.MetadataMinAge(200 * time.Millisecond),
	}
	m, err := o.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	if m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	if o.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(o.TLS))
	}
	cl, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fault.Mark(fault.Usage, fmt.Errorf("kafka: %w", err))
	}
	return cl, nil
}

// explain says what an error of the cluster means and gives it a kind.
func (s *Source) explain(err error, doing string) error {
	if err == nil {
		return nil
	}
	if last := s.dials.last.Load(); last != nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", err, *last)
	}
	where := fmt.Sprintf("kafka %s: %s", strings.Join(s.opts.Brokers, ","), doing)
	var (
		dns    *net.DNSError
		eof    *kgo.ErrFirstReadEOF
		record tls.RecordHeaderError
		cert   *tls.CertificateVerificationError
		ca     x509.UnknownAuthorityError
	)
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.IllegalSaslState), strings.Contains(err.Error(), "SASL_AUTHENTICATION_FAILED"):
		return fault.Usagef("%s: the user or password is wrong (sasl user %q): %w", where, s.opts.SASL.User, err)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fault.Usagef("%s: the broker does not offer sasl mechanism %s: %w", where, s.opts.SASL.Mechanism, err)
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed):
		return fault.Usagef("%s: user %q lacks the right (READ and DESCRIBE on the topics): %w", where, s.opts.SASL.User, err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fault.Usagef("%s: no such host: %w", where, err)
	case errors.As(err, &record), errors.As(err, &cert), errors.As(err, &ca):
		return fault.Usagef("%s: tls does not fit (is the port a tls listener, and its authority known?): %w", where, err)
	case errors.As(err, &eof):
		return fault.Usagef("%s: the broker hung up at once: it may want tls or sasl: %w", where, err)
	}
	return fault.Retryablef("%s: %w", where, err)
}
