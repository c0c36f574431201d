package fileio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/connectors/fileio"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a store with files of a table t, without transactions, and a clock.
type bench struct {
	t     *testing.T
	store *storagetest.Memory
	opts  fileio.Options
	clock atomic.Int64 // seconds
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t}
	b.clock.Store(1_000_000)
	now := func() time.Time { return time.Unix(b.clock.Load(), 0) }
	b.store = storagetest.NewMemory("files", now)
	b.opts = fileio.Options{
		Stream: "s", Poll: time.Nanosecond, Clock: now,
		Tables: []fileio.Table{{Name: "t", Prefix: "t/", Config: debezium.Config{Key: []string{"id"}, Schema: arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)}}},
	}
	return b
}

// put writes a file with events of ids, a second after the last one.
func (b *bench) put(name string, ids ...int) {
	b.t.Helper()
	var text []byte
	for _, id := range ids {
		text = append(text, line(id)...)
	}
	b.write(name, text)
}

func line(id int) string {
	return fmt.Sprintf(`{"before":null,"after":{"id":%d},"source":{"ts_ms":5},"op":"c"}`+"\n", id)
}

func (b *bench) write(name string, text []byte) {
	b.t.Helper()
	b.clock.Add(1)
	if err := b.store.Put(b.t.Context(), name, text, storage.PutOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) remove(names ...string) {
	b.t.Helper()
	if err := b.store.Delete(b.t.Context(), names...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) open() *fileio.Source {
	b.t.Helper()
	src, err := fileio.Open(b.t.Context(), b.store, b.opts)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { src.Close() })
	return src
}

// ids collects the ids of events.
type ids struct {
	got     []int64
	rejects []source.Rejected
}

func (c *ids) Batch(_ context.Context, b *source.Batch) error {
	defer b.Release()
	for i := range b.Rows() {
		var id int64
		if _, err := fmt.Sscan(b.Row.Column(0).ValueStr(i), &id); err != nil {
			return err
		}
		c.got = append(c.got, id)
	}
	return nil
}

func (c *ids) Reject(_ context.Context, r source.Rejected) error {
	c.rejects = append(c.rejects, r)
	return nil
}

// next plans and reads one epoch with all that there is. The clock stands
// still while Plan waits, so it is told to go on.
func (b *bench) next(src *fileio.Source, from change.Position, max int64) (*ids, change.Position, error) {
	b.t.Helper()
	c := &ids{}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-tick.C:
				b.clock.Add(1)
			case <-stop:
				tick.Stop()
				return
			}
		}
	}()
	e, err := src.Plan(b.t.Context(), from, source.Limits{MaxEvents: max, MaxWait: 20 * time.Second})
	close(stop)
	<-done
	if err != nil {
		return nil, from, err
	}
	for _, s := range e.Splits {
		if err := src.Read(b.t.Context(), s, c); err != nil {
			b.t.Fatalf("read %+v: %v", s, err)
		}
	}
	return c, e.To, nil
}

// want plans one epoch and checks the ids in it.
func (b *bench) want(src *fileio.Source, from change.Position, max int64, want ...int64) change.Position {
	b.t.Helper()
	c, to, err := b.next(src, from, max)
	if err != nil {
		b.t.Fatal(err)
	}
	if !slices.Equal(c.got, want) {
		b.t.Fatalf("ids %v, want %v", c.got, want)
	}
	return to
}

// TestOrder: files are read by name, whatever their times, and other files are not read.
func TestOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put("t/2.ndjson", 3, 4)
	b.put("t/1.json", 1, 2)
	b.put("t/10.jsonl", 5) // "10." sorts before "2.", and after "1."
	b.put("t/readme.txt", 99)
	b.put("u/1.ndjson", 98)
	src := b.open()
	pos := b.want(src, change.Position{}, 0, 1, 2, 5, 3, 4)
	b.put("t/3.ndjson", 6)
	b.want(src, pos, 0, 6)
	b.want(b.open(), pos, 0, 6)
}

// TestMiddleOfFile: a position in the middle of a file goes on there, in another source too.
func TestMiddleOfFile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("t/1.ndjson", []byte("\n\n"+line(1)+"\r\n \n"+line(2)+line(3)+"\n"+line(4)))
	pos := change.Position{}
	for id := range int64(4) {
		pos = b.want(b.open(), pos, 1, id+1)
	}
	b.want(b.open(), pos, 0)
}

