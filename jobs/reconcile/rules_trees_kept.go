package reconcile

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// KeptTrees is the lake's table of what runs by trees have added up: a row for each side as a rule file reads it, of the snapshot that was read last. A later run
// adds the files that the table has got since. Where a file has left it, by a rewrite or a delete, all are read. Rows may be removed at any time:
// what is missing is added up again.
const KeptTrees = "reconciliation.trees"

func keptSchema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "definition", Type: utf8}, {Name: "side", Type: utf8}, {Name: "table_name", Type: utf8}, {Name: "snapshot", Type: bigint},
		{Name: "recorded_at", Type: instant}, {Name: "totals", Type: utf8}, {Name: "tree", Type: arrow.BinaryTypes.Binary}}, nil)
}

// keptVersion is that of rows' hashes: with another one, trees are made anew.
const keptVersion = 1

// keptSide is a side's tree as it is kept, or as it is to be.
type keptSide struct {
	loader *loader
	sieve  *reconciliation.Sieve

	tree   []byte // nil where there is none
	totals keptTotals

	definition string
	snapshot   int64
	files      []string // of KeptTrees, that have it or may have it
	at         int64    // the snapshot of KeptTrees in which they are
	used       bool     // rows of it are in this run
}

// keptTotals are what a side and its sieve know of their rows beside the tree.
type keptTotals struct {
	Sieve json.RawMessage            `json:"sieve"`
	Sums  map[string]map[int]keptSum `json:"sums"` // by currency, by scale
}

type keptSum struct {
	Rows int64  `json:"rows"`
	Sum  []byte `json:"sum"`
}

// keeps readies sides whose trees are kept: tables of a lake, of which nothing but their trees is asked.
func (o *RulesOptions) keeps(ctx context.Context, s *reconciliation.Sieve, loaders []*loader) error {
	if o.Lake == nil {
		return nil
	}
	for _, l := range loaders {
		if l.spec.Table == "" || o.Sides[l.spec.Name] != "" || len(l.proofs) > 0 {
			continue
		}
		text, err := json.Marshal(struct{ Version, Side, Schema, Passes any }{keptVersion, l.spec, l.schema, o.Rules.Passes})
		if err != nil {
			return fmt.Errorf("side %s: name its tree: %w", l.spec.Name, err)
		}
		sum := sha256.Sum256(text)
		l.kept = &keptSide{loader: l, sieve: s, definition: hex.EncodeToString(sum[:])}
		if err := l.kept.find(ctx, o.Lake); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			l.kept.drop(err)
		}
	}
	return nil
}

// drop does without the kept tree. The run makes it anew.
func (k *keptSide) drop(why error) {
	k.tree, k.totals = nil, keptTotals{}
	k.loader.opts.Logger.Warn("a kept tree cannot be read: all rows are added up", "table", KeptTrees, "side", k.loader.spec.Name, "error", why)
}

