package features

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
)

// Plan is a run that is ready: its cut is pinned, its columns are found, and its table exists.
// It is used once, by [Write] in a pipeline of this process.
type Plan struct {
	o    Options
	cut  *catalog.Cut
	asOf []int64 // nil for pairs

	entries  *source
	accounts *source // nil if there is none
	spine    *source // of a table of pairs

	account arrow.Field // of the features
	scale   int32
	schema  *arrow.Schema // of the features
	merge   bool          // the layout is used: no exchange
	roster  *roster       // of a merge

	nonce  string
	mu     sync.Mutex
	report Report
}

// id tells plans of one process apart.
func (p *Plan) id() string { return p.o.Table + "/" + p.nonce }

// source is a table to read and the plan of its scan.
type source struct {
	table   string
	columns []string // account first; the rest as the source's reader wants them
	filter  expr.Expr
	whole   *arrow.Schema
	plan    catalog.ScanPlan
}

// Prepare pins the cut, checks tables and columns, and makes the features' table where it does not exist.
func Prepare(ctx context.Context, o Options) (*Plan, error) {
	o.fill()
	if err := o.check(); err != nil {
		return nil, err
	}
	var nonce [8]byte
	rand.Read(nonce[:]) // never fails
	p := &Plan{o: o, asOf: o.Spine.micros(), nonce: hex.EncodeToString(nonce[:])}
	if o.Spine.pairs() {
		p.asOf = nil
	}
	var err error
	if p.cut, err = o.Lake.At(ctx, o.At); err != nil {
		return nil, fmt.Errorf("features: %w", usageIfAbsent(err))
	}
	for _, step := range []func(context.Context) error{p.findEntries, p.findAccounts, p.findSpine, p.choose, p.ensureTable} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("features: %w", err)
		}
	}
	return p, nil
}

// usageIfAbsent marks what is not in the lake as the caller's mistake.
func usageIfAbsent(err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return fault.Mark(fault.Usage, err)
	}
	return err
}

// open finds a table of the cut and its columns.
func (p *Plan) open(table string) (*source, error) {
	t, err := p.cut.Table(table)
	if errors.Is(err, catalog.ErrNotFound) {
		if near := strictyaml.DidYouMean(table, p.cut.Tables()); near != "" {
			return nil, fault.Usagef("there is no table %s at cut %d of the lake%s", table, p.cut.Number(), near)
		}
		return nil, usageIfAbsent(err)
	}
	if err != nil {
		return nil, err
	}
	s := &source{table: table}
	s.whole, err = t.Schema()
	return s, err
}

// column is a column of the table, by name.
func (s *source) column(name, what string) (arrow.Field, error) {
	at := s.whole.FieldIndices(name)
	if len(at) == 1 {
		return s.whole.Field(at[0]), nil
	}
	var names []string
	for _, f := range s.whole.Fields() {
		names = append(names, f.Name)
	}
	return arrow.Field{}, fault.Usagef("%s has no column %q, which is to be %s%s", s.table, name, what, strictyaml.DidYouMean(name, names))
}

// timeColumn is a column that says when something was.
func (s *source) timeColumn(name, what string) (arrow.Field, error) {
	f, err := s.column(name, what)
	if err == nil && !isTime(f.Type) {
		err = fault.Usagef("the column %s of %s is %s: %s must be a date or a timestamp", name, s.table, f.Type, what)
	}
	return f, err
}

