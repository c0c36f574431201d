package s3io_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/s3io"
	"github.com/millrace/millrace/internal/faults"
	"github.com/millrace/millrace/internal/s3gateway/gatewaytest"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// proxied starts a gateway with a bucket named lake behind a proxy that spoils traffic.
func proxied(t *testing.T, seed uint64, rules ...faults.HTTPRule) *faults.Proxy {
	t.Helper()
	g := gatewaytest.Start(t, "lake")
	p, err := faults.StartProxy(g.Endpoint(), seed, rules...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// The whole contract holds while a third of all requests goes wrong.
func TestContractUnderFaults(t *testing.T) {
	t.Parallel()
	p := proxied(t, 20261123,
		faults.HTTPRule{Fault: faults.InternalError, When: faults.When{Percent: 6}},
		faults.HTTPRule{Fault: faults.SlowDown, When: faults.When{Percent: 5}},
		faults.HTTPRule{Fault: faults.Refused, When: faults.When{Percent: 3}},
		faults.HTTPRule{Fault: faults.LostReply, When: faults.When{Percent: 8}},
		faults.HTTPRule{Fault: faults.CutBody, When: faults.When{Percent: 10}},
		faults.HTTPRule{Fault: faults.Slow, Delay: 2 * time.Millisecond, When: faults.When{Percent: 5}},
		faults.HTTPRule{Fault: faults.Silent, When: faults.When{Percent: 1, Times: 20}},
		faults.HTTPRule{Fault: faults.LateSilent, When: faults.When{Percent: 1, Times: 20}},
	)
	t.Cleanup(func() {
		t.Logf("%d requests, faults: %v", p.Requests(), p.Counts())
		for _, f := range []faults.HTTPFault{faults.InternalError, faults.LostReply, faults.CutBody, faults.Silent} {
			if p.Counts()[string(f)] == 0 {
				t.Errorf("no %q was injected: the test shows nothing", f)
			}
		}
	})
	opts := options(p.Endpoint())
	opts.TryTimeout, opts.MaxBackoff = 300*time.Millisecond, 4*time.Millisecond
	contract(t, opts)
}

// A conditional put whose reply is lost was still this call's: the token says so.
func TestLostReplyOfPutIfAbsent(t *testing.T) {
	t.Parallel()
	for _, lost := range []faults.HTTPFault{faults.LostReply, faults.LateSilent} {
		t.Run(string(lost), func(t *testing.T) {
			t.Parallel()
			p := proxied(t, 1, faults.HTTPRule{Fault: lost, Method: http.MethodPut, When: faults.When{Times: 1}})
			opts := options(p.Endpoint())
			opts.TryTimeout = 200 * time.Millisecond
			s := open(t, "s3://lake/x", opts)
			only := storage.PutOptions{IfAbsent: true}
			if err := s.Put(t.Context(), "lock", []byte("mine"), only); err != nil {
				t.Fatalf("the put that was carried out: %v", err)
			}
			if p.Counts()[string(lost)] != 1 {
				t.Fatalf("faults: %v", p.Counts())
			}
			p.SetRules(faults.HTTPRule{Fault: lost, Method: http.MethodPut, When: faults.When{Times: 1}})
			if err := s.Put(t.Context(), "lock", []byte("mine"), only); !errors.Is(err, storage.ErrExist) {
				t.Fatalf("a put of equal bytes whose reply was lost too: got %v, want ErrExist", err)
			}
		})
	}
}

// The end of a multipart upload whose reply is lost leaves the object and no error.
func TestLostReplyOfMultipart(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte("0123456789abcdef"), 12<<16) // 12 MiB: three parts
	for name, rule := range map[string]faults.HTTPRule{
		"begin":    {Fault: faults.LostReply, Method: http.MethodPost, Query: "uploads", When: faults.When{Times: 1}},
		"part":     {Fault: faults.LostReply, Method: http.MethodPut, Query: "partNumber", When: faults.When{Times: 2}},
		"complete": {Fault: faults.LostReply, Method: http.MethodPost, Query: "uploadId", When: faults.When{Times: 1}},
		"cut":      {Fault: faults.CutBody, Method: http.MethodPost, Query: "uploadId", When: faults.When{Times: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := proxied(t, 2, rule)
			s := open(t, "s3://lake", options(p.Endpoint()))
			w, err := s.Create(t.Context(), "big")
			if err != nil {
				t.Fatal(err)
			}
			defer w.Abort()
			if _, err := w.Write(want); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if len(p.Counts()) != 1 {
				t.Fatalf("faults: %v", p.Counts())
			}
			got, err := s.Get(t.Context(), "big")
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %d bytes of %d, %v", len(got), len(want), err)
			}
			// What a lost "begin" left is found by the sweep; nothing else is.
			left := 0
			if name == "begin" {
				left = 1
			}
			if n, err := s.AbortStale(t.Context(), time.Now().Add(time.Hour)); n != left || err != nil {
				t.Errorf("stale uploads: %d, %v; want %d", n, err, left)
			}
		})
	}
}

