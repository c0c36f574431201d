package reconcile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/tree"
	"github.com/millrace/millrace/sdk/storage"
)

// sidePosition is how far a side was read.
type sidePosition struct {
	Files    map[string]filePosition `json:"files,omitempty"` // by name
	Snapshot int64                   `json:"snapshot,omitempty"`
	Whole    map[string]string       `json:"whole,omitempty"` // digests of rows by ref, of a side that is read whole at each look
}

// filePosition is how far a file was read.
type filePosition struct {
	Size int64 `json:"size"` // bytes, to the end of a line
	Rows int64 `json:"rows"` // that were taken
	// Seen is the file's size when it was looked at, and Modified its time then.
	Seen     int64     `json:"seen"`
	Modified time.Time `json:"modified"`
}

func (p *sidePosition) rows() (n int64) {
	for _, f := range p.Files {
		n += f.Rows
	}
	return n + int64(len(p.Whole))
}

// sideNews is what a look at a side brought.
type sideNews struct {
	Side     int                       `json:"side"`
	Rows     []reconciliation.Movement `json:"rows,omitempty"`
	Gone     []string                  `json:"gone,omitempty"`
	File     map[string]filePosition   `json:"file,omitempty"` // that were read
	Snapshot int64                     `json:"snapshot,omitempty"`
}

// followedSide is a side that grows.
type followedSide struct {
	o      *FollowOptions
	spec   *rulefile.Side
	schema reconciliation.Schema
	at     sidePosition
}

// mostRows is how many rows a look at files brings at most, but for the last file's: a step is held in memory.
const mostRows = 100_000

func (s *followedSide) location() string { return location(&s.o.RulesOptions, s.spec) }

// grows reports whether rows are only ever added.
func (s *followedSide) grows() bool { return s.location() != "" }

// moved notes how far the side was read.
func (s *followedSide) moved(n *sideNews) {
	if s.at.Files == nil {
		s.at.Files = map[string]filePosition{}
	}
	maps.Copy(s.at.Files, n.File)
	if s.grows() {
		return
	}
	s.at.Snapshot = n.Snapshot
	if s.at.Whole == nil {
		s.at.Whole = map[string]string{}
	}
	for i := range n.Rows {
		s.at.Whole[n.Rows[i].Ref] = digestOf(&n.Rows[i])
	}
	for _, ref := range n.Gone {
		delete(s.at.Whole, ref)
	}
}

// look reads what is new; nil where nothing is.
func (s *followedSide) look(ctx context.Context) (*sideNews, error) {
	if s.grows() {
		return s.lookAtFiles(ctx)
	}
	if s.spec.Table != "" {
		return s.lookAtTable(ctx)
	}
	if s.spec.Database != nil {
		return s.lookWhole(ctx, 0)
	}
	return nil, fault.Usagef("where is it? name its file with --side %s=PATH, or file or table in the rules", s.spec.Name)
}

// lookAtTable reads a table whose snapshot is another one.
func (s *followedSide) lookAtTable(ctx context.Context) (*sideNews, error) {
	if s.o.Lake == nil {
		return nil, fault.Usagef("its table %s needs a lake: give --project or --dir", s.spec.Table)
	}
	cut, err := s.o.Lake.At(ctx, s.o.At)
	if err != nil {
		return nil, err
	}
	t, err := cut.Table(s.spec.Table)
	if err != nil {
		return nil, fault.Mark(fault.Usage, fmt.Errorf("table %s: %w", s.spec.Table, err))
	}
	if t.Snapshot() == s.at.Snapshot {
		return nil, nil
	}
	return s.lookWhole(ctx, t.Snapshot())
}

