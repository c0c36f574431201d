package notifyio

import (
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// Config is a channel as a configuration file has it: exactly one of Webhook and Email is set. Its tags are those of the
// project file and of rule files.
type Config struct {
	On      When           `yaml:"on" default:"fail" enum:"fail|warn|always" doc:"which outcomes are told: fail, warn and fail, or each"`
	Webhook *WebhookConfig `yaml:"webhook" doc:"a JSON body is posted, with an HMAC-SHA256 signature"`
	Email   *EmailConfig   `yaml:"email" doc:"text and HTML are mailed"`
}

// Options are what a program, and no configuration file, says. The zero value is ready to use.
type Options struct {
	Clock func() time.Time // of timestamps and mail dates; nil: time.Now
}

func (o Options) clock() func() time.Time {
	if o.Clock == nil {
		return time.Now
	}
	return o.Clock
}

// Check reports what is wrong with a channel's configuration, as a fault.Usage, without reaching out.
func (c Config) Check() error {
	_, err := c.open(Options{})
	return err
}

// Open makes channels, without reaching out. The first configuration that cannot work is a fault.Usage with its number from 1.
func Open(configs []Config, o Options) ([]Channel, error) {
	var out []Channel
	for i, c := range configs {
		ch, err := c.open(o)
		if err != nil {
			return nil, fmt.Errorf("notify %d: %w", i+1, err)
		}
		out = append(out, ch)
	}
	return out, nil
}

func (c Config) open(o Options) (Channel, error) {
	switch {
	case c.On != "" && c.On != OnFail && c.On != OnWarn && c.On != Always:
		return Channel{}, fault.Usagef("on: %q is none of fail, warn, always", string(c.On))
	case (c.Webhook == nil) == (c.Email == nil):
		return Channel{}, fault.Usagef("a channel is a webhook or an email")
	case c.Webhook != nil:
		w, err := NewWebhook(*c.Webhook, o)
		return Channel{c.On, w}, err
	}
	m, err := NewMailer(*c.Email, o)
	return Channel{c.On, m}, err
}

// certificates are the system's, and those of a file; nil stands for the system's.
func certificates(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Usagef("ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, fault.Usagef("ca_file: %s has no certificate in PEM form", file)
	}
	return pool, nil
}
