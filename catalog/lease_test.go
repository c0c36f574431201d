package catalog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/sdk/fault"
)

// hand is a clock that a test sets.
type hand struct{ ms atomic.Int64 }

func newHand() *hand {
	h := &hand{}
	h.ms.Store(1_800_000_000_000)
	return h
}

func (h *hand) now() time.Time          { return time.UnixMilli(h.ms.Load()) }
func (h *hand) advance(d time.Duration) { h.ms.Add(d.Milliseconds()) }

func must(t testing.TB, err error) {
	t.Helper()
	wants(t, err, nil)
}

func wants(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%v; want %v", err, want)
	}
}

func leases(t testing.TB, database string, clock func() time.Time) *catalog.Leases {
	t.Helper()
	s, err := catalog.OpenLeases(t.Context(), database, catalog.LeaseOptions{Clock: clock})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestLeasesInSQLite(t *testing.T) {
	t.Parallel()
	testLeases(t, func(t *testing.T) string { return "sqlite://" + t.TempDir() + "/night/leases.db" })
}

func TestLeasesInPostgreSQL(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgreSQL(t)
	testLeases(t, func(t *testing.T) string { return server.NewDatabase(t) })
}

// testLeases is the contract, whatever the database.
func testLeases(t *testing.T, database func(*testing.T) string) {
	for name, test := range map[string]func(*testing.T, string){
		"OneHolder": testOneHolder, "Expiry": testExpiry, "Release": testRelease, "Fence": testFence, "Race": testRace, "Zombie": testZombie,
		"RolledBack": testRolledBack, "TimeOfTheDatabase": testTimeOfTheDatabase, "Apart": testApart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, database(t))
		})
	}
}

func testOneHolder(t *testing.T, db string) {
	h := newHand()
	a, b, ctx := leases(t, db, h.now), leases(t, db, h.now), t.Context()
	st, err := a.Look(ctx, "night")
	if err != nil || st.Held || st.Token != 0 {
		t.Fatalf("before anybody: %+v, %v", st, err)
	}
	l, err := a.Acquire(ctx, "night", "a", time.Minute)
	must(t, err)
	h.advance(20 * time.Second)
	_, err = b.Acquire(ctx, "night", "b", time.Minute)
	var held *catalog.HeldError
	if !errors.As(err, &held) || !errors.Is(err, catalog.ErrHeld) || held.Holder != "a" || held.Left != 40*time.Second {
		t.Fatalf("%v", err)
	}
	_, err = a.Acquire(ctx, "night", "a", time.Minute) // its name proves nothing
	wants(t, err, catalog.ErrHeld)
	st, err = b.Look(ctx, "night")
	if err != nil || !st.Held || st.Lease != l || st.Left != 40*time.Second {
		t.Fatalf("%+v, %v", st, err)
	}
	_, err = b.Acquire(ctx, "another", "b", time.Minute)
	must(t, err)
	for _, bad := range []func() (catalog.Lease, error){
		func() (catalog.Lease, error) { return a.Acquire(ctx, "night", "", time.Minute) },
		func() (catalog.Lease, error) { return a.Acquire(ctx, "night", "a", 0) },
	} {
		if _, err := bad(); fault.Of(err) != fault.Usage {
			t.Errorf("%v", err)
		}
	}
}

func testExpiry(t *testing.T, db string) {
	h := newHand()
	a, b, ctx := leases(t, db, h.now), leases(t, db, h.now), t.Context()
	first, err := a.Acquire(ctx, "night", "a", time.Minute)
	must(t, err)
	h.advance(50 * time.Second)
	must(t, a.Renew(ctx, first))
	h.advance(50 * time.Second)
	_, err = b.Acquire(ctx, "night", "b", time.Minute)
	wants(t, err, catalog.ErrHeld)
	h.advance(11 * time.Second)
	must(t, a.Renew(ctx, first)) // late, but nobody took it
	h.advance(61 * time.Second)
	second, err := b.Acquire(ctx, "night", "b", time.Minute)
	must(t, err)
	if second.Token != first.Token+1 {
		t.Errorf("tokens %d, then %d", first.Token, second.Token)
	}
	wants(t, a.Renew(ctx, first), catalog.ErrLeaseLost)
	wants(t, a.Release(ctx, first), catalog.ErrLeaseLost)
	must(t, b.Renew(ctx, second))
}

