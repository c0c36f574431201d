package ingest

import (
	"testing"

	"github.com/millrace/millrace/internal/project"
)

func TestTheTablesOfTheTemplate(t *testing.T) {
	t.Parallel()
	f, err := project.Parse("millrace.yaml", []byte(project.Template), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	tables, err := projectTables(f)
	if err != nil || len(tables) != 2 || tables[1].BucketBy != "account_id" || !tables[1].AppendOnly || !tables[0].Mirror {
		t.Fatalf("%v %+v", err, tables)
	}
}
