package killsuite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/sdk/change"
)

const (
	namespace   = "ledger"
	deadLetters = namespace + "." + changelog.DeadLetterTable
)

// audit holds the lake's cuts against the book, one after another. It keeps what the lake must hold at the last one.
type audit struct {
	lake  *catalog.Lake
	book  *book
	next  map[string]int // events of each shard that the lake must hold
	pos   change.Position
	cut   int64
	state map[string]map[int64]row // mirrors, by table and key
	want  map[string]*tally        // by lake table
	dates map[string]int64         // business date → its last cut
	files map[string]tally         // what was read of a file before
	open  map[int]int              // events held of transactions that the lake holds in part
	runs  int                      // cuts of maintenance
	held  []map[string]tally       // what each cut holds, from the first

	balances map[int64]int64 // Σ entries by account
	sums     map[string]int64
}

// tally is a set of rows.
type tally struct {
	rows int64
	mark mark
}

func newAudit(lake *catalog.Lake, b *book) *audit {
	a := &audit{lake: lake, book: b, next: map[string]int{}, state: map[string]map[int64]row{}, want: map[string]*tally{deadLetters: {}},
		dates: map[string]int64{}, files: map[string]tally{}, open: map[int]int{}, balances: map[int64]int64{}, sums: map[string]int64{}}
	for _, t := range ledgergen.TableNames() {
		a.state[t] = map[int64]row{}
		a.want[mirrorOf(t)], a.want[logOf(t)] = &tally{}, &tally{}
	}
	return a
}

func mirrorOf(table string) string { return namespace + "." + table }
func logOf(table string) string    { return changelog.Name(mirrorOf(table)) }

// follow audits the cuts that came since the last time, until there are no more. Nobody commits meanwhile.
func (a *audit) follow(ctx context.Context) error {
	if err := a.followLive(ctx); err != nil {
		return err
	}
	pos, err := a.lake.StreamPosition(ctx, stream)
	if err != nil {
		return err
	}
	if pos.Compare(a.pos) != change.Equal {
		return fmt.Errorf("the stream stands at %s in the lake, but the last cut ends at %s", pos, a.pos)
	}
	return a.tags(ctx)
}

// followLive audits the cuts that came since the last time, while more may come.
func (a *audit) followLive(ctx context.Context) error {
	cuts, err := a.lake.Cuts(ctx)
	if err != nil {
		return err
	}
	for _, c := range cuts {
		if c.Cut <= a.cut {
			continue
		}
		if c.Cut != a.cut+1 {
			return fmt.Errorf("cut %d is followed by cut %d", a.cut, c.Cut)
		}
		if err := a.step(ctx, c); err != nil {
			return fmt.Errorf("cut %d (stream %q, epoch %s): %w", c.Cut, c.Stream, c.Epoch, err)
		}
	}
	return nil
}

// step audits one cut.
func (a *audit) step(ctx context.Context, c catalog.CutInfo) error {
	a.cut = c.Cut
	if c.Stream == "" {
		a.runs++
	} else if err := a.advance(c); err != nil {
		return err
	}
	cut, err := a.lake.At(ctx, catalog.At{Cut: c.Cut})
	if err != nil {
		return err
	}
	held := map[string]tally{}
	for name, want := range a.want {
		held[name] = *want
	}
	a.held = append(a.held, held)
	if err := a.tables(ctx, cut, held); err != nil {
		return err
	}
	return a.books()
}

// tables holds the tables of a cut against what they must hold.
func (a *audit) tables(ctx context.Context, cut *catalog.Cut, held map[string]tally) error {
	have := cut.Tables()
	for _, name := range slices.Sorted(maps.Keys(held)) {
		if !slices.Contains(have, name) {
			if held[name].rows > 0 {
				return fmt.Errorf("table %s is not in the lake", name)
			}
			continue
		}
		t, err := cut.Table(name)
		if err != nil {
			return err
		}
		if err := a.table(ctx, t, held[name]); err != nil {
			return err
		}
	}
	return nil
}

// again reads a cut anew from the storage, and audits it once more.
func (a *audit) again(ctx context.Context, n int64) error {
	clear(a.files)
	cut, err := a.lake.At(ctx, catalog.At{Cut: n})
	if err == nil {
		err = a.tables(ctx, cut, a.held[n-1])
	}
	if err != nil {
		return fmt.Errorf("cut %d, audited once more: %w", n, err)
	}
	return nil
}

