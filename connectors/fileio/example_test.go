package fileio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/connectors/fileio"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// Two files of entries arrive; the position remembers the place behind the second, by its name.
func Example() {
	ctx := context.Background()
	store := storagetest.NewMemory("landing", time.Now)
	for name, text := range map[string]string{
		"entries/2026-11-23.ndjson": `{"before":null,"after":{"entry_id":1},"source":{"ts_ms":1},"op":"c"}` + "\n",
		"entries/2026-11-24.ndjson": `{"before":null,"after":{"entry_id":2},"source":{"ts_ms":2},"op":"c"}` + "\n",
	} {
		if err := store.Put(ctx, name, []byte(text), storage.PutOptions{}); err != nil {
			fmt.Println(err)
			return
		}
	}
	src, err := fileio.Open(ctx, store, fileio.Options{Stream: "landing", Tables: []fileio.Table{{Name: "entries", Prefix: "entries/"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer src.Close()
	epoch, err := src.Plan(ctx, change.Position{}, source.Limits{MaxWait: 100 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, split := range epoch.Splits {
		fmt.Println(split.Shard, split.Table)
	}
	fmt.Println(epoch.Counts.Events, "events; file", epoch.To.Next["entries"]>>36, "is next")
	// Output:
	// entries@entries/2026-11-23.ndjson entries
	// entries@entries/2026-11-24.ndjson entries
	// 2 events; file 2 is next
}
