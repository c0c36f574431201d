package catalog

import (
	"regexp"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
)

// Table names become paths and SQL values of several engines, so they are kept plain.
var namePart = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*$`)

// checkTableName accepts "namespace.table" with any number of namespace parts.
func checkTableName(name string) error {
	parts := strings.Split(name, ".")
	if len(parts) < 2 {
		return fault.Usagef("table name %q: write namespace.table, such as ledger.entries", name)
	}
	return checkNameParts(name, parts)
}

func checkNamespace(name string) error { return checkNameParts(name, strings.Split(name, ".")) }

func checkNameParts(name string, parts []string) error {
	for _, p := range parts {
		if !namePart.MatchString(p) || len(p) > 100 {
			return fault.Usagef("name %q: %q is not a plain name: use letters, digits, _ and - (at most 100)", name, p)
		}
	}
	return nil
}

// splitName cuts "a.b.t" into the namespace "a.b" and the table "t".
func splitName(name string) (namespace, table string) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

func identifier(name string) []string { return strings.Split(name, ".") }
