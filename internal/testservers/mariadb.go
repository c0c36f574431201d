package testservers

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"
)

// MariaDB is a running server.
type MariaDB struct {
	port int
	db   *sql.DB // to make databases
	next atomic.Int64
}

// StartMariaDB starts a server and waits until it answers. It takes about two seconds, so tests share one and give each subtest a
// database of its own. Its user root has no password.
func StartMariaDB(t testing.TB) *MariaDB {
	t.Helper()
	installMariaDB(t)
	dir, err := os.MkdirTemp("", "millrace-mariadb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	common := []string{"--no-defaults", "--datadir=" + data, "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0"}
	if os.Geteuid() == 0 {
		common = append(common, "--user=root")
	}
	install := exec.Command("mariadb-install-db", append(common, "--auth-root-authentication-method=normal", "--skip-test-db", "--cross-bootstrap")...)
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	m := &MariaDB{port: freePort(t)}
	server := exec.Command("mariadbd", append(common, "--port="+strconv.Itoa(m.port), "--bind-address=127.0.0.1", "--socket="+filepath.Join(dir, "socket"), "--skip-name-resolve")...)
	server.Dir = dir
	server.SysProcAttr = &syscall.SysProcAttr{}
	run(t, server, filepath.Join(dir, "log"))
	if m.db, err = sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/", m.port)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.db.Close() })
	waitFor(t, filepath.Join(dir, "log"), m.db.PingContext)
	return m
}

// installMariaDB installs the server's package if need be.
func installMariaDB(t testing.TB) {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	for _, program := range []string{"mariadb-install-db", "mariadbd"} {
		if _, err := exec.LookPath(program); err != nil {
			install(t, "mariadb-server")
			return
		}
	}
}

// URL is the address of a database of the server, for user root.
func (m *MariaDB) URL(database string) string {
	return fmt.Sprintf("mariadb://root@127.0.0.1:%d/%s", m.port, database)
}

// NewDatabase makes an empty database and returns its address.
func (m *MariaDB) NewDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("lake%d", m.next.Add(1))
	if _, err := m.db.Exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4"); err != nil {
		t.Fatal(err)
	}
	return m.URL(name)
}

// Exec runs a statement in a database of the server, given by its address.
func (m *MariaDB) Exec(t testing.TB, url string, statements ...string) {
	t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s", m.port, filepath.Base(url)))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}
