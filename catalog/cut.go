package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
)

// Cut is the state of all tables at one moment: after one commit. It never changes; what it
// reads stays readable until maintenance expires the snapshots that it names.
type Cut struct {
	lake   *Lake
	number int64
	tables map[string]*Table
	gone   map[string]error // tables whose state at this cut is not known any more
}

// Table is one table at one cut.
type Table struct {
	lake   *Lake
	name   string
	cut    int64
	file   string // of the metadata
	meta   table.Metadata
	snap   *table.Snapshot // nil: the table held nothing yet
	schema *iceberg.Schema
}

// At finds a cut. The tables come from one read of the catalog, so they belong together, whatever
// is committed meanwhile. ErrNotFound: there is no such cut, snapshot or tag, or it is expired.
func (l *Lake) At(ctx context.Context, at At) (*Cut, error) {
	if err := at.check(); err != nil {
		return nil, err
	}
	st, err := l.backend.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the lake's tables: %w", err)
	}
	return l.cutAt(st, at)
}

func (l *Lake) cutAt(st state, at At) (*Cut, error) {
	pick, number, err := at.resolve(st)
	if err != nil {
		return nil, err
	}
	c := &Cut{lake: l, number: number, tables: map[string]*Table{}, gone: map[string]error{}}
	for name, h := range st.heads {
		snap, err := pick(h)
		if err != nil {
			c.gone[name] = fmt.Errorf("table %s: %w", name, err)
			continue
		}
		t := &Table{lake: l, name: name, cut: number, file: h.location, meta: h.meta, snap: snap, schema: h.meta.CurrentSchema()}
		if cur := h.meta.CurrentSnapshot(); snap != nil && (cur == nil || cur.SnapshotID != snap.SnapshotID) {
			t.schema = schemaOf(h.meta, snap)
		}
		c.tables[name] = t
	}
	return c, nil
}

// schemaOf is the schema that the table had at a snapshot.
func schemaOf(m table.Metadata, s *table.Snapshot) *iceberg.Schema {
	if s.SchemaID != nil {
		for _, sc := range m.Schemas() {
			if sc.ID == *s.SchemaID {
				return sc
			}
		}
	}
	return m.CurrentSchema()
}

func (at At) check() error {
	n := 0
	for _, set := range []bool{at.Cut != 0, at.Snapshot != 0, at.Position != nil, !at.BusinessDate.IsZero(), at.Tag != "", !at.Time.IsZero()} {
		if set {
			n++
		}
	}
	if n > 1 {
		return fault.Usagef("reading at a cut, snapshot, position, business date, tag and time exclude each other: give one")
	}
	return nil
}

// picker chooses a table's snapshot; nil is the empty table.
type picker func(head) (*table.Snapshot, error)

func (at At) resolve(st state) (picker, int64, error) {
	switch {
	case at.Cut != 0:
		if at.Cut < 0 || at.Cut > st.cut {
			return nil, 0, fmt.Errorf("cut %d: the lake's last is %d: %w", at.Cut, st.cut, ErrNotFound)
		}
		return pickCutOrTag(st, at.Cut), at.Cut, nil
	case at.Snapshot != 0:
		return at.resolveSnapshot(st)
	case at.Position != nil:
		return at.resolvePosition(st)
	case !at.BusinessDate.IsZero():
		return resolveTag(st, BusinessDateTag(at.BusinessDate))
	case at.Tag != "":
		return resolveTag(st, at.Tag)
	case !at.Time.IsZero():
		return at.resolveTime(st)
	}
	return pickLatest(st.cut), st.cut, nil
}

// pickLatest chooses the present snapshot, unless it was committed after the cut number was read
// (a REST catalog has no way to read all tables at once).
func pickLatest(cut int64) picker {
	return func(h head) (*table.Snapshot, error) {
		s := h.meta.CurrentSnapshot()
		if s != nil && cutOf(h.meta, s) > cut {
			return pickCut(cut)(h)
		}
		return s, nil
	}
}

// pickCut chooses the newest snapshot that a commit up to the cut made. Snapshots of other engines
// belong to no cut; they are chosen only where nothing else was there yet.
func pickCut(cut int64) picker {
	return func(h head) (*table.Snapshot, error) {
		var foreign *table.Snapshot
		s := h.meta.CurrentSnapshot()
		for s != nil {
			n := summaryOf(*s).cut()
			if n > 0 && n <= cut {
				return s, nil
			}
			if n > 0 {
				foreign = nil
			} else if foreign == nil {
				foreign = s
			}
			if s.ParentSnapshotID == nil {
				return foreign, nil
			}
			parent := h.meta.SnapshotByID(*s.ParentSnapshotID)
			if parent == nil {
				return nil, fmt.Errorf("its snapshot at cut %d is expired: %w", cut, ErrNotFound)
			}
			s = parent
		}
		return nil, nil
	}
}

func (at At) resolveSnapshot(st state) (picker, int64, error) {
	for name, h := range st.heads {
		s := h.meta.SnapshotByID(at.Snapshot)
		if s == nil {
			continue
		}
		cut := cutOf(h.meta, s)
		others := pickCut(cut)
		return func(h head) (*table.Snapshot, error) {
			if h.name == name {
				return s, nil
			}
			return others(h)
		}, cut, nil
	}
	return nil, 0, fmt.Errorf("snapshot %d: %w", at.Snapshot, ErrNotFound)
}

