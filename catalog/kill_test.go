package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/storage"
)

// childEnv makes the test binary a committer: a process of its own that can be killed.
const childEnv = "MILLRACE_CATALOG_TEST_COMMITTER"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		if err := runCommitter(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if job := os.Getenv(holderEnv); job != "" {
		if err := runHolder(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// committer is a process's job: to bring a stream to an end, each epoch committed to all tables.
type committer struct {
	Catalog, Warehouse string
	Stream             string
	Epochs             int64
	Tables             []string
	// The process kills itself at the Count-th time that it reaches Stage, or before its Put-th write. Zero: never.
	Stage string
	Count int64
	Put   int64
}

func runCommitter(job string) error {
	var c committer
	if err := json.Unmarshal([]byte(job), &c); err != nil {
		return err
	}
	var reached, puts atomic.Int64
	cfg := catalog.Config{
		Catalog: c.Catalog, Warehouse: c.Warehouse, Logger: quiet,
		Hook: func(stage string) {
			if stage == c.Stage && reached.Add(1) == c.Count {
				die()
			}
		},
		Storage: func(ctx context.Context, url string) (storage.Store, error) {
			s, err := catalog.OpenFolder(ctx, url)
			return dyingStore{s, &puts, c.Put}, err
		},
	}
	ctx := context.Background()
	l, err := catalog.Open(ctx, cfg)
	if err != nil {
		return err
	}
	for {
		pos, err := l.StreamPosition(ctx, c.Stream)
		if err != nil {
			return err
		}
		n := pos.Next["0"]
		if n >= c.Epochs {
			return l.Close()
		}
		if _, err := l.Commit(ctx, epoch(c.Warehouse, c.Stream, n, c.Tables)); err != nil {
			return err
		}
	}
}

// die ends the process as a power cut would, and keeps the caller from going on until it does.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // it cannot fail for oneself
	select {}
}

// dyingStore kills the process before its n-th write.
type dyingStore struct {
	storage.Store
	puts *atomic.Int64
	at   int64
}

func (s dyingStore) Put(ctx context.Context, name string, data []byte, opts storage.PutOptions) error {
	if s.puts.Add(1) == s.at {
		die()
	}
	return s.Store.Put(ctx, name, data, opts)
}

// epoch adds one file to each of the tables. Each attempt of each process names files of its own.
func epoch(warehouse, stream string, n int64, tables []string) catalog.Commit {
	pos := func(n int64) change.Position { return change.Position{Next: map[string]int64{"0": n}} }
	c := catalog.Commit{Stream: stream, Epoch: fmt.Sprintf("%s-%d", stream, n), From: pos(n), To: pos(n + 1)}
	for _, name := range tables {
		c.Tables = append(c.Tables, catalog.TableChange{Table: name, Totals: catalog.Totals{Rows: 10}, Add: []catalog.DataFile{{
			Path: fmt.Sprintf("%s/files/%s-%d-%d-%016x.parquet", warehouse, stream, n, os.Getpid(), rand.Uint64()), Bucket: int(n % catalogtest.Buckets), Rows: 10, Bytes: 1000,
		}}})
	}
	return c
}

// start runs a committer in a process of its own.
func start(t *testing.T, c committer) *exec.Cmd {
	t.Helper()
	job, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(job))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// wait reports whether the process was killed; any other failure fails the test.
func wait(t *testing.T, cmd *exec.Cmd) (killed bool) {
	t.Helper()
	err := cmd.Wait()
	if err == nil {
		return false
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() && s.Signal() == syscall.SIGKILL {
			return true
		}
	}
	t.Errorf("committer: %v", err)
	return false
}

var killTables = []string{"ledger.a", "ledger.b", "ledger.c"}

func makeTables(t *testing.T, cfg catalog.Config, tables []string) {
	t.Helper()
	l, err := catalog.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, name := range tables {
		if err := l.EnsureTable(t.Context(), catalogtest.Spec(name)); err != nil {
			t.Fatal(err)
		}
	}
}

// checkWhole opens the lake anew and demands that each stream's epochs 0 … n-1 are in every table
// exactly once, where n is the stream's position. It returns the positions.
func checkWhole(t *testing.T, cfg catalog.Config, tables []string, streams ...string) []int64 {
	t.Helper()
	l, err := catalog.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cut, err := l.At(t.Context(), catalog.At{})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	var positions []int64
	for _, stream := range streams {
		pos, err := l.StreamPosition(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, pos.Next["0"])
		for n := range pos.Next["0"] {
			want = append(want, fmt.Sprintf("%s-%d", stream, n))
		}
	}
	slices.Sort(want)
	if cut.Number() != int64(len(want)) {
		t.Errorf("%d epochs made %d cuts", len(want), cut.Number())
	}
	for _, name := range tables {
		tab, err := cut.Table(name)
		if err != nil {
			t.Fatal(err)
		}
		files, err := tab.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			base := strings.Split(f.Path[strings.LastIndexByte(f.Path, '/')+1:], "-")
			got = append(got, base[0]+"-"+base[1])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("table %s holds the epochs %v, want %v", name, got, want)
		}
	}
	return positions
}

// backends are the catalogs that processes can share.
func backends(t *testing.T) map[string]func(*testing.T) catalog.Config {
	server := testservers.StartPostgreSQL(t)
	return map[string]func(*testing.T) catalog.Config{
		"SQLite": sqliteConfig,
		"PostgreSQL": func(t *testing.T) catalog.Config {
			return catalog.Config{Catalog: server.NewDatabase(t), Warehouse: "file://" + t.TempDir() + "/wh", Storage: catalog.OpenFolder, Logger: quiet}
		},
		"REST": func(t *testing.T) catalog.Config { return restConfig(t, func(*catalog.RESTServer) {}) },
	}
}

// few bounds how many subtests run processes at once.
func few() func() {
	slots <- struct{}{}
	return func() { <-slots }
}

var slots = make(chan struct{}, max(2, runtime.NumCPU()))

// TestKilledAtEachStep kills a committer in its third epoch at each step of the commit, and lets
// a successor finish. Whatever the step, the epoch is in all tables or in none.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	steps := map[string]int64{ // step → epochs that must be in the lake after the kill
		"staged:0": 2, "staged:1": 2, "staged:2": 2, "cas:0": 2, "cas:1": 2, "cas:2": 2, "precommit": 2, "committed": 3,
	}
	for name, config := range backends(t) {
		for step, want := range steps {
			if name == "REST" && strings.HasPrefix(step, "cas:") {
				continue // that step is the server's
			}
			t.Run(name+"/"+step, func(t *testing.T) {
				t.Parallel()
				defer few()()
				cfg := config(t)
				makeTables(t, cfg, killTables)
				job := committer{Catalog: cfg.Catalog, Warehouse: cfg.Warehouse, Stream: "s", Epochs: 5, Tables: killTables, Stage: step, Count: 3}
				if !wait(t, start(t, job)) {
					t.Fatal("the committer was not killed")
				}
				if got := checkWhole(t, cfg, killTables, "s"); got[0] != want {
					t.Errorf("killed at %s the stream stands at %d, want %d", step, got[0], want)
				}
				job.Stage = ""
				if wait(t, start(t, job)) {
					t.Fatal("the successor was killed")
				}
				if got := checkWhole(t, cfg, killTables, "s"); got[0] != job.Epochs {
					t.Errorf("the successor left the stream at %d", got[0])
				}
			})
		}
	}
}

