package rulefile

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/connectors/fixedio"
	"github.com/millrace/millrace/connectors/lineageio"
	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/connectors/sqlio"
	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/sdk/fault"
)

// File is a rule file.
type File struct {
	Name     string    `yaml:"name" required:"true" doc:"what the reconciliation is called: part of every break's identity, so keep it"`
	Sides    []Side    `yaml:"sides" required:"true" doc:"two or more accounts of the same movements"`
	Legs     []Leg     `yaml:"legs" doc:"which sides are compared; default each with the next"`
	Passes   []Pass    `yaml:"passes" required:"true" doc:"how rows match, step by step; each looks at what the steps before it left"`
	Calendar *Calendar `yaml:"calendar" doc:"business days; default Monday to Friday"`
	Rates    *Rates    `yaml:"rates" doc:"exchange rates by date"`
	Timing   []Timing  `yaml:"timing" doc:"when rows are expected on the other side: until then a missing row is a difference of timing"`
	FeeFX    *Residual `yaml:"fee_fx" doc:"largest difference of amounts that counts as a fee or a difference of exchange rates"`
	Classes  []Class   `yaml:"classes" doc:"break classes of your own; the first whose condition holds is taken"`

	Compare string `yaml:"compare" default:"rows" enum:"rows|tree" doc:"tree: add both sides up first and compare rows only where their sums differ; matches are counted, not listed"`

	Proofs []Proof `yaml:"proofs" doc:"what must hold of the sides beside their matching: balances, control totals, sequences, files received"`

	Reports []string          `yaml:"reports" enum:"parquet|xlsx|json" doc:"breaks in more forms beside breaks.csv: breaks.parquet, breaks.xlsx, breaks.ndjson"`
	Notify  []notifyio.Config `yaml:"notify" doc:"who is told how a run ended"`
	Lineage *lineageio.Config `yaml:"lineage" doc:"where OpenLineage events go"`

	Life   *Life   `yaml:"life" doc:"keep breaks over nights in the lake: ages, owners, matches and write-offs by hand"`
	Follow *Follow `yaml:"follow" doc:"how sides are reconciled while they grow, by reconcile --follow"`

	path  string
	where strictyaml.Where
}

// Side is one account of the movements.
type Side struct {
	Name   string `yaml:"name" required:"true" doc:"such as ledger or bank"`
	File   string `yaml:"file" doc:"path or s3:// location, its last part may be a pattern; or give --side NAME=PATH"`
	Table  string `yaml:"table" doc:"a table of the lake, such as ledger.entries, instead of a file"`
	Format string `yaml:"format" default:"auto" enum:"auto|csv|parquet|statement|fixed" doc:"auto: by the file's name; fixed: columns at fixed places; statement: SWIFT MT940/942, camt, BAI2, NACHA and OFX, by the file's bytes"`
	// Database is a query, instead of a file.
	Database *sqlio.Config `yaml:"database" doc:"a query of PostgreSQL or MariaDB, instead of a file"`
	// Fixed is how fixed-width files are written.
	Fixed   *fixedio.Layout   `yaml:"fixed" doc:"how fixed-width files are written"`
	Where   string            `yaml:"where" doc:"which rows count: a condition over the source's own columns"`
	CSV     CSV               `yaml:"csv" doc:"how CSV files are written"`
	Columns map[string]Column `yaml:"columns" doc:"columns by the names that passes use; amount, currency and date are known by their names"`
	// Quarantine is how many records may be set aside.
	Quarantine int64 `yaml:"quarantine" default:"0" doc:"most records that may be set aside because they cannot be read; 0 refuses the side at the first"`
}

// CSV says how CSV files are written.
type CSV struct {
	Delimiter string `yaml:"delimiter" doc:"character between fields; default a comma"`
	Encoding  string `yaml:"encoding" default:"utf-8" enum:"utf-8|latin-1" doc:"how text is encoded"`
	SkipLines int    `yaml:"skip_lines" default:"0" doc:"lines before the header"`
}