// cutOf is the cut that a snapshot belongs to: its own, or that of its nearest ancestor.
func cutOf(m table.Metadata, s *table.Snapshot) int64 {
	for s != nil {
		if n := summaryOf(*s).cut(); n > 0 || s.ParentSnapshotID == nil {
			return n
		}
		s = m.SnapshotByID(*s.ParentSnapshotID)
	}
	return 0
}

func resolveTag(st state, tag string) (picker, int64, error) {
	tagged := map[string]*table.Snapshot{}
	var cut int64
	for name, h := range st.heads {
		if !hasRef(h.meta, tag) {
			continue
		}
		s := h.meta.SnapshotByName(tag)
		if s == nil {
			continue
		}
		tagged[name] = s
		cut = max(cut, cutOf(h.meta, s))
	}
	if len(tagged) == 0 {
		return nil, 0, fmt.Errorf("tag %s: %w", tag, ErrNotFound)
	}
	others := pickCut(cut)
	return func(h head) (*table.Snapshot, error) {
		if s := tagged[h.name]; s != nil {
			return s, nil
		}
		return others(h)
	}, cut, nil
}

func hasRef(m table.Metadata, name string) bool {
	for n := range m.Refs() {
		if n == name {
			return true
		}
	}
	return false
}

// resolvePosition chooses the last cut whose stream stood at or before the position.
func (at At) resolvePosition(st state) (picker, int64, error) {
	var best int64
	for _, h := range st.heads {
		for _, s := range h.meta.Snapshots() {
			sum := summaryOf(s)
			if sum[KeyStream] == "" || sum.cut() <= best {
				continue
			}
			p, err := change.ParsePosition(sum[KeyPosition])
			if err != nil {
				return nil, 0, fmt.Errorf("table %s, snapshot %d: %w", h.name, s.SnapshotID, err)
			}
			if o := p.Compare(*at.Position); o == change.Before || o == change.Equal {
				best = sum.cut()
			}
		}
	}
	if best == 0 {
		return nil, 0, fmt.Errorf("position %s: no cut that is kept stands at or before it: %w", at.Position, ErrNotFound)
	}
	return pickCut(best), best, nil
}

func (at At) resolveTime(st state) (picker, int64, error) {
	var best int64
	for _, h := range st.heads {
		for _, s := range h.meta.Snapshots() {
			if s.TimestampMs <= at.Time.UnixMilli() {
				best = max(best, summaryOf(s).cut())
			}
		}
	}
	if best == 0 {
		return nil, 0, fmt.Errorf("no cut that is kept was committed by %s: %w", at.Time.Format(time.RFC3339), ErrNotFound)
	}
	return pickCut(best), best, nil
}

// Number is the cut's number; 0 before the lake's first commit.
func (c *Cut) Number() int64 { return c.number }

// Tables lists the tables by name, sorted.
func (c *Cut) Tables() []string { return slices.Sorted(maps.Keys(c.tables)) }

// Table returns one table: ErrNotFound if it is not in the lake, or if its snapshot of this cut is expired.
func (c *Cut) Table(name string) (*Table, error) {
	if t, ok := c.tables[name]; ok {
		return t, nil
	}
	if err, ok := c.gone[name]; ok {
		return nil, err
	}
	return nil, fmt.Errorf("table %s: %w", name, ErrNotFound)
}

// Name is namespace and table.
func (t *Table) Name() string { return t.name }

// Cut is the number of the cut that the table was taken from; see At.
func (t *Table) Cut() int64 { return t.cut }

// Location is the folder of the table's files. Data files belong below its data/.
func (t *Table) Location() string { return t.meta.Location() }

// MetadataFile is the location of the table's Iceberg metadata as the catalog had it when the
// cut was taken: what an engine without a catalog opens. Its current snapshot is the
// latest one, also where the cut is an earlier one (see Snapshot).
func (t *Table) MetadataFile() string { return t.file }

// Schema is the table's schema at the cut, with field ids (FieldIDKey) and the columns' own metadata.
func (t *Table) Schema() (*arrow.Schema, error) { return arrowSchema(t.schema, t.meta.Properties()) }

// Spec is the table's layout, as it stands now, with the schema at the cut.
func (t *Table) Spec() (TableSpec, error) { return specOf(t.name, t.meta, t.schema) }

// Snapshot is the snapshot's id; 0 for a table that holds nothing yet.
func (t *Table) Snapshot() int64 {
	if t.snap == nil {
		return 0
	}
	return t.snap.SnapshotID
}

// Time is when the snapshot was committed; zero for a table that holds nothing yet.
func (t *Table) Time() time.Time {
	if t.snap == nil {
		return time.Time{}
	}
	return time.UnixMilli(t.snap.TimestampMs).UTC()
}

// Summary is the snapshot's summary: Iceberg's counts, and the keys of this package.
func (t *Table) Summary() map[string]string {
	if t.snap == nil || t.snap.Summary == nil {
		return map[string]string{}
	}
	out := maps.Clone(map[string]string(t.snap.Summary.Properties))
	out["operation"] = string(t.snap.Summary.Operation)
	return out
}

// Rows is how many rows the table has, by its summary: those of the data files less those of the
// position deletes. It is too small where two delete files name one row.
func (t *Table) Rows() int64 {
	if t.snap == nil {
		return 0
	}
	s := summaryOf(*t.snap)
	return s.integer("total-records") - s.integer("total-position-deletes")
}
