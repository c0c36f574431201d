package sqlio_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/sqlio"
	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/sdk/fault"
)

// servers are shared by the tests of this package.
type servers struct {
	mariadb  *testservers.MariaDB
	postgres *testservers.PostgreSQL
}

// database is an empty database of each kind, by its URL, with a way to change it.
type database struct {
	kind, url string
	exec      func(t testing.TB, statements ...string)
}

func (s *servers) databases(t testing.TB) []database {
	t.Helper()
	my, pg := s.mariadb.NewDatabase(t), s.postgres.NewDatabase(t)
	return []database{
		{"mariadb", my, func(t testing.TB, statements ...string) { t.Helper(); s.mariadb.Exec(t, my, statements...) }},
		{"postgres", pg, func(t testing.TB, statements ...string) {
			t.Helper()
			db, err := sql.Open("pgx", pg)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, s := range statements {
				if _, err := db.Exec(s); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
		}},
	}
}

func TestDatabases(t *testing.T) {
	t.Parallel()
	s := &servers{testservers.StartMariaDB(t), testservers.StartPostgreSQL(t)}
	t.Run("types", func(t *testing.T) { testTypes(t, s) })
	for name, test := range map[string]func(*testing.T, database){
		"one state": testOneState, "read only": testReadOnly, "batches": testBatches, "time-out": testTimeout, "cancelled": testCancelled, "mistakes": testMistakes,
	} {
		for _, d := range s.databases(t) {
			t.Run(name+"/"+d.kind, func(t *testing.T) { test(t, d) })
		}
	}
}

// query reads all rows as text.
func query(ctx context.Context, url, text string, change ...func(*sqlio.Config)) (rows []string, schema string, err error) {
	c := sqlio.Config{URL: url, Query: text}
	for _, f := range change {
		f(&c)
	}
	r, err := sqlio.Open(ctx, c, sqlio.Options{BatchRows: 2})
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	var fields []string
	for _, f := range r.Schema().Fields() {
		fields = append(fields, f.Name+" "+f.Type.String())
	}
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, strings.Join(fields, ", "), nil
		}
		if err != nil {
			return rows, strings.Join(fields, ", "), err
		}
		for i := range int(b.NumRows()) {
			var cells []string
			for _, c := range b.Columns() {
				cells = append(cells, c.ValueStr(i))
			}
			rows = append(rows, strings.Join(cells, "|"))
		}
		b.Release()
	}
}

