package rulefile

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// Proof is something that must hold of the sides beside their matching. One of its kinds is set.
type Proof struct {
	Name        string            `yaml:"name" required:"true" doc:"what the proof is called in the report"`
	Agree       *AgreeProof       `yaml:"agree" doc:"the totals of two sides agree, group by group: a sub-ledger and its control account"`
	Balanced    *BalancedProof    `yaml:"balanced" doc:"each group of a side nets to zero: a trial balance"`
	RollForward *RollForwardProof `yaml:"roll_forward" doc:"opening + movements = closing by account, currency and day, and each opening is the closing before"`
	Sequence    *SequenceProof    `yaml:"sequence" doc:"numbers have neither gap nor duplicate"`
	CutOff      *CutOffProof      `yaml:"cut_off" doc:"no row is booked on the other side of a cut-off than its value date"`
	Control     *ControlProof     `yaml:"control" doc:"count, debits, credits and hash total of a side agree with those stated"`
	Files       *FilesProof       `yaml:"files" doc:"every expected file came, once, and no other"`
	Invariant   *InvariantProof   `yaml:"invariant" doc:"a condition holds for every row of a side, or for the totals of all sides by currency"`
	Materiality Materiality       `yaml:"materiality" doc:"how much may be off for a warning instead of a failure; default nothing"`
}

// AgreeProof names two sides whose totals agree.
type AgreeProof struct {
	Left  string   `yaml:"left" required:"true" doc:"a side's name: what it should come to"`
	Right string   `yaml:"right" required:"true" doc:"another side's name: what it comes to"`
	By    []string `yaml:"by" doc:"columns of both sides by which totals are taken, beside currency; default none"`
}

// BalancedProof names a side whose groups net to zero.
type BalancedProof struct {
	Side string   `yaml:"side" required:"true" doc:"a side's name"`
	By   []string `yaml:"by" doc:"columns by which it nets to zero, such as transaction, beside currency; default none"`
}

// RollForwardProof names stated balances and the movements between them.
type RollForwardProof struct {
	Balances  string `yaml:"balances" required:"true" doc:"the side of the balances: a row for each account, currency and date"`
	Movements string `yaml:"movements" required:"true" doc:"the side of the movements"`
	Account   string `yaml:"account" required:"true" doc:"column of both sides that names the account"`
	Opening   string `yaml:"opening" default:"opening" doc:"column of numbers of the balances: before the day's movements"`
	Closing   string `yaml:"closing" default:"amount" doc:"column of numbers of the balances: after them"`
}

// SequenceProof names numbers that follow each other.
type SequenceProof struct {
	Side   string   `yaml:"side" required:"true" doc:"a side's name"`
	Number string   `yaml:"number" required:"true" doc:"column of whole numbers, or of texts whose digits are one"`
	By     []string `yaml:"by" doc:"columns within which numbers follow each other, such as account; default none"`
	Once   bool     `yaml:"once" doc:"rows of one number are one: statements of several rows each"`
}

// CutOffProof names the dates of a cut-off.
type CutOffProof struct {
	Side    string `yaml:"side" required:"true" doc:"a side's name"`
	Value   string `yaml:"value" required:"true" doc:"column of value dates"`
	Booking string `yaml:"booking" default:"date" doc:"column of booking dates"`
	Day     string `yaml:"day" doc:"last day of the period; default the run's --as-of"`
}

// ControlProof says what a side's rows come to.
type ControlProof struct {
	Side       string   `yaml:"side" required:"true" doc:"a side's name"`
	File       string   `yaml:"file" doc:"CSV with a header of some of currency, rows, debits, credits, net, hash: a line for each currency, or one for all"`
	Totals     []Totals `yaml:"totals" doc:"the same in the rules, instead of a file"`
	Hash       string   `yaml:"hash" doc:"column whose digits are added up as the hash total"`
	HashDigits int      `yaml:"hash_digits" default:"0" doc:"digits of the hash total that are kept, from its end; 0 keeps all"`
}

// Totals are control totals; what is not given is not compared.
type Totals struct {
	Currency string `yaml:"currency" doc:"of the rows that are added up; default all rows"`
	Rows     string `yaml:"rows" doc:"number of rows"`
	Debits   string `yaml:"debits" doc:"sum of the negative amounts, without their sign"`
	Credits  string `yaml:"credits" doc:"sum of the positive amounts"`
	Net      string `yaml:"net" doc:"credits less debits"`
	Hash     string `yaml:"hash" doc:"hash total"`
}

// FilesProof names the files that are expected.
type FilesProof struct {
	Side   string   `yaml:"side" required:"true" doc:"a side's name"`
	Expect []string `yaml:"expect" required:"true" doc:"patterns of file names: each names one file"`
}