// TestKilledBeforeEachWrite kills a committer before each object that it writes.
func TestKilledBeforeEachWrite(t *testing.T) {
	t.Parallel()
	defer few()()
	cfg := sqliteConfig(t)
	makeTables(t, cfg, killTables)
	job := committer{Catalog: cfg.Catalog, Warehouse: cfg.Warehouse, Stream: "s", Epochs: 12, Tables: killTables}
	kills := 0
	for job.Put = 1; wait(t, start(t, job)); job.Put++ {
		kills++
		checkWhole(t, cfg, killTables, "s")
	}
	if kills < 9 {
		t.Errorf("only %d writes were seen", kills)
	}
	if got := checkWhole(t, cfg, killTables, "s"); got[0] != job.Epochs {
		t.Errorf("the stream stands at %d", got[0])
	}
}

// TestRacingProcesses lets four processes race, two of them over one stream, and kills them at
// random until all is done. The seed of a failure replays the delays (not the scheduler).
func TestRacingProcesses(t *testing.T) {
	t.Parallel()
	for name, config := range backends(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer few()()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			cfg := config(t)
			makeTables(t, cfg, killTables)
			var wg sync.WaitGroup
			for i, stream := range []string{"one", "two", "both", "both"} {
				rng := rand.New(rand.NewPCG(seed, uint64(i)))
				wg.Go(func() {
					job := committer{Catalog: cfg.Catalog, Warehouse: cfg.Warehouse, Stream: stream, Epochs: 6, Tables: killTables}
					for kills := 0; ; kills++ {
						cmd := start(t, job)
						if kills < 6 {
							delay := time.Duration(rng.Int64N(int64(250 * time.Millisecond)))
							kill := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() }) // it may be gone by then
							killed := wait(t, cmd)
							kill.Stop()
							if killed {
								continue
							}
						} else {
							wait(t, cmd)
						}
						return
					}
				})
			}
			wg.Wait()
			for _, got := range checkWhole(t, cfg, killTables, "one", "two", "both") {
				if got != 6 {
					t.Errorf("a stream stands at %d, want 6", got)
				}
			}
		})
	}
}
