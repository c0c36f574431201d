package life

import (
	"slices"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// The roles in which a run is signed.
const (
	Preparer = "preparer"
	Reviewer = "reviewer" // another person, after the preparer
)

// Signature is a person's under a run.
type Signature struct {
	Role, By, Reason string
	At               time.Time
	Digest           string // SHA-256 of the summary that was signed
}

// Signatures are those under a run, the preparer's first.
func (s *State) Signatures(run string) []Signature { return slices.Clone(s.signed[run]) }

// sign takes a signature: the preparer's, and then another person's, as reviewer, of the same summary.
func (s *State) sign(e *Event) error {
	have := s.signed[e.Run]
	switch {
	case e.Run == "" || !isHash(e.Digest):
		return fault.Usagef("a signature needs the run and the SHA-256 of its summary")
	case e.Role != Preparer && e.Role != Reviewer:
		return fault.Usagef("a run is signed as preparer or as reviewer, not as %q", e.Role)
	case len(have) == 0 && e.Role == Reviewer:
		return fault.Usagef("run %s has no preparer's signature to review", e.Run)
	case len(have) > 0 && e.Role == Preparer:
		return fault.Usagef("run %s is signed already: %s prepared it", e.Run, have[0].By)
	case len(have) > 1:
		return fault.Usagef("run %s is signed already: %s reviewed it", e.Run, have[1].By)
	case len(have) == 1 && same(have[0].By, e.By):
		return fault.Usagef("%s prepared run %s, so somebody else must review it", have[0].By, e.Run)
	case len(have) == 1 && have[0].Digest != e.Digest:
		return fault.Usagef("run %s: this summary is not the one that %s signed", e.Run, have[0].By)
	}
	s.signed[e.Run] = append(have, Signature{Role: e.Role, By: e.By, Reason: e.Reason, At: e.At, Digest: e.Digest})
	return nil
}
