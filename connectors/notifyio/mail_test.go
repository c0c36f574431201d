package notifyio_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/sdk/fault"
)

// mailServer speaks as much SMTP as a client of this package needs.
type mailServer struct {
	addr, ca string
	cert     tls.Certificate

	tls      bool     // from the first byte
	plain    bool     // no STARTTLS
	auth     string   // ways to sign in
	rejects  []string // replies to MAIL, the first call first
	mute     bool     // greets and says no more
	mu       sync.Mutex
	messages []string
	calls    int
}

func (s *mailServer) start(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	s.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(s.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				if s.tls {
					s.talk(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.cert}}), true)
				} else {
					s.talk(c, false)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
}

// talk serves one client until it leaves.
func (s *mailServer) talk(c net.Conn, secure bool) {
	s.mu.Lock()
	call := s.calls
	s.calls++
	s.mu.Unlock()
	r := bufio.NewReader(c)
	say := func(format string, args ...any) { fmt.Fprintf(c, format+"\r\n", args...) }
	say("220 mail ready")
	if s.mute {
		_, _ = io.Copy(io.Discard, r) // until the client leaves
		return
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-mail")
			if !secure && !s.plain {
				say("250-STARTTLS")
			}
			if s.auth != "" && secure {
				say("250-AUTH %s", s.auth)
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			s.talkTLS(c)
			return
		case "AUTH":
			if s.signsIn(r, say, rest) {
				say("235 welcome")
			} else {
				say("535 5.7.8 wrong name or password")
			}
		case "MAIL":
			if call < len(s.rejects) {
				say("%s", s.rejects[call])
				continue
			}
			say("250 ok")
		case "RCPT":
			if strings.Contains(rest, "nobody@") {
				say("550 no such receiver")
				continue
			}
			say("250 ok")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil || line == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			s.mu.Lock()
			s.messages = append(s.messages, text.String())
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// talkTLS goes on encrypted: the second greeting, which STARTTLS does not have, is swallowed.
func (s *mailServer) talkTLS(c net.Conn) {
	s.mu.Lock()
	s.calls-- // the same client
	s.mu.Unlock()
	s.talk(&greeted{Conn: tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.cert}})}, true)
}

type greeted struct {
	net.Conn
	said bool
}

func (g *greeted) Write(b []byte) (int, error) {
	if !g.said {
		g.said = true
		return len(b), nil
	}
	return g.Conn.Write(b)
}

func (s *mailServer) signsIn(r *bufio.Reader, say func(string, ...any), rest string) bool {
	way, first, _ := strings.Cut(rest, " ")
	if way == "PLAIN" {
		text, err := base64.StdEncoding.DecodeString(first)
		return err == nil && string(text) == "\x00robot\x00right"
	}
	var said []string
	for _, q := range []string{"Username:", "Password:"} {
		say("334 %s", base64.StdEncoding.EncodeToString([]byte(q)))
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
		if err != nil {
			return false
		}
		said = append(said, string(text))
	}
	return strings.Join(said, " ") == "robot right"
}

