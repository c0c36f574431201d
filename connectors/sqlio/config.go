package sqlio

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// DefaultTimeout is how long a query and the reading of its rows may take by default.
const DefaultTimeout = 15 * time.Minute

// Config says where the database is and what is asked. Its tags are those of rule files.
type Config struct {
	URL     string        `yaml:"url" required:"true" doc:"postgres://user@host:5432/name or mariadb://user@host:3306/name; take the password from the environment, as ${DB_PASSWORD}"`
	Query   string        `yaml:"query" required:"true" doc:"one SELECT; its columns are the source's"`
	Ref     []string      `yaml:"ref" required:"true" doc:"columns of the query that tell its rows apart: a break shows them"`
	Timeout time.Duration `yaml:"timeout" default:"15m" doc:"longest time of the query and of reading its rows"`
	Floats  []string      `yaml:"floats" doc:"columns of FLOAT or DOUBLE that may be read, though they are not exact"`
}

// readOnly is how a query begins that can only read: a courtesy, the transaction is what holds.
var readOnly = regexp.MustCompile(`(?is)^[\s(]*(select|with|values|table)\b`)

// Check reports what is wrong with the configuration, as a fault.Usage, without reaching out.
func (c Config) Check() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil: // the error would show the password
		return fault.Usagef("database: its url cannot be read; special characters of a password are written as %%40 and so on")
	case !slices.Contains([]string{"postgres", "postgresql", "mariadb", "mysql"}, u.Scheme) || u.Host == "" || strings.Trim(u.Path, "/") == "":
		return fault.Usagef("database: write its url as postgres://user@host:5432/name or mariadb://user@host:3306/name")
	case !readOnly.MatchString(c.Query):
		return fault.Usagef("database: the query must be one SELECT")
	case c.Timeout < 0:
		return fault.Usagef("database: timeout must not be negative")
	}
	return nil
}

// Place is the database's address without user, password and settings.
func (c Config) Place() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "a database"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// asked is the query in an error: one line, of a length that can be read.
func (c Config) asked() string {
	text := strings.Join(strings.Fields(c.Query), " ")
	if r := []rune(text); len(r) > 120 {
		return string(r[:120]) + "…"
	}
	return text
}

func (c Config) timeout() time.Duration {
	if c.Timeout == 0 {
		return DefaultTimeout
	}
	return c.Timeout
}

// late is the error of a query that took too long.
func (c Config) late() error {
	return fault.Retryablef("it took longer than its timeout of %s", c.timeout())
}