// TestDeletedFiles: files that were read may be deleted; ordinals go on.
func TestDeletedFiles(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put("t/1.ndjson", 1)
	b.put("t/2.ndjson", 2)
	pos := b.want(b.open(), change.Position{}, 0, 1, 2)
	b.remove("t/1.ndjson")
	b.put("t/3.ndjson", 3)
	after := b.want(b.open(), pos, 0, 3)
	if after.Compare(pos) != change.After {
		t.Errorf("position %v after %v", after, pos)
	}
	b.remove("t/2.ndjson", "t/3.ndjson")
	pos = b.want(b.open(), after, 0)
	b.put("t/4.ndjson", 4, 5)
	mid := b.want(b.open(), pos, 1, 4)
	b.remove("t/4.ndjson")
	if _, _, err := b.next(b.open(), mid, 0); !errors.Is(err, source.ErrGap) || !strings.Contains(err.Error(), "t/4.ndjson") || !strings.Contains(err.Error(), "snapshot t again") {
		t.Errorf("the file at the position was deleted: %v, want a gap", err)
	}
}

// TestShorterFile: a file that is shorter than what was read of it is a gap.
func TestShorterFile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put("t/1.ndjson", 1, 2, 3)
	pos := b.want(b.open(), change.Position{}, 2, 1, 2)
	b.put("t/1.ndjson", 1)
	if _, _, err := b.next(b.open(), pos, 0); !errors.Is(err, source.ErrGap) {
		t.Errorf("error %v, want a gap", err)
	}
}

// TestLate: a file that appears before the place that was read is an error that
// names it, while the source runs and when it starts, also after older files were deleted.
func TestLate(t *testing.T) {
	t.Parallel()
	late := func(t *testing.T, err error) {
		t.Helper()
		if fault.Of(err) != fault.Usage || !strings.Contains(fmt.Sprint(err), "t/2.ndjson came late") {
			t.Errorf("error %v", err)
		}
	}
	read := func(t *testing.T) (*bench, *fileio.Source, change.Position) {
		b := newBench(t)
		b.put("t/1.ndjson", 1)
		b.put("t/3.ndjson", 3)
		src := b.open()
		return b, src, b.want(src, change.Position{}, 0, 1, 3)
	}
	t.Run("while it runs", func(t *testing.T) {
		t.Parallel()
		b, src, pos := read(t)
		b.put("t/2.ndjson", 2)
		_, _, err := b.next(src, pos, 0)
		late(t, err)
	})
	t.Run("at the start", func(t *testing.T) {
		t.Parallel()
		b, _, pos := read(t)
		b.put("t/2.ndjson", 2)
		_, _, err := b.next(b.open(), pos, 0)
		late(t, err)
	})
	t.Run("at the start, others deleted", func(t *testing.T) {
		t.Parallel()
		b, _, pos := read(t)
		b.remove("t/1.ndjson", "t/3.ndjson")
		b.put("t/2.ndjson", 2)
		_, _, err := b.next(b.open(), pos, 0)
		late(t, err)
	})
	t.Run("ignored", func(t *testing.T) {
		t.Parallel()
		b, _, pos := read(t)
		b.opts.Late = fileio.LateIgnore
		b.put("t/2.ndjson", 2)
		b.put("t/4.ndjson", 4)
		src := b.open()
		pos = b.want(src, pos, 0, 4)
		b.put("t/5.ndjson", 5)
		b.want(src, pos, 0, 5)
	})
	t.Run("before a file that was not begun", func(t *testing.T) {
		t.Parallel()
		b, src, pos := read(t)
		b.put("t/5.ndjson", 5)
		b.put("t/4.ndjson", 4)
		b.want(src, pos, 0, 4, 5)
	})
}

// TestGrowingFile: until a file has settled its whole lines are read, and a line that is cut short is waited for.
func TestGrowingFile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.opts.Settle = time.Hour
	whole := line(1) + line(2) + line(3)
	b.write("t/1.ndjson", []byte(whole[:len(line(1))+10]))
	src := b.open()
	pos := b.want(src, change.Position{}, 0, 1)
	b.write("t/1.ndjson", []byte(whole[:len(line(1))+30]))
	pos = b.want(src, pos, 0)
	b.write("t/1.ndjson", []byte(whole[:len(whole)-5]))
	pos = b.want(src, pos, 0, 2)
	b.write("t/1.ndjson", []byte(whole))
	pos = b.want(b.open(), pos, 0, 3)
	b.want(b.open(), pos, 0)
}

