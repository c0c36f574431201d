package maintenance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/fault"
)

// CompactOptions shape a compaction. The zero value suits tables that are ingested all day.
type CompactOptions struct {
	// TargetBytes is the size of the files written. 0: 128 MiB. Files of half of it are left alone.
	TargetBytes int64
	// MinFiles is how many small files a bucket must have to be merged, and how many delete files to have
	// them folded into one. 0: 4.
	MinFiles int
	// DeletedRatio is the part of a file's rows that must be deleted for it to be rewritten on that account. 0: 0.1.
	DeletedRatio float64
	// Full merges all small files of every bucket, however few, and every file with a deleted row.
	Full bool
	// Buckets limits the work to these buckets; nil is all.
	Buckets []int
	// FanIn is how many files are merged at once. 0: 128; at most 256. More files take several rounds.
	FanIn int
	// CommitBytes is how much is rewritten before it is committed. 0: 2 GiB.
	CommitBytes int64
	// Workers is how many buckets are merged at once. 0: one a processor.
	Workers int
	// TempDir is for rows that must be sorted first, which happens only to files of other writers. "": the system's.
	TempDir string
	// DryRun counts what would be merged and folded, and writes nothing. Files, rows and bytes of the result are
	// then those of the first round: what is read, not what it would become.
	DryRun bool
	// Logger gets a line a commit, at info level; default slog.Default.
	Logger *slog.Logger
}

func (o CompactOptions) withDefaults() (CompactOptions, error) {
	def := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.TargetBytes, 128<<20)
	def(&o.CommitBytes, 2<<30)
	for _, d := range []struct {
		p *int
		v int
	}{{&o.MinFiles, 4}, {&o.FanIn, 128}, {&o.Workers, runtime.GOMAXPROCS(0)}} {
		if *d.p == 0 {
			*d.p = d.v
		}
	}
	if o.DeletedRatio == 0 {
		o.DeletedRatio = 0.1
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.TargetBytes < 0 || o.CommitBytes < 0 || o.MinFiles < 1 || o.Workers < 1 || o.DeletedRatio < 0 || o.DeletedRatio > 1 || o.FanIn < 2 || o.FanIn > maxFanIn {
		return o, fault.Usagef("compact: sizes and counts must be positive, the deleted ratio between 0 and 1, and the fan-in from 2 to %d", maxFanIn)
	}
	return o, nil
}

// CompactResult says what a compaction did.
type CompactResult struct {
	Commits      int
	FilesIn      int   // data files replaced
	FilesOut     int   // data files written
	DeleteFiles  int   // delete files that left the table
	FoldedInto   int   // delete files written in the place of many
	Rows         int64 // written
	DeletedRows  int64 // folded away
	Bytes        int64 // written
	Conflicts    int   // attempts that met another commit
	LateDeletes  int64 // rows that ingest deleted meanwhile, deleted in the new files
	Redone       int   // buckets merged again because their files were rewritten meanwhile
	CutCommitted int64 // the last commit's cut, 0 if there was nothing to do
}

// rounds bounds how often buckets with more files than the fan-in, or that others rewrote, are visited.
const rounds = 8

// Compact merges a table's small and much-deleted files. It may run beside ingest and other
// maintenance; what it reads and writes is bounded by its options. A table with nothing to do is left as it is.
func Compact(ctx context.Context, lake *catalog.Lake, table string, opts CompactOptions) (CompactResult, error) {
	var res CompactResult
	opts, err := opts.withDefaults()
	if err != nil {
		return res, err
	}
	c := &compaction{lake: lake, name: table, opts: opts, res: &res, id: "compact-" + nonce(), deletes: &deleteReader{lake: lake, rows: map[string]catalog.RowDeletes{}}}
	if opts.DryRun {
		if err := c.preview(ctx); err != nil {
			return res, fmt.Errorf("look at what to compact of %s: %w", table, err)
		}
		return res, nil
	}
	for range rounds {
		again, err := c.round(ctx)
		if err != nil {
			return res, fmt.Errorf("compact %s: %w", table, err)
		}
		if !again {
			break
		}
	}
	if err := c.fold(ctx); err != nil {
		return res, fmt.Errorf("compact %s: fold position deletes: %w", table, err)
	}
	return res, nil
}

// compaction is one run.
type compaction struct {
	lake    *catalog.Lake
	name    string
	opts    CompactOptions
	res     *CompactResult
	id      string
	files   int // written, for their names
	commits int
	deletes *deleteReader

	spec catalog.TableSpec
	root string
	sort []int
}

// round merges what is to be merged now. It reports whether another round may find more.
func (c *compaction) round(ctx context.Context) (bool, error) {
	l, err := look(ctx, c.lake, c.name)
	if err != nil {
		return false, err
	}
	if err := c.load(l.table); err != nil {
		return false, err
	}
	if err := l.mark(ctx, c.deletes); err != nil {
		return false, err
	}
	again := false
	var group []*job
	size := int64(0)
	flush := func() error {
		redo, err := c.run(ctx, group)
		again = again || redo
		group, size = nil, 0
		return err
	}
	for _, sources := range l.choose(c.opts) {
		j := &job{n: len(group), sources: sources, bucket: sources[0].bucket}
		again = again || len(sources) == c.opts.FanIn
		group = append(group, j)
		for _, s := range sources {
			size += s.bytes
		}
		if size >= c.opts.CommitBytes {
			if err := flush(); err != nil {
				return false, err
			}
		}
	}
	if len(group) > 0 {
		return again, flush()
	}
	return again, nil
}

