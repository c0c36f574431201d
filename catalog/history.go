package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/sdk/change"
)

// CutInfo says what one commit did.
type CutInfo struct {
	Cut          int64
	Time         time.Time // of the commit, UTC
	Stream       string    // "" for a run
	Epoch        string
	Position     change.Position // of the stream after the commit
	SourceTime   time.Time       // of the source's last commit held; zero if unknown
	BusinessDate string          // YYYY-MM-DD; "" for none
	Tables       map[string]CutTable
}

// CutTable is one table's part in a commit.
type CutTable struct {
	Snapshot  int64
	Operation string // append, overwrite, delete or replace
	Rows      int64  // in the table after the commit
	Totals    Totals
}

// Cuts lists the commits that the tables still have snapshots of, oldest first. A cut of which some tables'
// snapshots are expired is listed with the others.
func (l *Lake) Cuts(ctx context.Context) ([]CutInfo, error) {
	st, err := l.backend.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("list cuts: %w", err)
	}
	cuts := map[int64]*CutInfo{}
	for name, h := range st.heads {
		for _, s := range h.meta.Snapshots() {
			sum := summaryOf(s)
			if sum.cut() == 0 {
				continue
			}
			info := cuts[sum.cut()]
			if info == nil {
				if info, err = newCutInfo(sum, s.TimestampMs); err != nil {
					return nil, fmt.Errorf("table %s, snapshot %d: %w", name, s.SnapshotID, err)
				}
				cuts[info.Cut] = info
			}
			totals, err := sum.totals()
			if err != nil {
				return nil, fmt.Errorf("table %s, snapshot %d: %w", name, s.SnapshotID, err)
			}
			info.Tables[name] = CutTable{
				Snapshot: s.SnapshotID, Operation: string(s.Summary.Operation),
				Rows: sum.integer("total-records") - sum.integer("total-position-deletes"), Totals: totals,
			}
		}
	}
	out := make([]CutInfo, 0, len(cuts))
	for _, n := range slices.Sorted(maps.Keys(cuts)) {
		out = append(out, *cuts[n])
	}
	return out, nil
}

func newCutInfo(sum summary, ms int64) (*CutInfo, error) {
	info := &CutInfo{
		Cut: sum.cut(), Time: time.UnixMilli(ms).UTC(), Stream: sum[KeyStream], Epoch: sum[KeyEpoch],
		BusinessDate: sum[KeyBusinessDate], Tables: map[string]CutTable{},
	}
	var err error
	if info.Position, err = change.ParsePosition(sum[KeyPosition]); err != nil {
		return nil, err
	}
	if text := sum[KeyCommittedAtSource]; text != "" {
		if info.SourceTime, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return nil, fmt.Errorf("summary %s: %w", KeyCommittedAtSource, err)
		}
	}
	return info, nil
}
