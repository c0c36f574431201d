package kafkaio_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/sdk/fault"
)

// TestUnreachable: a broker that is not there is reported soon, and says what to look at.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	l.Close()
	for _, c := range []struct {
		name, broker string
		kind         fault.Kind
		says         string
	}{
		{"nobody listens", dead, fault.Retryable, "refused"},
		{"no such host", "kafka.invalid:9092", fault.Usage, "no such host"},
		{"no port", "localhost", fault.Usage, "host:port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := kafkaio.Open(t.Context(), kafkaio.Options{Brokers: []string{c.broker}, Server: "s", Timeout: 2 * time.Second})
			if err == nil || fault.Of(err) != c.kind || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.broker) {
				t.Errorf("%v error %v, want a %v error that says %q and %q", fault.Of(err), err, c.kind, c.says, c.broker)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestCredentials: a wrong password is the user's mistake, the right one works.
func TestCredentials(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "admin", "right"))
			s.opts.SASL = kafkaio.SASL{Mechanism: mechanism, User: "admin", Password: "right"}
			s.open()
			s.opts.SASL.Password = "wrong"
			if _, err := kafkaio.Open(s.ctx, s.opts); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "password") {
				t.Errorf("wrong password: %v (%v)", err, fault.Of(err))
			}
			s.opts.SASL = kafkaio.SASL{}
			if _, err := kafkaio.Open(s.ctx, s.opts); err == nil {
				t.Error("opened without credentials")
			}
		})
	}
	s := newStage(t)
	s.opts.SASL = kafkaio.SASL{Mechanism: "KERBEROS", User: "u"}
	if _, err := kafkaio.Open(s.ctx, s.opts); fault.Of(err) != fault.Usage {
		t.Errorf("unknown mechanism: %v", err)
	}
}

// certificate is a certificate of 127.0.0.1 that vouches for itself.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestTLS: the right authority works; an unknown one, and plain text towards TLS, are the user's mistakes.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	s := newStage(t, kfake.TLS(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}))
	s.opts.Timeout = 2 * time.Second
	s.opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	s.open()
	for name, cfg := range map[string]*tls.Config{"unknown authority": {MinVersion: tls.VersionTLS12}, "plain text": nil} {
		s.opts.TLS = cfg
		if _, err := kafkaio.Open(s.ctx, s.opts); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "tls") {
			t.Errorf("%s: %v (%v)", name, err, fault.Of(err))
		}
	}
}
