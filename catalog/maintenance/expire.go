package maintenance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/fault"
)

// ExpireOptions say which snapshots stay. The zero value keeps the newest 100 of each table and everything tagged.
type ExpireOptions struct {
	// Keep is how many of a table's newest snapshots stay. 0: 100. Commits slow down with their number.
	Keep int
	// MinAge keeps younger snapshots too, however many. 0: none on that account.
	MinAge time.Duration
	// BusinessDates is how long the tag of a business date (bd-…) is kept after its day. 0: for ever.
	BusinessDates time.Duration
	// DryRun tells what would be forgotten and changes nothing.
	DryRun bool
	// Clock is the present; default time.Now.
	Clock func() time.Time
}

// ExpireResult says what was forgotten, by table. Tables with nothing to forget are left out.
type ExpireResult struct {
	Snapshots map[string]int
	Tags      map[string][]string
}

// Expire forgets old snapshots of the tables, in one step over all of them. Snapshots that a tag or branch
// names stay, as does what every reader of the present needs. No file is deleted: that is Collect's work.
func Expire(ctx context.Context, lake *catalog.Lake, tables []string, opts ExpireOptions) (ExpireResult, error) {
	res := ExpireResult{Snapshots: map[string]int{}, Tags: map[string][]string{}}
	if opts.Keep == 0 {
		opts.Keep = 100
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Keep < 1 || opts.MinAge < 0 || opts.BusinessDates < 0 {
		return res, fault.Usagef("expire: keep at least one snapshot; ages must not be negative")
	}
	now := opts.Clock()
	err := lake.UpdateTables(ctx, tables, func(name string, m table.Metadata) ([]table.Update, []table.Requirement, error) {
		delete(res.Snapshots, name)
		delete(res.Tags, name)
		var updates []table.Update
		tags := oldTags(m, now, opts.BusinessDates)
		for _, t := range tags {
			updates = append(updates, table.NewRemoveSnapshotRefUpdate(t))
		}
		if len(tags) > 0 {
			res.Tags[name] = tags
		}
		if ids := oldSnapshots(m, tags, now, opts); len(ids) > 0 {
			res.Snapshots[name] = len(ids)
			updates = append(updates, table.NewRemoveSnapshotsUpdate(ids, false))
		}
		if opts.DryRun {
			return nil, nil, nil
		}
		return updates, refsUnmoved(m), nil
	})
	if err != nil {
		return res, fmt.Errorf("expire snapshots: %w", err)
	}
	return res, nil
}

// refsUnmoved requires that no reference was moved since: one could have been moved to a snapshot that expires.
func refsUnmoved(m table.Metadata) []table.Requirement {
	var out []table.Requirement
	for name, ref := range m.Refs() {
		out = append(out, table.AssertRefSnapshotID(name, &ref.SnapshotID))
	}
	return out
}

const businessDatePrefix = "bd-"

// oldTags are the business dates' tags whose day is too long ago.
func oldTags(m table.Metadata, now time.Time, keep time.Duration) []string {
	if keep == 0 {
		return nil
	}
	var out []string
	for name, ref := range m.Refs() {
		text, ok := strings.CutPrefix(name, businessDatePrefix)
		if !ok || ref.SnapshotRefType != table.TagRef {
			continue
		}
		if day, err := time.Parse(time.DateOnly, text); err == nil && now.Sub(day) > keep {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// oldSnapshots are the snapshots that nothing keeps.
func oldSnapshots(m table.Metadata, dropTags []string, now time.Time, opts ExpireOptions) []int64 {
	kept := map[int64]bool{}
	for name, ref := range m.Refs() {
		if !slices.Contains(dropTags, name) {
			kept[ref.SnapshotID] = true
		}
	}
	s := m.CurrentSnapshot()
	for n := 0; s != nil && n < opts.Keep; n++ {
		kept[s.SnapshotID] = true
		if s.ParentSnapshotID == nil {
			break
		}
		s = m.SnapshotByID(*s.ParentSnapshotID)
	}
	var out []int64
	for _, s := range m.Snapshots() {
		young := opts.MinAge > 0 && now.Sub(time.UnixMilli(s.TimestampMs)) < opts.MinAge
		if !kept[s.SnapshotID] && !young {
			out = append(out, s.SnapshotID)
		}
	}
	return out
}
