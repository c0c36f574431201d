package project

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/connectors/fileio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/connectors/s3io"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/storage"
)

// Files says how to read Debezium's envelopes from files, one JSON text a line, as they arrive in a folder or a bucket.
type Files struct {
	Location     string        `yaml:"location" required:"true" doc:"where the files arrive: file://folder, which must exist, or s3://bucket/prefix"`
	Pattern      string        `yaml:"pattern" default:"{table}/" doc:"names of a table's files below the location, with {table} for its name: what they start with, such as {table}/ (of which .json, .ndjson and .jsonl are read, also with .gz, .zst or .zstd), or with *, ? or [ the whole name, such as 2026-*/{table}/**/*.json.gz; later files must have greater names"`
	Transactions string        `yaml:"transactions" doc:"names of the files of Debezium's transaction topic, written like pattern; empty: boundaries are told from what follows, a weaker guarantee"`
	Heartbeats   string        `yaml:"heartbeats" doc:"names of the files of Debezium's heartbeat topic, written like pattern"`
	Schema       string        `yaml:"schema" doc:"database schema of the tables in the transactions' files; empty: any"`
	Late         string        `yaml:"late" default:"fail" enum:"fail|ignore" doc:"what to do about a file that arrives with a name before those that were read; ignore loses its events"`
	Settle       time.Duration `yaml:"settle" default:"0s" doc:"the age at which a file is complete, for writers that append to files or copy them in place"`
	Poll         time.Duration `yaml:"poll" default:"1s" doc:"how often to look for new files"`
	S3           *S3           `yaml:"s3" doc:"how to reach the location, where that differs from lake.s3"`
}

// tableMark stands for a table's name in a pattern.
const tableMark = "{table}"

func (f *File) checkFiles(s *Files, say sayer) {
	const path = "source.files"
	switch {
	case s.S3 == nil:
		if s.Location != "" {
			f.checkLocation(path+".location", s.Location, say)
		}
	case !strings.HasPrefix(s.Location, "s3://"):
		say(path+".s3", "has no effect: the location does not start with s3://")
	default:
		checkS3(path+".s3", s.S3, say)
	}
	if len(f.Ingest.Tables) > 1 && !strings.Contains(s.Pattern, tableMark) {
		say(path+".pattern", "%q gives every table the same files: put {table} where the table's name is", s.Pattern)
	}
	for _, x := range []struct{ name, pattern string }{{"pattern", s.Pattern}, {"transactions", s.Transactions}, {"heartbeats", s.Heartbeats}} {
		if x.name != "pattern" && strings.Contains(x.pattern, tableMark) {
			say(path+"."+x.name, "%q: there is one such log for all tables, so {table} means nothing here", x.pattern)
		}
		if !strings.ContainsAny(x.pattern, "*?[") {
			continue
		}
		if _, err := storage.CompileGlob(x.pattern); err != nil {
			say(path+"."+x.name, "%v", err)
		}
	}
	if s.Schema != "" && s.Transactions == "" {
		say(path+".schema", "has no effect without transactions: files are told apart by their names")
	}
}

// open opens the stream of files.
func (s *Files) open(ctx context.Context, f *File, log *slog.Logger) (source.Source, error) {
	store, err := s.store(ctx, f)
	if err != nil {
		return nil, err
	}
	o := fileio.Options{Stream: f.Name, Transactions: s.Transactions, Heartbeats: s.Heartbeats, Settle: s.Settle, Poll: s.Poll, Logger: log}
	if s.Late == "ignore" {
		o.Late = fileio.LateIgnore
	}
	for _, name := range slices.Sorted(maps.Keys(f.Ingest.Tables)) {
		cfg, err := f.decoder(f.Ingest.Tables[name])
		if err != nil {
			return nil, fault.Usagef("%s: ingest.tables.%s: %w", f.path, name, err)
		}
		t := fileio.Table{Name: name, Prefix: strings.ReplaceAll(s.Pattern, tableMark, name), Config: cfg}
		if s.Schema != "" {
			t.Collection = s.Schema + "." + name
		}
		o.Tables = append(o.Tables, t)
	}
	src, err := fileio.Open(ctx, store, o)
	if err != nil {
		return nil, errors.Join(err, closeStore(store))
	}
	return &closing{src, store}, nil
}

// closing is a source that owns its store.
type closing struct {
	source.Source
	store storage.Store
}

// Close closes the source, then the store.
func (c *closing) Close() error { return errors.Join(c.Source.Close(), closeStore(c.store)) }

// closeStore frees a store's connections, if it has any.
func closeStore(s storage.Store) error {
	if c, ok := s.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// store opens the location. A folder must exist: one that is made here would hide a mistyped name.
func (s *Files) store(ctx context.Context, f *File) (storage.Store, error) {
	location := f.Path(s.Location)
	if rest, ok := strings.CutPrefix(location, "file://"); ok {
		store, err := localio.Open(rest, localio.Options{MustExist: true})
		if err != nil {
			return nil, fault.Usagef("%s: source.files.location: %w", f.path, err)
		}
		return store, nil
	}
	if s.S3 != nil {
		return s3io.Opener(s.S3.options())(ctx, location)
	}
	return f.Stores().Open(ctx, location)
}
