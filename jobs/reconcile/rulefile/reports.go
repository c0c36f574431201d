package rulefile

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/connectors/lineageio"
)

// The files that Reports may name.
const (
	ReportParquet = "parquet" // breaks.parquet
	ReportXLSX    = "xlsx"    // breaks.xlsx
	ReportJSON    = "json"    // breaks.ndjson
)

// reports checks what is written and who is told.
func (c *checker) reports() {
	seen := map[string]bool{}
	for i, r := range c.f.Reports {
		if seen[r] {
			c.say(fmt.Sprintf("reports[%d]", i), "is named twice")
		}
		seen[r] = true
	}
	for i, n := range c.f.Notify {
		if err := n.Check(); err != nil {
			c.say(fmt.Sprintf("notify[%d]", i), "%v", err)
		}
	}
	if c.f.Lineage != nil {
		if _, err := lineageio.New(*c.f.Lineage); err != nil {
			c.say("lineage", "%s", strings.TrimPrefix(err.Error(), "lineage: "))
		}
	}
}

// Kind is what a column holds, by the name that the rules give it: text, number or date.
func (col Column) Kind(name string) string { return col.kind(name) }