// lookWhole reads all rows: those that are not there any more are gone.
func (s *followedSide) lookWhole(ctx context.Context, snapshot int64) (*sideNews, error) {
	news := &sideNews{Snapshot: snapshot}
	gone := maps.Clone(s.at.Whole)
	read, err := s.read(ctx, s.o.RulesOptions, func(m *reconciliation.Movement) error {
		if was, there := s.at.Whole[m.Ref]; !there || was != digestOf(m) {
			news.Rows = append(news.Rows, owned(m))
		}
		delete(gone, m.Ref)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if read.Snapshot != 0 {
		news.Snapshot = read.Snapshot // one that was committed meanwhile
	}
	news.Gone = slices.Sorted(maps.Keys(gone))
	if len(news.Rows) == 0 && len(news.Gone) == 0 && news.Snapshot == s.at.Snapshot {
		return nil, nil
	}
	return news, nil
}

// digestOf is what tells that a row has changed.
func digestOf(m *reconciliation.Movement) string {
	var h tree.Hasher
	h.Key()
	h.Row()
	h.Text(fmt.Sprint(m.NoAmount, m.Amount.Scale()))
	h.Number(m.Amount)
	h.Text(m.Currency)
	h.Day(m.Date)
	for _, t := range m.Texts {
		h.Text(t)
	}
	for _, n := range m.Numbers {
		h.Number(n)
	}
	for _, d := range m.Days {
		h.Day(d)
	}
	_, sum := h.Sum()
	return fmt.Sprintf("%016x%016x", sum.Hi, sum.Lo)
}

// read reads the side as a nightly run does.
func (s *followedSide) read(ctx context.Context, o RulesOptions, to func(*reconciliation.Movement) error) (SideReport, error) {
	l := &loader{opts: &o, spec: s.spec, schema: s.schema, to: to}
	err := l.load(ctx)
	return l.report, err
}

// owned is a row that shares nothing.
func owned(m *reconciliation.Movement) reconciliation.Movement {
	own := *m
	own.Ref, own.Currency = strings.Clone(m.Ref), strings.Clone(m.Currency)
	own.Texts, own.Numbers, own.Days = slices.Clone(m.Texts), slices.Clone(m.Numbers), slices.Clone(m.Days)
	for i := range own.Texts {
		own.Texts[i] = strings.Clone(own.Texts[i])
	}
	return own
}

// lookAtFiles reads files that are new or have grown.
func (s *followedSide) lookAtFiles(ctx context.Context) (*sideNews, error) {
	store, glob, err := s.o.Stores.OpenObject(ctx, s.location())
	if err != nil {
		return nil, err
	}
	found, err := storage.Glob(ctx, store, glob)
	if err != nil {
		return nil, err
	}
	news := &sideNews{File: map[string]filePosition{}}
	for _, info := range found {
		if len(news.Rows) >= mostRows {
			break
		}
		was := s.at.Files[info.Name]
		if info.Size == was.Seen && info.Modified.Equal(was.Modified) {
			continue
		}
		size, err := s.readable(ctx, store, info, was)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", info.Name, err)
		}
		now := filePosition{Size: size, Rows: was.Rows, Seen: info.Size, Modified: info.Modified}
		if size > was.Size {
			if now.Rows, err = s.grown(ctx, info.Name, size, was.Rows, &news.Rows); err != nil {
				return nil, err
			}
		} else if now.Size == was.Size && was.Seen != 0 && len(news.Rows) == 0 && now.Rows == was.Rows {
			if s.at.Files != nil {
				s.at.Files[info.Name] = now // only part of a line came: the next look at it starts from here, also after a restart
			}
			continue
		}
		news.File[info.Name] = now
	}
	if len(news.File) == 0 {
		return nil, nil
	}
	return news, nil
}

// lined reports whether a file may be read up to the end of any of its lines.
func (s *followedSide) lined(name string) bool {
	format := s.spec.FormatOf()
	if format == "" {
		format, _ = formatOf(name)
	}
	return (format == "csv" || format == "fixed") && !slices.Contains([]string{".gz", ".zst"}, path.Ext(name))
}

// readable is how many bytes of a file may be read: of one whose lines are taken as they come, those of whole lines.
func (s *followedSide) readable(ctx context.Context, store storage.Store, info storage.Info, was filePosition) (int64, error) {
	changed := fault.Usagef("it has changed where it was read already: start again with an empty folder for the state")
	if !s.lined(info.Name) {
		if was.Size > 0 && (info.Size != was.Size || !info.Modified.Equal(was.Modified)) {
			return 0, changed
		}
		return info.Size, nil
	}
	if info.Size < was.Size {
		return 0, changed
	}
	r, err := store.Open(ctx, info.Name)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	const piece = 64 << 10
	for end := info.Size; end > was.Size; {
		from := max(was.Size, end-piece)
		buf := make([]byte, end-from)
		if _, err := r.ReadAt(buf, from); err != nil {
			return 0, fmt.Errorf("read to its last line: %w", err)
		}
		if i := bytes.LastIndexByte(buf, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		end = from
	}
	return was.Size, nil
}

// grown reads a file up to a size, and takes the rows after the first ones, which were taken before. It returns how many there are.
func (s *followedSide) grown(ctx context.Context, name string, size, taken int64, rows *[]reconciliation.Movement) (n int64, err error) {
	o := s.o.RulesOptions
	o.Stores = storage.Resolver{}
	for scheme, open := range s.o.Stores {
		o.Stores[scheme] = func(ctx context.Context, url string) (storage.Store, error) {
			store, err := open(ctx, url)
			return oneFile{store, name, size}, err
		}
	}
	_, err = s.read(ctx, o, func(m *reconciliation.Movement) error {
		if n++; n > taken {
			*rows = append(*rows, owned(m))
		}
		return nil
	})
	if err == nil && n < taken {
		err = fault.Usagef("%s has changed where it was read already: start again with an empty folder for the state", name)
	}
	return n, err
}

// oneFile is a store of which one object is seen, up to a size.
type oneFile struct {
	storage.Store
	name string
	size int64
}

func (f oneFile) cut(info storage.Info) storage.Info {
	info.Size, info.ETag = f.size, "" // it may grow while it is read
	return info
}

// Stat is of the object up to the size.
func (f oneFile) Stat(ctx context.Context, name string) (storage.Info, error) {
	info, err := f.Store.Stat(ctx, name)
	return f.cut(info), err
}

// List yields the object.
func (f oneFile) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if strings.HasPrefix(f.name, prefix) {
			info, err := f.Store.Stat(ctx, f.name)
			yield(f.cut(info), err)
		}
	}
}

// Get is the object up to the size.
func (f oneFile) Get(ctx context.Context, name string) ([]byte, error) {
	data, err := f.Store.Get(ctx, name)
	return data[:min(int64(len(data)), f.size)], err
}

// Open reads the object up to the size.
func (f oneFile) Open(ctx context.Context, name string) (storage.Reader, error) {
	r, err := f.Store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return cutReader{r, f.size}, nil
}

type cutReader struct {
	storage.Reader
	size int64
}

// Size is that up to which the object is read.
func (r cutReader) Size() int64 { return min(r.size, r.Reader.Size()) }

// ReadAt ends where the size says.
func (r cutReader) ReadAt(p []byte, off int64) (int, error) {
	return io.NewSectionReader(r.Reader, 0, r.Size()).ReadAt(p, off)
}
