package feature

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/millrace/millrace/sdk/money"
)

// Movement is one signed amount on an entity's account. Instants are microseconds since 1970-01-01 UTC.
type Movement struct {
	BookedAt int64        // when it counts from: windows and days are measured by it
	KnownAt  int64        // when it became known; equal to BookedAt where that is not told apart
	Amount   money.Int128 // in units of the series' scale; a credit is positive
}

// SeenAt is the first as-of instant that sees the movement: the later of its two instants.
func (m Movement) SeenAt() int64 { return max(m.BookedAt, m.KnownAt) }

// Series is an entity's movements, in ascending order of SeenAt.
type Series []Movement

// Sort puts the movements in the order that a series must have.
func (s Series) Sort() {
	slices.SortStableFunc(s, func(a, b Movement) int {
		return cmp.Or(cmp.Compare(a.SeenAt(), b.SeenAt()), cmp.Compare(a.BookedAt, b.BookedAt))
	})
}

// At computes the features at each as-of instant (microseconds UTC, ascending). The cost is
// linear in movements and instants where movements become known about in the order of their booking.
// Errors: a series or instants out of order; a sum beyond 128 bits.
func (s Series) At(asOf []int64) ([]Values, error) {
	var w Walker
	out := make([]Values, len(asOf))
	next := 0
	for i, t := range asOf {
		if i == 0 || t >= asOf[i-1] {
			w.SkipTo(t)
		}
		for ; next < len(s) && s[next].SeenAt() <= t; next++ {
			if err := w.Add(s[next]); err != nil {
				return nil, fmt.Errorf("movement %d: %w", next, err)
			}
		}
		v, err := w.At(t)
		if err != nil {
			return nil, fmt.Errorf("as-of instant %d: %w", i, err)
		}
		out[i] = v
	}
	return out, nil
}