// InvariantProof is a condition.
type InvariantProof struct {
	Side  string `yaml:"side" doc:"a side, whose rows must fulfil the condition over its columns; default the totals of all sides by currency"`
	Holds string `yaml:"holds" required:"true" doc:"the condition; over totals it names currency, and of each side SIDE_rows, SIDE_total, SIDE_debits, SIDE_credits"`
}

// Materiality says how much may be off.
type Materiality struct {
	Amounts    map[string]string         `yaml:"amounts" doc:"largest gross difference by currency, such as EUR: 10.00"`
	Percent    string                    `yaml:"percent" default:"0" doc:"the same in percent of what the proof has looked at, gross, in each currency; the larger of both counts"`
	Count      int                       `yaml:"count" default:"0" doc:"largest number of findings"`
	Accounts   map[string]AccountAllowed `yaml:"accounts" doc:"limits of single accounts, which are judged apart: by the first column of by, or account"`
	ApprovedBy string                    `yaml:"approved_by" doc:"who has approved the limits; they need a name"`
	From       string                    `yaml:"from" doc:"first business date on which the limits count, such as 2026-01-01; before it nothing may be off"`
}

// AccountAllowed is how much may be off in one account.
type AccountAllowed struct {
	Amounts map[string]string `yaml:"amounts" doc:"largest gross difference by currency"`
	Count   int               `yaml:"count" default:"0" doc:"largest number of findings"`
}

// kinds are a proof's kinds that are set.
func (p *Proof) kinds() (out []string) {
	for _, k := range []struct {
		name string
		set  bool
	}{{"agree", p.Agree != nil}, {"balanced", p.Balanced != nil}, {"roll_forward", p.RollForward != nil}, {"sequence", p.Sequence != nil}, {"cut_off", p.CutOff != nil},
		{"control", p.Control != nil}, {"files", p.Files != nil}, {"invariant", p.Invariant != nil}} {
		if k.set {
			out = append(out, k.name)
		}
	}
	return out
}

// Kind is the proof's kind, such as agree.
func (p *Proof) Kind() string { return p.kinds()[0] }

func (c *checker) proofs() {
	seen := map[string]bool{}
	for i := range c.f.Proofs {
		p, at := &c.f.Proofs[i], fmt.Sprintf("proofs[%d]", i)
		if seen[p.Name] {
			c.say(at+".name", "there is a proof %q already", p.Name)
		}
		seen[p.Name] = true
		if kinds := p.kinds(); len(kinds) != 1 {
			c.say(at, "a proof is one of agree, balanced, roll_forward, sequence, cut_off, control, files and invariant; this has %d of them", len(kinds))
			continue
		}
		c.proof(at+"."+p.Kind(), p)
		c.materiality(at+".materiality", p.Materiality)
	}
}

// proof looks for the sides and columns that a proof names.
func (c *checker) proof(at string, p *Proof) {
	switch {
	case p.Agree != nil:
		if p.Agree.Left == p.Agree.Right {
			c.say(at, "a side agrees with itself")
		}
		for _, side := range []struct{ key, name string }{{".left", p.Agree.Left}, {".right", p.Agree.Right}} {
			c.uses(at, side.key, side.name, "", ".by", p.Agree.By...)
		}
	case p.Balanced != nil:
		c.uses(at, ".side", p.Balanced.Side, "", ".by", p.Balanced.By...)
	case p.RollForward != nil:
		r := p.RollForward
		if r.Balances == r.Movements {
			c.say(at, "balances and movements are two sides")
		}
		for _, side := range []struct{ key, name string }{{".balances", r.Balances}, {".movements", r.Movements}} {
			c.uses(at, side.key, side.name, "", ".account", r.Account)
			c.uses(at, side.key, side.name, "date", side.key, reconciliation.ColumnDate)
		}
		c.uses(at, ".balances", r.Balances, "number", ".opening", r.Opening)
		c.uses(at, ".balances", r.Balances, "number", ".closing", r.Closing)
	case p.Sequence != nil:
		c.uses(at, ".side", p.Sequence.Side, "", ".number", p.Sequence.Number)
		c.uses(at, ".side", p.Sequence.Side, "", ".by", p.Sequence.By...)
	case p.CutOff != nil:
		c.uses(at, ".side", p.CutOff.Side, "date", ".value", p.CutOff.Value)
		c.uses(at, ".side", p.CutOff.Side, "date", ".booking", p.CutOff.Booking)
		c.day(at+".day", p.CutOff.Day)
	case p.Control != nil:
		c.control(at, p.Control)
	case p.Files != nil:
		c.uses(at, ".side", p.Files.Side, "", ".side")
		if s := c.f.Side(p.Files.Side); s != nil && (s.Table != "" || s.Database != nil) {
			c.say(at+".side", "side %s is not of files", s.Name)
		}
		for i, pattern := range p.Files.Expect {
			if _, err := path.Match(pattern, ""); err != nil {
				c.say(fmt.Sprintf("%s.expect[%d]", at, i), "%q is no pattern: %v", pattern, err)
			}
		}
	case p.Invariant != nil:
		if p.Invariant.Side != "" {
			c.uses(at, ".side", p.Invariant.Side, "", ".side")
		}
		if _, err := expr.Parse(p.Invariant.Holds); err != nil {
			c.say(at+".holds", "%v", err)
		}
	}
}

