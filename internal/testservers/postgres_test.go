package testservers

import (
	"database/sql"
	"testing"
)

func TestPostgreSQL(t *testing.T) {
	p := StartPostgreSQL(t)
	first, second := p.NewDatabase(t), p.NewDatabase(t)
	if first == second {
		t.Fatal("two databases have one address")
	}
	db, err := sql.Open("pgx", first)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var one int
	if err := db.QueryRow("SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Fatalf("SELECT 1: %d, %v", one, err)
	}
}
