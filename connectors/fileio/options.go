package fileio

import (
	"log/slog"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source/cut"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// Table is the family of a table.
type Table struct {
	Name string // the lake table's base name, and the shard's
	// Prefix is what its files' names start with, such as "events/entries/". With any of *, ? and [ in
	// it, it is a pattern in the language of storage.Glob that whole names match, such as "2026-*/entries/*.json.gz".
	Prefix string
	// Collection is the table's name in the transactions' files. "": the name, behind any schema.
	Collection string
	Config     debezium.Config // its Table is ignored
}

// Late says what to do about a file with a name before the place that has been read.
type Late uint8

// The policies.
const (
	LateFail   Late = iota // an error that names the file
	LateIgnore             // a warning; its events are lost
)

// Options describe a stream. Stream and Tables are required.
type Options struct {
	Stream       string // the stream's stable name
	Tables       []Table
	Transactions string // prefix or pattern of the files with BEGIN and END markers; "": there are none
	Heartbeats   string // prefix or pattern of the files with heartbeats; "": there are none
	Late         Late
	// Settle is the age at which a file is final. 0: at once, as stores promise; set it for
	// writers that append to files or copy them in place. Compressed files are final at once.
	Settle time.Duration
	// Poll is how often files are listed while there is nothing else to read. 0: 1 s.
	Poll time.Duration
	// ChunkBytes is how much of a family is read at once. 0: 4 MiB. A line may be longer, up to 64 MiB.
	ChunkBytes int
	// MemoryBudget, StaleLimit and Grace are as in package kafkaio: 256 MiB, 10 min, 2 s.
	MemoryBudget int64
	StaleLimit   time.Duration
	Grace        time.Duration

	Logger *slog.Logger     // nil: slog.Default()
	Clock  func() time.Time // nil: time.Now
}

// markerFamily and beatFamily are the shards of families that are no table's: no table can have such a name.
const markerFamily, beatFamily = "@transactions", "@heartbeats"

// complete reports the first mistake in o and fills in defaults.
func (o *Options) complete() error {
	if o.Stream == "" || len(o.Tables) == 0 {
		return fault.Usagef("files: a stream needs a name and at least one table")
	}
	families, err := o.families()
	if err != nil {
		return err
	}
	taken := map[string]*family{}
	for _, f := range families {
		if f.role == cut.Data && (strings.Contains(f.name, "@") || f.name == "") {
			return fault.Usagef("files: table name %q: it must not be empty or hold an @", f.name)
		}
		for name, other := range taken {
			switch {
			case name == f.name:
				return fault.Usagef("files: table %s is configured twice", f.name)
			case f.pattern != nil || other.pattern != nil: // files that both match are found as they are listed
			case strings.HasPrefix(other.prefix, f.prefix), strings.HasPrefix(f.prefix, other.prefix):
				return fault.Usagef("files: the prefix %q of %s and %q of %s overlap: each file must belong to one of them", f.prefix, f.name, other.prefix, name)
			}
		}
		taken[f.name] = f
	}
	if o.Settle < 0 || o.Poll < 0 || o.ChunkBytes < 0 {
		return fault.Usagef("files: settle, poll and chunk size must not be negative")
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.ChunkBytes == 0 {
		o.ChunkBytes = 4 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return nil
}

// collection translates a table's name in markers.
func (o *Options) collection(name string) (string, bool) {
	for _, t := range o.Tables {
		switch c := t.Collection; {
		case c == "" && name[strings.LastIndexByte(name, '.')+1:] == t.Name:
			return t.Name, true
		case c != "" && (c == name || strings.HasSuffix(name, "."+c)):
			return t.Name, true
		}
	}
	return "", false
}

// compression is how a file's bytes are packed.
type compression uint8

const (
	plain compression = iota
	gzipped
	zstandard
)

// recognise says how a file is packed, and whether its name is that of a file with events.
func recognise(name string) (compression, bool) {
	packed := plain
	for suffix, c := range map[string]compression{".gz": gzipped, ".zst": zstandard, ".zstd": zstandard} {
		if rest, ok := strings.CutSuffix(name, suffix); ok {
			name, packed = rest, c
			break
		}
	}
	for _, suffix := range []string{".json", ".ndjson", ".jsonl"} {
		if strings.HasSuffix(name, suffix) {
			return packed, true
		}
	}
	return packed, false
}
