package mirror

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/catalog/mirror/internal/keyindex"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
)

// staged is what an applied epoch changes in index and files once it is committed.
type staged struct {
	truncated bool
	outcomes  [keyindex.Shards][]outcome
	moves     []move   // rows of rewritten files
	newFiles  []uint32 // reserved numbers
	gone      []uint32 // data files that leave the table
	deleted   map[uint32][]int64
	deletes   []deleteOutput // new delete files
	folded    []string       // delete files that leave the table
	schema    *arrow.Schema  // of the table after the epoch
	rewritten int64
	rows      int64 // by how many the table grows
}

// move is a key's new row where the row itself did not change.
type move struct {
	key columns.Hash
	at  keyindex.Pos
}

// epoch is one Apply at work.
type epoch struct {
	m      *Mirror
	id     string
	nonce  string
	events *events
	staged *staged
	counts counters
	// owner gives, by batch and row, the number of the row's outcome in its shard; none where the row does
	// not stay. nil on append-only tables, where all rows stay.
	owner [][]uint32

	schema  *arrow.Schema       // that the files are written with
	set     []arrow.RecordBatch // the events' rows in that schema, then those of rewritten files
	carried [][]columns.Hash    // the keys of rewritten files' rows: of the batches of set after the events'
	refs    map[int][]columns.Ref
	sums    *changelog.Control
	change  catalog.TableChange
}

const none = ^uint32(0)

func (m *Mirror) apply(ctx context.Context, id string, batches []*source.Batch) (catalog.TableChange, error) {
	if err := m.sync(ctx); err != nil {
		return catalog.TableChange{}, err
	}
	ev, err := collect(m.name, m.spec.Key, batches, m.opts.Workers)
	if err != nil {
		return catalog.TableChange{}, err
	}
	e := &epoch{
		m: m, id: id, nonce: nonce(), events: ev,
		staged: &staged{truncated: ev.truncated, deleted: map[uint32][]int64{}},
		change: catalog.TableChange{Table: m.name, Based: m.based, ReplaceAll: ev.truncated},
	}
	m.staged = e.staged
	defer e.release()
	fold := e.fold
	if m.policy.appendOnly {
		fold = e.appendOnly
	}
	if err := fold(ctx); err != nil {
		return catalog.TableChange{}, err
	}
	if err := e.conform(ctx); err != nil {
		return catalog.TableChange{}, err
	}
	if err := e.write(ctx); err != nil {
		return catalog.TableChange{}, err
	}
	if err := e.finish(); err != nil {
		return catalog.TableChange{}, err
	}
	return e.change, nil
}

func (e *epoch) release() {
	for _, r := range e.set {
		r.Release()
	}
}

// appendOnly checks that the events only create rows.
func (e *epoch) appendOnly(context.Context) error {
	for _, b := range e.events.batches {
		for r, op := range b.Ops {
			switch op {
			case change.Create, change.Read:
				e.counts.inserts++
			case change.Truncate:
			default:
				return fault.Usagef("the table is declared append-only (%s), but the event at offset %d of shard %s is %q; take the property off the table", PropAppendOnly, b.Offset[r], b.Shard, op)
			}
		}
	}
	if e.events.truncated {
		e.counts.inserts = 0
		e.owner = make([][]uint32, len(e.events.batches))
		for i, b := range e.events.batches {
			e.owner[i] = slices.Repeat([]uint32{none}, b.Rows())
			for r := range b.Rows() {
				if e.events.counts(columns.Ref{Batch: uint32(i), Row: uint32(r)}) {
					e.owner[i][r] = 0
					e.counts.inserts++
				}
			}
		}
	}
	return nil
}