// find reads what is kept of the side.
func (k *keptSide) find(ctx context.Context, lake *catalog.Lake) error {
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		return err
	}
	if !slices.Contains(cut.Tables(), KeptTrees) {
		return nil
	}
	mine := expr.Col("definition").Eq(k.definition)
	plan, err := cut.PlanScan(ctx, KeptTrees, catalog.ScanOptions{Filter: mine})
	if err != nil {
		return err
	}
	k.at = plan.Snapshot
	var last arrow.Timestamp
	for _, s := range plan.Splits {
		for _, f := range s.Files {
			k.files = append(k.files, f.Path)
			one := catalog.ScanSplit{Bucket: s.Bucket, Files: []catalog.ScanFile{f}}
			in, err := lake.OpenSplit(ctx, plan.Schema, one, catalog.ReadOptions{Filter: mine})
			if err != nil {
				return err
			}
			err = catalog.EachBatch(ctx, in, func(b arrow.RecordBatch) error {
				for i := range int(b.NumRows()) {
					if at := b.Column(4).(*array.Timestamp).Value(i); at >= last {
						last, k.totals = at, keptTotals{}
						k.snapshot = b.Column(3).(*array.Int64).Value(i)
						k.tree = slices.Clone(b.Column(6).(*array.Binary).Value(i))
						if err := json.Unmarshal([]byte(b.Column(5).(*array.String).Value(i)), &k.totals); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// since leaves of a scan's plan the files that the kept tree lacks, and puts the tree in the place of the others. A tree that can't be used is not.
func (k *keptSide) since(ctx context.Context, plan catalog.ScanPlan) ([]catalog.ScanSplit, error) {
	if k.tree == nil {
		return plan.Splits, nil
	}
	lake, name, log := k.loader.opts.Lake, k.loader.spec.Table, k.loader.opts.Logger
	before, err := filesOf(ctx, lake, name, k.snapshot)
	if errors.Is(err, catalog.ErrNotFound) {
		log.Debug("the snapshot of a kept tree is gone: all rows are added up", "side", k.loader.spec.Name, "snapshot", k.snapshot)
		return plan.Splits, nil
	}
	if err != nil {
		return nil, err
	}
	now, err := filesOf(ctx, lake, name, plan.Snapshot)
	if err != nil {
		return nil, err
	}
	for f := range before {
		if !now[f] {
			log.Debug("files of a kept tree have left the table: all rows are added up", "side", k.loader.spec.Name, "file", f)
			return plan.Splits, nil
		}
	}
	if err := k.restore(); err != nil {
		k.drop(err)
		return plan.Splits, nil
	}
	k.used = true
	log.Info("a kept tree stands for the files that it has", "side", k.loader.spec.Name, "snapshot", k.snapshot, "kept", len(before), "files", len(now))
	var out []catalog.ScanSplit
	for _, s := range plan.Splits {
		s.Files = slices.DeleteFunc(slices.Clone(s.Files), func(f catalog.ScanFile) bool { return before[fileName(f)] })
		if len(s.Files) > 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

// filesOf are a snapshot's files with their deletes.
func filesOf(ctx context.Context, lake *catalog.Lake, name string, snapshot int64) (map[string]bool, error) {
	cut, err := lake.At(ctx, catalog.At{Snapshot: snapshot})
	if err != nil {
		return nil, err
	}
	plan, err := cut.PlanScan(ctx, name, catalog.ScanOptions{})
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, s := range plan.Splits {
		for _, f := range s.Files {
			out[fileName(f)] = true
		}
	}
	return out, nil
}

// fileName names a file as it is read: other deletes make it another one.
func fileName(f catalog.ScanFile) string {
	deletes := slices.Sorted(slices.Values(f.Deletes))
	return fmt.Sprintf("%q %q", f.Path, deletes)
}

// restore gives the kept rows to the sieve and to the side's totals.
func (k *keptSide) restore() error {
	var rows int64
	sums := map[string]*sideSum{}
	for currency, byScale := range k.totals.Sums {
		s := &sideSum{}
		for scale, sum := range byScale {
			if scale < 0 || scale > money.MaxScale || sum.Rows < 0 {
				return fmt.Errorf("the kept sum in %s has %d digits after the point and %d rows", currency, scale, sum.Rows)
			}
			if err := s.sums[scale].UnmarshalBinary(sum.Sum); err != nil {
				return fmt.Errorf("the kept sum in %s: %w", currency, err)
			}
			s.rows[scale] = sum.Rows
			rows += sum.Rows
		}
		sums[currency] = s
	}
	if err := k.sieve.RestoreScreen(k.loader.number, reconciliation.ScreenState{Tree: k.tree, Totals: k.totals.Sieve}); err != nil {
		return err
	}
	k.loader.report.Rows, k.loader.sums = rows, sums
	return nil
}

// same reports whether the kept tree is that of the snapshot that was read.
func (k *keptSide) same() bool { return k.used && k.snapshot == k.loader.report.Snapshot }

// take notes the side's tree, which is whole now.
func (k *keptSide) take() error {
	if k.same() {
		return nil
	}
	state, err := k.sieve.ScreenState(k.loader.number)
	if err != nil {
		return err
	}
	k.tree, k.totals = state.Tree, keptTotals{Sieve: state.Totals, Sums: map[string]map[int]keptSum{}}
	for currency, s := range k.loader.sums {
		k.totals.Sums[currency] = map[int]keptSum{}
		for scale, rows := range s.rows {
			if rows == 0 {
				continue
			}
			sum, err := s.sums[scale].MarshalBinary()
			if err != nil {
				return fmt.Errorf("side %s: keep its total in %s: %w", k.loader.spec.Name, currency, err)
			}
			k.totals.Sums[currency][scale] = keptSum{rows, sum}
		}
	}
	return nil
}

// keep writes the trees of the lake's tables for the next run, in one commit and in the place of those before, unless another run has done it meanwhile.
func (t *TreesReport) keep(ctx context.Context, o *RulesOptions) (err error) {
	t.kept = slices.DeleteFunc(t.kept, (*keptSide).same)
	if len(t.kept) == 0 {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep trees in %s: %w", KeptTrees, err)
		}
	}()
	spec := catalog.TableSpec{Name: KeptTrees, Schema: keptSchema(), Kind: catalog.Plain, Key: []string{"definition"}}
	if err := o.Lake.EnsureTable(ctx, spec); err != nil {
		return err
	}
	var random [4]byte
	rand.Read(random[:]) // never fails
	nonce := hex.EncodeToString(random[:])
	epoch := "trees-" + nonce
	change := catalog.TableChange{Table: KeptTrees}
	for _, k := range t.kept {
		row, err := k.row(o)
		if err != nil {
			return err
		}
		defer row.Release()
		w := &lakeWriter{lake: o.Lake, run: epoch, nonce: nonce + k.definition[:8]} // a file for each, so that it can be removed alone
		one, err := w.table(ctx, KeptTrees, func(add func(arrow.RecordBatch) error) error { return add(row) })
		if err != nil {
			return err
		}
		change.Add, change.Remove = append(change.Add, one.Add...), append(change.Remove, k.files...)
		change.Totals.Rows += one.Totals.Rows
		change.Totals.Inserts += one.Totals.Inserts
		change.Based = k.at
	}
	slices.Sort(change.Remove)
	change.Remove = slices.Compact(change.Remove)
	_, err = o.Lake.Commit(ctx, catalog.Commit{Epoch: epoch, Tables: []catalog.TableChange{change}})
	if errors.Is(err, catalog.ErrConflict) {
		o.Logger.Debug("another run has kept its trees meanwhile", "rules", o.Rules.Name)
		return nil
	}
	return err
}

// row is the side's in the table.
func (k *keptSide) row(o *RulesOptions) (arrow.RecordBatch, error) {
	totals, err := json.Marshal(k.totals)
	if err != nil {
		return nil, err
	}
	clock := o.Clock
	if clock == nil {
		clock = time.Now
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, keptSchema())
	defer b.Release()
	for i, s := range []string{k.definition, k.loader.spec.Name, k.loader.spec.Table} {
		b.Field(i).(*array.StringBuilder).Append(s)
	}
	b.Field(3).(*array.Int64Builder).Append(k.loader.report.Snapshot)
	b.Field(4).(*array.TimestampBuilder).Append(arrow.Timestamp(clock().UnixMicro()))
	b.Field(5).(*array.StringBuilder).Append(string(totals))
	b.Field(6).(*array.BinaryBuilder).Append(k.tree)
	return b.NewRecordBatch(), nil
}
