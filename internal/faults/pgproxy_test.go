package faults_test

import (
	"bufio"
	"context"
	"database/sql"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/faults"
	"github.com/millrace/millrace/internal/testservers"
)

// TestCommitsAreSpoilt commits through the proxy and looks, past it, at what the server did.
func TestCommitsAreSpoilt(t *testing.T) {
	direct := testservers.StartPostgreSQL(t).NewDatabase(t)
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	server, err := sql.Open("pgx", direct)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := server.Exec("CREATE TABLE t (n int)"); err != nil {
		t.Fatal(err)
	}
	p, err := faults.StartPostgresProxy(u.Host, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	u.Host = p.Addr()
	for i, c := range []struct {
		rules     []faults.CommitRule
		fails     bool
		committed bool
	}{
		{nil, false, true},
		{[]faults.CommitRule{{Fault: faults.CommitLost}}, true, false},
		{[]faults.CommitRule{{Fault: faults.CommitReplyLost}}, true, true},
		{[]faults.CommitRule{{Fault: faults.CommitLate, Delay: time.Millisecond}}, true, true},
		{[]faults.CommitRule{{Fault: faults.CommitLost, When: faults.When{Skip: 1}}}, false, true},
	} {
		p.SetRules(c.rules...)
		client, err := sql.Open("pgx", u.String())
		if err != nil {
			t.Fatal(err)
		}
		tx, err := client.Begin()
		if err == nil {
			_, err = tx.Exec("INSERT INTO t VALUES ($1)", i)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); (err != nil) != c.fails {
			t.Errorf("%+v: commit: %v", c.rules, err)
		}
		client.Close()
		if c.committed != appears(t, server, i, c.committed) {
			t.Errorf("%+v: committed %t, want %t", c.rules, !c.committed, c.committed)
		}
		if n := len(p.Counts()); (n > 0) != c.fails {
			t.Errorf("%+v: counts %v", c.rules, p.Counts())
		}
	}
}

// appears looks for a row, for as long as it takes if it must come.
func appears(t *testing.T, db *sql.DB, n int, must bool) bool {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var have int
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM t WHERE n = $1", n).Scan(&have); err != nil {
			t.Error(err)
			return false
		}
		if have > 0 || !must {
			return have > 0
		}
		<-tick.C
	}
}

// FuzzPostgresProxy sends the proxy what no client would send.
func FuzzPostgresProxy(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08\x00\x03\x00\x00Q\x00\x00\x00\x0bcommit\x00"))
	f.Add([]byte("\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x04Q\x7f\xff\xff\xff"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	go func() { // the server
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	p, err := faults.StartPostgresProxy(l.Addr().String(), 1, faults.CommitRule{Fault: faults.CommitLost})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := p.Close(); err != nil {
			f.Error(err)
		}
		l.Close()
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write(data) // the proxy may hang up
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			return
		}
		if text, _ := bufio.NewReader(c).ReadString('\n'); strings.TrimSpace(text) != "" {
			t.Errorf("the proxy says %q", text)
		}
	})
}
