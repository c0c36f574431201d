package maintenance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/catalog"
)

// fold writes one delete file a bucket in the place of many, where the data files themselves are not
// worth rewriting yet. It is cheap, so a conflict starts it again.
func (c *compaction) fold(ctx context.Context) error {
	for n := range commitAttempts {
		l, err := look(ctx, c.lake, c.name)
		if err != nil {
			return err
		}
		if err := l.mark(ctx, c.deletes); err != nil {
			return err
		}
		ch, err := c.folded(ctx, l)
		if err != nil || len(ch.Add) == 0 {
			return err
		}
		out, err := c.lake.Commit(ctx, catalog.Commit{Epoch: fmt.Sprintf("%s-fold-%d", c.id, n), Tables: []catalog.TableChange{ch}})
		if errors.Is(err, catalog.ErrConflict) {
			c.res.Conflicts++
			continue
		}
		if err != nil {
			return err
		}
		c.res.Commits++
		c.res.CutCommitted = out.Cut
		c.res.DeleteFiles += len(ch.Remove)
		c.res.FoldedInto += len(ch.Add)
		return nil
	}
	return fmt.Errorf("gave up after %d attempts: the table is committed to all the time", commitAttempts)
}

// folded writes the new delete files and describes the change.
func (c *compaction) folded(ctx context.Context, l *layout) (catalog.TableChange, error) {
	ch := catalog.TableChange{Table: c.name, Rewrite: true, Based: l.snapshot, Summary: map[string]string{SummaryMaintenance: "fold-deletes"}}
	old, rows := map[int]map[string]bool{}, map[int]catalog.RowDeletes{}
	for _, s := range l.sources {
		if len(s.deletes) == 0 {
			continue
		}
		if old[s.bucket] == nil {
			old[s.bucket], rows[s.bucket] = map[string]bool{}, catalog.RowDeletes{}
		}
		for _, d := range s.deletes {
			old[s.bucket][d] = true
		}
		if s.gone > 0 {
			s.deleted.Each(func(row uint32) { rows[s.bucket][s.path] = append(rows[s.bucket][s.path], int64(row)) })
		}
	}
	for _, b := range slices.Sorted(maps.Keys(old)) {
		if len(old[b]) < max(2, c.opts.MinFiles) || c.opts.Buckets != nil && !slices.Contains(c.opts.Buckets, b) {
			continue
		}
		ch.Remove = append(ch.Remove, slices.Sorted(maps.Keys(old[b]))...)
		if len(rows[b]) == 0 {
			continue
		}
		c.files++
		d, err := c.lake.WritePositionDeletes(ctx, c.path(b, c.files, 0, "-deletes"), b, rows[b])
		if err != nil {
			return ch, err
		}
		ch.Add = append(ch.Add, d)
	}
	return ch, nil
}
