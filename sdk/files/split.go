package files

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// DefaultSplitBytes is how much of a text file one split covers by default.
const DefaultSplitBytes = 64 << 20

// Split is a serialisable piece of one object. For text files From and To are
// byte offsets: the split holds the records that begin in [From, To). For
// Parquet they count row groups.
type Split struct {
	Name string `json:"name"`
	Size int64  `json:"size"`           // of the object, in bytes, when it was planned
	ETag string `json:"etag,omitempty"` // of the object, when it was planned
	From int64  `json:"from"`
	To   int64  `json:"to"`
	Rows int64  `json:"rows,omitempty"` // 0 where it is not known
}

// String names the split in messages.
func (s Split) String() string { return fmt.Sprintf("%s[%d:%d]", s.Name, s.From, s.To) }

// Match lists the objects that a pattern of storage.Glob matches. None is a
// fault.Usage: a pattern that matches nothing is a mistake more often than a wish.
func Match(ctx context.Context, store storage.Store, glob string) ([]storage.Info, error) {
	found, err := storage.Glob(ctx, store, glob)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fault.Usagef("no object in %s matches %q", store.URL(), glob)
	}
	return found, nil
}

// Whole is the split that covers an object.
func Whole(info storage.Info) Split {
	return Split{Name: info.Name, Size: info.Size, ETag: info.ETag, To: info.Size}
}

// ByteRanges cuts an object into splits of about size bytes (0: DefaultSplitBytes).
// The last is at most half as long again, never a sliver.
func ByteRanges(info storage.Info, size int64) []Split {
	if size <= 0 {
		size = DefaultSplitBytes
	}
	var splits []Split
	for from := int64(0); from < info.Size || from == 0; {
		to := from + size
		if 2*(info.Size-to) < size {
			to = info.Size
		}
		s := Whole(info)
		s.From, s.To = from, to
		splits = append(splits, s)
		from = to
		if to >= info.Size {
			break
		}
	}
	return splits
}

// OpenSplit opens the split's object and checks that it is the one that was planned.
func OpenSplit(ctx context.Context, store storage.Store, split Split) (storage.Reader, error) {
	r, err := store.Open(ctx, split.Name)
	if err != nil {
		return nil, err
	}
	if r.Size() != split.Size {
		r.Close()
		return nil, changed(store, split, fmt.Sprintf("it had %d bytes and has %d", split.Size, r.Size()))
	}
	if split.ETag == "" {
		return r, nil
	}
	info, err := store.Stat(ctx, split.Name)
	if err != nil {
		r.Close()
		return nil, err
	}
	if info.ETag != split.ETag {
		r.Close()
		return nil, changed(store, split, "its ETag differs")
	}
	return r, nil
}

func changed(store storage.Store, split Split, how string) error {
	return fmt.Errorf("%s in %s was replaced after its splits were planned (%s); plan again", split.Name, store.URL(), how)
}

// Compression is how a file is compressed as a whole.
type Compression string

// The compressions.
const (
	Auto Compression = ""     // by the name's ending: .gz, .zst, else none
	None Compression = "none" // as it is
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// Of resolves Auto by an object's name.
func (c Compression) Of(name string) Compression {
	switch {
	case c != Auto:
		return c
	case strings.HasSuffix(name, ".gz"):
		return Gzip
	case strings.HasSuffix(name, ".zst"), strings.HasSuffix(name, ".zstd"):
		return Zstd
	}
	return None
}

// Ext is what the compression adds to a file's name.
func (c Compression) Ext() string {
	switch c {
	case Gzip:
		return ".gz"
	case Zstd:
		return ".zst"
	}
	return ""
}

// Check refuses a compression that there is not.
func (c Compression) Check() error {
	switch c {
	case Auto, None, Gzip, Zstd:
		return nil
	}
	return fault.Usagef("compression %q: want gzip, zstd, none or nothing for what the name says", string(c))
}
