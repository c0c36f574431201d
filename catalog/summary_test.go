package catalog

import (
	"maps"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/money"
)

func TestSummaryRoundTrip(t *testing.T) {
	t.Parallel()
	c := Commit{Stream: "s", Epoch: "e", From: at(1), To: at(2), BusinessDate: time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)}
	tc := TableChange{Totals: Totals{Rows: 4, Inserts: 3, Updates: 2, Deletes: 1, Control: map[string]money.Decimal{"amount": decimal(t, "-0.10")}}}
	carried := map[string]streamMark{"s": {Cut: 3, Epoch: "old", Position: at(1)}, "other": {Cut: 5, Epoch: "x", Position: at(9)}}
	s, err := writeSummary(&c, &tc, 7, carried)
	if err != nil {
		t.Fatal(err)
	}
	marks, err := summary(s).streams()
	if err != nil || len(marks) != 2 || marks["s"].Cut != 7 || marks["s"].Position.Compare(at(2)) != change.Equal || marks["other"].Position.Compare(at(9)) != change.Equal {
		t.Errorf("streams are %v, %v", marks, err)
	}
	got, err := summary(s).totals()
	if err != nil || got.Rows != 4 || got.Inserts != 3 || got.Updates != 2 || got.Deletes != 1 || !maps.Equal(got.Control, tc.Totals.Control) {
		t.Errorf("totals are %v, %v", got, err)
	}
	if BusinessDateTag(c.BusinessDate) != "bd-2026-11-23" || s[KeyBusinessDate] != "2026-11-23" {
		t.Errorf("business date is %s", s[KeyBusinessDate])
	}
}

// FuzzSummary: summaries may come from anybody who writes to the table.
func FuzzSummary(f *testing.F) {
	f.Add("s", `{"next":{"0":5}}`, `{"other":{"cut":3,"epoch":"e","position":{"next":{"0":1}}}}`, "7", "12.50")
	f.Add("", "", "", "", "")
	f.Add("s", "{", "[]", "-1", "1e5")
	f.Fuzz(func(t *testing.T, stream, position, streams, cut, control string) {
		s := summary{KeyStream: stream, KeyPosition: position, KeyStreams: streams, KeyCut: cut, keyControl + "amount": control}
		marks, err := s.streams()
		if _, ok := marks[stream]; err == nil && stream != "" && !ok {
			t.Error("the snapshot's own stream is missing")
		}
		if totals, err := s.totals(); err == nil && len(totals.Control) != 1 {
			t.Errorf("control totals are %v", totals.Control)
		}
	})
}

// FuzzInflate: metadata files are read from shared storage.
func FuzzInflate(f *testing.F) {
	packed, err := deflate([]byte(`{"format-version":2}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add([]byte("{}"))
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := inflate(data)
		if err != nil && out != nil {
			t.Error("an error with data")
		}
	})
}