func testRelease(t *testing.T, db string) {
	h := newHand()
	a, ctx := leases(t, db, h.now), t.Context()
	first, err := a.Acquire(ctx, "night", "a", time.Minute)
	must(t, err)
	must(t, a.Release(ctx, first))
	wants(t, a.Renew(ctx, first), catalog.ErrLeaseLost)
	second, err := a.Acquire(ctx, "night", "a", time.Minute) // the same name, at once
	must(t, err)
	if second.Token <= first.Token {
		t.Errorf("tokens %d, then %d", first.Token, second.Token)
	}
	wants(t, a.Release(ctx, first), catalog.ErrLeaseLost)
	wants(t, a.Renew(ctx, catalog.Lease{Name: "unknown", Holder: "a", Token: 1, TTL: time.Minute}), catalog.ErrLeaseLost)
}

const notesDDL = `CREATE TABLE IF NOT EXISTS notes (seq {serial}, said VARCHAR(100) NOT NULL)`

func note(ctx context.Context, s *catalog.Leases, l catalog.Lease, said string) error {
	return s.Fenced(ctx, l, func(tx *catalog.LeaseTx) error {
		_, err := tx.Exec(ctx, `INSERT INTO notes (said) VALUES (?)`, said)
		return err
	})
}

func notes(t testing.TB, s *catalog.Leases) string {
	t.Helper()
	var out []string
	must(t, s.Read(t.Context(), func(tx *catalog.LeaseTx) error {
		return tx.Query(t.Context(), `SELECT said FROM notes ORDER BY seq`, nil, func(scan func(...any) error) error {
			var said string
			err := scan(&said)
			out = append(out, said)
			return err
		})
	}))
	return strings.Join(out, " ")
}

func testFence(t *testing.T, db string) {
	h := newHand()
	a, b, ctx := leases(t, db, h.now), leases(t, db, h.now), t.Context()
	must(t, a.Prepare(ctx, notesDDL))
	must(t, b.Prepare(ctx, notesDDL))
	first, err := a.Acquire(ctx, "night", "a", time.Minute)
	must(t, err)
	must(t, note(ctx, a, first, "one"))
	h.advance(2 * time.Minute)
	must(t, note(ctx, a, first, "two")) // its time is over, but it is still the last holder
	second, err := b.Acquire(ctx, "night", "b", time.Minute)
	must(t, err)
	wants(t, note(ctx, a, first, "three"), catalog.ErrLeaseLost)
	must(t, note(ctx, b, second, "four"))
	if got := notes(t, b); got != "one two four" {
		t.Errorf("%s", got)
	}
}