// preview counts what a first round would take on, and the delete files that would leave.
func (c *compaction) preview(ctx context.Context) error {
	l, err := look(ctx, c.lake, c.name)
	if err != nil {
		return err
	}
	if err := l.mark(ctx, c.deletes); err != nil {
		return err
	}
	leaving := map[string]bool{}
	for _, sources := range l.choose(c.opts) {
		for _, s := range sources {
			leaving[s.path] = true
			c.res.FilesIn++
			c.res.Rows += s.rows - s.gone
			c.res.DeletedRows += s.gone
			c.res.Bytes += s.bytes
		}
	}
	c.res.DeleteFiles = len(l.orphans(leaving))
	return nil
}

func (c *compaction) load(t *catalog.Table) (err error) {
	if c.spec, err = t.Spec(); err != nil {
		return err
	}
	c.root, c.sort = t.Location(), nil
	for _, name := range c.spec.SortBy {
		at := columns.Index(c.spec.Schema, name)
		if err := columns.CheckSortType(name, c.spec.Schema.Field(at).Type); err != nil {
			return err
		}
		c.sort = append(c.sort, at)
	}
	return nil
}

// job is one bucket's merge.
type job struct {
	n       int
	bucket  int
	sources []*source
	outputs []*output
	// traced says that outputs tell where each row came from.
	traced bool
}

// output is a new data file, and the source of each of its rows.
type output struct {
	file catalog.DataFile
	from []uint8
}

// run merges the jobs' files and commits them together.
func (c *compaction) run(ctx context.Context, jobs []*job) (redo bool, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.opts.Workers)
	base := c.files
	for _, j := range jobs {
		g.Go(func() error { return c.merge(gctx, j, base+j.n) })
	}
	c.files += len(jobs)
	if err := g.Wait(); err != nil {
		return false, err
	}
	return c.commit(ctx, jobs)
}

// merge writes one bucket's new files.
func (c *compaction) merge(ctx context.Context, j *job, n int) error {
	if len(c.sort) > 0 {
		for _, s := range j.sources {
			if !s.sorted {
				return c.sortAnew(ctx, j, n)
			}
		}
	}
	m, err := openMerge(ctx, c.lake, c.spec.Schema, c.sort, j.sources)
	if err != nil {
		return err
	}
	err = c.writeMerged(ctx, j, m, n)
	return errors.Join(err, m.close())
}

const batchRows = 1 << 14

// writeMerged writes the merged rows into files of about the target size.
func (c *compaction) writeMerged(ctx context.Context, j *job, m *merger, n int) error {
	j.traced = true
	perFile := rowsPerFile(j.sources, c.opts.TargetBytes)
	most := int(min(perFile, batchRows))
	rec, from, err := m.next(most)
	for part := 0; err == nil; part++ {
		out := &output{}
		rows := func(yield func(arrow.RecordBatch, error) bool) {
			for err == nil && int64(len(out.from)) < perFile {
				out.from = append(out.from, from...)
				more := yield(rec, nil)
				rec.Release()
				if !more {
					return
				}
				rec, from, err = m.next(most)
			}
			if err != nil && !errors.Is(err, io.EOF) {
				yield(nil, err)
			}
		}
		f, werr := c.lake.WriteFile(ctx, c.path(j.bucket, n, part, ""), c.spec.Schema, rows, catalog.FileOptions{
			Bucket: j.bucket, Bucketed: j.bucket >= 0, SortBy: c.spec.SortBy,
		})
		if werr != nil {
			return werr
		}
		out.file = f
		j.outputs = append(j.outputs, out)
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// rowsPerFile is how many rows make a file of the target size, judged by the files that are there.
func rowsPerFile(sources []*source, target int64) int64 {
	var rows, bytes int64
	for _, s := range sources {
		rows += s.rows
		bytes += s.bytes
	}
	return max(1, int64(float64(rows)/float64(max(1, bytes))*float64(target)))
}

// sortAnew writes a bucket whose files are not all sorted. Where rows went is not known then.
func (c *compaction) sortAnew(ctx context.Context, j *job, n int) error {
	w, err := c.lake.NewFileWriter(catalog.Target{Location: c.root, Spec: c.spec}, catalog.WriterOptions{
		EpochID: c.id, Nonce: fmt.Sprintf("s%d", n), TargetBytes: c.opts.TargetBytes, TempDir: c.opts.TempDir, Parallelism: 1,
	})
	if err != nil {
		return err
	}
	split := catalog.ScanSplit{Bucket: j.bucket}
	for _, s := range j.sources {
		split.Files = append(split.Files, catalog.ScanFile{Path: s.path, Bytes: s.bytes, Rows: s.rows, Deletes: s.deletes})
	}
	in, err := c.lake.OpenSplit(ctx, c.spec.Schema, split, catalog.ReadOptions{})
	if err == nil {
		err = catalog.EachBatch(ctx, in, func(rec arrow.RecordBatch) error { return w.Write(ctx, rec) })
	}
	if err != nil {
		return errors.Join(err, w.Abort(ctx))
	}
	files, err := w.Close(ctx)
	if err != nil {
		return err
	}
	for _, f := range files {
		j.outputs = append(j.outputs, &output{file: f})
	}
	return nil
}

// path names a new file: n tells the jobs of a run apart, part the files of a job.
func (c *compaction) path(bucket, n, part int, suffix string) string {
	folder := "data"
	if bucket >= 0 {
		folder = fmt.Sprintf("data/bucket=%d", bucket)
	}
	return fmt.Sprintf("%s/%s/%s-%05d-%05d%s.parquet", c.root, folder, c.id, n, part, suffix)
}

func nonce() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return hex.EncodeToString(b[:])
}
