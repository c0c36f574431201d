package dataset

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/expr"
)

// plus adds names that are not in the list yet. A nil list stands for all and stays nil.
func plus(list []string, names ...string) []string {
	if list == nil {
		return nil
	}
	list = slices.Clone(list)
	for _, n := range names {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

func subset(a, b []string) bool {
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}

func fieldNames(s *arrow.Schema) []string {
	names := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		names[i] = f.Name
	}
	return names
}

// narrow is the schema with only the needed fields, in its own order; nil needs all. At
// least one field stays, so that rows can be counted.
func narrow(s *arrow.Schema, need []string) *arrow.Schema {
	if need == nil {
		return s
	}
	var fields []arrow.Field
	for _, f := range s.Fields() {
		if slices.Contains(need, f.Name) {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 && s.NumFields() > 0 {
		fields = append(fields, s.Field(0))
	}
	return arrow.NewSchema(fields, nil)
}

func projectNames(items []expr.Named) []string {
	names := make([]string, len(items))
	for i, it := range items {
		names[i] = it.Name
	}
	return names
}

// columnOf is the name of the column that e copies; "" if it computes something.
func columnOf(e expr.Expr) string {
	if names := e.Columns(); len(names) == 1 && e.Equal(expr.Col(names[0])) {
		return names[0]
	}
	return ""
}

// outOfProject are the names that columns have after a projection, up to the first that is lost.
func outOfProject(items []expr.Named, columns []string) []string {
	var out []string
	for _, c := range columns {
		at := slices.IndexFunc(items, func(i expr.Named) bool { return columnOf(i.Expr) == c })
		if at < 0 {
			break
		}
		out = append(out, items[at].Name)
	}
	return out
}

// throughProject are the names that columns had before a projection, up to the first that it computes.
func throughProject(items []expr.Named, columns []string) []string {
	var out []string
	for _, c := range columns {
		at := slices.IndexFunc(items, func(i expr.Named) bool { return i.Name == c && columnOf(i.Expr) != "" })
		if at < 0 {
			break
		}
		out = append(out, columnOf(items[at].Expr))
	}
	return out
}