// TestCutShort: the last line of a file that has settled needs no newline; if it is cut short it is rejected.
func TestCutShort(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write("t/1.ndjson", []byte(line(1)+strings.TrimSpace(line(2))))
	b.write("t/2.ndjson", []byte(line(3)+line(4)[:20]))
	c, _, err := b.next(b.open(), change.Position{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.got, []int64{1, 2, 3}) || len(c.rejects) != 1 || string(c.rejects[0].Value) != line(4)[:20] || c.rejects[0].Offset != 1<<36|int64(len(line(3))) {
		t.Errorf("ids %v, rejects %+v", c.got, c.rejects)
	}
}

// TestCutCompressed: a compressed file that ends too early is an error that names it, not the end of its events.
func TestCutCompressed(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{".ndjson.gz", ".ndjson.zst"} {
		b := newBench(t)
		var text []byte
		for id := range 5000 {
			text = append(text, line(id)...)
		}
		packed := pack(suffix, text)
		b.write("t/1"+suffix, packed[:len(packed)-20])
		if _, _, err := b.next(b.open(), change.Position{}, 0); err == nil || !strings.Contains(err.Error(), "t/1"+suffix) {
			t.Errorf("%s: error %v", suffix, err)
		}
	}
}

// TestLongLine: a line may be longer than a chunk.
func TestLongLine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.opts.ChunkBytes = 100
	pad := strings.Repeat(" ", 5000)
	b.write("t/1.ndjson", []byte(line(1)+strings.Replace(line(2), `"op"`, pad+`"op"`, 1)+line(3)))
	b.want(b.open(), change.Position{}, 0, 1, 2, 3)
}

// TestMisconfigured: what cannot work is refused before anything is read.
func TestMisconfigured(t *testing.T) {
	t.Parallel()
	for says, change := range map[string]func(*fileio.Options){
		"needs a name":    func(o *fileio.Options) { o.Stream = "" },
		"at least one":    func(o *fileio.Options) { o.Tables = nil },
		"overlap":         func(o *fileio.Options) { o.Transactions = "t/tx/" },
		"twice":           func(o *fileio.Options) { o.Tables = append(o.Tables, fileio.Table{Name: "t", Prefix: "v/"}) },
		"hold an @":       func(o *fileio.Options) { o.Tables[0].Name = "a@b" },
		"not be negative": func(o *fileio.Options) { o.Settle = -1 },
	} {
		b := newBench(t)
		change(&b.opts)
		if _, err := fileio.Open(t.Context(), b.store, b.opts); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want a usage error that says %q", err, says)
		}
	}
	b := newBench(t)
	err := b.open().Read(t.Context(), source.Split{Shard: "nothing@x"}, &ids{})
	if fault.Of(err) != fault.Usage {
		t.Errorf("read of an unknown shard: %v", err)
	}
}

// TestPatterns has files of two tables in common folders, told apart by patterns, with endings of their own.
func TestPatterns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.opts.Tables[0].Prefix = "*/t-*"
	b.put("2026-11-23/t-1.out", 1)
	b.put("2026-11-23/u-1.out", 9)
	b.put("2026-11-24/t-2.out.part", 2)
	b.put("2026-11-24/deep/t-3.out", 9)
	src := b.open()
	got, at, err := b.next(src, change.Position{}, 100)
	if err != nil || !slices.Equal(got.got, []int64{1, 2}) {
		t.Fatalf("%v: %v", err, got.got)
	}
	b.put("2026-11-25/t-1.ndjson", 3)
	if got, _, err = b.next(src, at, 100); err != nil || !slices.Equal(got.got, []int64{3}) {
		t.Fatalf("%v: %v", err, got.got)
	}

	b.opts.Tables = append(b.opts.Tables, b.opts.Tables[0])
	b.opts.Tables[1].Name, b.opts.Tables[1].Prefix = "u", "2026-11-24/*"
	if _, err := fileio.Open(t.Context(), b.store, b.opts); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "t-2.out.part matches the pattern of") {
		t.Errorf("a file of two patterns: %v", err)
	}
	b.opts.Tables[1].Prefix = "u/[x"
	if _, err := fileio.Open(t.Context(), b.store, b.opts); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "unclosed") {
		t.Errorf("a malformed pattern: %v", err)
	}
}