func testRolledBack(t *testing.T, db string) {
	h := newHand()
	a, ctx := leases(t, db, h.now), t.Context()
	must(t, a.Prepare(ctx, notesDDL))
	l, err := a.Acquire(ctx, "night", "a", time.Minute)
	must(t, err)
	refused := errors.New("refused")
	wants(t, a.Fenced(ctx, l, func(tx *catalog.LeaseTx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO notes (said) VALUES ('half')`); err != nil {
			return err
		}
		return refused
	}), refused)
	if got := notes(t, a); got != "" {
		t.Errorf("%s", got)
	}
}

// testRace lets many take the lease whenever it is free: never two at once, and every token once.
func testRace(t *testing.T, db string) {
	const racers, turns = 4, 5
	ctx := t.Context()
	var mu sync.Mutex
	inside, tokens := 0, map[int64]bool{}
	var g errgroup.Group
	for r := range racers {
		s := leases(t, db, nil)
		g.Go(func() error {
			for turn := 0; turn < turns; {
				l, err := s.Acquire(ctx, "night", fmt.Sprint("racer-", r), time.Minute)
				if errors.Is(err, catalog.ErrHeld) {
					continue
				}
				if err != nil {
					return err
				}
				mu.Lock()
				if inside++; inside != 1 || tokens[l.Token] {
					t.Errorf("%d holders; token %d", inside, l.Token)
				}
				tokens[l.Token] = true
				inside--
				mu.Unlock()
				if err := s.Release(ctx, l); err != nil {
					return err
				}
				turn++
			}
			return nil
		})
	}
	must(t, g.Wait())
	if len(tokens) != racers*turns {
		t.Errorf("%d tokens", len(tokens))
	}
}

func testTimeOfTheDatabase(t *testing.T, db string) {
	s := leases(t, db, nil)
	before := time.Now().Add(-time.Minute)
	must(t, s.Read(t.Context(), func(tx *catalog.LeaseTx) error {
		now, err := tx.Now(t.Context())
		if now.Before(before) || now.After(before.Add(3*time.Minute)) {
			t.Errorf("%s", now)
		}
		return err
	}))
}

func testApart(t *testing.T, db string) {
	a := leases(t, db, nil)
	b, err := catalog.OpenLeases(t.Context(), db, catalog.LeaseOptions{Name: "other"})
	must(t, err)
	defer b.Close()
	_, err = a.Acquire(t.Context(), "night", "a", time.Minute)
	must(t, err)
	_, err = b.Acquire(t.Context(), "night", "b", time.Minute)
	must(t, err)
}

func TestLeasesNeedADatabase(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"https://catalog.example", "lake.db", "sqlite://", "postgres://%"} {
		if _, err := catalog.OpenLeases(t.Context(), at, catalog.LeaseOptions{}); fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v", at, err)
		}
	}
	missing := t.TempDir() + "/none/leases.db"
	if _, err := catalog.OpenLeases(t.Context(), "sqlite://"+missing, catalog.LeaseOptions{ReadOnly: true}); fault.Of(err) != fault.Usage {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("it was made")
	}
}

// holderEnv makes the test binary a holder of a lease: a process that can be stopped and woken.
const holderEnv = "MILLRACE_CATALOG_TEST_HOLDER"

// runHolder takes the lease, says so, and writes a note for each line that it reads, until its input ends.
func runHolder(db string) error {
	ctx := context.Background()
	s, err := catalog.OpenLeases(ctx, db, catalog.LeaseOptions{})
	if err != nil {
		return err
	}
	l, err := s.Acquire(ctx, "night", "old", 300*time.Millisecond)
	if err != nil {
		return err
	}
	fmt.Println("holds", l.Token)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch err := note(ctx, s, l, in.Text()); {
		case errors.Is(err, catalog.ErrLeaseLost):
			fmt.Println("lost")
		case err != nil:
			return err
		default:
			fmt.Println("wrote")
		}
	}
	return s.Close()
}

// testZombie stops a holder's process (SIGSTOP), lets another take over once its time is over, wakes it (SIGCONT), and sees it refused.
func testZombie(t *testing.T, db string) {
	s, ctx := leases(t, db, nil), t.Context()
	must(t, s.Prepare(ctx, notesDDL))
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env, cmd.Stderr = append(os.Environ(), holderEnv+"="+db), os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(out)
	says := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("the holder says %q, want %q (%v)", lines.Text(), want, lines.Err())
		}
	}
	tell := func(text string) {
		t.Helper()
		if _, err := fmt.Fprintln(in, text); err != nil {
			t.Fatal(err)
		}
	}
	says("holds 1")
	tell("before")
	says("wrote")
	must(t, cmd.Process.Signal(syscall.SIGSTOP))
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	l, err := s.Acquire(ctx, "night", "new", time.Minute)
	for ; errors.Is(err, catalog.ErrHeld); l, err = s.Acquire(ctx, "night", "new", time.Minute) {
		<-look.C
	}
	must(t, err)
	must(t, note(ctx, s, l, "successor"))
	tell("zombie") // it lies in the pipe until the holder wakes
	must(t, cmd.Process.Signal(syscall.SIGCONT))
	says("lost")
	must(t, in.Close())
	must(t, cmd.Wait())
	if got := notes(t, s); got != "before successor" {
		t.Errorf("%s", got)
	}
}