func (s *mailServer) mailer(t *testing.T, change func(*notifyio.EmailConfig)) *notifyio.Mailer {
	t.Helper()
	c := notifyio.EmailConfig{Server: s.addr, From: "Millrace <robot@example.com>", To: []string{"books@example.com", "Audit <audit@example.com>"}, Subject: "[books]",
		CAFile: s.ca, Retry: quick()}
	if change != nil {
		change(&c)
	}
	m, err := notifyio.NewMailer(c, notifyio.Options{Clock: noon})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMail(t *testing.T) {
	t.Parallel()
	signIn := func(c *notifyio.EmailConfig) { c.Username, c.Password = "robot", "right" }
	for name, c := range map[string]struct {
		server *mailServer
		change func(*notifyio.EmailConfig)
	}{
		"STARTTLS and PLAIN":      {&mailServer{auth: "PLAIN LOGIN"}, signIn},
		"STARTTLS and LOGIN":      {&mailServer{auth: "LOGIN"}, signIn},
		"TLS from the first byte": {&mailServer{auth: "PLAIN", tls: true}, func(c *notifyio.EmailConfig) { signIn(c); c.Security = "tls" }},
		"plain":                   {&mailServer{plain: true}, func(c *notifyio.EmailConfig) { c.Security = "none" }},
		"busy at first":           {&mailServer{rejects: []string{"451 later", "421 closing"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.server.start(t)
			msg := failed
			msg.Subject, msg.Text, msg.HTML = "Zürich: FAIL\r\nBcc: thief@example.com", ".first line\nΣ = 3", "<p>Σ = 3</p>"
			if err := c.server.mailer(t, c.change).Notify(t.Context(), msg); err != nil {
				t.Fatal(err)
			}
			if len(c.server.messages) != 1 {
				t.Fatalf("%d messages", len(c.server.messages))
			}
			inspect(t, c.server.messages[0])
		})
	}
}

func inspect(t *testing.T, text string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "[books] Zürich: FAIL Bcc: thief@example.com" || m.Header.Get("Bcc") != "" {
		t.Errorf("subject %q, %v", subject, err)
	}
	if to, err := m.Header.AddressList("To"); err != nil || len(to) != 2 || to[1].Address != "audit@example.com" {
		t.Errorf("to %v, %v", to, err)
	}
	if at, err := m.Header.Date(); err != nil || !at.Equal(noon()) {
		t.Errorf("date %v, %v", at, err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s: %v", kind, err)
	}
	var parts []string
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p.Header.Get("Content-Type")+": "+strings.ReplaceAll(string(body), "\r\n", "\n"))
	}
	if want := "text/plain; charset=utf-8: .first line\nΣ = 3|text/html; charset=utf-8: <p>Σ = 3</p>"; strings.Join(parts, "|") != want {
		t.Errorf("%q, want %q", parts, want)
	}
}

func TestMailFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server *mailServer
		change func(*notifyio.EmailConfig)
		calls  int
		kind   fault.Kind
		says   string
	}{
		"wrong credentials": {&mailServer{auth: "PLAIN"}, func(c *notifyio.EmailConfig) { c.Username, c.Password = "robot", "wr0ng" }, 1, fault.Fault, "sign in as robot: 535"},
		"wrong credentials, LOGIN": {&mailServer{auth: "LOGIN"}, func(c *notifyio.EmailConfig) { c.Username, c.Password = "robot", "wr0ng" }, 1, fault.Fault,
			"sign in as robot: 535"},
		"no way to sign in":           {&mailServer{auth: "XOAUTH2"}, func(c *notifyio.EmailConfig) { c.Username, c.Password = "robot", "wr0ng" }, 1, fault.Fault, "no way to sign in"},
		"no STARTTLS":                 {&mailServer{plain: true}, nil, 1, fault.Fault, "does not offer STARTTLS"},
		"a certificate of a stranger": {&mailServer{}, func(c *notifyio.EmailConfig) { c.CAFile = "" }, 1, fault.Fault, "certificate"},
		"a receiver that is not there": {&mailServer{}, func(c *notifyio.EmailConfig) { c.To = append(c.To, "nobody@example.com") }, 1, fault.Fault,
			"receiver nobody@example.com: 550"},
		"busy for too long": {&mailServer{rejects: []string{"451 later", "451 later", "451 later"}}, nil, 3, fault.Retryable, "given up after 3 attempts: sender robot@example.com: 451"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.server.start(t)
			m := c.server.mailer(t, c.change)
			err := m.Notify(t.Context(), failed)
			if err == nil || fault.Of(err) != c.kind || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "wr0ng") {
				t.Fatalf("%v (%v), want %s", err, fault.Of(err), c.says)
			}
			if c.server.calls != c.calls || len(c.server.messages) != 0 {
				t.Errorf("%d calls, %d messages", c.server.calls, len(c.server.messages))
			}
		})
	}
}

func TestMailTimeouts(t *testing.T) {
	t.Parallel()
	s := &mailServer{mute: true}
	s.start(t)
	m := s.mailer(t, func(c *notifyio.EmailConfig) {
		c.Retry = notifyio.Retry{Timeout: 30 * time.Millisecond, Attempts: 2, Backoff: time.Millisecond}
	})
	if err := m.Notify(t.Context(), failed); !errors.Is(err, context.DeadlineExceeded) || !fault.IsRetryable(err) {
		t.Fatalf("a server that does not answer: %v", err)
	}
	s.mailer(t, nil)
	dead := s.mailer(t, func(c *notifyio.EmailConfig) { c.Server = "127.0.0.1:1" })
	if err := dead.Notify(t.Context(), failed); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("a dead port: %v", err)
	}
}