// Every value comes with exactly the digits and the instant that the database holds.
func testTypes(t *testing.T, s *servers) {
	t.Parallel()
	for _, d := range s.databases(t) {
		bigint, big := "BIGINT", "NUMERIC"
		if d.kind == "mariadb" {
			bigint, big = "BIGINT UNSIGNED", "DECIMAL(60,2)"
			d.exec(t, "SET GLOBAL time_zone = '+05:00'")
		}
		d.exec(t, fmt.Sprintf("CREATE TABLE t (id INT, n DECIMAL(38,2), m %s, b %s, d DATE, c TIMESTAMP(6) NULL, s VARCHAR(20), f DOUBLE PRECISION)", big, bigint),
			"INSERT INTO t VALUES (-1, 123456789012345678901234567890123456.78, 12345678901234567.89, 9223372036854775807, '2026-03-31', '2026-03-31 23:59:59.123456', 'Žižka', 0.5)",
			"INSERT INTO t VALUES (2, -0.01, 0, 0, '0001-01-01', NULL, '', 1e300)", "INSERT INTO t VALUES (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)")
		rows, schema, err := query(t.Context(), d.url, "SELECT id, n, m, b, d, c, s FROM t ORDER BY id IS NULL, id")
		if err != nil {
			t.Fatal(d.kind, err)
		}
		want := []string{"-1|123456789012345678901234567890123456.78|12345678901234567.89|9223372036854775807|2026-03-31|2026-03-31T23:59:59.123456|Žižka",
			"2|-0.01|0|0|0001-01-01|(null)|", "(null)|(null)|(null)|(null)|(null)|(null)|(null)"}
		wantSchema := "id int64, n decimal(38, 2), m decimal(38, 2), b decimal(20, 0), d date32, c timestamp[us, tz=UTC], s utf8"
		if d.kind == "mariadb" { // a TIMESTAMP is an instant, told in UTC whatever the session's zone was when it was written
			want[0] = strings.Replace(want[0], "23:59:59.123456", "18:59:59.123456Z", 1)
			d.exec(t, "SET GLOBAL time_zone = SYSTEM")
		} else {
			wantSchema = "id int64, n decimal(38, 2), m utf8, b int64, d date32, c timestamp[us], s utf8"
		}
		if schema != wantSchema {
			t.Errorf("%s: %s", d.kind, schema)
		}
		if strings.Join(rows, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", d.kind, strings.Join(rows, "\n"), strings.Join(want, "\n"))
		}
		if _, _, err := query(t.Context(), d.url, "SELECT f FROM t"); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "column f is ") || !strings.Contains(err.Error(), "not exact: cast it to DECIMAL, or name it in floats") {
			t.Errorf("%s: %v", d.kind, err)
		}
		floats := func(c *sqlio.Config) { c.Floats = []string{"f"} }
		if rows, schema, err := query(t.Context(), d.url, "SELECT f FROM t WHERE id = -1", floats); err != nil || rows[0] != "0.5" || schema != "f utf8" {
			t.Errorf("%s: %q, %v", d.kind, rows, err)
		}
		if _, _, err := query(t.Context(), d.url, "SELECT f FROM t WHERE id = 2", floats); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "row 1: column f: ") {
			t.Errorf("%s: a number beyond 38 digits: %v", d.kind, err)
		}
	}
	for _, c := range []struct{ kind, query, says string }{
		{"postgres", "SELECT 1::money AS m", "column m is MONEY"}, {"postgres", "SELECT 'a'::bytea AS m", "column m is BYTEA: cast it"},
		{"postgres", "SELECT 'NaN'::numeric AS m", "is no decimal"}, {"postgres", "SELECT 'infinity'::date AS m", `"infinity" is no date`},
		{"postgres", "SELECT 'infinity'::timestamptz AS m", "is no time in UTC"},
		{"postgres", "SELECT 1e50::numeric(60,0) AS m", "is no decimal of 38 digits"}, {"mariadb", "SELECT CAST('a' AS BINARY) AS m", "column m is "}, {"mariadb", "SELECT b'1' AS m", "column m is "},
	} {
		for _, d := range s.databases(t) {
			if d.kind != c.kind {
				continue
			}
			if _, _, err := query(t.Context(), d.url, c.query); err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %s", c.query, err, c.says)
			}
		}
	}
	for _, d := range s.databases(t) {
		if d.kind == "postgres" {
			rows, schema, err := query(t.Context(), d.url, "SELECT timestamptz '2026-03-31 12:00:00.5+02' AS at, true AS yes, 'x'::char(3) AS c, array[1,2] AS a")
			if err != nil || rows[0] != "2026-03-31T10:00:00.5Z|t|x  |{1,2}" || !strings.HasPrefix(schema, "at timestamp[us, tz=UTC], yes utf8") {
				t.Errorf("%q, %s, %v", rows, schema, err)
			}
			continue
		}
		d.exec(t, "CREATE TABLE z (d DATE)", "SET @@sql_mode = ''", "INSERT IGNORE INTO z VALUES ('0000-00-00')")
		if _, _, err := query(t.Context(), d.url, "SELECT d FROM z"); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), `"0000-00-00" is no date`) {
			t.Errorf("a zero date: %v", err)
		}
	}
}

// The query sees one state of the database, also while others write.
func testOneState(t *testing.T, d database) {
	t.Parallel()
	d.exec(t, "CREATE TABLE t (n INT)", "INSERT INTO t VALUES (1),(2),(3),(4),(5),(6)")
	r, err := sqlio.Open(t.Context(), sqlio.Config{URL: d.url, Query: "SELECT n FROM t ORDER BY n"}, sqlio.Options{BatchRows: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sum, n := int64(0), 0
	for {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			d.exec(t, "DELETE FROM t WHERE n > 3", "INSERT INTO t VALUES (100)")
		}
		n += int(b.NumRows())
		for i := range int(b.NumRows()) {
			var v int64
			if _, err := fmt.Sscan(b.Column(0).ValueStr(i), &v); err != nil {
				t.Fatal(err)
			}
			sum += v
		}
		b.Release()
	}
	if n != 6 || sum != 21 || r.Counts().Rows != 6 {
		t.Errorf("%d rows, sum %d", n, sum)
	}
}

// Nothing can be written, whatever the query is.
func testReadOnly(t *testing.T, d database) {
	t.Parallel()
	d.exec(t, "CREATE TABLE t (n INT)", "INSERT INTO t VALUES (1)")
	queries := []string{"DELETE FROM t", "SELECT 1; DELETE FROM t", "UPDATE t SET n = 2"}
	if d.kind == "postgres" {
		d.exec(t, "CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM t; SELECT 1'")
		queries = append(queries, "WITH gone AS (DELETE FROM t RETURNING n) SELECT n FROM gone", "SELECT wipe() AS n")
	} else {
		d.exec(t, "CREATE FUNCTION wipe() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM t; RETURN 1; END")
		queries = append(queries, "SELECT wipe() AS n", "SELECT n FROM t INTO OUTFILE 'x'")
	}
	for _, q := range queries {
		if _, _, err := query(t.Context(), d.url, q); err == nil || fault.Of(err) == fault.Retryable {
			t.Errorf("%s: %v (%v)", q, err, fault.Of(err))
		}
	}
	if rows, _, err := query(t.Context(), d.url, "SELECT n FROM t"); err != nil || strings.Join(rows, " ") != "1" {
		t.Errorf("the table holds %q, %v", rows, err)
	}
}

func testBatches(t *testing.T, d database) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 5} {
		rows, _, err := query(t.Context(), d.url, fmt.Sprintf("WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 5) SELECT n FROM s WHERE n <= %d ORDER BY n", n))
		if err != nil || strings.Join(rows, "") != "12345"[:n] {
			t.Errorf("%d: %q, %v", n, rows, err)
		}
	}
}

