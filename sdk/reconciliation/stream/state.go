package stream

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// stateVersion is that of the form that MarshalBinary writes.
const stateVersion = 1

// state is a stream as it is kept.
type state struct {
	Version   int                       `json:"version"`
	Seq       int64                     `json:"seq"`
	Forgotten int64                     `json:"forgotten"`
	Scales    [][money.MaxScale + 1]int `json:"scales"`
	Days      map[int32]int             `json:"days"`
	Rows      []keptRow                 `json:"rows"`
}

// keptRow is a row as it is kept; the first row of an outcome says of it what rows alone do not.
type keptRow struct {
	Side     int             `json:"s,omitempty"`
	At       time.Time       `json:"at"`
	Ref      string          `json:"r"`
	Amount   money.Decimal   `json:"a"`
	NoAmount bool            `json:"na,omitempty"`
	Currency string          `json:"c"`
	Date     int32           `json:"d"`
	Texts    []string        `json:"t,omitempty"`
	Numbers  []money.Decimal `json:"n,omitempty"`
	Days     []int32         `json:"ds,omitempty"`
	Overdue  bool            `json:"o,omitempty"`
	Since    *time.Time      `json:"since,omitempty"`
}

// MarshalBinary writes the stream as of its last step; what was put since then is an error. It says nothing of the options: they must be the same when it is
// restored.
func (s *Stream) MarshalBinary() ([]byte, error) {
	if len(s.dirty) > 0 || len(s.gone) > 0 {
		return nil, fmt.Errorf("reconciliation stream: write state: a step is due")
	}
	out := state{Version: stateVersion, Seq: s.seq, Forgotten: s.forgotten, Scales: s.scales, Days: s.days, Rows: []keptRow{}}
	for side := range s.rows {
		all := map[*row]bool{}
		for _, r := range s.rows[side] {
			all[r] = true
		}
		for _, r := range sorted(all) {
			k := keptRow{Side: side, At: r.at, Ref: r.m.Ref, Amount: r.m.Amount, NoAmount: r.m.NoAmount, Currency: r.m.Currency, Date: r.m.Date, Texts: r.m.Texts,
				Numbers: r.m.Numbers, Days: r.m.Days}
			if r.out != nil && r.out.rows[0] == r {
				k.Overdue, k.Since = r.out.overdue, &r.out.since
			}
			out.Rows = append(out.Rows, k)
		}
	}
	return json.Marshal(out)
}

// Restore makes the stream that was written.
func Restore(o Options, data []byte) (*Stream, error) {
	refused := func(err error) (*Stream, error) {
		return nil, fmt.Errorf("reconciliation stream: read state: %w", err)
	}
	var in state
	if err := json.Unmarshal(data, &in); err != nil {
		return refused(err)
	}
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	if in.Version != stateVersion || len(in.Scales) != len(s.scales) {
		return refused(fmt.Errorf("it is of version %d, or of other columns", in.Version))
	}
	for i := range in.Rows {
		k := &in.Rows[i]
		m := reconciliation.Movement{Ref: k.Ref, Amount: k.Amount, NoAmount: k.NoAmount, Currency: k.Currency, Date: k.Date, Texts: k.Texts, Numbers: k.Numbers, Days: k.Days}
		if err := s.Put(k.Side, &m, k.At); err != nil {
			return refused(err)
		}
	}
	s.scales, s.days = in.Scales, map[int32]int{}
	for d, n := range in.Days {
		s.days[d], s.asOf = n, max(s.asOf, d)
	}
	if _, err := s.Step(time.Time{}); err != nil {
		return refused(err)
	}
	s.old = s.old[:0]
	for i := range in.Rows {
		k := &in.Rows[i]
		r := s.rows[k.Side][k.Ref]
		if r.out == nil || r.out.rows[0] != r {
			continue
		}
		r.out.overdue = k.Overdue
		if k.Since != nil {
			r.out.since = *k.Since
		}
		if r.out.Class == reconciliation.Matched {
			s.old = append(s.old, r.out)
		}
	}
	slices.SortStableFunc(s.old, func(a, b *outcome) int { return a.since.Compare(b.since) })
	s.seq, s.forgotten = in.Seq, in.Forgotten
	return s, nil
}
