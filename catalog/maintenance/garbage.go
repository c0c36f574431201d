package maintenance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// CollectOptions say which files are old enough to go.
type CollectOptions struct {
	// MinAge is how old a file must be, by the store's clock. 0: 24 h. It must exceed the longest time
	// from a file's writing to its commit: an epoch, an export, or a compaction that is still running owns younger files.
	MinAge time.Duration
	// Grace is how long ago an earlier collection must have seen that nothing refers to the file. 0: 1 h.
	// It must exceed the longest scan: readers of a snapshot that expired meanwhile still need its files.
	Grace time.Duration
	// DryRun tells what would be deleted and changes nothing, not even what is remembered.
	DryRun bool
	// Clock is the present, for the grace; default time.Now.
	Clock  func() time.Time
	Logger *slog.Logger // default slog.Default
}

func (o CollectOptions) withDefaults() (CollectOptions, error) {
	if o.MinAge == 0 {
		o.MinAge = 24 * time.Hour
	}
	if o.Grace == 0 {
		o.Grace = time.Hour
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MinAge < 0 || o.Grace < 0 {
		return o, fault.Usagef("collect garbage: ages must not be negative")
	}
	return o, nil
}

// CollectResult says what a collection found below one table's location.
type CollectResult struct {
	Referenced int      // files that some retained snapshot or metadata version refers to
	Young      int      // unreferenced files that may yet be committed
	Waiting    int      // unreferenced and old, but not seen so before, or not long enough ago
	Foreign    int      // files of no kind that a table has; they are never touched
	Deleted    []string // full locations, sorted; with DryRun those that would be deleted
	Bytes      int64    // of the deleted files
}

// seenFile remembers, in each table's metadata folder, when files were first seen to be garbage. It is a
// hint for the next collection: without it files wait once more.
const seenFile = "metadata/millrace-garbage.json"

// Collect deletes files below the table's location that nothing refers to any more. It may run beside
// everything else. Files of dropped tables, and of tables that lie elsewhere, are not looked at.
func Collect(ctx context.Context, lake *catalog.Lake, name string, opts CollectOptions) (CollectResult, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return CollectResult{}, err
	}
	res, err := collect(ctx, lake, name, opts)
	if err != nil {
		return res, fmt.Errorf("collect garbage of %s: %w", name, err)
	}
	return res, nil
}

func collect(ctx context.Context, lake *catalog.Lake, name string, opts CollectOptions) (CollectResult, error) {
	var res CollectResult
	// The folder is listed first: whatever is committed later is younger than what is listed, or referred to.
	t, err := lake.Table(ctx, name)
	if err != nil {
		return res, err
	}
	store, prefix, err := lake.Storage(ctx, t.Location()+"/")
	if err != nil {
		return res, err
	}
	prefix = strings.TrimSuffix(prefix, "/") + "/"
	others, err := otherLocations(ctx, lake, name)
	if err != nil {
		return res, err
	}
	// A file is known by where the table is, not by the store's own URL: a lake may be opened where its objects lie
	// under another address, such as a folder that is served as a bucket.
	root := strings.TrimRight(t.Location(), "/") + "/"
	listed, err := list(ctx, store, prefix, root, others)
	if err != nil {
		return res, err
	}
	refs, err := references(ctx, lake, name)
	if err != nil {
		return res, err
	}
	seen, err := readSeen(ctx, store, prefix+seenFile)
	if err != nil {
		return res, err
	}
	now, next := opts.Clock().UTC(), map[string]time.Time{}
	var names []string
	for _, f := range listed {
		short := strings.TrimPrefix(f.Name, prefix)
		first, known := seen[short]
		switch {
		case refs[plain(root+short)]:
			res.Referenced++
		case !tableFile(short):
			res.Foreign++
		case now.Sub(f.Modified) < opts.MinAge:
			res.Young++
		case !known || now.Sub(first) < opts.Grace:
			res.Waiting++
			if !known {
				first = now
			}
			next[short] = first
		default:
			names = append(names, f.Name)
			res.Deleted = append(res.Deleted, root+short)
			res.Bytes += f.Size
		}
	}
	if res.Referenced == 0 && len(names) > 0 {
		return res, fmt.Errorf("none of the %d files that the table refers to is listed at %s: nothing is deleted, because the storage does not show what it holds", len(refs), root)
	}
	if opts.DryRun {
		return res, nil
	}
	if err := remove(ctx, store, names); err != nil {
		return res, err
	}
	opts.Logger.InfoContext(ctx, "garbage collected", "table", name, "deleted", len(names), "bytes", res.Bytes, "waiting", res.Waiting, "young", res.Young)
	return res, writeSeen(ctx, store, prefix+seenFile, seen, next)
}

// tableFile reports whether a name below a table's location is one that tables have.
func tableFile(name string) bool {
	switch {
	case strings.HasPrefix(name, "data/"):
		return strings.HasSuffix(name, ".parquet")
	case strings.HasPrefix(name, "metadata/"):
		return strings.HasSuffix(name, ".avro") || strings.HasSuffix(name, ".metadata.json") || strings.HasSuffix(name, ".metadata.json.gz")
	}
	return false
}

// otherLocations are the locations of the other tables: one may lie below this one's.
func otherLocations(ctx context.Context, lake *catalog.Lake, name string) ([]string, error) {
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range cut.Tables() {
		if n == name {
			continue
		}
		t, err := cut.Table(n)
		if err != nil {
			return nil, err
		}
		out = append(out, plain(t.Location())+"/")
	}
	return out, nil
}

// list lists the files below prefix, which is what the store calls root, leaving out those of other tables.
func list(ctx context.Context, store storage.Store, prefix, root string, others []string) ([]storage.Info, error) {
	var out []storage.Info
	for f, err := range store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list %s/%s: %w", store.URL(), prefix, err)
		}
		at := plain(root + strings.TrimPrefix(f.Name, prefix))
		if !slices.ContainsFunc(others, func(o string) bool { return strings.HasPrefix(at, o) }) && f.Name != prefix+seenFile {
			out = append(out, f)
		}
	}
	return out, nil
}

// deleteBatch is how many files are deleted in one request.
const deleteBatch = 1000

func remove(ctx context.Context, store storage.Store, names []string) error {
	for part := range slices.Chunk(names, deleteBatch) {
		if err := store.Delete(ctx, part...); err != nil {
			return fmt.Errorf("delete %d files of %s: %w", len(part), store.URL(), err)
		}
	}
	return nil
}

func readSeen(ctx context.Context, store storage.Store, name string) (map[string]time.Time, error) {
	data, err := store.Get(ctx, name)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseSeen(data), nil
}

// parseSeen reads what writeSeen wrote. Damage means that nothing was seen before: files wait once more.
func parseSeen(data []byte) map[string]time.Time {
	var seen map[string]time.Time
	if err := json.Unmarshal(data, &seen); err != nil {
		return nil
	}
	return seen
}

func writeSeen(ctx context.Context, store storage.Store, name string, was, seen map[string]time.Time) error {
	if maps.EqualFunc(was, seen, time.Time.Equal) {
		return nil
	}
	if len(seen) == 0 {
		return store.Delete(ctx, name)
	}
	data, err := json.Marshal(seen)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return store.Put(ctx, name, data, storage.PutOptions{})
}
