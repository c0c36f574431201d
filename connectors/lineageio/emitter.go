package lineageio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// Config says where events go: URL or File.
type Config struct {
	URL       string        `yaml:"url" doc:"address of the lineage store, such as http://marquez:5000; default the environment's OPENLINEAGE_URL"`
	Endpoint  string        `yaml:"endpoint" default:"api/v1/lineage" doc:"path below url that takes events"`
	APIKey    string        `yaml:"api_key" secret:"true" doc:"bearer token; take it from the environment, as ${OPENLINEAGE_API_KEY}"`
	File      string        `yaml:"file" doc:"a file that events are appended to, one a line, instead of url"`
	Namespace string        `yaml:"namespace" default:"millrace" doc:"namespace of jobs"`
	Timeout   time.Duration `yaml:"timeout" default:"5s" doc:"longest time of one attempt; there are three"`
}

// FromEnv is the configuration that OPENLINEAGE_URL, OPENLINEAGE_ENDPOINT, OPENLINEAGE_API_KEY and OPENLINEAGE_NAMESPACE make; nil where
// OPENLINEAGE_URL is not set or OPENLINEAGE_DISABLED is true. lookup is os.LookupEnv.
func FromEnv(lookup func(string) (string, bool)) *Config {
	get := func(name, otherwise string) string {
		if v, ok := lookup(name); ok && v != "" {
			return v
		}
		return otherwise
	}
	at := get("OPENLINEAGE_URL", "")
	if at == "" || strings.EqualFold(get("OPENLINEAGE_DISABLED", ""), "true") {
		return nil
	}
	return &Config{URL: at, Endpoint: get("OPENLINEAGE_ENDPOINT", "api/v1/lineage"), APIKey: get("OPENLINEAGE_API_KEY", ""),
		Namespace: get("OPENLINEAGE_NAMESPACE", "millrace"), Timeout: 5 * time.Second}
}

// attempts are how often a store is tried, and pause is how long it is waited after the first; after the next twice as long.
const attempts = 3

// Emitter sends events to one place. It is safe for concurrent use.
type Emitter struct {
	config Config
	url    string
	client *http.Client
	pause  time.Duration
}

// New makes an emitter, without reaching out.
func New(c Config) (*Emitter, error) {
	if (c.URL == "") == (c.File == "") {
		return nil, fault.Usagef("lineage: give a url or a file")
	}
	e := &Emitter{config: c, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, pause: 200 * time.Millisecond}
	if c.Timeout == 0 {
		e.config.Timeout = 5 * time.Second
	}
	if c.Namespace == "" {
		e.config.Namespace = "millrace"
	}
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, fault.Usagef("lineage: url is no address such as http://host:5000")
		}
		if c.Endpoint == "" {
			c.Endpoint = "api/v1/lineage"
		}
		e.url = u.JoinPath(c.Endpoint).String()
	}
	return e, nil
}

// Emit sends an event.
func (e *Emitter) Emit(ctx context.Context, ev Event) error {
	data, err := ev.JSON(e.config.Namespace)
	if err == nil && e.config.File != "" {
		err = e.append(data)
	} else if err == nil {
		err = e.send(ctx, data)
	}
	if err != nil {
		return fmt.Errorf("lineage event %s of %s: %w", ev.Moment, ev.Job, err)
	}
	return nil
}

// append adds a line in one write, so that several processes may share the file.
func (e *Emitter) append(data []byte) (err error) {
	f, err := os.OpenFile(e.config.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(append(data, '\n'))
	return err
}

func (e *Emitter) send(ctx context.Context, data []byte) error {
	pause := e.pause
	for n := 1; ; n++ {
		err := e.post(ctx, data)
		if err == nil || !fault.IsRetryable(err) || n == attempts || ctx.Err() != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		pause *= 2
	}
}

func (e *Emitter) post(ctx context.Context, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if e.config.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+e.config.APIKey)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return fault.Mark(fault.Retryable, err)
	}
	defer resp.Body.Close()
	reply, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // only shown
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests:
		return fault.Retryablef("answered %s: %q", resp.Status, reply)
	}
	return fmt.Errorf("answered %s: %q", resp.Status, reply)
}