// findEntries reads the entries' columns in the order account, amount, booked, known, operation, currency, account, amount and
// booked before the change; those after booked only where they are needed.
func (p *Plan) findEntries(ctx context.Context) error {
	table := p.o.Entries
	if p.o.KnownAt == KnownCommit {
		table = changelog.Name(table)
	}
	s, err := p.open(table)
	if err != nil {
		return err
	}
	p.entries = s
	acct, err := s.column(p.o.Account, "the account")
	if err != nil {
		return err
	}
	if p.account = (arrow.Field{Name: acct.Name, Type: keyType(acct.Type)}); p.account.Type == nil {
		return fault.Usagef("the column %s of %s is %s: an account must be a bigint, int or text", acct.Name, table, acct.Type)
	}
	amount, err := s.column(p.o.Amount, "the amount")
	if err != nil {
		return err
	}
	dec, ok := amount.Type.(*arrow.Decimal128Type)
	if !ok {
		return fault.Usagef("the column %s of %s is %s: amounts must be decimal", amount.Name, table, amount.Type)
	}
	p.scale = dec.Scale
	p.schema = Schema(p.account, p.scale)
	booked, err := s.timeColumn(p.o.Booked, "the booking time")
	if err != nil {
		return err
	}
	s.columns = []string{acct.Name, amount.Name, booked.Name}
	seen := booked
	switch p.o.KnownAt {
	case KnownBooked:
	case KnownCommit:
		s.columns = append(s.columns, changelog.ColCommittedAt, changelog.ColOp)
		if seen, err = s.timeColumn(changelog.ColCommittedAt, "the commit time"); err != nil {
			return err
		}
	default:
		if seen, err = s.timeColumn(p.o.KnownAt, "when an entry became known"); err != nil {
			return err
		}
		s.columns = append(s.columns, seen.Name)
	}
	if p.o.Currency != none {
		ccy, err := s.column(p.o.Currency, "the currency (or write none)")
		if err != nil {
			return err
		}
		if ccy.Type.ID() != arrow.STRING {
			return fault.Usagef("the column %s of %s is %s: a currency must be a text", ccy.Name, table, ccy.Type)
		}
		s.columns = append(s.columns, ccy.Name)
	}
	if p.o.KnownAt == KnownCommit { // what an update must not have changed
		for _, c := range []string{acct.Name, amount.Name, booked.Name} {
			s.columns = append(s.columns, changelog.BeforePrefix+c)
		}
	}
	if p.asOf != nil {
		s.filter = upTo(seen, p.asOf[len(p.asOf)-1], p.o)
	}
	return s.scan(ctx, p.cut, false)
}

// upTo keeps what was known at the last instant that is asked for.
func upTo(f arrow.Field, at int64, o Options) expr.Expr {
	if f.Type.ID() == arrow.DATE32 {
		return expr.Col(f.Name).Le(expr.Day(dateOf(at, o.Zone)))
	}
	return expr.Col(f.Name).Le(time.UnixMicro(at).UTC())
}

// scan plans the reading of the source's columns.
func (s *source) scan(ctx context.Context, cut *catalog.Cut, wholeBuckets bool) (err error) {
	s.plan, err = cut.PlanScan(ctx, s.table, catalog.ScanOptions{Columns: s.columns, Filter: s.filter, WholeBuckets: wholeBuckets})
	return err
}

func (s *source) rows() (n int64) {
	for _, sp := range s.plan.Splits {
		for _, f := range sp.Files {
			n += f.Rows
		}
	}
	return n
}

// findAccounts reads the accounts' columns in the order account, currency.
func (p *Plan) findAccounts(ctx context.Context) error {
	if p.o.Accounts == none || p.asOf == nil {
		return nil
	}
	s, err := p.open(p.o.Accounts)
	if err != nil {
		return err
	}
	p.accounts = s
	acct, err := s.column(p.o.Account, "the account")
	if err != nil {
		return err
	}
	if err := p.sameKey(s.table, acct); err != nil {
		return err
	}
	s.columns = []string{acct.Name}
	if at := s.whole.FieldIndices(p.o.Currency); len(at) == 1 && s.whole.Field(at[0]).Type.ID() == arrow.STRING {
		s.columns = append(s.columns, p.o.Currency)
	}
	return s.scan(ctx, p.cut, false)
}

func (p *Plan) sameKey(where string, f arrow.Field) error {
	if kt := keyType(f.Type); kt == nil || !arrow.TypeEqual(kt, p.account.Type) {
		return fault.Usagef("the column %s of %s is %s, but accounts of %s are %s", f.Name, where, f.Type, p.entries.table, p.account.Type)
	}
	return nil
}

