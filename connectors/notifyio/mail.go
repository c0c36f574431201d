package notifyio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// EmailConfig says how mail is sent. Server, From and To are required.
type EmailConfig struct {
	Server   string   `yaml:"server" required:"true" doc:"host and port of the mail server, such as smtp.example.com:587"`
	Security string   `yaml:"security" default:"starttls" enum:"starttls|tls|none" doc:"starttls: encrypted before anything is said; tls: from the first byte, as on port 465; none: plain, without credentials"`
	Username string   `yaml:"username" doc:"who signs in; default nobody"`
	Password string   `yaml:"password" secret:"true" doc:"of username; take it from the environment, as ${SMTP_PASSWORD}"`
	From     string   `yaml:"from" required:"true" doc:"the sender, such as Millrace <millrace@example.com>"`
	To       []string `yaml:"to" required:"true" doc:"one or more receivers"`
	Subject  string   `yaml:"subject" doc:"text before each message's subject, such as [books]"`
	CAFile   string   `yaml:"ca_file" doc:"PEM file of certificates to trust beside the system's"`
	Retry    Retry    `yaml:"retry" doc:"how often and how long it is tried"`
}

// Mailer sends messages by SMTP. It is safe for concurrent use.
type Mailer struct {
	config EmailConfig
	host   string
	from   *mail.Address
	to     []*mail.Address
	roots  *x509.CertPool
	retry  Retry
	clock  func() time.Time
}

// NewMailer makes a mailer. Wrong addresses, and credentials that would travel in the clear, are a fault.Usage.
func NewMailer(c EmailConfig, o Options) (*Mailer, error) {
	if c.Security == "" {
		c.Security = "starttls"
	}
	m := &Mailer{config: c, retry: c.Retry.filled(), clock: o.clock()}
	var err error
	if m.host, _, err = net.SplitHostPort(c.Server); err != nil || m.host == "" {
		return nil, fault.Usagef("email: server %q: write it as host:port", c.Server)
	}
	if m.from, err = mail.ParseAddress(c.From); err != nil {
		return nil, fault.Usagef("email: from %q: %w", c.From, err)
	}
	for _, t := range c.To {
		to, err := mail.ParseAddress(t)
		if err != nil {
			return nil, fault.Usagef("email: to %q: %w", t, err)
		}
		m.to = append(m.to, to)
	}
	switch {
	case len(m.to) == 0:
		return nil, fault.Usagef("email: to: name one receiver or more")
	case c.Security != "starttls" && c.Security != "tls" && c.Security != "none":
		return nil, fault.Usagef("email: security: %q is none of starttls, tls, none", c.Security)
	case c.Security == "none" && c.Username != "":
		return nil, fault.Usagef("email: a password is not sent in the clear: set security to starttls or tls")
	case (c.Username == "") != (c.Password == ""):
		return nil, fault.Usagef("email: username and password go together")
	}
	if err := c.Retry.check(); err != nil {
		return nil, fmt.Errorf("email: %w", err)
	}
	if m.roots, err = certificates(c.CAFile); err != nil {
		return nil, fmt.Errorf("email: %w", err)
	}
	return m, nil
}

// String names server and receivers.
func (m *Mailer) String() string {
	var to []string
	for _, t := range m.to {
		to = append(to, t.Address)
	}
	return "email to " + strings.Join(to, ", ") + " by " + m.config.Server
}

// Notify hands the message to the server. Failures of the network and replies of 4xx are tried again; a refusal, such as of the
// credentials or of any receiver, is not, and then nobody gets the message.
func (m *Mailer) Notify(ctx context.Context, msg Message) error {
	body, err := m.compose(msg)
	if err != nil {
		return fmt.Errorf("write message %s: %w", msg.ID, err)
	}
	return m.retry.do(ctx, func(ctx context.Context) (time.Duration, error) {
		err := m.send(ctx, body)
		var reply *textproto.Error
		var cert *tls.CertificateVerificationError
		switch {
		case errors.As(err, &cert), errors.As(err, &reply) && reply.Code >= 500, errors.Is(err, errNoTLS), errors.Is(err, errNoAuth):
			return 0, err
		}
		return 0, fault.Mark(fault.Retryable, err)
	})
}

var (
	errNoTLS  = errors.New("the server does not offer STARTTLS")
	errNoAuth = errors.New("the server offers no way to sign in that is known (PLAIN or LOGIN)")
)

func (m *Mailer) send(ctx context.Context, body []byte) (err error) {
	var d net.Dialer
	wire, err := d.DialContext(ctx, "tcp", m.config.Server)
	if err != nil {
		return err
	}
	conn := wire
	defer func() { _ = wire.Close() }()                                              // after QUIT or a failure: nothing is lost
	stop := context.AfterFunc(ctx, func() { _ = wire.SetDeadline(time.Unix(1, 0)) }) // what waits for the server fails at once
	defer stop()
	defer func() {
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
	}()
	security := &tls.Config{ServerName: m.host, RootCAs: m.roots, MinVersion: tls.VersionTLS12}
	if m.config.Security == "tls" {
		conn = tls.Client(conn, security)
	}
	c, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	if err := c.Hello("localhost"); err != nil { // Extension would not tell of a failure
		return fmt.Errorf("greet: %w", err)
	}
	if m.config.Security == "starttls" {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return errNoTLS
		}
		if err := c.StartTLS(security); err != nil {
			return fmt.Errorf("start TLS: %w", err)
		}
	}
	if m.config.Username != "" {
		if err := m.signIn(c); err != nil {
			return fmt.Errorf("sign in as %s: %w", m.config.Username, err)
		}
	}
	return m.hand(c, body)
}

// hand hands a message over.
func (m *Mailer) hand(c *smtp.Client, body []byte) error {
	if err := c.Mail(m.from.Address); err != nil {
		return fmt.Errorf("sender %s: %w", m.from.Address, err)
	}
	for _, to := range m.to {
		if err := c.Rcpt(to.Address); err != nil {
			return fmt.Errorf("receiver %s: %w", to.Address, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	_ = c.Quit() // the server has taken it
	return nil
}

func (m *Mailer) signIn(c *smtp.Client) error {
	_, ways := c.Extension("AUTH")
	ways = " " + strings.ToUpper(ways) + " "
	switch {
	case strings.Contains(ways, " PLAIN "):
		return c.Auth(smtp.PlainAuth("", m.config.Username, m.config.Password, m.host))
	case strings.Contains(ways, " LOGIN "):
		return c.Auth(&login{m.config.Username, m.config.Password})
	}
	return errNoAuth
}

// login is the way of Exchange: the server asks for name and password in turn. The connection is encrypted already.
type login struct{ username, password string }

// Start begins without a first reply.
func (l *login) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

// Next answers the server's questions.
func (l *login) Next(question []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	switch q := strings.ToLower(string(question)); {
	case strings.Contains(q, "user"):
		return []byte(l.username), nil
	case strings.Contains(q, "pass"):
		return []byte(l.password), nil
	}
	return nil, fmt.Errorf("the server asks %q, which is neither name nor password", question)
}
