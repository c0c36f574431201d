package life

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
)

// BrokenError says where a chain does not hold.
type BrokenError struct {
	Seq    int64 // the first event that does not follow
	Reason string
}

// Error names the event.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("the chain of events is broken at event %d: %s", e.Seq, e.Reason)
}

// Follow checks that a record follows the state's last event, and applies its event. After a *BrokenError the state is as it was.
func (s *State) Follow(r Record) (*Event, error) {
	at := s.Anchor.Count + 1
	broken := func(format string, args ...any) (*Event, error) {
		return nil, &BrokenError{at, fmt.Sprintf(format, args...)}
	}
	if r.Seq != at {
		return broken("the record that stands there is numbered %d", r.Seq)
	}
	if got := HashOf(r.Body); got != r.Hash {
		return broken("its text has the SHA-256 %s, but the record says %s", got, r.Hash)
	}
	e, err := Decode(r.Body)
	if err != nil {
		return broken("%v", err)
	}
	if e.Seq != r.Seq || e.Prev != r.Prev {
		return broken("its text does not say the number and the hash before it that the record says")
	}
	if e.Prev != s.head() {
		return broken("it follows an event with the hash %s, but the one before it has %s", e.Prev, s.head())
	}
	if err := s.apply(e); err != nil {
		return broken("it is not allowed: %v", err)
	}
	s.Anchor = Anchor{r.Seq, r.Hash}
	return e, nil
}

// Append numbers events, chains them to the state's last, and applies them. Where one is not allowed, none is returned, and the state is of no more use.
func (s *State) Append(events ...Event) ([]Record, error) {
	out := make([]Record, 0, len(events))
	for i := range events {
		e := events[i]
		e.Seq, e.Prev, e.At = s.Anchor.Count+1, s.head(), e.At.UTC().Truncate(1000)
		body, err := e.Encode()
		if err != nil {
			return nil, err
		}
		// What is kept is what was decoded, so that whoever replays has the same.
		kept, err := Decode(body)
		if err != nil {
			return nil, fault.Mark(fault.Usage, err)
		}
		if err := s.apply(kept); err != nil {
			return nil, err
		}
		r := Record{e.Seq, e.Prev, HashOf(body), body}
		s.Anchor = Anchor{r.Seq, r.Hash}
		out = append(out, r)
	}
	return out, nil
}

func (s *State) head() string {
	if s.Anchor.Count == 0 {
		return noHash
	}
	return s.Anchor.Head
}

// Replay makes the state of records, in their order. An error is a *BrokenError, and the state is that before it.
func Replay(records []Record) (*State, error) {
	s := New()
	for _, r := range records {
		if _, err := s.Follow(r); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Anchor is how many events there are, and the hash of the last. Kept elsewhere, it later tells whether these events are still there.
type Anchor struct {
	Count int64
	Head  string // "" where there are none
}

// String is the anchor as text, such as 17:9f86…; ParseAnchor reads it.
func (a Anchor) String() string {
	head := a.Head
	if a.Count == 0 {
		head = noHash
	}
	return strconv.FormatInt(a.Count, 10) + ":" + head
}

// ParseAnchor reads what String wrote, blanks around it left out. An error is a fault.Usage.
func ParseAnchor(text string) (Anchor, error) {
	count, head, _ := strings.Cut(strings.TrimSpace(text), ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 0 || !isHash(head) || strconv.FormatInt(n, 10) != count || (n == 0) != (head == noHash) {
		return Anchor{}, fault.Usagef("%q is no anchor: it is a number of events, a colon and 64 hex digits", text)
	}
	if n == 0 {
		return Anchor{}, nil
	}
	return Anchor{n, head}, nil
}

// Check tells whether the events that the anchor saw are the first of these records. An error is a *BrokenError.
func (a Anchor) Check(records []Record) error {
	if a.Count > int64(len(records)) {
		return &BrokenError{int64(len(records)) + 1, fmt.Sprintf("it is missing: the anchor saw %d events, there are %d", a.Count, len(records))}
	}
	if a.Count > 0 && records[a.Count-1].Hash != a.Head {
		return &BrokenError{a.Count, fmt.Sprintf("its hash is %s, but the anchor saw %s: it, or one before it, was replaced", records[a.Count-1].Hash, a.Head)}
	}
	return nil
}

func isHash(text string) bool {
	return len(text) == len(noHash) && strings.Trim(text, "0123456789abcdef") == ""
}
