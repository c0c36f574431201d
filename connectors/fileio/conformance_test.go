package fileio_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/connectors/fileio"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/sourcetest"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// TestConformance runs the suite of change sources over files of each compression, and over files that grow.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{".ndjson", ".jsonl.gz", ".json.zst"} {
		t.Run(suffix, func(t *testing.T) {
			t.Parallel()
			sourcetest.Run(t, func(t testing.TB, spec sourcetest.Spec) sourcetest.Harness {
				store := storagetest.NewMemory("stream", time.Now)
				n := 0
				return harness(store, spec, func(ctx context.Context, family string, lines []byte) error {
					n++
					return store.Put(ctx, fmt.Sprintf("in/%s/part-%06d%s", family, n, suffix), pack(suffix, lines), storage.PutOptions{})
				})
			})
		})
	}
	t.Run("growing", func(t *testing.T) {
		t.Parallel()
		sourcetest.Run(t, func(t testing.TB, spec sourcetest.Spec) sourcetest.Harness {
			store := storagetest.NewMemory("stream", time.Now)
			written := map[string][]byte{}
			return harness(store, spec, func(ctx context.Context, family string, lines []byte) error {
				written[family] = append(written[family], lines...)
				return store.Put(ctx, "in/"+family+"/all.ndjson", bytes.Clone(written[family]), storage.PutOptions{})
			})
		})
	})
}

// pack compresses lines as a suffix says.
func pack(suffix string, lines []byte) []byte {
	var out bytes.Buffer
	switch {
	case bytes.HasSuffix([]byte(suffix), []byte(".gz")):
		w := gzip.NewWriter(&out)
		w.Write(lines)
		w.Close()
	case bytes.HasSuffix([]byte(suffix), []byte(".zst")):
		w, err := zstd.NewWriter(&out)
		if err != nil {
			panic(err) // there are no options
		}
		w.Write(lines)
		w.Close()
	default:
		out.Write(lines)
	}
	return out.Bytes()
}

// harness writes each table's messages as lines.
func harness(store storage.Store, spec sourcetest.Spec, write func(ctx context.Context, family string, lines []byte) error) sourcetest.Harness {
	opts := fileio.Options{
		Stream: "shop", Heartbeats: "in/heartbeats/", Poll: time.Millisecond, Grace: spec.Grace, MemoryBudget: spec.MemoryBudget, ChunkBytes: 2000,
		Settle: time.Hour,
	}
	for _, t := range spec.Tables {
		opts.Tables = append(opts.Tables, fileio.Table{Name: t.Name, Prefix: "in/" + t.Name + "/", Config: t.Config})
	}
	if spec.Markers {
		opts.Transactions = "in/transactions/"
	}
	return sourcetest.Harness{
		Shards: 1, Tombstones: true,
		Write: func(ctx context.Context, messages []sourcetest.Message) error {
			files := map[string][]byte{}
			for _, m := range messages {
				family := m.Table
				switch m.Kind {
				case sourcetest.Marker:
					family = "transactions"
				case sourcetest.Heartbeat:
					family = "heartbeats"
				}
				line := m.Value
				if line == nil {
					line = []byte("null")
				}
				files[family] = append(append(files[family], line...), '\n')
			}
			for family, lines := range files {
				if err := write(ctx, family, lines); err != nil {
					return err
				}
			}
			return nil
		},
		Open: func(ctx context.Context) (source.Source, error) { return fileio.Open(ctx, store, opts) },
	}
}