// fold finds one outcome for each key, the row that it has, and which rows of the epoch stay.
func (e *epoch) fold(ctx context.Context) error {
	m := e.m
	e.owner = make([][]uint32, len(e.events.batches))
	for i, b := range e.events.batches {
		e.owner[i] = slices.Repeat([]uint32{none}, b.Rows())
	}
	groups := e.events.scatter(m.opts.Workers)
	empty := m.index.Len() == 0 || e.events.truncated
	var counts [keyindex.Shards]counters
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.opts.Workers)
	for s := range keyindex.Shards {
		g.Go(func() (err error) {
			out := e.events.fold(groups, s)
			e.staged.outcomes[s] = out
			if counts[s], err = lookUp(out, m.index.Shard(s), empty); err != nil {
				return err
			}
			for i := range out {
				if o := &out[i]; !o.deleted {
					e.owner[o.last.Batch][o.last.Row] = uint32(i)
				}
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for s := range counts {
		e.counts.add(counts[s])
		for i := range e.staged.outcomes[s] {
			if o := &e.staged.outcomes[s][i]; o.had {
				e.staged.deleted[o.old.File] = append(e.staged.deleted[o.old.File], int64(o.old.Row))
			}
		}
	}
	return nil
}

// stays reports whether an event's row is in the table after the epoch.
func (e *epoch) stays(batch, row int) bool { return e.owner == nil || e.owner[batch][row] != none }

// rowsThatStay lists them in the order of the stream.
func (e *epoch) rowsThatStay() int {
	n := 0
	for i, b := range e.events.batches {
		if e.owner == nil {
			n += b.Rows()
			continue
		}
		for _, o := range e.owner[i] {
			if o != none {
				n++
			}
		}
	}
	return n
}

// finish completes the change.
func (e *epoch) finish() error {
	ch, c := &e.change, e.counts
	if e.events.truncated {
		c.deletes += e.m.rows
	} else {
		for _, id := range e.staged.gone {
			ch.Remove = append(ch.Remove, e.m.files.files[id].path)
		}
		ch.Remove = append(ch.Remove, e.orphanDeletes()...)
	}
	ch.Totals = catalog.Totals{Rows: int64(e.events.rows), Inserts: c.inserts, Updates: c.updates, Deletes: c.deletes}
	var err error
	if ch.Totals.Control, err = e.sums.Totals(); err != nil {
		return err
	}
	ch.Summary = map[string]string{}
	for k, n := range map[string]int64{SummaryUpserts: c.upserts, SummaryDuplicates: c.duplicates, SummaryAbsentDeletes: c.absent} {
		if n > 0 {
			ch.Summary[k] = strconv.FormatInt(n, 10)
		}
	}
	if !e.schema.Equal(e.m.spec.Schema) {
		ch.Schema = e.schema
	}
	e.staged.schema = e.schema
	e.staged.rows = c.inserts - c.deletes
	return nil
}

// Keys of the snapshot's summary, absent where the number is 0.
const (
	SummaryUpserts       = "millrace.mirror.upserts"           // updates of absent keys; they inserted the row
	SummaryDuplicates    = "millrace.mirror.duplicate-inserts" // creations of present keys; they replaced the row
	SummaryAbsentDeletes = "millrace.mirror.absent-deletes"    // deletes of absent keys; they did nothing
)

// orphanDeletes are the delete files that leave the table: those folded into new ones, and those that
// name only data files that leave.
func (e *epoch) orphanDeletes() []string {
	out := slices.Clone(e.staged.folded)
	leaving := map[uint32]bool{}
	for _, id := range e.staged.gone {
		leaving[id] = true
	}
	for path, d := range e.m.files.deletes {
		if slices.Contains(e.staged.folded, path) {
			continue
		}
		orphan := true
		for id := range d.names {
			orphan = orphan && leaving[id]
		}
		if orphan {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// conform decides the schema of the new files and gives the batches that schema.
func (e *epoch) conform(ctx context.Context) error {
	in, err := e.schemaIn()
	if err != nil {
		return err
	}
	if e.schema, err = e.m.resolve(ctx, in); err != nil {
		return err
	}
	var nulls columns.Nulls
	for _, b := range e.events.batches {
		rec, err := conformBatch(e.m.name, e.schema, b.Row, &nulls)
		if err != nil {
			return err
		}
		e.set = append(e.set, rec)
	}
	return nil
}

// sum adds up the control totals of the rows that stay.
func (e *epoch) sum() {
	for i := range e.events.batches {
		keep := func(r int) bool { return e.stays(i, r) }
		if e.owner == nil {
			keep = nil
		}
		e.sums.AddIf(e.set[i], keep)
	}
}

// resolve asks the table's policy for the schema, once for each schema of the stream.
func (m *Mirror) resolve(ctx context.Context, in *arrow.Schema) (*arrow.Schema, error) {
	if in == nil {
		return m.spec.Schema, nil
	}
	if m.resolvedFrom != nil && m.resolvedFrom.Equal(in) {
		return m.resolved, nil
	}
	s, err := m.lake.ResolveSchema(ctx, m.name, in)
	if err != nil {
		return nil, fmt.Errorf("schema of the epoch: %w", err)
	}
	m.resolvedFrom, m.resolved = in, s
	return s, nil
}
