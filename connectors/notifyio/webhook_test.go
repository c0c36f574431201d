package notifyio_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/sdk/fault"
)

var failed = notifyio.Message{ID: "run-1", Event: "reconciliation.finished", Status: notifyio.Fail, Subject: "cards: FAIL", Text: "3 breaks", Data: json.RawMessage(`{"breaks":3}`)}

func quick() notifyio.Retry {
	return notifyio.Retry{Timeout: 2 * time.Second, Attempts: 3, Backoff: time.Millisecond}
}

func noon() time.Time { return time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC) }

func hook(t *testing.T, url string, retry notifyio.Retry) *notifyio.Webhook {
	t.Helper()
	w, err := notifyio.NewWebhook(notifyio.WebhookConfig{URL: url, Secret: "s3cret", Retry: retry}, notifyio.Options{Clock: noon})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestWebhookIsSignedAndTriedAgain(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !notifyio.Verify([]byte("s3cret"), r.Header, body) || notifyio.Verify([]byte("other"), r.Header, body) ||
			notifyio.Verify([]byte("s3cret"), r.Header, append(body, ' ')) {
			t.Errorf("the signature %q does not hold: %v", r.Header.Get(notifyio.SignatureHeader), err)
		}
		if got := r.Header.Get(notifyio.TimestampHeader) + " " + r.Header.Get(notifyio.IDHeader); got != "1774958400 run-1" {
			t.Errorf("headers %q", got)
		}
		if string(body) != `{"id":"run-1","event":"reconciliation.finished","status":"fail","subject":"cards: FAIL","text":"3 breaks","data":{"breaks":3}}` {
			t.Errorf("body %s", body)
		}
		if n.Add(1) < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	if err := hook(t, url, quick()).Notify(t.Context(), failed); err != nil || n.Load() != 3 {
		t.Fatalf("%d attempts, %v", n.Load(), err)
	}
}

func TestWebhookFailures(t *testing.T) {
	t.Parallel()
	answer := func(status int) func(*testing.T) (string, *atomic.Int32) {
		return func(t *testing.T) (string, *atomic.Int32) {
			var n atomic.Int32
			return serve(t, func(w http.ResponseWriter, _ *http.Request) {
				n.Add(1)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
			}), &n
		}
	}
	for name, c := range map[string]struct {
		start    func(*testing.T) (string, *atomic.Int32)
		attempts int32
		kind     fault.Kind
		says     string
	}{
		"an outage is tried until attempts are used up": {answer(503), 3, fault.Retryable, "given up after 3 attempts: answered 503"},
		"a refusal is not tried again":                  {answer(401), 1, fault.Fault, "answered 401 Unauthorized"},
		"a redirect is not followed":                    {answer(302), 1, fault.Fault, "answered 302"},
		"patience is asked for":                         {answer(429), 3, fault.Retryable, "answered 429"},
		"a dead port": {func(t *testing.T) (string, *atomic.Int32) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			return "http://" + l.Addr().String(), nil
		}, 0, fault.Retryable, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, n := c.start(t)
			ch := notifyio.Channel{On: notifyio.OnFail, Notifier: hook(t, url+"/a-secret-path?token=t0ken", quick())}
			err := notifyio.Send(t.Context(), []notifyio.Channel{ch}, failed)
			if err == nil || fault.Of(err) != c.kind || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "notify webhook "+url) {
				t.Fatalf("%v (%v), want %v: %s", err, fault.Of(err), c.kind, c.says)
			}
			for _, secret := range []string{"secret", "t0ken", "s3cret"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q: %v", secret, err)
				}
			}
			if n != nil && n.Load() != c.attempts {
				t.Errorf("%d attempts, want %d", n.Load(), c.attempts)
			}
		})
	}
}

