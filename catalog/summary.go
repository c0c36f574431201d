package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/money"
)

// Keys of a snapshot's summary. Totals are also kept under their own keys, so that other
// engines can read them: millrace.rows, .inserts, .updates, .deletes and millrace.control.<name>.
const (
	KeyCut               = "millrace.cut"                 // the lake's cut number
	KeyStream            = "millrace.stream"              // the stream whose epoch this is; absent for runs
	KeyEpoch             = "millrace.epoch"               // the epoch's or run's identity
	KeyPosition          = "millrace.position"            // where the stream stands after the epoch
	KeyStreams           = "millrace.streams"             // where other streams stood that wrote to the table before
	KeyCommittedAtSource = "millrace.committed-at-source" // RFC 3339: the source's last commit held
	KeyBusinessDate      = "millrace.business-date"       // YYYY-MM-DD
	keyRows              = "millrace.rows"
	keyInserts           = "millrace.inserts"
	keyUpdates           = "millrace.updates"
	keyDeletes           = "millrace.deletes"
	keyControl           = "millrace.control."
)

// dateLayout is how business dates are written.
const dateLayout = "2006-01-02"

// TagCut is the tag that every commit moves on all of its tables, so that any engine reads one cut by it.
const TagCut = "millrace-cut"

// BusinessDateTag is the tag of a business date: bd-2026-11-23. The clock time of day is ignored.
func BusinessDateTag(day time.Time) string { return "bd-" + day.Format(dateLayout) }

// summary reads the millrace keys of a snapshot's summary.
type summary map[string]string

func summaryOf(s table.Snapshot) summary {
	if s.Summary == nil {
		return nil
	}
	return summary(s.Summary.Properties)
}

// cut is the snapshot's cut number; 0 for a snapshot that another engine made.
func (s summary) cut() int64 { return s.integer(KeyCut) }

func (s summary) integer(key string) int64 {
	n, err := strconv.ParseInt(s[key], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// streamMark is where a stream stood at a cut.
type streamMark struct {
	Cut      int64           `json:"cut"`
	Epoch    string          `json:"epoch"`
	Position change.Position `json:"position"`
}

// streams tells where each stream stood that the snapshot knows of.
func (s summary) streams() (map[string]streamMark, error) {
	marks := map[string]streamMark{}
	if text := s[KeyStreams]; text != "" {
		if err := json.Unmarshal([]byte(text), &marks); err != nil {
			return nil, fmt.Errorf("snapshot summary %s: %w", KeyStreams, err)
		}
	}
	if name := s[KeyStream]; name != "" {
		pos, err := change.ParsePosition(s[KeyPosition])
		if err != nil {
			return nil, fmt.Errorf("snapshot summary %s: %w", KeyPosition, err)
		}
		marks[name] = streamMark{Cut: s.cut(), Epoch: s[KeyEpoch], Position: pos}
	}
	return marks, nil
}

// totals reads back what Totals.put wrote.
func (s summary) totals() (Totals, error) {
	t := Totals{Rows: s.integer(keyRows), Inserts: s.integer(keyInserts), Updates: s.integer(keyUpdates), Deletes: s.integer(keyDeletes)}
	for k, v := range s {
		name, ok := strings.CutPrefix(k, keyControl)
		if !ok {
			continue
		}
		d, err := money.Parse(v)
		if err != nil {
			return t, fmt.Errorf("snapshot summary %s: %w", k, err)
		}
		if t.Control == nil {
			t.Control = map[string]money.Decimal{}
		}
		t.Control[name] = d
	}
	return t, nil
}

func (t Totals) put(into map[string]string) {
	into[keyRows] = strconv.FormatInt(t.Rows, 10)
	into[keyInserts] = strconv.FormatInt(t.Inserts, 10)
	into[keyUpdates] = strconv.FormatInt(t.Updates, 10)
	into[keyDeletes] = strconv.FormatInt(t.Deletes, 10)
	for name, d := range t.Control {
		into[keyControl+name] = d.String()
	}
}

// writeSummary is what one commit says of itself in one table's snapshot. carried are the other
// streams that the table's last snapshot knows of: they must survive the expiry of old snapshots.
func writeSummary(c *Commit, tc *TableChange, cut int64, carried map[string]streamMark) (map[string]string, error) {
	s := map[string]string{}
	maps.Copy(s, tc.Summary)
	s[KeyCut] = strconv.FormatInt(cut, 10)
	s[KeyEpoch] = c.Epoch
	if c.Stream != "" {
		s[KeyStream] = c.Stream
		s[KeyPosition] = c.To.String()
	}
	if !c.LastCommit.IsZero() {
		s[KeyCommittedAtSource] = c.LastCommit.UTC().Format(time.RFC3339Nano)
	}
	if !c.BusinessDate.IsZero() {
		s[KeyBusinessDate] = c.BusinessDate.Format(dateLayout)
	}
	others := maps.Clone(carried)
	delete(others, c.Stream)
	if len(others) > 0 {
		text, err := json.Marshal(others)
		if err != nil {
			return nil, fmt.Errorf("encode stream positions: %w", err)
		}
		s[KeyStreams] = string(text)
	}
	tc.Totals.put(s)
	return s, nil
}

// lastOurs walks back from the table's present snapshot to the newest one that a Commit made.
func lastOurs(m table.Metadata) *table.Snapshot {
	for s := m.CurrentSnapshot(); s != nil; {
		if summaryOf(*s).cut() > 0 {
			return s
		}
		if s.ParentSnapshotID == nil {
			return nil
		}
		s = m.SnapshotByID(*s.ParentSnapshotID)
	}
	return nil
}

// streamMarks finds where every stream stands, over all tables: the mark with the highest cut.
func (st state) streamMarks() (map[string]streamMark, error) {
	all := map[string]streamMark{}
	for _, h := range st.heads {
		s := lastOurs(h.meta)
		if s == nil {
			continue
		}
		marks, err := summaryOf(*s).streams()
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", h.name, err)
		}
		for name, m := range marks {
			if old, ok := all[name]; !ok || m.Cut > old.Cut {
				all[name] = m
			}
		}
	}
	return all, nil
}
