package catalog

import (
	"context"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// summary is the snapshot's: Iceberg's own counts, and what the commit says of itself.
func (w *snapshotWork) summary(ctx context.Context, c *Commit, cut int64) (*table.Summary, error) {
	var carried map[string]streamMark
	if last := lastOurs(w.meta); last != nil {
		var err error
		if carried, err = summaryOf(*last).streams(); err != nil {
			return nil, err
		}
	}
	props, err := writeSummary(c, w.change, cut, carried)
	if err != nil {
		return nil, err
	}
	before, err := w.totalsBefore(ctx)
	if err != nil {
		return nil, err
	}
	delta := w.delta()
	delta.put(props, before)
	return &table.Summary{Operation: w.operation(delta), Properties: props}, nil
}

func (w *snapshotWork) operation(d delta) table.Operation {
	switch {
	case w.change.Rewrite:
		return table.OpReplace
	case len(w.removed) == 0 && d.added[PositionDeletes].files == 0:
		return table.OpAppend
	case d.added[Rows].files == 0:
		return table.OpDelete
	}
	return table.OpOverwrite
}

// counts are files with their rows and bytes.
type counts struct{ files, rows, bytes int64 }

func (c *counts) add(rows, bytes int64) {
	c.files++
	c.rows += rows
	c.bytes += bytes
}

// delta is what a snapshot adds and removes, by content.
type delta struct{ added, removed [2]counts }

func (w *snapshotWork) delta() delta {
	var d delta
	for _, f := range w.change.Add {
		d.added[f.Content].add(f.Rows, f.Bytes)
	}
	for _, f := range w.removed {
		d.removed[contentOf(f)].add(f.rows, f.bytes)
	}
	return d
}

func contentOf(f *liveFile) Content {
	if f.content == iceberg.EntryContentData {
		return Rows
	}
	return PositionDeletes
}

// totalsBefore are the counts of the parent, from its summary or, if another engine left them out, from its manifests.
func (w *snapshotWork) totalsBefore(ctx context.Context) ([2]counts, error) {
	var out [2]counts
	if w.parent == nil {
		return out, nil
	}
	sum := summaryOf(*w.parent)
	if _, ok := sum["total-records"]; ok && sum["total-data-files"] != "" && sum["total-delete-files"] != "" {
		out[Rows] = counts{sum.integer("total-data-files"), sum.integer("total-records"), sum.integer("total-files-size")}
		out[PositionDeletes] = counts{files: sum.integer("total-delete-files"), rows: sum.integer("total-position-deletes")}
		return out, nil
	}
	manifests, err := w.lake.manifests.list(ctx, w.parent)
	if err != nil {
		return out, err
	}
	files, err := w.lake.manifests.all(ctx, manifests)
	if err != nil {
		return out, err
	}
	for _, fs := range files {
		for _, f := range fs {
			out[contentOf(f)].add(f.rows, f.bytes)
		}
	}
	return out, nil
}

// put writes Iceberg's counts. total-files-size covers data and delete files together.
func (d delta) put(into map[string]string, before [2]counts) {
	set := func(key string, n int64) { into[key] = strconv.FormatInt(n, 10) }
	some := func(key string, n int64) {
		if n > 0 {
			set(key, n)
		}
	}
	some("added-data-files", d.added[Rows].files)
	some("added-records", d.added[Rows].rows)
	some("added-delete-files", d.added[PositionDeletes].files)
	some("added-position-delete-files", d.added[PositionDeletes].files)
	some("added-position-deletes", d.added[PositionDeletes].rows)
	some("added-files-size", d.added[Rows].bytes+d.added[PositionDeletes].bytes)
	some("deleted-data-files", d.removed[Rows].files)
	some("deleted-records", d.removed[Rows].rows)
	some("removed-delete-files", d.removed[PositionDeletes].files)
	some("removed-position-delete-files", d.removed[PositionDeletes].files)
	some("removed-position-deletes", d.removed[PositionDeletes].rows)
	some("removed-files-size", d.removed[Rows].bytes+d.removed[PositionDeletes].bytes)
	set("total-data-files", before[Rows].files+d.added[Rows].files-d.removed[Rows].files)
	set("total-records", before[Rows].rows+d.added[Rows].rows-d.removed[Rows].rows)
	set("total-delete-files", before[PositionDeletes].files+d.added[PositionDeletes].files-d.removed[PositionDeletes].files)
	set("total-position-deletes", before[PositionDeletes].rows+d.added[PositionDeletes].rows-d.removed[PositionDeletes].rows)
	set("total-equality-deletes", 0)
	set("total-files-size", before[Rows].bytes+before[PositionDeletes].bytes+
		d.added[Rows].bytes+d.added[PositionDeletes].bytes-d.removed[Rows].bytes-d.removed[PositionDeletes].bytes)
}
