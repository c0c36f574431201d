package fileio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/cut"
	"github.com/millrace/millrace/sdk/storage"
)

// byteBits is how many bits of an offset are the byte in the file.
const byteBits = 36

// offset packs the ordinal of a file and a byte in it.
func offset(ordinal, at int64) int64 { return ordinal<<byteBits | at }

// apart is the reverse of offset.
func apart(off int64) (ordinal, at int64) { return off >> byteBits, off & (1<<byteBits - 1) }

// family is the log of one table.
type family struct {
	name    string
	prefix  string
	pattern *storage.Pattern // nil: all files with events that have the prefix
	rivals  []*family        // the other ones, if a pattern may share files with them
	role    cut.Role
	table   Table
	shard   int // the planner's number

	files []storage.Info // by name; all that exist, also those that were read
	first int64          // ordinal of files[0]
	at    int64          // ordinal of the file that is read now, or will be next
	open  *lines         // nil: none is
	last  anchor         // of the position that was resumed
	late  map[string]bool
}

// families are the logs that the options describe. A malformed pattern is a fault.Usage.
func (o *Options) families() ([]*family, error) {
	var all []*family
	for _, t := range o.Tables {
		all = append(all, &family{name: t.Name, prefix: t.Prefix, table: t})
	}
	if o.Transactions != "" {
		all = append(all, &family{name: markerFamily, prefix: o.Transactions, role: cut.Markers})
	}
	if o.Heartbeats != "" {
		all = append(all, &family{name: beatFamily, prefix: o.Heartbeats, role: cut.Heartbeats})
	}
	patterns := false
	for _, f := range all {
		if !strings.ContainsAny(f.prefix, "*?[") {
			continue
		}
		p, err := storage.CompileGlob(f.prefix)
		if err != nil {
			return nil, fault.Usagef("files of %s: %w", f.name, err)
		}
		f.pattern, f.prefix, patterns = p, p.Prefix(), true
	}
	for _, f := range all {
		for _, other := range all {
			if patterns && other != f {
				f.rivals = append(f.rivals, other)
			}
		}
	}
	return all, nil
}

// has reports whether a file belongs to the family by its name. A pattern decides by itself; below
// a prefix a file with events is known by its ending.
func (f *family) has(name string) bool {
	if f.pattern != nil {
		return f.pattern.Match(name)
	}
	_, ok := recognise(name)
	return ok && strings.HasPrefix(name, f.prefix)
}

// anchor is what a position's marks say of a family: which file has which ordinal,
// and the latest time of the files up to it.
type anchor struct {
	ordinal  int64
	modified time.Time
	name     string
}

// anchorMark prefixes a family's anchor among a position's marks.
const anchorMark = "file:"

func (a anchor) String() string {
	return fmt.Sprintf("%d %d %s", a.ordinal, a.modified.UnixMicro(), a.name)
}

func parseAnchor(text string) (anchor, error) {
	parts := strings.SplitN(text, " ", 3)
	if len(parts) != 3 || parts[2] == "" {
		return anchor{}, fmt.Errorf("parse mark %q: want ordinal, time and file", text)
	}
	n, err := strconv.ParseInt(parts[0], 10, 64)
	if err == nil && (n < 0 || n >= 1<<(63-byteBits)) {
		err = errors.New("ordinal out of range")
	}
	at, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err := errors.Join(err, err2); err != nil {
		return anchor{}, fmt.Errorf("parse mark %q: %w", text, err)
	}
	return anchor{ordinal: n, modified: time.UnixMicro(at).UTC(), name: parts[2]}, nil
}

// list is the family's files, sorted by name.
func (f *family) list(ctx context.Context, store storage.Store) ([]storage.Info, error) {
	var files []storage.Info
	for info, err := range store.List(ctx, f.prefix) {
		if err != nil {
			return nil, fmt.Errorf("list files of %s under %s/%s: %w", f.name, store.URL(), f.prefix, err)
		}
		if !f.has(info.Name) {
			continue
		}
		for _, other := range f.rivals {
			if other.has(info.Name) {
				return nil, fault.Usagef("files: %s/%s matches the pattern of %s and of %s: each file must belong to one of them", store.URL(), info.Name, f.name, other.name)
			}
		}
		files = append(files, info)
	}
	return files, nil
}

// byName compares for binary searches.
func byName(x storage.Info, name string) int { return strings.Compare(x.Name, name) }