// findSpine reads the spine's columns in the order account, as-of.
func (p *Plan) findSpine(ctx context.Context) error {
	sp := p.o.Spine
	if sp.Pairs != nil {
		s := &source{table: "the spine", whole: sp.Pairs.Schema()}
		return p.checkSpine(s)
	}
	if sp.Table == "" {
		return nil
	}
	s, err := p.open(sp.Table)
	if err != nil {
		return err
	}
	if err := p.checkSpine(s); err != nil {
		return err
	}
	s.columns = []string{sp.Account, sp.AsOf}
	p.spine = s
	return s.scan(ctx, p.cut, false)
}

func (p *Plan) checkSpine(s *source) error {
	acct, err := s.column(p.o.Spine.Account, "the spine's account")
	if err != nil {
		return err
	}
	if err := p.sameKey(s.table, acct); err != nil {
		return err
	}
	_, err = s.timeColumn(p.o.Spine.AsOf, "the spine's as-of")
	return err
}

// choose decides between merging the entries' buckets as they lie and exchanging all rows.
func (p *Plan) choose(ctx context.Context) error {
	layout := p.entries.plan.Layout
	p.merge = !p.o.Exchange && p.o.KnownAt == KnownBooked && layout.Buckets > 0 && layout.BucketBy == p.o.Account &&
		len(layout.SortBy) >= 2 && layout.SortBy[0] == p.o.Account && layout.SortBy[1] == p.o.Booked
	if !p.merge {
		return nil
	}
	held := int64(0)
	for _, s := range []*source{p.accounts, p.spine} {
		if s != nil {
			held += s.rows()
		}
	}
	if held > rosterRows {
		p.merge = false
		return nil
	}
	r, err := p.loadRoster(ctx, layout.Buckets)
	if errors.Is(err, errLarge) {
		p.merge = false
		return nil
	}
	if err != nil {
		return err
	}
	p.roster = r
	return p.entries.scan(ctx, p.cut, true)
}

// Merged reports whether the run uses the entries' layout, so that no row is exchanged.
func (p *Plan) Merged() bool { return p.merge }

// Cut is the number of the cut that is read.
func (p *Plan) Cut() int64 { return p.cut.Number() }

// propSpine is the table property that keeps tables of instants and of pairs apart.
const propSpine = "millrace.features"

func (p *Plan) spineKind() string {
	if p.asOf == nil {
		return "pairs"
	}
	return "instants"
}

// ensureTable makes the features' table, or checks that it is one for this kind of spine.
func (p *Plan) ensureTable(ctx context.Context) error {
	lake, name := p.o.Lake, p.o.Table
	t, err := lake.Table(ctx, name)
	if errors.Is(err, catalog.ErrNotFound) {
		spec := catalog.TableSpec{Name: name, Schema: p.schema, Kind: catalog.Plain, Key: []string{p.account.Name, ColAsOf},
			SortBy: []string{p.account.Name, ColAsOf}, Properties: map[string]string{propSpine: p.spineKind()}}
		if spec.Buckets = p.o.Buckets; spec.Buckets == 0 && p.merge {
			spec.Buckets = p.entries.plan.Layout.Buckets
		}
		if spec.Buckets > 1 {
			spec.BucketBy = p.account.Name
		} else {
			spec.Buckets = 0
		}
		return lake.EnsureTable(ctx, spec)
	}
	if err != nil {
		return err
	}
	spec, err := t.Spec()
	if err != nil {
		return err
	}
	switch have := spec.Properties[propSpine]; {
	case have == "":
		return fault.Usagef("the table %s is there already and holds no features; write them to another table", name)
	case have != p.spineKind():
		return fault.Usagef("the table %s holds features of %s, not of %s: write them to a table of their own", name, have, p.spineKind())
	}
	_, err = lake.ResolveSchema(ctx, name, p.schema)
	return err
}
