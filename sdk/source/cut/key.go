package cut

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Key is an event's place in the source's log, compared field by field. It must
// grow with the order in which transactions commit, not with the order in
// which they write: a PostgreSQL LSN alone does not (a transaction that wrote
// early may commit late), so Commit carries what does.
type Key struct {
	Commit int64 // the log's position of the commit before the event's transaction; 0 where LSN itself is in commit order
	LSN    int64 // the event's own position in the log
	Order  int64 // number of the event within its transaction, from 1; 0 where unknown
}

// IsZero reports whether the key is unknown.
func (k Key) IsZero() bool { return k.Commit == 0 && k.LSN == 0 }

// Compare is -1, 0 or +1 as k is before, equal to or after l.
func (k Key) Compare(l Key) int {
	return cmp.Or(cmp.Compare(k.Commit, l.Commit), cmp.Compare(k.LSN, l.LSN), cmp.Compare(k.Order, l.Order))
}

// Mark is what a shard must remember of what lies before a place in it.
type Mark struct {
	Key Key   // the highest key
	At  int64 // the latest commit time, microseconds UTC
}

// IsZero reports whether nothing is known before the place.
func (m Mark) IsZero() bool { return m == Mark{} }

// String is the mark's text in a position: commit/lsn/order/at.
func (m Mark) String() string {
	return fmt.Sprintf("%d/%d/%d/%d", m.Key.Commit, m.Key.LSN, m.Key.Order, m.At)
}

// ParseMark reads what String wrote; an empty text is the zero mark.
func ParseMark(text string) (Mark, error) {
	var m Mark
	if text == "" {
		return m, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) != 4 {
		return m, fmt.Errorf("parse mark %q: want commit/lsn/order/at", text)
	}
	for i, into := range []*int64{&m.Key.Commit, &m.Key.LSN, &m.Key.Order, &m.At} {
		n, err := strconv.ParseInt(parts[i], 10, 64)
		if err != nil {
			return Mark{}, fmt.Errorf("parse mark %q: %w", text, err)
		}
		*into = n
	}
	return m, nil
}

// repeats reports whether an event that comes after the mark in its shard was delivered before.
func (m Mark) repeats(k Key, at int64) bool {
	if k.IsZero() || m.Key.IsZero() || at > m.At {
		return false
	}
	c := k.Compare(m.Key)
	return c < 0 || c == 0 && k.Order != 0
}

// past is the mark behind an event that is no repetition.
func (m Mark) past(k Key, at int64) Mark {
	if !k.IsZero() && (k.Compare(m.Key) > 0 || at > m.At) {
		m.Key = k // also when it is lower, with a later time: then the source's log started again
	}
	m.At = max(m.At, at)
	return m
}
