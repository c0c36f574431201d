package testservers

import "testing"

func TestMariaDB(t *testing.T) {
	t.Parallel()
	m := StartMariaDB(t)
	first, second := m.NewDatabase(t), m.NewDatabase(t)
	if first == second {
		t.Fatal("two databases have one address")
	}
	m.Exec(t, first, "CREATE TABLE t (n INT)", "INSERT INTO t VALUES (1)")
}
