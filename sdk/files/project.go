package files

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
)

// Project is the schema of some of a schema's columns, in the order asked for; nil means all of them. A column
// that is not there is a fault.Usage that lists those that are. Metadata stays.
func Project(schema *arrow.Schema, columns []string) (*arrow.Schema, error) {
	if columns == nil {
		return schema, nil
	}
	fields := make([]arrow.Field, 0, len(columns))
	for _, name := range columns {
		found, ok := schema.FieldsByName(name)
		if !ok {
			names := make([]string, schema.NumFields())
			for i, f := range schema.Fields() {
				names[i] = f.Name
			}
			return nil, fault.Usagef("there is no column %q; there are %s", name, strings.Join(names, ", "))
		}
		fields = append(fields, found[0])
	}
	meta := schema.Metadata()
	return arrow.NewSchema(fields, &meta), nil
}
