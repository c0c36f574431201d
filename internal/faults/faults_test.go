package faults_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/faults"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outcome is what a client sees of one request.
func outcome(c *http.Client, url string) string {
	res, err := c.Get(url)
	if err != nil {
		return "no answer"
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	switch {
	case res.StatusCode != http.StatusOK:
		return res.Status[:3]
	case err != nil && len(body) < 1000:
		return "cut"
	case len(body) == 1000:
		return "whole"
	}
	return "?"
}

// run sends n requests one after the other and tells what the client saw and what the server did.
func run(t *testing.T, n int, seed uint64, rules ...faults.HTTPRule) (seen map[string]int, order []string, served int, counts map[string]int) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served++
		io.WriteString(w, strings.Repeat("x", 1000))
	}))
	defer server.Close()
	p, err := faults.StartProxy(server.URL, seed, rules...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	transport := &http.Transport{DisableKeepAlives: true} // a kept connection would be retried by the client
	client := &http.Client{Transport: transport, Timeout: 200 * time.Millisecond}
	seen = map[string]int{}
	for range n {
		o := outcome(client, p.Endpoint())
		seen[o]++
		order = append(order, o)
	}
	return seen, order, served, p.Counts()
}

func TestHTTPFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault  faults.HTTPFault
		seen   string
		served int
	}{
		{faults.InternalError, "500", 0},
		{faults.SlowDown, "503", 0},
		{faults.Refused, "no answer", 0},
		{faults.Silent, "no answer", 0},
		{faults.LostReply, "no answer", 1},
		{faults.LateSilent, "no answer", 1},
		{faults.CutBody, "cut", 1},
		{faults.Slow, "whole", 1},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			t.Parallel()
			seen, order, served, counts := run(t, 3, 1, faults.HTTPRule{Fault: c.fault, Delay: time.Millisecond, When: faults.When{Skip: 1, Times: 1}})
			if order[1] != c.seen || counts[string(c.fault)] != 1 || served != 2+c.served {
				t.Errorf("saw %q, the server served %d, counts %v; want %q in the middle and %d served", order, served, counts, c.seen, 2+c.served)
			}
			if c.seen != "whole" && seen["whole"] != 2 {
				t.Errorf("the requests around it: %v", seen)
			}
		})
	}
}

// The same seed gives the same faults in the same places, another one others.
func TestSeeds(t *testing.T) {
	t.Parallel()
	rules := []faults.HTTPRule{
		{Fault: faults.InternalError, When: faults.When{Percent: 30}},
		{Fault: faults.LostReply, When: faults.When{Percent: 20}},
	}
	seen, first, _, _ := run(t, 60, 7, rules...)
	_, again, _, _ := run(t, 60, 7, rules...)
	_, other, _, _ := run(t, 60, 8, rules...)
	if !reflect.DeepEqual(first, again) {
		t.Errorf("one seed gave\n%q and\n%q", first, again)
	}
	if reflect.DeepEqual(first, other) {
		t.Error("two seeds gave the same faults")
	}
	if seen["500"] < 8 || seen["500"] > 30 || seen["no answer"] == 0 || seen["whole"] == 0 {
		t.Errorf("of 60 requests: %v", seen)
	}
}

func TestRulesMatch(t *testing.T) {
	t.Parallel()
	seen, _, _, counts := run(t, 5, 1,
		faults.HTTPRule{Fault: faults.InternalError, Method: http.MethodPut},
		faults.HTTPRule{Fault: faults.InternalError, Query: "uploads"},
		faults.HTTPRule{Fault: faults.InternalError, Match: func(r *http.Request) bool { return r.Header.Get("No") != "" }},
	)
	if seen["whole"] != 5 || len(counts) != 0 {
		t.Errorf("rules for other requests: saw %v, counts %v", seen, counts)
	}
}

func TestStoreWithoutRulesKeepsTheContract(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(*testing.T) storage.Store { return faults.Wrap(storagetest.NewMemory("m", nil), 1) })
}

func TestStoreFaults(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	full := faults.StoreRule{Op: faults.OpWrite, When: faults.When{Times: 1}, Err: storage.ErrNoSpace}
	var visited []string
	hook := func(op faults.Op, name string) { visited = append(visited, string(op)+" "+name) }
	inner := storagetest.NewMemory("m", nil)
	s := faults.Wrap(inner, 1, full,
		faults.StoreRule{Op: faults.OpPut, Executed: true, When: faults.When{Times: 1}, Do: hook},
		faults.StoreRule{Op: faults.OpGet, When: faults.When{Times: 1}, Err: storage.ErrTruncated},
		faults.StoreRule{Op: faults.OpDelete, Pass: true, Do: hook},
		faults.StoreRule{Op: faults.OpList, When: faults.When{Times: 1}},
	)
	w, err := s.Create(ctx, "full")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("close after a failed write: %v", err)
	}
	if err := s.Put(ctx, "x", []byte("y"), storage.PutOptions{}); fault.Of(err) != fault.Retryable || !errors.Is(err, faults.ErrInjected) {
		t.Errorf("put: %v", err)
	}
	if got, err := inner.Get(ctx, "x"); err != nil || string(got) != "y" {
		t.Errorf("the put whose reply was lost was not carried out: %q, %v", got, err)
	}
	if _, err := s.Get(ctx, "x"); !errors.Is(err, storage.ErrTruncated) {
		t.Errorf("get: %v", err)
	}
	if got, err := s.Get(ctx, "x"); err != nil || string(got) != "y" {
		t.Errorf("get again: %q, %v", got, err)
	}
	for _, err := range s.List(ctx, "") {
		if !errors.Is(err, faults.ErrInjected) {
			t.Errorf("list: %v", err)
		}
	}
	if err := s.Delete(ctx, "x"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if want := []string{"put x", "delete x"}; !reflect.DeepEqual(visited, want) {
		t.Errorf("visited %q, want %q", visited, want)
	}
	if got := s.Counts(); got["write"] != 1 || got["put"] != 1 || got["list"] != 1 {
		t.Errorf("counts %v", got)
	}
}
