package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
)

// FromProject puts the options of a project's section reconcile together, with its
// lake open; the caller sets Run, closes the lake, and closes the stream if there is
// one (Options.Source.Stream).
func FromProject(ctx context.Context, f *project.File, log *slog.Logger) (o Options, err error) {
	if o, err = Settings(f); err != nil {
		return o, err
	}
	err = Open(ctx, f, log, &o)
	return o, err
}

// Open opens what a project's checks need: the lake, the stores of its locations, and the stream if the source is
// checked. That stream publishes no progress: the ingest's does. Nothing is left open after an error.
func Open(ctx context.Context, f *project.File, log *slog.Logger, o *Options) (err error) {
	o.Logger, o.Stores = log, f.Stores()
	if o.Lake, err = f.OpenLake(ctx, true, log); err != nil {
		return fmt.Errorf("open lake: %w", err)
	}
	if o.Source == nil {
		return nil
	}
	quiet := *f
	if quiet.Source != nil && quiet.Source.Kafka != nil {
		src, kafka := *f.Source, *f.Source.Kafka
		kafka.Group = ""
		src.Kafka, quiet.Source = &kafka, &src
	}
	if o.Source.Stream, err = quiet.OpenSource(ctx, log); err != nil {
		_ = o.Lake.Close() // the source's error matters more
		return fmt.Errorf("open source: %w", err)
	}
	return nil
}

// Settings are a project's checks, with nothing open.
func Settings(f *project.File) (o Options, err error) {
	r := f.Reconcile
	o.Namespace = r.Namespace
	if zone, undated := f.Ingest.Zone(); !undated {
		o.Zone = zone
	}
	if r.Statement != nil {
		if o.Statement, err = statementOf(f, r.Statement); err != nil {
			return o, err
		}
	}
	if r.Balances != nil {
		if o.Balances, err = balancesOf(r.Balances); err != nil {
			return o, err
		}
	}
	if r.Source {
		o.Source = sourceOf(f)
	}
	return o, nil
}

func where(setting, text string) (expr.Expr, error) {
	if text == "" {
		return nil, nil
	}
	e, err := expr.Parse(text)
	if err != nil {
		return nil, fault.Usagef("%s: %w", setting, err)
	}
	return e, nil
}

// given is a setting whose value none stands for nothing.
func given(text string) string {
	if text == "none" {
		return ""
	}
	return text
}

func statementOf(f *project.File, s *project.ReconcileStatement) (*Statement, error) {
	tolerance, err := money.Parse(s.Tolerance)
	if err != nil {
		return nil, fault.Usagef("reconcile.statement.tolerance: %w", err)
	}
	st := &Statement{Rule: reconciliation.Rule{Name: s.Rule, Tolerance: tolerance, Days: int32(s.Days)}, Table: s.Table,
		Left: columnar.Columns{Key: s.Key, Amount: s.Amount, Currency: given(s.Currency), Date: given(s.Date), Ref: s.Row, Show: s.Show},
		CSV: csvio.Options{Delimiter: s.Delimiter, SkipLines: s.SkipLines, Encoding: s.Encoding,
			Text: files.TextOptions{DecimalMark: s.Decimal, GroupMark: s.Group}},
		Quarantine: s.Quarantine}
	if s.DateLayout != "" {
		st.CSV.Text.DateLayouts = []string{s.DateLayout}
	}
	if s.File != "" {
		st.File = f.Path(s.File)
	}
	if s.Format != "auto" {
		st.Format = s.Format
	}
	if l := s.Lookup; l != nil {
		st.Lookup = &Lookup{Table: l.Table, On: l.On, Columns: l.Columns}
	}
	theirs := func(name string) string { return cmp.Or(s.Columns[name], name) }
	st.Right = columnar.Columns{Amount: theirs(s.Amount), Show: s.ShowFile, Negate: s.Negate}
	for _, k := range s.Key {
		st.Right.Key = append(st.Right.Key, theirs(k))
	}
	if st.Left.Date != "" {
		st.Right.Date = theirs(s.Date)
	}
	switch {
	case st.Left.Currency == "":
	case s.CurrencyIs != "":
		st.Right.CurrencyIs = s.CurrencyIs
	default:
		st.Right.Currency = theirs(s.Currency)
	}
	st.Where, err = where("reconcile.statement.where", s.Where)
	return st, err
}

func balancesOf(b *project.ReconcileBalances) (*Balances, error) {
	m := b.Movements
	out := &Balances{Name: b.Rule, Movements: Movements{Table: m.Table, Account: m.Account, Amount: m.Amount, Date: m.Date, Balance: m.Balance}}
	var err error
	if out.Movements.Where, err = where("reconcile.balances.movements.where", m.Where); err != nil || b.Stated == nil {
		return out, err
	}
	s := b.Stated
	order := s.Order
	if len(order) == 0 {
		order = []string{"_committed_at", "_offset"}
	}
	out.Stated = &Stated{Table: s.Table, Account: s.Account, Balance: s.Balance, Before: given(s.Before), Date: s.Date, Order: order, Op: given(s.Op)}
	out.Stated.Where, err = where("reconcile.balances.stated.where", s.Where)
	return out, err
}

func sourceOf(f *project.File) *Source {
	s := &Source{Namespace: f.Ingest.Namespace}
	s.Limits.MaxEvents, s.Limits.MaxBytes = f.Ingest.Epoch.MaxEvents, int64(f.Ingest.Epoch.MaxBytes)
	for _, name := range slices.Sorted(maps.Keys(f.Ingest.Tables)) {
		t := f.Ingest.Tables[name]
		s.Tables = append(s.Tables, SourceTable{Name: name, Key: t.Key, Mirror: t.Mirror, History: t.History, Control: strings.Join(t.Control, ", ")})
	}
	return s
}
