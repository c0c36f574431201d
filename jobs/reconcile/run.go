package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
	"github.com/millrace/millrace/sdk/storage"
)

// run is one reconciliation.
type run struct {
	opts Options
	cut  *catalog.Cut
	work storage.Store
	// scale is the digits after the point of the statement's amounts.
	scale int32
	id    string
}

// check is one of the checks while it runs.
type check interface {
	// pipes reports whether the check has anything to run as a pipeline.
	pipes() bool
	// build adds the check to a pipeline.
	build(ctx context.Context, s beam.Scope) error
	// report fills in the check's part of the report, after the pipeline, and returns where its breaks are.
	report(ctx context.Context, rep *Report) ([]found, error)
}

// Run makes the checks that the options name. Breaks are in the report; an error means that the run could not be made.
func Run(ctx context.Context, o Options) (rep Report, err error) {
	if err := o.complete(); err != nil {
		return rep, err
	}
	r := &run{opts: o}
	if r.cut, err = o.Lake.At(ctx, o.At); err != nil {
		if errors.Is(err, catalog.ErrNotFound) {
			err = fault.Mark(fault.Usage, err)
		}
		return rep, fmt.Errorf("reconcile: %w", err)
	}
	clean, err := r.openWork(ctx)
	if err != nil {
		return rep, fmt.Errorf("reconcile: %w", err)
	}
	defer func() { err = errors.Join(err, clean()) }()
	if rep, err = r.all(ctx); err != nil {
		return rep, fmt.Errorf("reconcile: %w", err)
	}
	return rep, nil
}

// openWork opens the place for the run's own files; clean removes it.
func (r *run) openWork(ctx context.Context) (clean func() error, err error) {
	if r.opts.Work == "" {
		dir, err := os.MkdirTemp("", "millrace-reconcile-*")
		if err != nil {
			return nil, fmt.Errorf("make a folder for the run's files: %w", err)
		}
		clean = func() error { return os.RemoveAll(dir) }
		if r.work, err = localio.Open(dir, localio.Options{}); err != nil {
			return nil, errors.Join(err, clean())
		}
		return clean, nil
	}
	if r.work, err = r.opts.Stores.Open(ctx, r.opts.Work); err != nil {
		return nil, err
	}
	return func() error { return r.removeWork(context.WithoutCancel(ctx)) }, nil
}

func (r *run) removeWork(ctx context.Context) error {
	var names []string
	for info, err := range r.work.List(ctx, "") {
		if err != nil {
			return fmt.Errorf("remove the run's files: %w", err)
		}
		names = append(names, info.Name)
	}
	return r.work.Delete(ctx, names...)
}

func (r *run) all(ctx context.Context) (rep Report, err error) {
	if d := r.opts.At.BusinessDate; !d.IsZero() {
		rep.AsOf = d.Format(time.DateOnly)
	}
	checks, err := r.checks(ctx)
	if err != nil {
		return rep, err
	}
	if rep.Cut, err = r.stateCut(); err != nil {
		return rep, err
	}
	rep.Run = r.id
	if err := r.pipeline(ctx, checks); err != nil {
		return rep, err
	}
	out := &output{run: r}
	for _, c := range checks {
		rows, err := c.report(ctx, &rep)
		if err != nil {
			return rep, err
		}
		out.checks = append(out.checks, rows...)
	}
	rep.settle()
	return rep, out.write(ctx, &rep)
}

// checks makes the checks that the options name, the statement first, and the run's identity of what they compare.
func (r *run) checks(ctx context.Context) (out []check, err error) {
	var statement *statementCheck
	if r.opts.Statement != nil {
		if statement, err = r.newStatement(ctx); err != nil {
			return nil, err
		}
		out = append(out, statement)
	}
	if r.opts.Balances != nil {
		c, err := r.newBalances()
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if r.opts.Source != nil {
		c, err := r.newSource(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	r.id, err = r.identity(statement)
	return out, err
}

// pipeline runs the checks' pipelines as one.
func (r *run) pipeline(ctx context.Context, checks []check) error {
	checks = slices.DeleteFunc(slices.Clone(checks), func(c check) bool { return !c.pipes() })
	if len(checks) == 0 {
		return nil
	}
	return r.opts.Run(ctx, func(s beam.Scope) error {
		for _, c := range checks {
			if err := c.build(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// scan reads a table at the run's cut.
func (r *run) scan(ctx context.Context, s beam.Scope, table string) dataset.Dataset {
	return dataset.ScanTable(ctx, s, r.opts.Lake, table, dataset.AtCut(r.cut.Number()))
}

func (r *run) partitions() []columnar.Option {
	if r.opts.Partitions == 0 {
		return nil
	}
	return []columnar.Option{columnar.Partitions(r.opts.Partitions)}
}

// settle counts all breaks and gives the verdict.
func (rep *Report) settle() {
	rep.Verdict = Pass
	failed := false
	if s := rep.Checked; s != nil {
		rep.Breaks += s.Breaks.total()
		failed = failed || s.Quarantined > 0
	}
	if b := rep.Balances; b != nil {
		rep.Breaks += b.Breaks.total()
	}
	if s := rep.Source; s != nil {
		rep.Breaks += s.Breaks.total()
		failed = failed || len(s.Failed) > 0
		if s.Gap != "" {
			rep.Verdict = Incomplete
		}
	}
	if failed || rep.Breaks > 0 {
		rep.Verdict = Fail
	}
}

// identity is the run's: a digest of what is compared and by which settings.
func (r *run) identity(st *statementCheck) (string, error) {
	what := struct {
		Snapshots map[string]int64
		Zone      string
		Statement *Statement
		Left      any
		Right     any
		Where     string
		Files     []File
		Balances  *Balances
		Source    *struct {
			Stream string
			Tables []SourceTable
			Rows   bool
		}
	}{Snapshots: map[string]int64{}, Zone: r.opts.Zone.String(), Balances: r.opts.Balances}
	for _, t := range r.tables() {
		table, err := r.cut.Table(t)
		if err != nil {
			return "", err
		}
		what.Snapshots[t] = table.Snapshot()
	}
	if st != nil {
		plain := *r.opts.Statement
		plain.File = ""
		what.Statement, what.Left, what.Right, what.Files = &plain, st.left, st.right, st.files
	}
	if s := r.opts.Source; s != nil {
		what.Source = &struct {
			Stream string
			Tables []SourceTable
			Rows   bool
		}{s.Stream.Stream(), s.Tables, s.Rows}
	}
	data, err := json.Marshal(what)
	if err != nil {
		return "", fmt.Errorf("identify the run: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16]), nil
}

// tables lists the lake's tables that the run reads.
func (r *run) tables() []string {
	var out []string
	if s := r.opts.Statement; s != nil {
		out = append(out, s.Table)
		if s.Lookup != nil {
			out = append(out, s.Lookup.Table)
		}
	}
	if b := r.opts.Balances; b != nil {
		out = append(out, b.Movements.Table)
		if b.Stated != nil {
			out = append(out, b.Stated.Table)
		}
	}
	if s := r.opts.Source; s != nil {
		for _, t := range s.Tables {
			out = append(out, s.lakeTables(t)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// stateCut is the last cut that changed a table which the run reads: the same for a
// run that is made again after others, this job included, have written elsewhere in the lake.
func (r *run) stateCut() (last int64, err error) {
	for _, name := range r.tables() {
		t, err := r.cut.Table(name)
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(t.Summary()[catalog.KeyCut], 10, 64)
		if err != nil { // a table that holds nothing yet
			continue
		}
		last = max(last, n)
	}
	return last, nil
}