// advance takes the events of one epoch into what is wanted.
func (a *audit) advance(c catalog.CutInfo) error {
	if c.Stream != stream {
		return fmt.Errorf("a foreign stream")
	}
	if want := change.EpochID(stream, a.pos); c.Epoch != want {
		return fmt.Errorf("it is not the epoch that follows the cut before, which is %s", want)
	}
	if c.Position.Compare(a.pos) != change.After {
		return fmt.Errorf("it ends at %s, which is not after %s", c.Position, a.pos)
	}
	a.pos = c.Position
	var events []event
	for shard, all := range a.book.shards {
		end := c.Position.Next[shard]
		for n := a.next[shard]; n < len(all) && all[n].offset < end; n++ {
			events = append(events, all[n])
			a.next[shard]++
		}
	}
	slices.SortFunc(events, func(x, y event) int { return x.seq - y.seq })
	totals := map[string]*catalog.Totals{}
	for _, e := range events {
		if e.table != "" && e.date != c.BusinessDate {
			return fmt.Errorf("it is of the business date %s, but holds transaction %d of %s", c.BusinessDate, e.tx, e.date)
		}
		a.apply(e, totals)
	}
	for tx, n := range a.open {
		if n != a.book.txs[tx] {
			return fmt.Errorf("it holds %d of the %d events of transaction %d", n, a.book.txs[tx], tx)
		}
	}
	clear(a.open)
	if c.BusinessDate != "" {
		a.dates[c.BusinessDate] = c.Cut
	}
	for name, want := range totals {
		got := c.Tables[name].Totals
		if got.Rows != want.Rows || got.Inserts != want.Inserts || got.Updates != want.Updates || got.Deletes != want.Deletes {
			return fmt.Errorf("table %s: its summary says %d rows (%d inserts, %d updates, %d deletes), the source sent %d (%d, %d, %d)", name,
				got.Rows, got.Inserts, got.Updates, got.Deletes, want.Rows, want.Inserts, want.Updates, want.Deletes)
		}
	}
	return nil
}

// apply takes one event into what is wanted.
func (a *audit) apply(e event, totals map[string]*catalog.Totals) {
	name := deadLetters
	if e.table != "" {
		name = logOf(e.table)
		a.open[e.tx]++
		a.mirror(e)
	}
	a.want[name].rows++
	a.want[name].mark.add(e.log.mark())
	t := totals[name]
	if t == nil {
		t = &catalog.Totals{}
		totals[name] = t
	}
	t.Rows++
	switch {
	case e.table == "", e.op == change.Create:
		t.Inserts++
	case e.op == change.Update:
		t.Updates++
	case e.op == change.Delete:
		t.Deletes++
	}
}

func (a *audit) mirror(e event) {
	state, want := a.state[e.table], a.want[mirrorOf(e.table)]
	if old, ok := state[e.key]; ok {
		want.rows--
		want.mark.sub(old.mark())
	}
	if e.state == nil {
		delete(state, e.key)
		return
	}
	state[e.key] = e.state
	want.rows++
	want.mark.add(e.state.mark())
	if e.table == ledgergen.Entries {
		amount := e.state.get("amount").(int64)
		a.balances[e.state.get("account_id").(int64)] += amount
		a.sums[e.state.get("currency").(string)] += amount
	}
}

// books proves the state that the lake's tables were found equal to: debits are credits, balances the sums of their entries.
func (a *audit) books() error {
	for ccy, sum := range a.sums {
		if sum != 0 {
			return fmt.Errorf("the entries in %s sum to %d", ccy, sum)
		}
	}
	for id, r := range a.state[ledgergen.Accounts] {
		if have := r.get("balance").(int64); have != a.balances[id] {
			return fmt.Errorf("account %d: balance %d, entries sum to %d", id, have, a.balances[id])
		}
	}
	return nil
}

// table holds a table at a cut against what is wanted.
func (a *audit) table(ctx context.Context, t *catalog.Table, want tally) error {
	var got tally
	err := a.eachFile(ctx, t, func(s catalog.ScanSplit, schema *arrow.Schema) error {
		id := fmt.Sprint(s.Files[0].Path, s.Files[0].Deletes)
		have, ok := a.files[id]
		if !ok {
			err := a.read(ctx, schema, s, func(r row) {
				have.rows++
				have.mark.add(r.mark())
			})
			if err != nil {
				return err
			}
			a.files[id] = have
		}
		got.rows += have.rows
		got.mark.add(have.mark)
		return nil
	})
	if err != nil {
		return fmt.Errorf("table %s: %w", t.Name(), err)
	}
	if got == want {
		return nil
	}
	return fmt.Errorf("table %s is not what the source says: %d rows, want %d: %s", t.Name(), got.rows, want.rows, a.differences(ctx, t))
}