// Column says how a column is made of its source's.
type Column struct {
	From string `yaml:"from" doc:"the source's column; default the same name"`
	Is   string `yaml:"is" doc:"the same text in every row, where the source has no such column"`
	Type string `yaml:"type" default:"auto" enum:"auto|text|number|date" doc:"auto: amount is a number, date a date, all others text"`

	KeepBlanks bool   `yaml:"keep_blanks" doc:"text: keep blanks around and within; default dropped around, one within"`
	Extract    string `yaml:"extract" doc:"text: a regular expression; what its first group matches is kept"`
	Keep       string `yaml:"keep" default:"all" enum:"all|digits|alphanumeric" doc:"text: which characters are kept"`
	StripZeros bool   `yaml:"strip_zeros" doc:"text: drop zeros in front"`
	Case       string `yaml:"case" default:"any" enum:"any|upper|lower" doc:"text: write all letters so"`

	Sign         string   `yaml:"sign" default:"as_is" enum:"as_is|negated" doc:"number: negated where this side's debit is the other's credit"`
	Debit        string   `yaml:"debit" doc:"number: column of amounts that count negative, beside credit"`
	Credit       string   `yaml:"credit" doc:"number: column of amounts that count positive, beside debit"`
	Indicator    string   `yaml:"indicator" doc:"number: column that says debit or credit of an amount without a sign"`
	DebitWhen    []string `yaml:"debit_when" doc:"number: values of indicator that make it negative; default D, DR, DBIT"`
	MinorUnits   int      `yaml:"minor_units" default:"0" doc:"number: digits that stand behind the point though there is none: 2 makes 12345 of cents 123.45"`
	DecimalMark  string   `yaml:"decimal_mark" doc:"number: character before decimals; default a point"`
	GroupMark    string   `yaml:"group_mark" doc:"number: character between thousands"`
	Brackets     bool     `yaml:"brackets" doc:"number: (12.00) is negative"`
	TrailingSign bool     `yaml:"trailing_sign" doc:"number: the sign may stand behind, as 12.00-"`

	Layouts  []string `yaml:"layouts" doc:"date: how texts are written, as Go's layout 02.01.2006; default 2006-01-02"`
	TimeZone string   `yaml:"time_zone" default:"UTC" doc:"date: where an instant's day is taken, such as Europe/Prague"`
}

// Leg is two sides that are compared.
type Leg struct {
	Name  string `yaml:"name" doc:"default LEFT-RIGHT"`
	Left  string `yaml:"left" required:"true" doc:"a side's name"`
	Right string `yaml:"right" required:"true" doc:"another side's name"`
}

// Pass is a step of matching.
type Pass struct {
	Name        string               `yaml:"name" required:"true" doc:"what the pass is called in matches and breaks"`
	Match       string               `yaml:"match" default:"pairs" enum:"pairs|sums|subset|fuzzy" doc:"pairs: one row with one; sums: all rows of a key; subset: the only rows that add up; fuzzy: texts that are alike"`
	Cardinality string               `yaml:"cardinality" default:"auto" enum:"auto|1:1|1:N|N:1|N:M" doc:"rows on the left : rows on the right; auto: 1:1 for pairs and fuzzy, N:M for sums"`
	Legs        []string             `yaml:"legs" doc:"only in these legs; default in all"`
	Keys        []string             `yaml:"keys" doc:"columns that must be equal, and not blank"`
	Equal       []string             `yaml:"equal" doc:"columns that must be equal too; where only these differ the break is of class status"`
	Tolerance   string               `yaml:"tolerance" default:"0" doc:"largest difference of amounts that matches, such as 0.01"`
	Percent     string               `yaml:"tolerance_percent" default:"0" doc:"the same in percent of the larger amount; the larger of both tolerances counts"`
	Numbers     map[string]Tolerance `yaml:"numbers" doc:"other columns of numbers that are compared, each with its tolerance"`
	Dates       map[string]Window    `yaml:"dates" doc:"columns of dates that are compared, each with its window"`
	Convert     bool                 `yaml:"convert" doc:"compare amounts of different currencies by rates"`
	Weights     *Weights             `yaml:"weights" doc:"make one cost of differences of amounts and days; default amounts first, then days"`
	Ties        string               `yaml:"ties" default:"ambiguous" enum:"ambiguous|in_order" doc:"candidates that are equally good: ambiguous takes none, in_order the first by amount, date, texts and place"`
	Near        string               `yaml:"near" default:"auto" enum:"auto|yes|no" doc:"whether rows with equal keys that do not match are one break; auto: of sums, and of the first pairs with keys"`
	MaxRows     int                  `yaml:"max_rows" default:"24" doc:"subset: most rows that one sum is searched in, 2 to 40"`
	Texts       []string             `yaml:"texts" doc:"fuzzy: columns whose texts are compared"`
	Similarity  int                  `yaml:"similarity" default:"850" doc:"fuzzy: least likeness in thousandths"`
	Measure     string               `yaml:"measure" default:"jaro-winkler" enum:"jaro-winkler|damerau-levenshtein" doc:"fuzzy: how likeness is measured"`
	Confirm     bool                 `yaml:"confirm" doc:"fuzzy: match what is alike, instead of suggesting it"`
}