func (c *checker) control(at string, p *ControlProof) {
	c.uses(at, ".side", p.Side, "", ".side")
	if p.Hash != "" {
		c.uses(at, ".side", p.Side, "", ".hash", p.Hash)
	}
	if (p.File == "") == (len(p.Totals) == 0) {
		c.say(at, "say what is stated: a file, or totals")
	}
	if p.HashDigits < 0 || p.HashDigits > 38 {
		c.say(at+".hash_digits", "must be within 0 and 38")
	}
	seen := map[string]bool{}
	for i, t := range p.Totals {
		in := fmt.Sprintf("%s.totals[%d]", at, i)
		if seen[t.Currency] {
			c.say(in, "totals in %q are given twice", t.Currency)
		}
		seen[t.Currency] = true
		if _, err := t.Values(); err != nil {
			c.say(in, "%v", err)
		}
		if t.Hash != "" && p.Hash == "" {
			c.say(in+".hash", "needs hash: the column that is added up")
		}
	}
}

// Values are the totals that are given, by their keys.
func (t Totals) Values() (map[string]money.Decimal, error) {
	out := map[string]money.Decimal{}
	for _, v := range []struct{ key, text string }{{"rows", t.Rows}, {"debits", t.Debits}, {"credits", t.Credits}, {"net", t.Net}, {"hash", t.Hash}} {
		if v.text == "" {
			continue
		}
		d, err := money.Parse(v.text)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a number; write it as 1234.56", v.key, v.text)
		}
		if v.key != "net" && d.Sign() < 0 {
			return nil, fmt.Errorf("%s: %q is negative; debits are written without their sign", v.key, v.text)
		}
		out[v.key] = d
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no total in it: name rows, debits, credits, net or hash")
	}
	return out, nil
}

// uses looks for a side and columns of it. kind is what they hold; "" takes any.
func (c *checker) uses(at, sideKey, side, kind, key string, columns ...string) {
	s := c.f.Side(side)
	if s == nil {
		c.say(at+sideKey, "there is no side %q%s", side, strictyaml.DidYouMean(side, c.f.sideNames()))
		return
	}
	for _, name := range columns {
		col, ok := s.Columns[name]
		switch {
		case !ok:
			c.say(at+key, "side %s has no column %q%s", side, name, strictyaml.DidYouMean(name, slices.Sorted(maps.Keys(s.Columns))))
		case kind != "" && col.kind(name) != kind:
			c.say(at+key, "column %q of side %s is a %s, not a %s", name, side, col.kind(name), kind)
		}
	}
}

func (c *checker) day(at, text string) {
	if text == "" {
		return
	}
	if _, err := reconciliation.ParseDay(text); err != nil {
		c.say(at, "%q is no day; write it as 2026-01-31", text)
	}
}

func (c *checker) materiality(at string, m Materiality) {
	some := len(m.Amounts) > 0 || m.Count != 0 || len(m.Accounts) > 0
	c.amounts(at, m.Amounts, m.Count)
	if d := c.decimal(at+".percent", m.Percent); !d.IsZero() {
		some = true
		if d.Cmp(money.FromInt64(100)) >= 0 {
			c.say(at+".percent", "must be below 100")
		}
	}
	for _, account := range slices.Sorted(maps.Keys(m.Accounts)) {
		c.amounts(at+".accounts."+account, m.Accounts[account].Amounts, m.Accounts[account].Count)
	}
	c.day(at+".from", m.From)
	if !some && (m.ApprovedBy != "" || m.From != "") {
		c.say(at, "approves no limit: name amounts, percent, count or accounts")
	}
	if some && m.ApprovedBy == "" {
		c.say(at, "needs approved_by: who has approved that something may be off")
	}
}

func (c *checker) amounts(at string, amounts map[string]string, count int) {
	for _, currency := range slices.Sorted(maps.Keys(amounts)) {
		c.decimal(at+".amounts."+currency, amounts[currency])
	}
	if count < 0 {
		c.say(at+".count", "must not be negative")
	}
}
