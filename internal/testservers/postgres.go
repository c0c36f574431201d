// Package testservers starts real servers for tests, each private to the test that asks for it.
//
// Nouns. A server is a process on a free loopback port, with its data in a folder of
// its own; it is stopped and its data removed when the test ends, also when
// the test process is killed. Servers come from Debian packages.
//
// Invariants. A server that is not installed is installed; where that is impossible the test
// fails, because a skipped test looks like a passed one.
//
// Errors end the test by t.Fatal.
package testservers

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// PostgreSQL is a running server.
type PostgreSQL struct {
	port int
	db   *sql.DB // to make databases
	next atomic.Int64
}

// StartPostgreSQL starts a server and waits until it answers. It takes two to three seconds, so
// tests share one and give each subtest a database of its own.
func StartPostgreSQL(t testing.TB) *PostgreSQL {
	t.Helper()
	bin := postgresBin(t)
	dir, err := os.MkdirTemp("", "millrace-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cred := serverUser(t, dir)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "millrace", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	p := &PostgreSQL{port: freePort(t)}
	// fsync is off: what is tested is the death of clients, not of the machine.
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(p.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+dir, "-c", "fsync=off", "-c", "max_connections=200")
	server.Dir = dir
	server.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	run(t, server, filepath.Join(dir, "log"))
	p.db, err = sql.Open("pgx", p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.db.Close() })
	waitFor(t, filepath.Join(dir, "log"), p.db.PingContext)
	return p
}

// URL is the address of a database of the server.
func (p *PostgreSQL) URL(database string) string {
	return fmt.Sprintf("postgres://millrace@127.0.0.1:%d/%s?sslmode=disable", p.port, database)
}

// NewDatabase makes an empty database and returns its address.
func (p *PostgreSQL) NewDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("lake%d", p.next.Add(1))
	if _, err := p.db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	return p.URL(name)
}

var installing sync.Mutex

// postgresBin finds the folder of the server's programs, installing the package if need be.
func postgresBin(t testing.TB) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	find := func() string {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is well-formed
		slices.Sort(found)
		if len(found) == 0 {
			return ""
		}
		return filepath.Dir(found[len(found)-1])
	}
	if bin := find(); bin != "" {
		return bin
	}
	install(t, "postgresql")
	bin := find()
	if bin == "" {
		t.Fatal("the package postgresql is installed, but has no /usr/lib/postgresql/*/bin/initdb")
	}
	return bin
}

// install installs a Debian package without starting its services.
func install(t testing.TB, name string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatalf("%s is not installed, and only root can install it: apt-get install %s", name, name)
	}
	for _, args := range [][]string{{"update", "-q"}, {"install", "-q", "-y", "--no-install-recommends", name}} {
		cmd := exec.Command("apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s is not installed, and apt-get %s failed: %v\n%s", name, args[0], err, out)
		}
	}
}

// serverUser is who the server runs as: it refuses root. The folder is given to that user.
func serverUser(t testing.TB, dir string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// run starts a server whose output goes to a file, and stops it when the test ends. The kernel
// stops it if this process dies first: for that, the thread that started it must live as long.
func run(t testing.TB, cmd *exec.Cmd, log string) {
	t.Helper()
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		defer out.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is stopped by a signal, which is an error here
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
			t.Logf("stop %s: %v", cmd.Path, err)
		}
		<-done
	})
}

// waitFor asks until the server answers, for at most half a minute.
func waitFor(t testing.TB, log string, ping func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ping(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			text, _ := os.ReadFile(log) // shown if it can be read
			t.Fatalf("the server does not answer: %v\n%s", err, text)
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
