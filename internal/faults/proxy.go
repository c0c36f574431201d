package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// HTTPFault is a way to spoil a request or its reply.
type HTTPFault string

// The HTTP faults. "Executed" says whether the server carried the request out.
const (
	InternalError HTTPFault = "500"        // not executed; answered with S3's InternalError
	SlowDown      HTTPFault = "503"        // not executed; answered with S3's SlowDown
	Refused       HTTPFault = "refused"    // not executed; the connection is closed
	Silent        HTTPFault = "silent"     // not executed; no answer until the client gives up
	LostReply     HTTPFault = "lost reply" // executed; the connection is closed without an answer
	LateSilent    HTTPFault = "silent after executing"
	CutBody       HTTPFault = "cut body" // executed; the answer's body breaks off in the middle. Replies without a body pass
	Slow          HTTPFault = "slow"     // executed; the answer waits for Delay, then comes whole
)

// HTTPRule spoils requests. Method, Query and Match narrow what it applies to; empty ones apply to all.
type HTTPRule struct {
	Fault  HTTPFault
	When   When
	Method string                   // such as PUT
	Query  string                   // a query parameter that must be there, such as uploadId
	Match  func(*http.Request) bool // any other condition; it must not read the body
	Delay  time.Duration            // for Slow
}

func (r HTTPRule) matches(req *http.Request) bool {
	return (r.Method == "" || r.Method == req.Method) &&
		(r.Query == "" || req.URL.Query().Has(r.Query)) &&
		(r.Match == nil || r.Match(req))
}

// Proxy passes HTTP requests on to one server and spoils some. Close it.
type Proxy struct {
	target    *url.URL
	server    *http.Server
	listener  net.Listener
	transport *http.Transport
	stop      context.CancelFunc
	stopped   context.Context
	serve     sync.WaitGroup

	mu       sync.Mutex
	seed     uint64
	rules    []HTTPRule
	schedule *schedule
	requests int
}

// StartProxy listens on a free loopback port and passes requests on to target,
// such as http://127.0.0.1:9000. The Host header is kept, so signatures hold.
func StartProxy(target string, seed uint64, rules ...HTTPRule) (*Proxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("fault proxy: target: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fault proxy: listen: %w", err)
	}
	p := &Proxy{target: u, listener: l, seed: seed, transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}
	p.stopped, p.stop = context.WithCancel(context.Background())
	p.SetRules(rules...)
	p.server = &http.Server{Handler: http.HandlerFunc(p.handle), ReadHeaderTimeout: 10 * time.Second}
	p.serve.Go(func() { p.server.Serve(l) })
	return p, nil
}

// Endpoint is the proxy's URL.
func (p *Proxy) Endpoint() string { return "http://" + p.listener.Addr().String() }

// SetRules replaces the rules and starts counting anew; none passes everything.
func (p *Proxy) SetRules(rules ...HTTPRule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = rules
	p.schedule = newSchedule(p.seed, len(rules))
}

// Reseed changes the seed of the rules that are set from now on.
func (p *Proxy) Reseed(seed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seed = seed
}

// Counts is how often each fault was done since the rules were set.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	s := p.schedule
	p.mu.Unlock()
	return s.counts()
}

// Requests is how many requests have come in since the start.
func (p *Proxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

// Close ends all connections and waits for the server.
func (p *Proxy) Close() error {
	p.stop()
	err := p.server.Close()
	p.serve.Wait()
	p.transport.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("fault proxy: close: %w", err)
	}
	return nil
}

// choose finds the first rule that hits the request.
func (p *Proxy) choose(req *http.Request) (rule *HTTPRule, random uint64, s *schedule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	for i := range p.rules {
		if !p.rules[i].matches(req) {
			continue
		}
		if hit, random := p.schedule.decide(i, p.rules[i].When); hit {
			return &p.rules[i], random, p.schedule
		}
	}
	return nil, 0, p.schedule
}

func (p *Proxy) handle(w http.ResponseWriter, req *http.Request) {
	rule, random, s := p.choose(req)
	if rule == nil {
		p.pass(w, req, nil)
		return
	}
	spoil := func() { s.count(string(rule.Fault)) }
	switch rule.Fault {
	case InternalError:
		spoil()
		refuse(w, req, http.StatusInternalServerError, "InternalError")
	case SlowDown:
		spoil()
		refuse(w, req, http.StatusServiceUnavailable, "SlowDown")
	case Refused:
		spoil()
		panic(http.ErrAbortHandler)
	case Silent:
		spoil()
		p.hang(req)
	default:
		p.pass(w, req, &mutation{rule: rule, random: random, spoil: spoil})
	}
}

// refuse answers with an S3 error, having read the body as a server would.
func refuse(w http.ResponseWriter, req *http.Request, status int, code string) {
	io.Copy(io.Discard, req.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if req.Method != http.MethodHead {
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>injected fault</Message></Error>`, code)
	}
}

// hang says nothing until the client or the proxy gives up, then drops the connection.
func (p *Proxy) hang(req *http.Request) {
	io.Copy(io.Discard, req.Body) // else the server does not notice that the client has gone
	select {
	case <-req.Context().Done():
	case <-p.stopped.Done():
	}
	panic(http.ErrAbortHandler)
}

// mutation is what happens to a reply.
type mutation struct {
	rule   *HTTPRule
	random uint64
	spoil  func()
}

// pass sends the request on and the reply back.
func (p *Proxy) pass(w http.ResponseWriter, req *http.Request, m *mutation) {
	ctx := req.Context()
	if m != nil { // executed means executed, also when the client gives up meanwhile
		ctx = context.WithoutCancel(ctx)
	}
	out := req.Clone(ctx)
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = p.target.Scheme, p.target.Host
	out.Close = false
	if req.ContentLength == 0 {
		out.Body = nil
	}
	res, err := p.transport.RoundTrip(out)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			http.Error(w, "fault proxy: "+err.Error(), http.StatusBadGateway)
			return
		}
		panic(http.ErrAbortHandler)
	}
	defer res.Body.Close()
	if m != nil {
		p.mutate(w, req, res, m)
		return
	}
	send(w, res, -1)
}

func (p *Proxy) mutate(w http.ResponseWriter, req *http.Request, res *http.Response, m *mutation) {
	switch m.rule.Fault {
	case LostReply:
		m.spoil()
		io.Copy(io.Discard, res.Body)
		panic(http.ErrAbortHandler)
	case LateSilent:
		m.spoil()
		io.Copy(io.Discard, res.Body)
		p.hang(req)
	case CutBody:
		if req.Method == http.MethodHead || res.ContentLength < 2 {
			send(w, res, -1)
			return
		}
		m.spoil()
		send(w, res, 1+int64(m.random%uint64(res.ContentLength-1)))
		panic(http.ErrAbortHandler)
	case Slow:
		m.spoil()
		timer := time.NewTimer(m.rule.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.stopped.Done():
		case <-req.Context().Done():
		}
		send(w, res, -1)
	}
}

// send copies a reply, or the first limit bytes of its body if limit is not negative.
func send(w http.ResponseWriter, res *http.Response, limit int64) {
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	if res.ContentLength >= 0 {
		w.Header().Set("Content-Length", fmt.Sprint(res.ContentLength))
	}
	w.WriteHeader(res.StatusCode)
	if limit < 0 {
		io.Copy(w, res.Body)
		return
	}
	io.CopyN(w, res.Body, limit)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}
