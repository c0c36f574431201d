package project_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/project"
)

func TestMistakesOfFeaturesAndExport(t *testing.T) {
	t.Parallel()
	const head = `name: x
lake: {catalog: "sqlite://c.db", warehouse: "file://w"}
`
	for text, want := range map[string]string{
		"features: {table: daily}":                                 `"daily" is not a table; write namespace.name`,
		"features: {table: ledger.entries}":                        "is a table of the ledger itself",
		"features: {time_zone: Europe/Prag}":                       `"Europe/Prag" is not a time zone`,
		"features: {buckets: -1}":                                  "must not be negative",
		"features: {as_of: today}":                                 "as_of",
		"export: {format: xlsx}":                                   "xlsx",
		"export: {to: s3://bucket}":                                "needs the settings lake.s3",
		"export: {to: out}":                                        "is not a location",
		"export: {max_file_size: 1KiB}":                            "is too small",
		"features: {accounts: none, known_at: commit}\nexport: {}": "",
	} {
		_, err := project.Parse("millrace.yaml", []byte(head+text+"\n"), func(string) (string, bool) { return "", false })
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "millrace.yaml:3")):
			t.Errorf("%s: %v", text, err)
		}
	}
}
