package mirror

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/catalog/mirror/internal/keyindex"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
)

// Mirror writes one mirrored table. It is used by one goroutine at a time; close it when done.
type Mirror struct {
	lake   *catalog.Lake
	name   string
	opts   Options
	spec   catalog.TableSpec
	policy policy
	root   string // the table's location
	rows   int64  // in the table
	ctls   []changelog.ControlColumn

	index *keyindex.Index
	files *fileSet
	// based is the snapshot that index and files describe; valid says whether they do. parent is what
	// based must follow in the table's history; checked says that it was seen to.
	based, parent  int64
	valid, checked bool

	slots  chan *columns.Gatherer // one a worker: who holds one may compute
	staged *staged
	stats  Stats

	resolvedFrom, resolved *arrow.Schema // the last answer of ResolveSchema
}

// Stats say what a mirror has done since it was opened.
type Stats struct {
	Rebuilds      int   // times that the index was built from nothing
	Refreshes     int   // times that it was brought up to date after somebody else's commit
	Keys          int64 // in the index
	IndexMemory   int64 // bytes
	IndexDisk     int64 // bytes
	DataFiles     int
	DeleteFiles   int
	DeletedRows   int64 // deleted by position and not yet folded away
	RewrittenRows int64 // rows that were written again because their file was rewritten
}

// Open prepares the mirror of a table that is there (see catalog.Lake.EnsureTable). The index is built at the first Apply.
func Open(ctx context.Context, lake *catalog.Lake, name string, opts Options) (*Mirror, error) {
	opts = opts.withDefaults()
	m := &Mirror{
		lake: lake, name: name, opts: opts, files: newFileSet(),
		index: keyindex.New(keyindex.Options{Memory: opts.MemoryBudget, Dir: opts.Dir}),
	}
	m.slots = make(chan *columns.Gatherer, opts.Workers)
	for range opts.Workers {
		m.slots <- new(columns.Gatherer)
	}
	if _, err := m.load(ctx); err != nil {
		return nil, fmt.Errorf("open mirror of %s: %w", name, err)
	}
	return m, nil
}

// load reads what the table is like now, and checks that it can be mirrored.
func (m *Mirror) load(ctx context.Context) (*catalog.Table, error) {
	t, err := m.lake.Table(ctx, m.name)
	if err != nil {
		return nil, err
	}
	spec, err := t.Spec()
	if err != nil {
		return nil, err
	}
	if len(spec.Key) == 0 {
		return nil, fault.Usagef("the table has no key (property %s)", catalog.PropKey)
	}
	for _, k := range spec.Key {
		at := columns.Index(spec.Schema, k)
		if at < 0 {
			return nil, fault.Usagef("there is no key column %q", k)
		}
		if err := columns.CheckKeyType(k, spec.Schema.Field(at).Type); err != nil {
			return nil, err
		}
	}
	for _, c := range spec.SortBy {
		if err := columns.CheckSortType(c, spec.Schema.Field(columns.Index(spec.Schema, c)).Type); err != nil {
			return nil, err
		}
	}
	if m.policy, err = policyOf(spec.Properties); err != nil {
		return nil, err
	}
	m.root, m.rows, m.spec = t.Location(), t.Rows(), spec
	m.resolvedFrom, m.resolved = nil, nil
	return t, m.chooseControls()
}

// chooseControls takes the control totals of the present schema.
func (m *Mirror) chooseControls() (err error) {
	m.ctls, err = changelog.Controls(m.spec.Schema, m.spec.Properties)
	return err
}

// Close frees the index and its temporary files. An epoch that was applied and not committed is forgotten.
func (m *Mirror) Close() error {
	m.staged = nil
	m.invalidate()
	return nil
}

// Stats says what the mirror has done so far.
func (m *Mirror) Stats() Stats {
	s := m.stats
	s.Keys, s.IndexMemory, s.IndexDisk = m.index.Len(), m.index.Memory(), m.index.Disk()
	s.DataFiles, s.DeleteFiles = len(m.files.byPath), len(m.files.deletes)
	for _, id := range m.files.byPath {
		s.DeletedRows += m.files.files[id].gone
	}
	return s
}

var errStaged = errors.New("the epoch applied before was neither committed nor discarded")

// Apply folds the events of an epoch and writes what they change as files, which belong to the table
// once the change that it returns is committed. The batches must be all events of the table in the epoch;
// they stay the caller's, and are not needed after Apply returns. epoch becomes part of the files' names.
//
// The change's totals say how many events there were and how many rows they inserted, replaced and deleted;
// control totals are the sums over the rows that were inserted or that replaced others. A change with no
// files still carries totals.
//
// On catalog.ErrConflict from the commit, call Discard and Apply again: the index catches up with what the lake is then.
func (m *Mirror) Apply(ctx context.Context, epoch string, batches []*source.Batch) (catalog.TableChange, error) {
	if m.staged != nil {
		return catalog.TableChange{}, fmt.Errorf("apply epoch %s to %s: %w", epoch, m.name, errStaged)
	}
	ch, err := m.apply(ctx, epoch, batches)
	if err != nil {
		m.unstage()
		return catalog.TableChange{}, fmt.Errorf("apply epoch %s to %s: %w", epoch, m.name, err)
	}
	return ch, nil
}

// Committed tells the mirror that the change that Apply returned last is in the lake, as the given
// snapshot (Committed.Snapshots of the commit). A commit that was dropped needs Discard instead.
func (m *Mirror) Committed(snapshot int64) {
	s := m.staged
	if s == nil {
		return
	}
	m.staged = nil
	m.parent, m.based, m.checked = m.based, snapshot, false
	if err := m.settle(s); err != nil {
		m.opts.Logger.Warn("the key index is rebuilt at the next epoch", "table", m.name, "reason", err)
		m.invalidate()
	}
}

// Discard forgets the change that Apply returned last. Its files stay for the garbage collection, because
// where a commit's outcome was unknown they may belong to the table after all.
func (m *Mirror) Discard() {
	m.unstage()
	m.checked = false
	if m.policy.appendOnly {
		m.valid = false
	}
}

func (m *Mirror) unstage() {
	if s := m.staged; s != nil {
		for _, id := range s.newFiles {
			m.files.release(id)
		}
		m.staged = nil
	}
}

// invalidate forgets index and files.
func (m *Mirror) invalidate() {
	m.index.Reset()
	m.files = newFileSet()
	m.valid, m.based = false, 0
}

// sync brings index and files up to the lake's present state.
func (m *Mirror) sync(ctx context.Context) error {
	if m.policy.appendOnly && m.valid {
		return nil // nothing that it writes depends on what the table holds
	}
	meta, _, err := m.lake.Metadata(ctx, m.name)
	if err != nil {
		return err
	}
	cur := int64(0)
	if s := meta.CurrentSnapshot(); s != nil {
		cur = s.SnapshotID
	}
	if m.valid && cur == m.based && (m.checked || m.follows(meta)) {
		m.checked = true
		return nil
	}
	return m.refresh(ctx)
}

// follows reports whether the snapshot that the mirror committed last was made on top of the one before
// it, and not on one that somebody else committed in between.
func (m *Mirror) follows(meta table.Metadata) bool {
	s := meta.SnapshotByID(m.based)
	if s == nil {
		return m.based == m.parent
	}
	if s.ParentSnapshotID == nil {
		return m.parent == 0
	}
	return *s.ParentSnapshotID == m.parent
}

// nonce tells the files of one attempt at an epoch from those of another.
func nonce() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return hex.EncodeToString(b[:])
}
