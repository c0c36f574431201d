package dataset_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
)

func init() {
	dataset.RegisterBeam[Entry]()
	dataset.RegisterBeam[Spend]()
	register.Function2x2(byChannel)
	register.Function2x1(perChannel)
	register.Iter1[Entry]()
	register.Function2x0(nothing)
	register.Emitter1[Spend]()
}

// byChannel and perChannel are an author's ordinary Beam functions.
func byChannel(_ context.Context, e Entry) (string, Entry) {
	if e.Channel == nil {
		return "unknown", e
	}
	return *e.Channel, e
}

func perChannel(channel string, next func(*Entry) bool) Spend {
	s := Spend{Account: int64(len(channel))}
	var e Entry
	for next(&e) {
		sum, err := s.Spent.Add(e.Amount)
		if err != nil {
			panic(err)
		}
		s.Spent = sum
		s.N++
	}
	return s
}

func nothing(_ []byte, _ func(Spend)) {}

func TestToBeamAndBack(t *testing.T) {
	t.Parallel()
	rows := bank(300)
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, rows, 70)
	sum, n := map[int]int64{}, map[int]int{}
	for _, e := range rows {
		k := len("unknown")
		if e.Channel != nil {
			k = len(*e.Channel)
		}
		c := e.Amount.Coefficient()
		v, _ := c.Int64()
		sum[k] += v
		n[k]++
	}
	var want []string
	for k := range n {
		if k != len("card") { // wire has as many letters
			want = append(want, fmt.Sprint(k, " ", cents(sum[k]), " ", n[k]))
		}
	}
	run(t, dataset.RunOptions{BatchRows: 50}, func(s beam.Scope) {
		all := dataset.ToBeam[Entry](s, dataset.Scan[Entry](s, lk, "ledger.entries"))
		dataset.Write(s, lk, "back", dataset.FromBeam[Entry](s, all))
		per := beam.ParDo(s, perChannel, beam.GroupByKey(s, beam.ParDo(s, byChannel, all)))
		spend := dataset.Filter(s, dataset.FromBeam[Spend](s, per), expr.Col("account_id").Ne(4))
		dataset.Write(s, lk, "per_channel", spend)
	})
	equal(t, rowsOf(t, lk, "back"), rowsOf(t, lk, "ledger.entries"))
	equal(t, rowsOf(t, lk, "per_channel"), want)
}

func TestFromBeamOfNothing(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	run(t, dataset.RunOptions{}, func(s beam.Scope) {
		none := beam.ParDo(s, nothing, beam.Impulse(s))
		d := dataset.FromBeam[Spend](s, none)
		dataset.Write(s, lk, "none", dataset.GroupBy(s, d, "account_id").Sum("spent", "spent"))
	})
	equal(t, rowsOf(t, lk, "none"), nil)
}

// stranger is not registered.
type stranger struct{ Account int64 }

func TestBeamMistakes(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, bank(5), 5)
	_, err := datasettest.Run(t.Context(), func(s beam.Scope) {
		e := dataset.Scan[Entry](s, lk, "ledger.entries")
		dataset.ToBeam[stranger](s, e)
		dataset.ToBeam[Spend](s, e)
		dataset.Write(s, lk, "x", dataset.FromBeam[stranger](s, beam.Impulse(s)))
		dataset.Write(s, lk, "y", dataset.FromBeam[Spend](s, beam.Impulse(s)))
	}, dataset.RunOptions{})
	if fault.Of(err) != fault.Usage {
		t.Fatalf("error is %v (%s), want a usage error", err, fault.Of(err))
	}
	lines := strings.Split(err.Error(), "\n")
	for i, text := range []string{"RegisterBeam[stranger]", "spent", "RegisterBeam[stranger]", "holds []uint8"} {
		if i >= len(lines) || !strings.Contains(lines[i], text) {
			t.Errorf("line %d does not hold %q: %v", i, text, slices.Clip(lines))
		}
	}
}