// resume finds the place of a position among the files.
func (s *Source) resume(ctx context.Context, f *family, from change.Position) error {
	files, err := f.list(ctx, s.store)
	if err != nil {
		return err
	}
	f.files, f.late = files, map[string]bool{}
	next, text := from.Next[f.name], from.Marks[anchorMark+f.name]
	if text == "" && next == 0 {
		return nil
	}
	a, err := parseAnchor(text)
	if err != nil {
		return fmt.Errorf("position of %s: %w", f.name, err)
	}
	i, found := slices.BinarySearchFunc(files, a.name, byName)
	for _, x := range lateBefore(files[:i], a) {
		if err := s.reportLate(f, x, a.name); err != nil {
			return err
		}
	}
	ordinal, at := apart(next)
	f.last, f.at, f.first = a, ordinal, a.ordinal-int64(i)
	partly := ordinal == a.ordinal && at > 0
	switch {
	case !found && partly:
		return s.gap(f, a.name, "it was deleted before it was read to its end")
	case !found: // it was read to its end; the next ones follow it
		f.first++
	case partly && at > files[i].Size && !packed(a.name):
		return s.gap(f, a.name, fmt.Sprintf("it has %d bytes, and the lake has what is before byte %d", files[i].Size, at))
	}
	return nil
}

// lateBefore finds files that came after an anchor was taken among those whose names lie before
// it: the younger ones; or, if there are simply more than there were, the youngest.
func lateBefore(files []storage.Info, a anchor) (late []storage.Info) {
	for _, x := range files {
		if x.Modified.Truncate(time.Microsecond).After(a.modified) { // an anchor keeps microseconds
			late = append(late, x)
		}
	}
	if len(late) == 0 && int64(len(files)) > a.ordinal {
		late = append(late, slices.MaxFunc(files, func(x, y storage.Info) int { return x.Modified.Compare(y.Modified) }))
	}
	return late
}

func packed(name string) bool {
	c, _ := recognise(name)
	return c != plain
}

// reportLate deals with a file whose name lies before the place that has been read.
func (s *Source) reportLate(f *family, x storage.Info, read string) error {
	if s.opts.Late == LateIgnore {
		if !f.late[x.Name] {
			f.late[x.Name] = true
			s.opts.Logger.Warn("files: a late file is ignored; its events are lost", "table", f.name, "file", x.Name, "read up to", read)
		}
		return nil
	}
	return fault.Usagef("files of %s: %s/%s came late: files up to %s have been read, and names must grow; rename it so that it sorts behind them, or ignore late files", f.name, s.store.URL(), x.Name, read)
}

// gap is an error that says how to take a new snapshot.
func (s *Source) gap(f *family, name, what string) error {
	return fmt.Errorf("file %s/%s of %s: %w: %s; let the connector snapshot %s again, into a namespace and under a project name of its own", s.store.URL(), name, f.name, source.ErrGap, what, f.name)
}

// refresh looks for new files.
func (s *Source) refresh(ctx context.Context, f *family) error {
	files, err := f.list(ctx, s.store)
	if err != nil {
		return err
	}
	for i, x := range files {
		k, known := slices.BinarySearchFunc(f.files, x.Name, byName)
		switch n := f.at - f.first; {
		case known:
			f.files[k] = x // it may have grown
		case k == len(f.files) && int64(k) >= n:
			f.files = append(f.files, files[i:]...)
			return nil
		case int64(k) > n, int64(k) == n && f.open == nil:
			f.files = slices.Insert(f.files, k, x)
		default:
			if err := s.reportLate(f, x, f.files[min(int(n), len(f.files)-1)].Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// file is the file of an ordinal.
func (f *family) file(ordinal int64) (storage.Info, bool) {
	if k := ordinal - f.first; k >= 0 && k < int64(len(f.files)) {
		return f.files[k], true
	}
	return storage.Info{}, false
}

// anchor names a file by which an offset's ordinal is found again: the one that
// is partly read there, or else the one before; false at the family's beginning.
func (f *family) anchor(off int64) (anchor, bool) {
	ordinal, at := apart(off)
	if at == 0 {
		ordinal--
	}
	x, ok := f.file(ordinal)
	if !ok {
		return f.last, f.last.name != ""
	}
	a := anchor{ordinal: ordinal, modified: f.last.modified, name: x.Name}
	for _, y := range f.files[:ordinal-f.first+1] {
		if y.Modified.After(a.modified) {
			a.modified = y.Modified
		}
	}
	return a, true
}

// end is the offset behind all that is there now.
func (f *family) end(now time.Time, settle time.Duration) int64 {
	n := len(f.files)
	if n == 0 || f.first+int64(n) <= f.at {
		return offset(f.at, 0)
	}
	x := f.files[n-1]
	if final(x, now, settle) {
		return offset(f.first+int64(n), 0)
	}
	return offset(f.first+int64(n)-1, x.Size)
}

// final reports whether a file will not change.
func final(x storage.Info, now time.Time, settle time.Duration) bool {
	return packed(x.Name) || now.Sub(x.Modified) >= settle
}
