package life_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/reconciliation/life"
)

// chain is a valid chain of n events.
func chain(t testing.TB, n int) []life.Record {
	t.Helper()
	s, now := life.New(), time.Date(2026, 1, 5, 20, 0, 0, 0, time.UTC)
	events, err := s.Events(life.Run{Rules: ofCase, Version: sha("v1"), Text: "v1", ID: "run-1", Night: 20_458, At: now,
		Found: map[string]life.Break{"P1": {Class: "amount", Leg: "a-b", Key: "INV-1", Difference: "12.50", Currency: "EUR"}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := len(events); i < n; i++ {
		events = append(events, life.Event{Kind: life.Commented, At: now.Add(time.Duration(i) * time.Minute), Rules: ofCase, By: "ann", Cases: []string{"P1"}, Reason: fmt.Sprint("note ", i)})
	}
	records, err := s.Append(events...)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// reseal gives an altered record the hash that its text has: a forger can compute hashes too.
func reseal(r life.Record, body []byte) life.Record {
	r.Body, r.Hash = body, life.HashOf(body)
	return r
}

// TestTampering alters a chain in each way, and holds that the first event that does not follow is named.
func TestTampering(t *testing.T) {
	t.Parallel()
	const n, at = 10, 6 // at: the index that is altered, so event 7
	good := chain(t, n)
	anchor := life.Anchor{Count: n, Head: good[n-1].Hash}
	edited := bytes.Replace(good[at].Body, []byte("note"), []byte("note!"), 1)
	for _, c := range []struct {
		name  string
		alter func(r []life.Record) []life.Record
		seq   int64
		words string
	}{
		{"edited", func(r []life.Record) []life.Record { r[at].Body = edited; return r }, 7, "SHA-256"},
		{"edited, with a hash that fits", func(r []life.Record) []life.Record { r[at] = reseal(r[at], edited); return r }, 8, "it follows an event"},
		{"the last edited, with a hash that fits", func(r []life.Record) []life.Record {
			r[n-1] = reseal(r[n-1], bytes.Replace(r[n-1].Body, []byte("note"), []byte("nope"), 1))
			return r
		}, n, "replaced"},
		{"removed", func(r []life.Record) []life.Record { return slices.Delete(r, at, at+1) }, 7, "numbered 8"},
		{"the first removed", func(r []life.Record) []life.Record { return r[1:] }, 1, "numbered 2"},
		{"reordered", func(r []life.Record) []life.Record { r[at], r[at+1] = r[at+1], r[at]; return r }, 7, "numbered 8"},
		{"inserted twice", func(r []life.Record) []life.Record { return slices.Insert(r, at, r[at]) }, 8, "numbered 7"},
		{"truncated at the end", func(r []life.Record) []life.Record { return r[:n-2] }, n - 1, "it is missing"},
		{"emptied", func(r []life.Record) []life.Record { return nil }, 1, "it is missing"},
		{"forked", func(r []life.Record) []life.Record { // another chain from event 7 on, right in itself
			s, err := life.Replay(r[:at])
			if err != nil {
				t.Fatal(err)
			}
			var events []life.Event
			for i := at; i < n; i++ {
				events = append(events, life.Event{Kind: life.Commented, At: time.Unix(1, 0), Rules: ofCase, By: "eve", Cases: []string{"P1"}, Reason: "nothing to see"})
			}
			other, err := s.Append(events...)
			if err != nil {
				t.Fatal(err)
			}
			return append(r[:at], other...)
		}, n, "replaced"},
		{"written in another way", func(r []life.Record) []life.Record {
			r[at] = reseal(r[at], append(slices.Clone(r[at].Body), ' '))
			return r
		}, 7, "canonical"},
		{"a column of the row", func(r []life.Record) []life.Record { r[at].Prev = r[at].Hash; return r }, 7, "record says"},
		{"an event that is not allowed", func(r []life.Record) []life.Record {
			r[at] = reseal(r[at], bytes.Replace(r[at].Body, []byte(`"by":"ann",`), nil, 1))
			return r
		}, 7, "not allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			altered := c.alter(slices.Clone(good))
			_, err := life.Replay(altered)
			if err == nil {
				err = anchor.Check(altered)
			}
			var broken *life.BrokenError
			if !errors.As(err, &broken) || broken.Seq != c.seq || !strings.Contains(broken.Reason, c.words) {
				t.Errorf("got %v; want event %d and %q", err, c.seq, c.words)
			}
		})
	}
	if err := anchor.Check(append(slices.Clone(good), chain(t, n+1)[n])); err != nil {
		t.Errorf("an anchor of fewer events: %v", err)
	}
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	head := strings.Repeat("ab", 32)
	for _, a := range []life.Anchor{{}, {Count: 17, Head: head}} {
		got, err := life.ParseAnchor(" " + a.String() + "\n")
		if err != nil || got != a {
			t.Errorf("%s is read as %v, %v", a, got, err)
		}
	}
	for _, text := range []string{"", "17", "17:", "x:" + head, "-1:" + head, "+1:" + head, "017:" + head, "0:" + head, "17:" + strings.ToUpper(head), "17:" + head + "0",
		"1:" + strings.Repeat("0", 64)} {
		if a, err := life.ParseAnchor(text); err == nil {
			t.Errorf("%q is read as %v", text, a)
		}
	}
}

// FuzzDecode holds that whatever is decoded is encoded the same, and that no text is a fault of the chain's reader.
func FuzzDecode(f *testing.F) {
	for _, r := range chain(f, 6) {
		f.Add(r.Body)
	}
	f.Add([]byte(`{"seq":1,"prev":"","at":"2026-01-05T20:00:00+00:00","kind":""}`))
	f.Add([]byte("{}"))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := life.Decode(body)
		if err != nil {
			return
		}
		again, err := e.Encode()
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("%q is encoded as %q, %v", body, again, err)
		}
		s := life.New()
		before := s.Anchor
		if _, err := s.Follow(life.Record{Seq: e.Seq, Prev: e.Prev, Hash: life.HashOf(body), Body: body}); err != nil && s.Anchor != before {
			t.Fatal("an event that does not follow moved the chain")
		}
	})
}

// FuzzParseAnchor holds that what is read as an anchor is written as it was read.
func FuzzParseAnchor(f *testing.F) {
	f.Add("0:" + strings.Repeat("0", 64))
	f.Add(" 17:" + strings.Repeat("ab", 32) + "\n")
	f.Add("9223372036854775808:" + strings.Repeat("ab", 32))
	f.Fuzz(func(t *testing.T, text string) {
		a, err := life.ParseAnchor(text)
		if err != nil {
			return
		}
		if got := a.String(); got != strings.TrimSpace(text) {
			t.Fatalf("%q is written as %q", text, got)
		}
	})
}