func TestWebhookTimeouts(t *testing.T) {
	t.Parallel()
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the server sees the client leave
		<-r.Context().Done()
	})
	retry := notifyio.Retry{Timeout: 20 * time.Millisecond, Attempts: 2, Backoff: time.Millisecond}
	if err := hook(t, url, retry).Notify(t.Context(), failed); !errors.Is(err, context.DeadlineExceeded) || !fault.IsRetryable(err) {
		t.Fatalf("a server that does not answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := hook(t, url, notifyio.Retry{}).Notify(ctx, failed); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled run: %v", err)
	}
}

// One dead place does not keep the others from being told, and is named.
func TestSendTellsThoseThatWantToKnow(t *testing.T) {
	t.Parallel()
	told := func(on notifyio.When, s notifyio.Status) bool {
		var n atomic.Int32
		url := serve(t, func(http.ResponseWriter, *http.Request) { n.Add(1) })
		broken := notifyio.Channel{On: notifyio.Always, Notifier: hook(t, serve(t, http.NotFound), quick())}
		m := failed
		m.Status = s
		err := notifyio.Send(t.Context(), []notifyio.Channel{broken, {On: on, Notifier: hook(t, url, quick())}}, m)
		if err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("the dead place: %v", err)
		}
		return n.Load() == 1
	}
	for _, c := range []struct {
		on               notifyio.When
		pass, warn, fail bool
	}{{"", false, false, true}, {notifyio.OnFail, false, false, true}, {notifyio.OnWarn, false, true, true}, {notifyio.Always, true, true, true}} {
		if p, w, f := told(c.on, notifyio.Pass), told(c.on, notifyio.Warn), told(c.on, notifyio.Fail); p != c.pass || w != c.warn || f != c.fail {
			t.Errorf("on %q: told of pass %v, warn %v, fail %v", c.on, p, w, f)
		}
	}
	if !told(notifyio.OnFail, "crashed") {
		t.Error("an outcome that is not known was not told")
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	mail := func(change func(*notifyio.EmailConfig)) notifyio.Config {
		c := notifyio.EmailConfig{Server: "mail.example.com:587", From: "a@example.com", To: []string{"b@example.com"}}
		change(&c)
		return notifyio.Config{Email: &c}
	}
	for says, c := range map[string]notifyio.Config{
		"a channel is a webhook or an email":    {},
		"none of fail, warn, always":            {On: "never", Webhook: &notifyio.WebhookConfig{URL: "http://h"}},
		"no address such as https://host/path":  {Webhook: &notifyio.WebhookConfig{URL: "ftp://host"}},
		"must not be negative":                  {Webhook: &notifyio.WebhookConfig{URL: "http://h", Retry: notifyio.Retry{Attempts: -1}}},
		"ca_file":                               {Webhook: &notifyio.WebhookConfig{URL: "http://h", CAFile: "doc.go"}},
		"write it as host:port":                 mail(func(c *notifyio.EmailConfig) { c.Server = "mail.example.com" }),
		"from \"nobody\"":                       mail(func(c *notifyio.EmailConfig) { c.From = "nobody" }),
		"to \"a, b\"":                           mail(func(c *notifyio.EmailConfig) { c.To = []string{"a, b"} }),
		"name one receiver":                     mail(func(c *notifyio.EmailConfig) { c.To = nil }),
		"none of starttls, tls, none":           mail(func(c *notifyio.EmailConfig) { c.Security = "ssl" }),
		"a password is not sent in the clear":   mail(func(c *notifyio.EmailConfig) { c.Security, c.Username, c.Password = "none", "u", "p" }),
		"username and password go together":     mail(func(c *notifyio.EmailConfig) { c.Username = "u" }),
		"no certificate in PEM form":            mail(func(c *notifyio.EmailConfig) { c.CAFile = "doc.go" }),
		"timeout, attempts and backoff must no": mail(func(c *notifyio.EmailConfig) { c.Retry.Backoff = -1 }),
	} {
		if err := c.Check(); err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if _, err := notifyio.Open([]notifyio.Config{mail(func(*notifyio.EmailConfig) {}), {}}, notifyio.Options{}); err == nil || !strings.HasPrefix(err.Error(), "notify 2: ") {
		t.Errorf("%v", err)
	}
}
