package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"
)

const businessDatePrefix = "bd-"

// BusinessDate is a date that a stream's commits have tagged.
type BusinessDate struct {
	Date time.Time // midnight UTC stands for the date
	Cut  int64     // of the tag. It may still move while no later date is tagged
}

// BusinessDates lists the dates that have a tag, earliest first. The last one is open: its stream may still bring more of it.
func (l *Lake) BusinessDates(ctx context.Context) ([]BusinessDate, error) {
	st, err := l.backend.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("list business dates: %w", err)
	}
	var out []BusinessDate
	for _, tag := range slices.Sorted(maps.Keys(businessDates(st))) {
		day, err := time.Parse(dateLayout, strings.TrimPrefix(tag, businessDatePrefix))
		if err != nil {
			continue // somebody else's tag
		}
		_, cut, err := resolveTag(st, tag)
		if err != nil {
			return nil, err
		}
		out = append(out, BusinessDate{Date: day, Cut: cut})
	}
	return out, nil
}

// businessDates are the tags of business dates on any table.
func businessDates(st state) map[string]bool {
	out := map[string]bool{}
	for _, h := range st.heads {
		for name := range h.meta.Refs() {
			if strings.HasPrefix(name, businessDatePrefix) {
				out[name] = true
			}
		}
	}
	return out
}

// pickCutOrTag is pickCut, but finds a table's snapshot also where those after it are expired and a business date's tag on the same cut has kept it.
func pickCutOrTag(st state, cut int64) picker {
	direct := pickCut(cut)
	var tagged []picker
	for tag := range businessDates(st) {
		if _, n, err := resolveTag(st, tag); err == nil && n == cut {
			tagged = append(tagged, func(h head) (*table.Snapshot, error) {
				if !hasRef(h.meta, tag) {
					return nil, ErrNotFound
				}
				return h.meta.SnapshotByName(tag), nil
			})
		}
	}
	return func(h head) (*table.Snapshot, error) {
		s, err := direct(h)
		if err == nil {
			return s, nil
		}
		for _, pick := range tagged {
			if s, tagErr := pick(h); tagErr == nil && s != nil {
				return s, nil
			}
		}
		return nil, err
	}
}