// Tolerance is the largest difference of a number.
type Tolerance struct {
	Absolute string `yaml:"absolute" default:"0" doc:"such as 0.01"`
	Percent  string `yaml:"percent" default:"0" doc:"of the larger value"`
}

// Window says how far the right side's date may lie from the left's.
type Window struct {
	Before int    `yaml:"before" default:"0" doc:"most days that the right side may be earlier"`
	After  int    `yaml:"after" default:"0" doc:"most days that it may be later"`
	Days   string `yaml:"days" default:"calendar" enum:"calendar|business" doc:"which days are counted"`
}

// Weights make one cost of differences.
type Weights struct {
	Amount int64 `yaml:"amount" default:"1" doc:"for each smallest unit of the amounts"`
	Day    int64 `yaml:"day" default:"1" doc:"for each day"`
}

// Calendar says which days are business days.
type Calendar struct {
	Weekend  []string `yaml:"weekend" doc:"days of the week, such as saturday; default saturday, sunday"`
	Holidays []string `yaml:"holidays" doc:"days such as 2026-12-25"`
}

// Rates are exchange rates by date.
type Rates struct {
	Base string `yaml:"base" required:"true" doc:"the currency that the rates lead to"`
	File string `yaml:"file" required:"true" doc:"CSV with a header and the columns date, currency, rate: units of base for one unit of currency"`
}

// Timing says when the rows of a side are expected on the other.
type Timing struct {
	Side   string `yaml:"side" required:"true" doc:"whose rows: a side's name"`
	Within int    `yaml:"within" required:"true" doc:"days after which the other side has them"`
	Days   string `yaml:"days" default:"business" enum:"calendar|business" doc:"which days are counted"`
	Column string `yaml:"column" default:"date" doc:"the date from which it is counted"`
}

// Residual is the largest difference of amounts that is a fee or a difference of rates.
type Residual struct {
	Absolute string `yaml:"absolute" default:"0" doc:"such as 15.00"`
	Percent  string `yaml:"percent" default:"0" doc:"of the larger amount"`
}

// Class is a break class of one's own.
type Class struct {
	Name string `yaml:"name" required:"true" doc:"such as bank_charge"`
	When string `yaml:"when" required:"true" doc:"a condition over class, rule, key, amount_left, amount_right, difference, days, currency_left, …, and each column as left_NAME and right_NAME"`
}

// Load reads a rule file. lookup gives environment variables (os.LookupEnv).
func Load(path string, lookup func(string) (string, bool)) (*File, []byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fault.Usagef("rule file %s does not exist", path)
	}
	if err != nil {
		return nil, nil, fault.Usagef("read rule file: %w", err)
	}
	f, err := Parse(path, data, lookup)
	return f, data, err
}

// Parse is Load over bytes; path names them in messages, and is what relative paths start from.
func Parse(path string, data []byte, lookup func(string) (string, bool)) (*File, error) {
	f := &File{path: path}
	where, problems := strictyaml.Decode(path, data, lookup, f)
	f.where = where
	if len(problems) == 0 {
		problems = f.check()
	}
	if len(problems) == 0 {
		return f, nil
	}
	slices.SortStableFunc(problems, func(a, b strictyaml.Problem) int { return cmp.Compare(a.Line, b.Line) })
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.Error()
	}
	return nil, fault.Usagef("%s", strings.Join(lines, "\n"))
}

// Path makes a path relative to the rule file's folder absolute to the caller's. Locations such as s3:// are returned as they are.
func (f *File) Path(location string) string {
	if location == "" || strings.Contains(location, "://") || filepath.IsAbs(location) {
		return location
	}
	return filepath.Join(filepath.Dir(f.path), location)
}

// Side finds a side by its name; nil if there is none.
func (f *File) Side(name string) *Side {
	for i := range f.Sides {
		if f.Sides[i].Name == name {
			return &f.Sides[i]
		}
	}
	return nil
}

// JSONSchema describes rule files for editors.
func JSONSchema() ([]byte, error) {
	return strictyaml.JSONSchema(&File{}, "Millrace reconciliation rules")
}
