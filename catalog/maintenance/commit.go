package maintenance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/rawfile"
)

// commitAttempts bounds the attempts at one commit. Each takes over what was committed meanwhile.
const commitAttempts = 50

// SummaryMaintenance is the key of a snapshot's summary that names the kind of maintenance that made it.
const SummaryMaintenance = "millrace.maintenance"

// commit replaces the jobs' files in one step. Jobs whose files are not all there any more are left out, to be done again.
func (c *compaction) commit(ctx context.Context, jobs []*job) (redo bool, err error) {
	epoch := fmt.Sprintf("%s-%d", c.id, c.commits)
	c.commits++
	for range commitAttempts {
		ch, kept, err := c.change(ctx, jobs)
		if err != nil {
			return false, err
		}
		if len(kept) < len(jobs) {
			c.res.Redone += len(jobs) - len(kept)
			redo, jobs = true, kept
		}
		if len(jobs) == 0 {
			return redo, nil
		}
		out, err := c.lake.Commit(ctx, catalog.Commit{Epoch: epoch, Tables: []catalog.TableChange{ch}})
		if errors.Is(err, catalog.ErrConflict) {
			c.res.Conflicts++
			continue
		}
		if err != nil {
			return false, err
		}
		c.account(jobs, ch, out)
		c.opts.Logger.InfoContext(ctx, "compacted", "table", c.name, "cut", out.Cut, "buckets", len(jobs), "removed", len(ch.Remove), "added", len(ch.Add))
		return redo, nil
	}
	return false, fmt.Errorf("gave up after %d attempts: the table is committed to all the time; run the compaction when it is less busy", commitAttempts)
}

// change describes the replacement of the jobs' files as the table is now.
func (c *compaction) change(ctx context.Context, jobs []*job) (catalog.TableChange, []*job, error) {
	l, err := look(ctx, c.lake, c.name)
	if err != nil {
		return catalog.TableChange{}, nil, err
	}
	ch := catalog.TableChange{Table: c.name, Rewrite: true, Based: l.snapshot, Summary: map[string]string{SummaryMaintenance: "compact"}}
	leaving := map[string]bool{}
	var kept []*job
	for _, j := range jobs {
		late, ok, err := c.lateDeletes(ctx, l, j)
		if err != nil {
			return ch, nil, err
		}
		if !ok {
			continue
		}
		kept = append(kept, j)
		rows := catalog.RowDeletes{}
		for _, o := range j.outputs {
			ch.Add = append(ch.Add, o.file)
		}
		for _, s := range j.sources {
			leaving[s.path] = true
			ch.Remove = append(ch.Remove, s.path)
		}
		if late == nil {
			continue
		}
		j.translate(late, rows)
		if len(rows) == 0 {
			continue
		}
		c.files++
		d, err := c.lake.WritePositionDeletes(ctx, c.path(j.bucket, c.files, 0, "-deletes"), j.bucket, rows)
		if err != nil {
			return ch, nil, err
		}
		c.res.LateDeletes += d.Rows
		ch.Add = append(ch.Add, d)
	}
	ch.Remove = append(ch.Remove, l.orphans(leaving)...)
	slices.Sort(ch.Remove)
	return ch, kept, nil
}

// lateDeletes are the rows of a job's sources that were deleted since they were read, by source; nil if
// none was. ok is false if a source left the table, or if late deletes cannot be carried over.
func (c *compaction) lateDeletes(ctx context.Context, l *layout, j *job) (late []rawfile.Bitmap, ok bool, err error) {
	for i, s := range j.sources {
		now := l.sources[s.path]
		if now == nil {
			return nil, false, nil
		}
		var fresh []string
		for _, d := range now.deletes {
			if !slices.Contains(s.deletes, d) {
				fresh = append(fresh, d)
			}
		}
		if err := c.deletes.read(ctx, fresh); err != nil {
			return nil, false, err
		}
		for _, d := range fresh {
			for _, row := range c.deletes.rows[d][s.path] {
				if s.deleted.Has(uint32(row)) { // a fold of older delete files
					continue
				}
				if late == nil {
					late = make([]rawfile.Bitmap, len(j.sources))
				}
				late[i].Add(uint32(row), s.rows)
			}
		}
	}
	return late, late == nil || j.traced, nil
}

// translate finds where the late rows went.
func (j *job) translate(late []rawfile.Bitmap, into catalog.RowDeletes) {
	next := make([]uint32, len(j.sources)) // row of each source that comes next
	for _, o := range j.outputs {
		for i, n := range o.from {
			s := j.sources[n]
			for s.deleted.Has(next[n]) {
				next[n]++
			}
			if late[n].Has(next[n]) {
				into[o.file.Path] = append(into[o.file.Path], int64(i))
			}
			next[n]++
		}
	}
}

func (c *compaction) account(jobs []*job, ch catalog.TableChange, out catalog.Committed) {
	r := c.res
	r.Commits++
	r.CutCommitted = out.Cut
	for _, j := range jobs {
		r.FilesIn += len(j.sources)
		for _, s := range j.sources {
			r.DeletedRows += s.gone
		}
		r.FilesOut += len(j.outputs)
		for _, o := range j.outputs {
			r.Rows += o.file.Rows
			r.Bytes += o.file.Bytes
		}
		r.DeleteFiles -= len(j.sources)
	}
	r.DeleteFiles += len(ch.Remove)
}
