package project

import (
	"strings"

	"github.com/millrace/millrace/internal/strictyaml"
)

// Export says how tables leave the lake as files.
type Export struct {
	To          string          `yaml:"to" doc:"where exports go, each in a folder of its own: file://folder or s3://bucket/prefix; default the folder exports of the warehouse"`
	Format      string          `yaml:"format" default:"parquet" enum:"parquet|csv" doc:"the files' format"`
	MaxFileSize strictyaml.Size `yaml:"max_file_size" default:"256MiB" doc:"size at which an export goes on in another file"`
}

// checkExport finds the mistakes of the section export.
func (f *File) checkExport(say sayer) {
	if f.Export.To != "" {
		f.checkLocation("export.to", f.Export.To, say)
	}
	if f.where["export.max_file_size"] != [2]int{} && f.Export.MaxFileSize < 1<<16 {
		say("export.max_file_size", "is too small; the least is %s", strictyaml.Size(1<<16))
	}
}

// ExportTo is where exports go.
func (f *File) ExportTo() string {
	if f.Export.To != "" {
		return f.Path(f.Export.To)
	}
	return strings.TrimRight(f.Path(f.Lake.Warehouse), "/") + "/exports"
}

// isTableName reports whether a text is a namespace and a name.
func isTableName(s string) bool {
	namespace, name, ok := strings.Cut(s, ".")
	return ok && namespace != "" && name != ""
}

// baseName is a table's name without its namespace.
func baseName(table string) string { return table[strings.LastIndexByte(table, '.')+1:] }
