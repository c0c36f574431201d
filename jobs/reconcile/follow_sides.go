package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/tree"
)

// sidePosition is how far a side was read.
type sidePosition struct {
	Files    map[string]filePosition `json:"files,omitempty"` // by name
	Snapshot int64                   `json:"snapshot,omitempty"`
	Whole    map[string]string       `json:"whole,omitempty"` // digests of rows by ref, of a side that is read whole at each look
	// Rejects are the records that were set aside, of a side that is read whole.
	Rejects []json.RawMessage `json:"rejects,omitempty"`
}

func (p *sidePosition) rows() (n int64) {
	for _, f := range p.Files {
		n += f.Rows
	}
	return n + int64(len(p.Whole))
}

// rejects are the records that were set aside.
func (p *sidePosition) rejects() (all []json.RawMessage) {
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		all = append(all, p.Files[name].Rejects...)
	}
	return append(all, p.Rejects...)
}

// sideNews is what a look at a side brought.
type sideNews struct {
	Side     int                       `json:"side"`
	Rows     []reconciliation.Movement `json:"rows,omitempty"`
	Gone     []string                  `json:"gone,omitempty"`
	File     map[string]filePosition   `json:"file,omitempty"` // that were read
	Snapshot int64                     `json:"snapshot,omitempty"`
	Rejects  []json.RawMessage         `json:"rejects,omitempty"` // all that there are, of a side that is read whole
}

// followedSide is a side that grows.
type followedSide struct {
	o      *FollowOptions
	spec   *rulefile.Side
	schema reconciliation.Schema
	at     sidePosition
}

func (s *followedSide) location() string { return location(&s.o.RulesOptions, s.spec) }

// grows reports whether rows are only ever added.
func (s *followedSide) grows() bool { return s.location() != "" }

// moved notes how far the side was read.
func (s *followedSide) moved(n *sideNews) {
	if s.at.Files == nil {
		s.at.Files = map[string]filePosition{}
	}
	maps.Copy(s.at.Files, n.File)
	if s.grows() {
		return
	}
	s.at.Snapshot, s.at.Rejects = n.Snapshot, n.Rejects
	if s.at.Whole == nil {
		s.at.Whole = map[string]string{}
	}
	for i := range n.Rows {
		s.at.Whole[n.Rows[i].Ref] = digestOf(&n.Rows[i])
	}
	for _, ref := range n.Gone {
		delete(s.at.Whole, ref)
	}
}

// look reads what is new; nil where nothing is.
func (s *followedSide) look(ctx context.Context) (*sideNews, error) {
	if s.grows() {
		return s.lookAtFiles(ctx)
	}
	if s.spec.Table != "" {
		return s.lookAtTable(ctx)
	}
	if s.spec.Database != nil {
		return s.lookWhole(ctx, 0)
	}
	return nil, fault.Usagef("where is it? name its file with --side %s=PATH, or file or table in the rules", s.spec.Name)
}

// lookAtTable reads a table whose snapshot is another one.
func (s *followedSide) lookAtTable(ctx context.Context) (*sideNews, error) {
	if s.o.Lake == nil {
		return nil, fault.Usagef("its table %s needs a lake: give --project or --dir", s.spec.Table)
	}
	cut, err := s.o.Lake.At(ctx, s.o.At)
	if err != nil {
		return nil, err
	}
	t, err := cut.Table(s.spec.Table)
	if err != nil {
		return nil, fault.Mark(fault.Usage, fmt.Errorf("table %s: %w", s.spec.Table, err))
	}
	if t.Snapshot() == s.at.Snapshot {
		return nil, nil
	}
	return s.lookWhole(ctx, t.Snapshot())
}

// lookWhole reads all rows: those that are not there any more are gone.
func (s *followedSide) lookWhole(ctx context.Context, snapshot int64) (*sideNews, error) {
	news := &sideNews{Snapshot: snapshot}
	gone := maps.Clone(s.at.Whole)
	read, err := s.read(ctx, s.o.RulesOptions, func(m *reconciliation.Movement) error {
		row := m.Clone()
		if was, there := s.at.Whole[row.Ref]; !there || was != digestOf(&row) {
			news.Rows = append(news.Rows, row)
		}
		delete(gone, row.Ref)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if read.report.Snapshot != 0 {
		news.Snapshot = read.report.Snapshot // one that was committed meanwhile
	}
	news.Gone = slices.Sorted(maps.Keys(gone))
	news.Rejects = read.rejectLines()
	same := slices.EqualFunc(news.Rejects, s.at.Rejects, func(a, b json.RawMessage) bool { return string(a) == string(b) })
	if len(news.Rows) == 0 && len(news.Gone) == 0 && same && news.Snapshot == s.at.Snapshot {
		return nil, nil
	}
	s.tell(news.Rejects[min(len(news.Rejects), len(s.at.Rejects)):])
	return news, nil
}

// digestOf is what tells that a row has changed.
func digestOf(m *reconciliation.Movement) string {
	var h tree.Hasher
	h.Key()
	h.Row()
	h.Text(fmt.Sprint(m.NoAmount, m.Amount.Scale()))
	h.Number(m.Amount)
	h.Text(m.Currency)
	h.Day(m.Date)
	for _, t := range m.Texts {
		h.Text(t)
	}
	for _, n := range m.Numbers {
		h.Number(n)
	}
	for _, d := range m.Days {
		h.Day(d)
	}
	_, sum := h.Sum()
	return fmt.Sprintf("%016x%016x", sum.Hi, sum.Lo)
}

// read reads the side as a nightly run does.
func (s *followedSide) read(ctx context.Context, o RulesOptions, to func(*reconciliation.Movement) error) (*loader, error) {
	l := &loader{opts: &o, spec: s.spec, schema: s.schema, to: to}
	return l, l.load(ctx)
}

// rejectLines are the records that were set aside.
func (l *loader) rejectLines() (all []json.RawMessage) {
	for line := range bytes.Lines(l.rejects) {
		all = append(all, json.RawMessage(bytes.TrimSpace(line)))
	}
	return all
}

// tell logs records that are set aside.
func (s *followedSide) tell(rejects []json.RawMessage) {
	for _, r := range rejects {
		s.o.Logger.Warn("a record cannot be read and is set aside", "side", s.spec.Name, "record", string(r))
	}
}
