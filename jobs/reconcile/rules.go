package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/lineageio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// RulesOptions describe a run by a rule file. Rules and Stores are required.
type RulesOptions struct {
	Rules *rulefile.File
	// Text is the rule file as it was read: part of the run's identity.
	Text []byte
	// Sides are paths or URLs of sides' files, by the sides' names, instead of the rule file's.
	Sides map[string]string
	// Stores opens the places of the sides' files.
	Stores storage.Resolver
	// Lake has the sides that are tables, at At; nil where there are none. Rules with life, or that compare by trees, write into it unless Dry.
	Lake *catalog.Lake
	At   catalog.At
	// AsOf is the day of which the books are, in days since 1970-01-01; 0 takes the last date of each leg's sides.
	AsOf int32
	// Out is a local folder for breaks.csv, matches.parquet, summary.json and report.html; "" writes none. It is made if it is not there.
	Out string
	// NoMatches leaves matches.parquet out: most of a run's output where most rows match. Rules that compare by trees write none: of rows that are equal they know
	// no more than that.
	NoMatches bool
	Logger    *slog.Logger // nil: slog.Default()
	// SignOffs are the signatures that were recorded under this run before: the page shows them, where it else has lines to sign by hand.
	SignOffs []SignOff
	// MetricsFile gets the run's metrics as Prometheus' text; "" writes none.
	MetricsFile string
	// Lineage is where OpenLineage events go if the rules do not say it; nil sends none.
	Lineage *lineageio.Config
	// Dry records nothing in the lake: the lives of breaks are reported as they would be.
	Dry bool
	// Clock is of metrics, mails, lineage and events; nil: time.Now. No file of Out depends on it.
	Clock func() time.Time
}