// slow is a query that takes a minute.
func slow(d database) string {
	if d.kind == "postgres" {
		return "SELECT pg_sleep(60) AS n"
	}
	return "SELECT SLEEP(60) AS n"
}

func testTimeout(t *testing.T, d database) {
	t.Parallel()
	_, _, err := query(t.Context(), d.url, slow(d), func(c *sqlio.Config) { c.Timeout = 100 * time.Millisecond })
	if err == nil || !fault.IsRetryable(err) || !strings.Contains(err.Error(), "it took longer than its timeout of 100ms") {
		t.Errorf("%v (%v)", err, fault.Of(err))
	}
}

func testCancelled(t *testing.T, d database) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		_, _, err := query(ctx, d.url, slow(d))
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "SLEEP(60)") && !strings.Contains(err.Error(), "pg_sleep(60)") {
			t.Errorf("%v", err)
		}
	})
	cancel()
	done.Wait()
}

func testMistakes(t *testing.T, d database) {
	t.Parallel()
	with := func(f func(u *url.URL)) string {
		u, err := url.Parse(d.url)
		if err != nil {
			t.Fatal(err)
		}
		f(u)
		return u.String()
	}
	if d.kind == "mariadb" {
		d.exec(t, "CREATE OR REPLACE USER reader@'127.0.0.1' IDENTIFIED BY 'r1ght'")
	}
	for _, c := range []struct{ name, url, query, says string }{
		{"syntax", d.url, "SELECT FROM WHERE", "SELECT FROM WHERE): "},
		{"a table that is not there", d.url, "SELECT * FROM nowhere", "nowhere"},
		{"a column that is not there", d.url, "SELECT nothing", "nothing"},
		{"two columns of one name", d.url, "SELECT 1 AS n, 2 AS n", `two columns are called "n"`},
		{"a setting", with(func(u *url.URL) { u.RawQuery = "speed=fast" }), "SELECT 1 AS n", ""},
		{"a database that is not there", with(func(u *url.URL) { u.Path = "/nobody" }), "SELECT 1 AS n", "nobody"},
		{"a user that is not there", with(func(u *url.URL) { u.User = url.UserPassword("stranger", "p4ss") }), "SELECT 1 AS n", "stranger"},
	} {
		_, _, err := query(t.Context(), c.url, c.query)
		if err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "p4ss") || !strings.HasPrefix(err.Error(), "query of "+d.kind+"://127.0.0.1:") {
			t.Errorf("%s: %v (%v)", c.name, err, fault.Of(err))
		}
	}
	for what, c := range map[string]func(*sqlio.Config){"ref": func(c *sqlio.Config) { c.Ref = []string{"id"} }, "floats": func(c *sqlio.Config) { c.Floats = []string{"id"} }} {
		if _, _, err := query(t.Context(), d.url, "SELECT 1 AS n", c); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), what+`: the query has no column "id"`) {
			t.Errorf("%v", err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, _, err := query(t.Context(), with(func(u *url.URL) { u.Host = l.Addr().String() }), "SELECT 1 AS n"); !fault.IsRetryable(err) {
		t.Errorf("a dead port: %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]sqlio.Config{
		"its url cannot be read":       {URL: "postgres://u:se%cret@h/d", Query: "SELECT 1"},
		"write its url as":             {URL: "oracle://h/d", Query: "SELECT 1"},
		"or mariadb://user@host":       {URL: "postgres://h", Query: "SELECT 1"},
		"the query must be one SELECT": {URL: "postgres://h/d", Query: "DROP TABLE t"},
		"timeout must not be negative": {URL: "postgres://h/d", Query: "(SELECT 1)", Timeout: -1},
	} {
		if err := c.Check(); err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "cret") {
			t.Errorf("%v, want %s", err, says)
		}
		if _, err := sqlio.Open(t.Context(), c, sqlio.Options{}); err == nil {
			t.Errorf("%s: it was opened", says)
		}
	}
}

func ExampleConfig() {
	c := sqlio.Config{URL: "postgres://reader:s3cret@db.example.com:5432/ledger?sslmode=verify-full", Query: "SELECT id, amount FROM entries WHERE booked = '2026-03-31'"}
	fmt.Println(c.Check(), c.Place())
	// Output: <nil> postgres://db.example.com:5432/ledger
}
