package reconciliation

import (
	"slices"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// Method is how a pass matches.
type Method string

// The methods.
const (
	// Pairs matches one row with one row: equal keys, the other columns within their tolerances, the least cost first.
	Pairs Method = "pairs"
	// Sums matches all rows of a key on one side with all rows of that key on the other, where their sums agree.
	Sums Method = "sums"
	// Subset matches a row with the only set of rows of the other side that adds up to it.
	Subset Method = "subset"
	// Fuzzy pairs rows whose texts are alike. It suggests, and matches only where Pass.Confirm is set.
	Fuzzy Method = "fuzzy"
)

// Cardinality is how many rows of each side a match may have, left first.
type Cardinality string

// The cardinalities. An N or M may be one.
const (
	OneToOne   Cardinality = "1:1"
	OneToMany  Cardinality = "1:N"
	ManyToOne  Cardinality = "N:1"
	ManyToMany Cardinality = "N:M"
)

func (c Cardinality) mirrored() Cardinality {
	switch c {
	case OneToMany:
		return ManyToOne
	case ManyToOne:
		return OneToMany
	}
	return c
}

// Tolerance is the largest difference that still matches: the larger of an absolute one and of a part of the larger amount.
type Tolerance struct {
	Absolute money.Decimal // 0 or more
	Percent  money.Decimal // of the larger of the two absolute values; 0 or more, below 100
}

func (t Tolerance) check(what string) error {
	hundred := money.FromInt64(100)
	if t.Absolute.Sign() < 0 || t.Percent.Sign() < 0 || t.Percent.Cmp(hundred) >= 0 {
		return fault.Usagef("%s: an absolute tolerance is 0 or more, one in percent 0 or more and below 100", what)
	}
	return nil
}

// NumberTolerance is the tolerance of a column of numbers. Columns that no pass names are not compared.
type NumberTolerance struct {
	Column string
	Tolerance
}

// Window is how far the right side's date may lie from the left's.
type Window struct {
	Column   string // "date", or one of the schema's days
	Before   int    // most days that the right side may be earlier
	After    int    // most days that it may be later
	Business bool   // count business days of Rules.Calendar; a day that is none counts as the last before it
}

// Weights make one cost of differences: Amount for each smallest unit, Day for each day of each window. Without weights
// the difference of amounts is weighed first, and that of days where these are equal.
type Weights struct{ Amount, Day int64 }

// Pass is one step of matching. It looks at the rows that passes before it have left.
type Pass struct {
	Name        string
	Method      Method      // "": Pairs
	Cardinality Cardinality // of Sums and Subset; Pairs and Fuzzy are 1:1
	// Keys are columns that must be equal, and not blank. Rows of two currencies never match, unless Convert is set.
	Keys []string
	// Equal are columns that must be equal to match, but do not tell movements apart: where only they differ the break is a Status.
	Equal     []string
	Tolerance Tolerance // of the amount, or of the sums
	Numbers   []NumberTolerance
	Windows   []Window
	// Convert compares amounts in the base currency of Rules.Rates, each by the rate of its row's date.
	Convert bool
	Weights *Weights
	// InOrder settles candidates of one cost by the total order of rows. Without it they are ambiguous, and none is taken.
	InOrder bool
	// Near says whether rows of one key that do not match become one break, of what differs.
	Near bool
	// MaxRows is the most rows that Subset looks at for one sum: 2 to 40. 0: 24.
	MaxRows int
	// Texts are the columns that Fuzzy compares, joined by a blank; Similarity is the least that counts, in thousandths.
	Texts      []string
	Similarity int
	Measure    Measure // "": JaroWinkler
	Confirm    bool    // Fuzzy matches instead of suggesting
}

// Timing says when a missing row is expected on the other side.
type Timing struct {
	Column   string // of days; "": date
	Left     int    // days after which a row of the left side is on the right
	Right    int    // days after which a row of the right side is on the left
	Business bool
}

// Rules are what matches and what the rest is called.
type Rules struct {
	Name   string // part of every break's identity
	Passes []Pass
	// Calendar counts business days; nil: Saturday and Sunday are none.
	Calendar *Calendar
	Rates    *Rates
	// Timing makes a missing row a break of class TimingDifference until its day has passed; nil: never.
	Timing *Timing
	// Residual is the largest difference of amounts that counts as a fee or a difference of exchange rates; nil: none does.
	Residual *Tolerance
	// AsOf is the day of which the books are; 0 takes the last date of both sides.
	AsOf int32
}

// Mirrored are the rules for the same sides the other way round.
func (r Rules) Mirrored() Rules {
	r.Passes = slices.Clone(r.Passes)
	for i := range r.Passes {
		p := &r.Passes[i]
		p.Cardinality = p.Cardinality.mirrored()
		p.Windows = slices.Clone(p.Windows)
		for j := range p.Windows {
			p.Windows[j].Before, p.Windows[j].After = p.Windows[j].After, p.Windows[j].Before
		}
	}
	if r.Timing != nil {
		t := *r.Timing
		t.Left, t.Right = t.Right, t.Left
		r.Timing = &t
	}
	return r
}

// Check finds what is wrong with rules for sides of a schema, as a fault.Usage.
func (r Rules) Check(schema Schema) error {
	if err := schema.check(); err != nil {
		return err
	}
	if len(r.Passes) == 0 {
		return fault.Usagef("rules %s: there is no pass", r.Name)
	}
	seen := map[string]bool{}
	for _, p := range r.Passes {
		if p.Name == "" || seen[p.Name] {
			return fault.Usagef("rules %s: pass %q: every pass has a name of its own", r.Name, p.Name)
		}
		seen[p.Name] = true
		if err := p.check(schema, r.Rates != nil); err != nil {
			return err
		}
	}
	if r.Residual != nil {
		if err := r.Residual.check("residual"); err != nil {
			return err
		}
	}
	if t := r.Timing; t != nil {
		if t.Left < 0 || t.Right < 0 {
			return fault.Usagef("timing: days are 0 or more")
		}
		return isDay(schema, "timing", t.column())
	}
	return nil
}

func (t *Timing) column() string {
	if t.Column == "" {
		return ColumnDate
	}
	return t.Column
}

func isDay(schema Schema, what, name string) error {
	c, ok := schema.find(name)
	if !ok || (c.kind != dateColumn && c.kind != dayColumn) {
		return fault.Usagef("%s: there is no column %q of dates", what, name)
	}
	return nil
}

func (p *Pass) method() Method {
	if p.Method == "" {
		return Pairs
	}
	return p.Method
}

func (p *Pass) check(schema Schema, rates bool) error {
	wrong := func(format string, args ...any) error {
		return fault.Usagef("pass "+p.Name+": "+format, args...)
	}
	for _, k := range slices.Concat(p.Keys, p.Equal) {
		if _, ok := schema.find(k); !ok {
			return wrong("there is no column %q", k)
		}
	}
	for _, w := range p.Windows {
		if err := isDay(schema, "pass "+p.Name, w.Column); err != nil {
			return err
		}
		if w.Before < 0 || w.After < 0 {
			return wrong("dates: before and after are 0 or more")
		}
	}
	for _, n := range p.Numbers {
		if c, ok := schema.find(n.Column); !ok || c.kind != numberColumn {
			return wrong("there is no column %q of numbers", n.Column)
		}
		if err := n.check("pass " + p.Name); err != nil {
			return err
		}
	}
	if err := p.Tolerance.check("pass " + p.Name); err != nil {
		return err
	}
	if w := p.Weights; w != nil && (w.Amount < 0 || w.Day < 0 || w.Amount > 1e12 || w.Day > 1e12) {
		return wrong("weights are 0 or more, and at most 1e12")
	}
	if p.Convert && !rates {
		return wrong("amounts are converted, but there are no rates")
	}
	return p.checkMethod(schema, wrong)
}

func (p *Pass) checkMethod(schema Schema, wrong func(string, ...any) error) error {
	switch p.method() {
	case Pairs:
		if p.Cardinality != "" && p.Cardinality != OneToOne {
			return wrong("pairs are 1:1")
		}
	case Sums:
		if len(p.Keys) == 0 {
			return wrong("sums need keys: what groups the rows")
		}
		if len(p.Numbers) > 0 {
			return wrong("sums compare amounts and dates only")
		}
		if !slices.Contains([]Cardinality{OneToMany, ManyToOne, ManyToMany}, p.Cardinality) {
			return wrong("sums are 1:N, N:1 or N:M")
		}
	case Subset:
		if p.Cardinality != OneToMany && p.Cardinality != ManyToOne {
			return wrong("subsets are 1:N or N:1")
		}
		if p.MaxRows != 0 && (p.MaxRows < 2 || p.MaxRows > 40) {
			return wrong("max_rows is 2 to 40")
		}
		if len(p.Numbers) > 0 || len(p.Equal) > 0 {
			return wrong("subsets compare amounts and dates only")
		}
	case Fuzzy:
		if len(p.Texts) == 0 || p.Similarity < 1 || p.Similarity > 1000 {
			return wrong("fuzzy needs texts, and a similarity of 1 to 1000")
		}
		for _, t := range p.Texts {
			if c, ok := schema.find(t); !ok || c.kind != textColumn {
				return wrong("there is no column %q of texts", t)
			}
		}
		if !slices.Contains([]Measure{"", JaroWinkler, DamerauLevenshtein}, p.Measure) {
			return wrong("%q is no measure of likeness", p.Measure)
		}
	default:
		return wrong("there is no method %q", p.Method)
	}
	return nil
}