// RulesReport is the outcome of a run by a rule file.
type RulesReport struct {
	Run     string  `json:"run"` // its identity: 32 hex digits
	Rules   string  `json:"rules"`
	SHA256  string  `json:"rules_sha256"`
	AsOf    string  `json:"as_of,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Matched counts matches, whatever their number of rows; Breaks and Total count breaks; of all legs.
	Matched int64        `json:"matched"`
	Breaks  ByClass      `json:"breaks"`
	Total   int64        `json:"breaks_total"`
	Sides   []SideReport `json:"sides"`
	Legs    []LegReport  `json:"legs"`
	// Movements are verdicts over all sides; nil where there are two.
	Movements *AllSides `json:"movements,omitempty"`
	// Proofs are those of the rules.
	Proofs []ProofReport `json:"proofs,omitempty"`
	// Life is nil where the rules do not keep breaks over nights.
	Life *LifeReport `json:"life,omitempty"`

	nway *nWay
}

// SideReport is what a side holds.
type SideReport struct {
	Name        string                   `json:"name"`
	Files       []File                   `json:"files,omitempty"`
	Table       string                   `json:"table,omitempty"`
	Database    string                   `json:"database,omitempty"` // of the query, without user and password
	Snapshot    int64                    `json:"snapshot,omitempty"` // of the table
	Rows        int64                    `json:"rows"`
	Totals      map[string]money.Decimal `json:"totals"` // by currency
	Quarantined int64                    `json:"quarantined"`
	Checks      *FileChecks              `json:"file_checks,omitempty"` // of statements
	FirstReject string                   `json:"first_reject,omitempty"`
}

// LegReport is the outcome of comparing two sides.
type LegReport struct {
	Name         string           `json:"name"`
	Left         string           `json:"left"`
	Right        string           `json:"right"`
	AsOf         string           `json:"as_of,omitempty"`
	Verdict      Verdict          `json:"verdict"`
	Matched      int64            `json:"matched"`
	MatchedLeft  int64            `json:"matched_left"`  // rows
	MatchedRight int64            `json:"matched_right"` // rows
	ByPass       map[string]int64 `json:"by_pass"`       // matches
	Breaks       ByClass          `json:"breaks"`
	BreakLeft    int64            `json:"break_rows_left"`
	BreakRight   int64            `json:"break_rows_right"`
	Controls     []ControlReport  `json:"totals"`
	// Cut counts rows and sums that had more candidates than a pass looks at.
	Cut int64 `json:"cut,omitempty"`
	// Trees is nil where the rules do not compare by trees.
	Trees *TreesReport `json:"trees,omitempty"`
}

// ControlReport is one currency's control total, with the difference explained.
type ControlReport struct {
	Currency     string        `json:"currency"`
	LeftRows     int64         `json:"left_rows"`
	RightRows    int64         `json:"right_rows"`
	LeftMatched  int64         `json:"left_matched"`
	RightMatched int64         `json:"right_matched"`
	LeftBreaks   int64         `json:"left_breaks"`
	RightBreaks  int64         `json:"right_breaks"`
	Left         money.Decimal `json:"left"`
	Right        money.Decimal `json:"right"`
	Matched      money.Decimal `json:"matched_difference"`
	Breaks       money.Decimal `json:"break_difference"`
	Unexplained  money.Decimal `json:"unexplained"`
}

// settledLeg is a leg that has been settled.
type settledLeg struct {
	plan rulefile.Plan
	// result has the leg's breaks, and the matches that sifted does not count.
	result *reconciliation.Settlement
	sifted *reconciliation.Sifted // nil where result has all rows
	trees  *TreesReport           // nil where the sides were not compared by trees
	// found has the breaks of parts that were settled apart, and classes counts them; result has the others.
	found   *foundBreaks
	classes map[[2]reconciliation.Class]int64
	parted  map[string]int64 // matches of these parts, by pass
	account string           // the column of a break's account; "" for none
}

// each calls do for all breaks: those of parts by their keys, and then the others in their order.
func (l *settledLeg) each(do func(*ruleBreak) error) error {
	if l.found != nil {
		if err := l.found.each(do); err != nil {
			return err
		}
	}
	for _, o := range l.result.Breaks() {
		b, err := l.describe(o)
		if err == nil {
			err = do(&b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *settledLeg) controls() ([]reconciliation.Control, error) {
	if l.sifted != nil {
		return l.sifted.Controls()
	}
	return l.result.Controls()
}

// RunRules compares the sides of a rule file, and tells whom the rules name how it ended. Breaks are in the report; an error means that the run could not be
// made, that its totals do not tie out, which is a defect, or, where rep.Run is set, that the run was made but not everybody could be told.
func RunRules(ctx context.Context, o RulesOptions) (rep RulesReport, err error) {
	t, err := newTeller(&o)
	if err != nil {
		return rep, fmt.Errorf("reconcile: %w", err)
	}
	t.lineageStart(ctx)
	rep, err = runRules(ctx, &o)
	if err != nil {
		rep.Run = ""
	}
	return rep, t.ended(ctx, &rep, err)
}

func runRules(ctx context.Context, o *RulesOptions) (rep RulesReport, err error) {
	var out storage.Store
	var matches *matchFile
	made := false
	if o.Out != "" {
		if out, made, err = openOut(o.Out); err != nil {
			return rep, fmt.Errorf("reconcile: write results to %s: %w", o.Out, err)
		}
		if !o.NoMatches && o.Rules.Compare != "tree" {
			matches = &matchFile{ctx: ctx, out: out}
			defer matches.abort()
		}
	}
	rep, legs, rejects, err := settleRules(ctx, o, matches)
	defer func() {
		for _, l := range legs {
			l.found.close()
		}
	}()
	if err == nil {
		err = rep.live(ctx, o, legs)
	}
	if err == nil && !o.Dry && legs[0].trees != nil {
		err = legs[0].trees.keep(ctx, o)
	}
	if err != nil {
		matches.abort()
		if made {
			_ = os.Remove(o.Out) // a run that could not be made leaves no empty folder; one with something in it stays
		}
		return rep, fmt.Errorf("reconcile: %w", err)
	}
	if out == nil {
		return rep, nil
	}
	if err := writeRules(ctx, out, o, &rep, legs, matches, rejects); err != nil {
		return rep, fmt.Errorf("reconcile: write results to %s: %w", o.Out, err)
	}
	return rep, nil
}

// openOut opens the folder of a run's files. made says that it was not there before.
func openOut(dir string) (out storage.Store, made bool, err error) {
	_, there := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, false, err
	}
	out, err = localio.Open(dir, localio.Options{})
	return out, there != nil, err
}

// fill counts, checks that everything ties out, and gives the verdicts.
func (rep *RulesReport) fill(o *RulesOptions, legs []settledLeg) error {
	sum := sha256.Sum256(o.Text)
	rep.Rules, rep.SHA256, rep.Verdict, rep.Breaks = o.Rules.Name, hex.EncodeToString(sum[:]), Pass, ByClass{}
	if o.AsOf != 0 {
		rep.AsOf = reconciliation.FormatDay(o.AsOf)
	}
	for _, l := range legs {
		r, err := l.report()
		if err != nil {
			return fmt.Errorf("leg %s: %w", l.plan.Name, err)
		}
		rep.Matched += r.Matched
		for class, n := range r.Breaks {
			rep.Breaks[class] += n
			rep.Total += n
		}
		rep.Verdict = worse(rep.Verdict, r.Verdict)
		rep.Legs = append(rep.Legs, r)
	}
	rep.overSides(legs)
	for _, s := range rep.Sides {
		if s.Quarantined > 0 {
			rep.Verdict = Fail
		}
	}
	identity, err := json.Marshal(struct {
		Rules, AsOf string
		Sides       []SideReport
	}{rep.SHA256, rep.AsOf, rep.Sides})
	if err != nil {
		return fmt.Errorf("identify the run: %w", err)
	}
	id := sha256.Sum256(identity)
	rep.Run = hex.EncodeToString(id[:16])
	return nil
}

func worse(a, b Verdict) Verdict {
	for _, v := range []Verdict{Fail, Warn} {
		if a == v || b == v {
			return v
		}
	}
	return Pass
}

func (l *settledLeg) report() (LegReport, error) {
	r := LegReport{Name: l.plan.Name, Left: l.plan.Left.Name, Right: l.plan.Right.Name, AsOf: reconciliation.FormatDay(l.result.AsOf), Verdict: Pass,
		ByPass: map[string]int64{}, Breaks: ByClass{}, Cut: l.result.Cut, Trees: l.trees}
	if l.sifted != nil {
		r.Cut = l.sifted.Cut
	}
	if l.sifted != nil {
		for i, n := range l.sifted.Pairs {
			if n > 0 {
				r.Matched += n
				r.ByPass[l.plan.Rules.Passes[i].Name] += n
			}
		}
	}
	for pass, n := range l.parted {
		r.Matched += n
		r.ByPass[pass] += n
	}
	classes := maps.Clone(l.classes)
	if classes == nil {
		classes = map[[2]reconciliation.Class]int64{}
	}
	for i := range l.result.Outcomes {
		o := &l.result.Outcomes[i]
		if o.Class == reconciliation.Matched {
			r.Matched++
			r.ByPass[o.Pass]++
			continue
		}
		classes[[2]reconciliation.Class{o.Class, o.Base}]++
	}
	for c, n := range classes {
		r.Breaks[c[0]] += n
		if c[1] == reconciliation.TimingDifference {
			r.Verdict = worse(r.Verdict, Warn)
		} else {
			r.Verdict = Fail
		}
	}
	controls, err := l.controls()
	if err != nil {
		return r, err
	}
	for _, c := range controls {
		r.MatchedLeft += c.LeftMatched
		r.MatchedRight += c.RightMatched
		r.BreakLeft += c.LeftBreaks
		r.BreakRight += c.RightBreaks
		r.Controls = append(r.Controls, ControlReport{Currency: c.Currency, LeftRows: c.LeftRows, RightRows: c.RightRows, LeftMatched: c.LeftMatched,
			RightMatched: c.RightMatched, LeftBreaks: c.LeftBreaks, RightBreaks: c.RightBreaks, Left: c.Left, Right: c.Right, Matched: c.Matched,
			Breaks: c.Breaks, Unexplained: c.Unexplained})
	}
	return r, nil
}
