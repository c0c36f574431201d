package notifyio

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// Headers of a webhook's request.
const (
	// SignatureHeader holds "sha256=" and, in hex, the HMAC-SHA256 by the secret of: the timestamp header, a full stop, the body.
	SignatureHeader = "Millrace-Signature"
	// TimestampHeader holds the seconds since 1970 at which the request was made. A receiver that refuses old ones cannot be fooled by a replay.
	TimestampHeader = "Millrace-Timestamp"
	// IDHeader holds the message's ID.
	IDHeader = "Idempotency-Key"
)

// WebhookConfig says where a webhook is. URL is required.
type WebhookConfig struct {
	URL    string `yaml:"url" required:"true" secret:"true" doc:"address that takes the JSON body, http or https"`
	Secret string `yaml:"secret" secret:"true" doc:"key that signs the body (HMAC-SHA256); take it from the environment, as ${HOOK_SECRET}"`
	CAFile string `yaml:"ca_file" doc:"PEM file of certificates to trust beside the system's"`
	Retry  Retry  `yaml:"retry" doc:"how often and how long it is tried"`
}

// Webhook posts messages as JSON. It is safe for concurrent use.
type Webhook struct {
	url    *url.URL
	secret []byte
	retry  Retry
	client *http.Client
	clock  func() time.Time
}

// NewWebhook makes a webhook. A wrong address is a fault.Usage.
func NewWebhook(c WebhookConfig, o Options) (*Webhook, error) {
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fault.Usagef("webhook: its url is no address such as https://host/path")
	}
	if err := c.Retry.check(); err != nil {
		return nil, fmt.Errorf("webhook %s: %w", place(u), err)
	}
	roots, err := certificates(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("webhook %s: %w", place(u), err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	return &Webhook{url: u, secret: []byte(c.Secret), retry: c.Retry.filled(), clock: o.clock(), client: &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// place is an address without what may be secret: user, path and query.
func place(u *url.URL) string { return u.Scheme + "://" + u.Host }

// String names the host. The path may be a secret, and is not shown.
func (w *Webhook) String() string { return "webhook " + place(w.url) }

// Notify posts the message until it is answered with 2xx. 408, 425, 429, 5xx and failures of the network are tried again.
func (w *Webhook) Notify(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write message %s as JSON: %w", m.ID, err)
	}
	return w.retry.do(ctx, func(ctx context.Context) (time.Duration, error) { return w.post(ctx, m.ID, body) })
}

func (w *Webhook) post(ctx context.Context, id string, body []byte) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.String(), bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the request cannot be made")
	}
	at := strconv.FormatInt(w.clock().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "millrace")
	req.Header.Set(IDHeader, id)
	req.Header.Set(TimestampHeader, at)
	if len(w.secret) > 0 {
		req.Header.Set(SignatureHeader, Sign(w.secret, at, body))
	}
	resp, err := w.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) { // it shows the whole address
			err = u.Err
		}
		return 0, fault.Mark(fault.Retryable, err)
	}
	defer resp.Body.Close()
	reply, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // only shown
	if resp.StatusCode/100 == 2 {
		return 0, nil
	}
	err = fmt.Errorf("answered %s: %q", resp.Status, reply)
	switch s := resp.StatusCode; {
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests, s >= 500:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // 0: it does not say
		return time.Duration(max(seconds, 0)) * time.Second, fault.Mark(fault.Retryable, err)
	}
	return 0, err
}

// Sign is the signature of a body that was sent at a timestamp, as SignatureHeader has it.
func Sign(secret []byte, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(timestamp))
	h.Write([]byte{'.'})
	h.Write(body)
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}

// Verify reports whether a request's headers fit its body and the secret, in constant time. A receiver also holds the timestamp against its clock.
func Verify(secret []byte, header http.Header, body []byte) bool {
	want := Sign(secret, header.Get(TimestampHeader), body)
	return hmac.Equal([]byte(want), []byte(header.Get(SignatureHeader)))
}
