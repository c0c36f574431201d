package maintenance_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/catalog/internal/laketest"
	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/catalog/mirror"
)

// TestLakeIsTheModel plays random epochs, compactions that meet ingest at the worst moment, expiry, garbage
// collections and restarts: the mirror, its older cuts and the log always equal the model.
func TestLakeIsTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		mode := rapid.SampledFrom([]mirror.DeleteMode{mirror.Auto, mirror.Position, mirror.CopyOnWrite}).Draw(r, "mode")
		w := newWorld(t, r, map[string]string{mirror.PropDeleteMode: string(mode)})
		w.opts.MemoryBudget = rapid.SampledFrom([]int64{0, 1}).Draw(r, "memory")
		w.opts.Dir = t.TempDir()
		opts := func() maintenance.CompactOptions {
			return maintenance.CompactOptions{
				Full: rapid.Bool().Draw(r, "full"), MinFiles: 2, FanIn: rapid.IntRange(2, 8).Draw(r, "fan-in"),
				TargetBytes: rapid.SampledFrom([]int64{1, 3000, 1 << 20}).Draw(r, "target"), CommitBytes: rapid.SampledFrom([]int64{1, 1 << 30}).Draw(r, "commit"),
			}
		}
		events := func() []laketest.Event {
			return laketest.RandomEvents(r, rapid.SampledFrom([]int{2, 25}).Draw(r, "most"))
		}
		steps := rapid.IntRange(1, 10).Draw(r, "steps")
		for range steps {
			switch rapid.IntRange(0, 11).Draw(r, "step") {
			case 0: // a new process, which may find that the table's policy was changed
				w.setMode(rapid.SampledFrom([]mirror.DeleteMode{mirror.Auto, mirror.Position, mirror.CopyOnWrite}).Draw(r, "mode"))
				w.reopen()
			case 1:
				w.compact(table, opts())
			case 2:
				w.compact(log, opts())
			case 3: // ingest commits while the compaction is at its commit
				es := events()
				w.inside = func() { w.write(es, nil) }
				w.compact(table, opts())
				w.inside = nil
			case 4: // the compaction commits while ingest is at its commit
				o := opts()
				w.write(events(), func() { w.compact(table, o) })
			case 5:
				w.expire(rapid.IntRange(1, 5).Draw(r, "keep"))
			case 6:
				w.clock.Ahead += time.Hour
				w.collect(table)
				w.clock.Ahead += time.Hour
				w.collect(table)
				w.collect(log)
			default:
				w.write(events(), nil)
			}
			w.checkTable()
		}
		w.check()
		for n := range w.cuts {
			w.checkCut(n)
		}
	})
}
