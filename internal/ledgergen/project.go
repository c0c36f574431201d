package ledgergen

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// ProjectTables is the section ingest.tables of a project file over the bank, as the stream
// begins. more has the settings of a table beside its key and columns, in YAML's flow style, such as "append_only: true".
func ProjectTables(more map[string][]string) string {
	var b strings.Builder
	b.WriteString("  tables:\n")
	for _, table := range TableNames() {
		fmt.Fprintf(&b, "    %s:\n      key: [%s]\n      columns:\n", table, Key(table))
		for _, f := range Schema(table).Fields() {
			null := ""
			if f.Nullable {
				null = " null"
			}
			fmt.Fprintf(&b, "        - %s %s%s\n", f.Name, projectType(f.Type), null)
		}
		for _, line := range more[table] {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	return b.String()
}

// projectType is a type as project files write it.
func projectType(t arrow.DataType) string {
	if d, ok := t.(*arrow.Decimal128Type); ok {
		return fmt.Sprintf("decimal(%d,%d)", d.Precision, d.Scale)
	}
	switch t.ID() {
	case arrow.TIMESTAMP:
		return "timestamp"
	case arrow.DATE32:
		return "date"
	case arrow.INT64:
		return "bigint"
	case arrow.INT32:
		return "int"
	}
	return "text"
}
