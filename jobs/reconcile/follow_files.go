package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// filePosition is how far a file was read.
type filePosition struct {
	Size   int64  `json:"size"`   // bytes, to the end of a record
	Rows   int64  `json:"rows"`   // that were taken
	SHA256 string `json:"sha256"` // of these bytes
	// Seen is the file's size when it was looked at, and Modified its time then.
	Seen     int64     `json:"seen"`
	Modified time.Time `json:"modified"`
	// Rejects are its records that were set aside.
	Rejects []json.RawMessage `json:"rejects,omitempty"`
}

// mostRows is how many rows a look at files brings at most, but for the last file's: a step is held in memory.
const mostRows = 100_000

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
	if s.at.Files == nil {
		s.at.Files = map[string]filePosition{}
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
		now, err := s.readable(ctx, store, info, was)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", info.Name, err)
		}
		if now.Size == was.Size { // its time is another, or only a part of a record came: a run that starts again looks at it again
			s.at.Files[info.Name] = now
			continue
		}
		if err = s.grown(ctx, info.Name, &now, &news.Rows); err != nil {
			return nil, err
		}
		s.tell(now.Rejects[min(len(now.Rejects), len(was.Rejects)):])
		news.File[info.Name] = now
	}
	if len(news.File) == 0 {
		return nil, nil
	}
	return news, s.bounded(news)
}

// bounded refuses more records that are set aside than the rules allow for the side.
func (s *followedSide) bounded(news *sideNews) error {
	then := sidePosition{Files: maps.Clone(s.at.Files)}
	maps.Copy(then.Files, news.File)
	if all := then.rejects(); int64(len(all)) > s.spec.Quarantine {
		return fault.Usagef("%s cannot be read, and quarantine allows %d; the last is %s", counted(int64(len(all)), "record"), s.spec.Quarantine, all[len(all)-1])
	}
	return nil
}

// lined reports whether a file may be read up to the end of any of its records: not one that is compressed, states totals at its end, or has no lines.
func (s *followedSide) lined(name string) bool {
	if files.Auto.Of(name) != files.None {
		return false
	}
	if fixed := s.spec.Fixed; fixed != nil {
		return fixed.RecordLength == 0 && len(fixed.Checks) == 0
	}
	format, err := s.format(name)
	return err == nil && format == "csv" // reading it tells the error
}

func (s *followedSide) format(name string) (string, error) {
	l := loader{spec: s.spec}
	return l.format(name)
}

// readable is how far a file may be read now: of one whose records are taken as they come, to the end of the last whole one. What was read before must be as it was.
func (s *followedSide) readable(ctx context.Context, store storage.Store, info storage.Info, was filePosition) (now filePosition, err error) {
	now = was
	now.Seen, now.Modified = info.Size, info.Modified
	changed := fault.Usagef("it has changed where it was read already: start again with an empty folder for the state")
	if info.Size < was.Size || !s.lined(info.Name) && was.Size > 0 && info.Size != was.Size {
		return now, changed
	}
	r, err := store.Open(ctx, info.Name)
	if err != nil {
		return now, err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, 0, was.Size)); err != nil {
		return now, fmt.Errorf("read what was read before: %w", err)
	}
	if was.Size > 0 && hex.EncodeToString(sum.Sum(nil)) != was.SHA256 {
		return now, changed
	}
	now.Size = info.Size
	if s.lined(info.Name) {
		ends := recordEnds{quotes: s.spec.Fixed == nil, delimiter: cmp.Or(s.spec.CSV.Delimiter, ",")[0]}
		if was.Size == 0 {
			ends.skip = s.spec.CSV.SkipLines
		}
		if _, err := io.Copy(&ends, io.NewSectionReader(r, was.Size, info.Size-was.Size)); err != nil {
			return now, fmt.Errorf("read to its last record: %w", err)
		}
		now.Size = was.Size + ends.end()
	}
	if _, err := io.Copy(sum, io.NewSectionReader(r, was.Size, now.Size-was.Size)); err != nil {
		return now, fmt.Errorf("read to its last record: %w", err)
	}
	now.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return now, nil
}

// mostRecord is from which size on a record that does not end is taken for one that is malformed, as csvio does.
const mostRecord = csvio.DefaultMaxRecord

// recordEnds finds where the last record ends of the bytes that are written to it: at a line break, of CSV outside quotes.
type recordEnds struct {
	quotes    bool
	delimiter byte
	skip      int   // lines that are passed over
	at        int64 // bytes
	last      int64 // the end of the last record
	line      int64 // the end of the last line
	state     quoting
}

// quoting is where in a field a byte stands.
type quoting uint8

const (
	atField quoting = iota // at its beginning
	inPlain
	inQuoted
	afterQuote // within quotes: it ends them, or another one follows
)

func (e *recordEnds) Write(p []byte) (int, error) {
	for _, b := range p {
		e.at++
		switch {
		case b == '\n':
			e.line = e.at
			if e.skip > 0 {
				e.skip--
			} else if e.state != inQuoted {
				e.last, e.state = e.at, atField
			}
		case e.skip > 0 || !e.quotes:
		case e.state == inQuoted:
			if b == '"' {
				e.state = afterQuote
			}
		case b == '"' && (e.state == atField || e.state == afterQuote):
			e.state = inQuoted
		case b == e.delimiter:
			e.state = atField
		default:
			e.state = inPlain
		}
	}
	return len(p), nil
}

// end is how many bytes whole records have.
func (e *recordEnds) end() int64 {
	if e.at-e.last > mostRecord {
		return e.line
	}
	return e.last
}

// grown reads a file up to a position, takes the rows after the first ones, which were taken before, and notes how many there are.
func (s *followedSide) grown(ctx context.Context, name string, to *filePosition, rows *[]reconciliation.Movement) error {
	o := s.o.RulesOptions
	o.Stores = storage.Resolver{}
	for scheme, open := range s.o.Stores {
		o.Stores[scheme] = func(ctx context.Context, url string) (storage.Store, error) {
			store, err := open(ctx, url)
			return oneFile{store, name, to.Size}, err
		}
	}
	var n int64
	read, err := s.read(ctx, o, func(m *reconciliation.Movement) error {
		if n++; n > to.Rows {
			*rows = append(*rows, m.Clone())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n < to.Rows {
		return fault.Usagef("%s has changed while it was read: start again with an empty folder for the state", name)
	}
	to.Rows, to.Rejects = n, read.rejectLines()
	return nil
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