// A failed upload leaves neither an object nor parts.
func TestFailedUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	p := proxied(t, 3, faults.HTTPRule{Fault: faults.InternalError, Method: http.MethodPut, Query: "partNumber"})
	opts := options(p.Endpoint())
	opts.Deadline = 50 * time.Millisecond
	s := open(t, "s3://lake", opts)
	w, err := s.Create(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	_, writeErr := w.Write(make([]byte, 30<<20))
	closeErr := w.Close()
	if fault.Of(closeErr) != fault.Retryable || !strings.Contains(closeErr.Error(), "tries") {
		t.Errorf("close: got %v, want a retryable error that counts its tries (write said %v)", closeErr, writeErr)
	}
	p.SetRules()
	if _, err := s.Stat(t.Context(), "big"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("stat: %v, want ErrNotExist", err)
	}
	if n, err := s.AbortStale(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("stale uploads: %d, %v; want none", n, err)
	}
}

// headless gives every GET its headers and no body.
type headless struct {
	http.RoundTripper
	on *atomic.Bool
}

func (h headless) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := h.RoundTripper.RoundTrip(req)
	if err == nil && req.Method == http.MethodGet && h.on.Load() {
		res.Body.Close()
		res.Body = io.NopCloser(strings.NewReader(""))
	}
	return res, err
}

// A body that is cut each time is a truncated object, not a short one.
func TestTruncated(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t, "lake")
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	var on atomic.Bool
	opts := options(g.Endpoint())
	opts.Deadline, opts.Transport = 30*time.Millisecond, headless{transport, &on}
	s := open(t, "s3://lake", opts)
	if err := s.Put(t.Context(), "x", make([]byte, 100), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	on.Store(true)
	_, err = s.Get(t.Context(), "x")
	_, readErr := r.ReadAt(make([]byte, 2), 0)
	for op, err := range map[string]error{"get": err, "read at": readErr} {
		if !errors.Is(err, storage.ErrTruncated) || fault.Of(err) != fault.Retryable {
			t.Errorf("%s: got %v, want a retryable ErrTruncated", op, err)
		}
	}
	on.Store(false)
	if n, err := r.ReadAt(make([]byte, 2), 0); n != 2 || err != nil {
		t.Errorf("read at once the server is well: %d bytes, %v", n, err)
	}
}

// Cut bodies are resumed where they broke, not begun anew.
func TestCutBodiesResume(t *testing.T) {
	t.Parallel()
	p := proxied(t, 5)
	s := open(t, "s3://lake", options(p.Endpoint()))
	want := bytes.Repeat([]byte("abcdefg"), 50_000)
	if err := s.Put(t.Context(), "x", want, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	p.SetRules(faults.HTTPRule{Fault: faults.CutBody, When: faults.When{Times: 6}})
	got, err := s.Get(t.Context(), "x")
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("get: %d bytes, %v", len(got), err)
	}
	r, err := s.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p.SetRules(faults.HTTPRule{Fault: faults.CutBody, When: faults.When{Times: 6}})
	got = make([]byte, len(want))
	if n, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read at: %d bytes, %v", n, err)
	}
	if p.Counts()[string(faults.CutBody)] == 0 {
		t.Error("nothing was cut")
	}
}

func TestDeadPort(t *testing.T) {
	t.Parallel()
	p := proxied(t, 6)
	dead := p.Endpoint()
	p.Close()
	opts := options(dead)
	opts.Deadline = 100 * time.Millisecond
	_, err := s3io.Open(t.Context(), "s3://lake", opts)
	if fault.Of(err) != fault.Retryable || !strings.Contains(err.Error(), dead) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v (%v), want one retryable line that names %s", err, fault.Of(err), dead)
	}
}
