package rulefile

import (
	"strings"

	"github.com/millrace/millrace/sdk/fault"
)

// sources checks where a side's rows come from, beyond a file of columns with names.
func (c *checker) sources(path string, s *Side) {
	if d := s.Database; d != nil {
		if s.File != "" || s.Table != "" {
			c.say(path+".database", "a side is a file, a table or a query, not several of them")
		}
		if s.Quarantine > 0 || s.CSV.Delimiter != "" || s.Fixed != nil || s.Format != "auto" {
			c.say(path+".database", "format, csv, fixed and quarantine have no effect on a query")
		}
		if err := d.Check(); err != nil {
			c.say(path+".database", "%s", strings.TrimPrefix(err.Error(), "database: "))
		}
		if len(d.Ref) == 0 {
			c.say(path+".database.ref", "name the columns that tell rows apart")
		}
	}
	switch {
	case s.Fixed != nil && s.Format != "fixed" && s.Format != "auto":
		c.say(path+".fixed", "has no effect on format %s", s.Format)
	case s.Fixed == nil && s.Format == "fixed":
		c.say(path+".format", "fixed needs the key fixed, which says where columns stand")
	case s.Fixed != nil:
		if err := s.Fixed.Validate(); err != nil && fault.Of(err) == fault.Usage {
			for _, line := range strings.Split(err.Error(), "\n") {
				c.say(path+".fixed", "%s", line)
			}
		}
	}
}

// FormatOf is how a side's files are written, "" where their names say it.
func (s *Side) FormatOf() string {
	switch {
	case s.Fixed != nil:
		return "fixed"
	case s.Format == "auto":
		return ""
	}
	return s.Format
}