// eachFile plans a scan of the table and calls f with each of its data files as a split of its own.
func (a *audit) eachFile(ctx context.Context, t *catalog.Table, f func(catalog.ScanSplit, *arrow.Schema) error) error {
	opts := catalog.ScanOptions{TargetBytes: 1 << 40}
	if t.Name() == deadLetters {
		opts.Columns = []string{"shard", "offset", "value"}
	}
	plan, err := t.PlanScan(ctx, opts)
	if err != nil {
		return err
	}
	for _, s := range plan.Splits {
		for _, file := range s.Files {
			if err := f(catalog.ScanSplit{Bucket: s.Bucket, Files: []catalog.ScanFile{file}}, plan.Schema); err != nil {
				return fmt.Errorf("file %s: %w", file.Path, err)
			}
		}
	}
	return nil
}

func (a *audit) read(ctx context.Context, schema *arrow.Schema, s catalog.ScanSplit, f func(row)) error {
	in, err := a.lake.OpenSplit(ctx, schema, s, catalog.ReadOptions{})
	if err != nil {
		return err
	}
	return catalog.EachBatch(ctx, in, func(rec arrow.RecordBatch) error {
		rows, err := rowsOf(rec)
		if err != nil {
			return err
		}
		for _, r := range rows {
			f(r)
		}
		return nil
	})
}

// shownDifferences bounds what a failure prints.
const shownDifferences = 5

// differences tells the first rows by which a table differs from what is wanted.
func (a *audit) differences(ctx context.Context, t *catalog.Table) string {
	left := map[string]int{}
	for _, r := range a.wanted(t.Name()) {
		left[r.String()]++
	}
	var surplus []string
	err := a.eachFile(ctx, t, func(s catalog.ScanSplit, schema *arrow.Schema) error {
		return a.read(ctx, schema, s, func(r row) {
			text := r.String()
			if left[text]--; left[text] < 0 {
				surplus = append(surplus, "  too much: "+text)
			}
		})
	})
	if err != nil {
		return err.Error()
	}
	var missing []string
	for text, n := range left {
		for range n {
			missing = append(missing, "  missing:  "+text)
		}
	}
	out := fmt.Sprintf("%d rows are missing, %d are too much", len(missing), len(surplus))
	slices.Sort(missing)
	for _, part := range [][]string{missing, surplus} {
		out += "\n" + strings.Join(part[:min(len(part), shownDifferences)], "\n")
	}
	return out
}

// wanted lists the rows that a lake table must hold at the present cut.
func (a *audit) wanted(name string) []row {
	table, isLog := strings.CutSuffix(strings.TrimPrefix(name, namespace+"."), changelog.Suffix)
	if state, ok := a.state[table]; ok && !isLog {
		return slices.Collect(maps.Values(state))
	}
	var out []row
	for shard, all := range a.book.shards {
		for _, e := range all[:a.next[shard]] {
			if e.table == table && isLog || e.table == "" && name == deadLetters {
				out = append(out, e.log)
			}
		}
	}
	return out
}

// tags checks that each business date reads the last cut of that date, whatever the table.
func (a *audit) tags(ctx context.Context) error {
	for _, date := range slices.Sorted(maps.Keys(a.dates)) {
		at, err := a.lake.At(ctx, catalog.At{Tag: "bd-" + date})
		if err != nil {
			return fmt.Errorf("business date %s: %w", date, err)
		}
		want, err := a.lake.At(ctx, catalog.At{Cut: a.dates[date]})
		if err != nil {
			return fmt.Errorf("business date %s: %w", date, err)
		}
		for _, name := range want.Tables() {
			w, err := want.Table(name)
			if err != nil {
				return fmt.Errorf("business date %s: %w", date, err)
			}
			if w.Snapshot() == 0 {
				continue
			}
			t, err := at.Table(name)
			if err != nil {
				return fmt.Errorf("business date %s: %w", date, err)
			}
			if t.Snapshot() != w.Snapshot() {
				return fmt.Errorf("business date %s: table %s is tagged at snapshot %d, but its last cut %d has snapshot %d", date, name, t.Snapshot(), a.dates[date], w.Snapshot())
			}
		}
	}
	return nil
}

// behind is how many events the source sent that the lake does not hold.
func (a *audit) behind() int {
	n := 0
	for shard, all := range a.book.shards {
		n += len(all) - a.next[shard]
	}
	return n
}
