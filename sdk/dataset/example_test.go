package dataset_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// Payment is a row of the examples.
type Payment struct {
	ID     int64 `lake:",key"`
	From   string
	To     string
	Amount money.Decimal `lake:",decimal(18,2)"`
}

// Party is a row of the examples.
type Party struct {
	Name    string `lake:",key"`
	Country string
}

// Fee is a row of the examples.
type Fee struct {
	ID  int64
	Fee money.Decimal `lake:",decimal(18,2)"`
}

func init() {
	dataset.RegisterMapBatches(onlyLarge)
	dataset.RegisterMap(feeOf)
	dataset.RegisterBeam[Payment]()
	register.Function1x1(shout)
}

// onlyLarge is a function over batches: it keeps payments above 100.
func onlyLarge(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	large, err := expr.Bind(expr.Col("amount").Gt(100), b.Schema())
	if err != nil {
		return nil, err
	}
	return large.Filter(b)
}

// feeOf is a function over rows: 0.15 %, at least a cent.
func feeOf(p Payment) (Fee, error) {
	rate, err := money.Parse("0.0015")
	if err != nil {
		return Fee{}, err
	}
	fee, err := p.Amount.MulRound(rate, 2, money.HalfEven)
	if err != nil {
		return Fee{}, err
	}
	if fee.IsZero() {
		fee, err = money.New(1, 2)
	}
	return Fee{p.ID, fee}, err
}

// shout is an ordinary Beam function.
func shout(p Payment) Payment {
	p.To = strings.ToUpper(p.To)
	return p
}

// payments makes the dataset of the examples. In a program it would be dataset.Scan[Payment](s, lake, "ledger.payments").
func payments(s beam.Scope) dataset.Dataset {
	var rows []Payment
	for i, p := range []struct {
		from, to string
		cents    int64
	}{{"Ada", "Bob", 25_000}, {"Bob", "Cyd", 9_900}, {"Ada", "Cyd", 100}, {"Eve", "Ada", 70_000}} {
		amount, err := money.New(p.cents, 2)
		if err != nil {
			panic(err)
		}
		rows = append(rows, Payment{int64(i + 1), p.from, p.to, amount})
	}
	d, err := datasettest.From(s, "payments", rows)
	if err != nil {
		panic(err)
	}
	return d
}

func parties(s beam.Scope) dataset.Dataset {
	d, err := datasettest.From(s, "parties", []Party{{"Ada", "DE"}, {"Bob", "FR"}, {"Cyd", "FR"}})
	if err != nil {
		panic(err)
	}
	return d
}

// show runs a chain and prints its rows, sorted.
func show(chain func(s beam.Scope) dataset.Rows) {
	out := datasettest.NewTables("examples")
	_, err := datasettest.Run(context.Background(), func(s beam.Scope) {
		dataset.Write(s, out, "out", chain(s))
	}, dataset.RunOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	rows, err := out.Rows("out")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range datasettest.Texts(rows) {
		fmt.Println(row)
	}
}

func ExampleGroupBy() {
	show(func(s beam.Scope) dataset.Rows {
		return dataset.GroupBy(s, payments(s), "from").
			Sum("amount", "paid").Count("n").CountDistinct("to", "partners").
			Avg("amount", "mean", 2, money.HalfEven).Last("to", "last", "id")
	})
	// Output:
	// Ada | 251 | 2 | 2 | 125.5 | Cyd
	// Bob | 99 | 1 | 1 | 99 | Cyd
	// Eve | 700 | 1 | 1 | 700 | Ada
}

func ExampleProject() {
	show(func(s beam.Scope) dataset.Rows {
		large := dataset.Filter(s, payments(s), expr.Col("amount").Ge(99))
		return dataset.Project(s, large, dataset.Column("id"), dataset.As("cents", expr.Col("amount").Mul(100)))
	})
	// Output:
	// 1 | 25000
	// 2 | 9900
	// 4 | 70000
}

func ExampleJoin() {
	show(func(s beam.Scope) dataset.Rows {
		abroad := dataset.Join(s, dataset.LeftJoin, payments(s), parties(s), dataset.OnPair("to", "name"))
		return dataset.Select(s, abroad, "id", "to", "country")
	})
	// Output:
	// 1 | Bob | FR
	// 2 | Cyd | FR
	// 3 | Cyd | FR
	// 4 | Ada | DE
}

func ExampleJoin_anti() {
	show(func(s beam.Scope) dataset.Rows {
		return dataset.Join(s, dataset.AntiJoin, payments(s), parties(s), dataset.OnPair("from", "name"))
	})
	// Output:
	// 4 | Eve | Ada | 700
}

func ExampleMapBatches() {
	show(func(s beam.Scope) dataset.Rows {
		return dataset.Select(s, dataset.MapBatches(s, payments(s), onlyLarge), "id")
	})
	// Output:
	// 1
	// 4
}

func ExampleMap() {
	show(func(s beam.Scope) dataset.Rows { return dataset.Map(s, payments(s), feeOf) })
	// Output:
	// 1 | 0.38
	// 2 | 0.15
	// 3 | 0.01
	// 4 | 1.05
}

func ExampleUnion() {
	show(func(s beam.Scope) dataset.Rows {
		froms := dataset.Project(s, payments(s), dataset.As("name", expr.Col("from")))
		tos := dataset.Project(s, payments(s), dataset.As("name", expr.Col("to")))
		return dataset.GroupBy(s, dataset.Union(s, froms, tos), "name").Count("n")
	})
	// Output:
	// Ada | 3
	// Bob | 2
	// Cyd | 2
	// Eve | 1
}

func ExampleSort() {
	lake := datasettest.NewTables("example of Sort")
	_, err := datasettest.Run(context.Background(), func(s beam.Scope) {
		one := dataset.Repartition(s, payments(s), 1) // an order over all rows needs them in one partition
		dataset.Write(s, lake, "sorted", dataset.Select(s, dataset.Sort(s, one, "amount"), "id"))
	}, dataset.RunOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	rows, err := lake.Rows("sorted")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rows.Column(0))
	// Output: [3 2 1 4]
}

func ExampleToBeam() {
	show(func(s beam.Scope) dataset.Rows {
		col := dataset.ToBeam[Payment](s, dataset.Filter(s, payments(s), expr.Col("from").Eq("Ada")))
		return dataset.FromBeam[Payment](s, beam.ParDo(s, shout, col))
	})
	// Output:
	// 1 | Ada | BOB | 250
	// 3 | Ada | CYD | 1
}

func ExampleWrite() {
	lake := datasettest.NewTables("example of Write")
	build := func(s beam.Scope) {
		dataset.Write(s, lake, "ledger.payments", payments(s),
			dataset.Key("from", "id"), // rows are sorted by it in each file
			dataset.Buckets(4),        // so that joins and aggregates by from need not move rows
			dataset.Append("payments of 2026-11-23"))
	}
	for range 2 { // the second run finds that its rows are there
		if _, err := datasettest.Run(context.Background(), build, dataset.RunOptions{}); err != nil {
			fmt.Println(err)
			return
		}
	}
	rows, err := lake.Rows("ledger.payments")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rows.NumRows(), "rows in", lake.Files("ledger.payments"), "files")
	// Output: 4 rows in 3 files
}

// A mistake in a chain does not panic: it is reported, with all others, before anything runs.
func ExamplePrepare() {
	_, err := datasettest.Run(context.Background(), func(s beam.Scope) {
		lake := datasettest.NewTables("example of mistakes")
		dataset.Write(s, lake, "a", dataset.GroupBy(s, payments(s), "from"))
		dataset.Write(s, lake, "b", dataset.Sort(s, payments(s), "amuont"))
	}, dataset.RunOptions{})
	fmt.Println(fault.Of(err))
	fmt.Println(err)
	// Output:
	// usage
	// write table a: group by from: a grouping needs at least one aggregate, such as Count
	// write table b: sort: there is no column "amuont": the columns are id, from, to, amount
}

func ExampleParseFailure() {
	err := dataset.ParseFailure("java.lang.RuntimeException: process bundle failed: ⦗usage: table ledger.x does not exist⦘ at org.apache.beam…")
	fmt.Println(err, errors.Is(err, dataset.ErrNoTable), fault.Of(err))
	// Output: table ledger.x does not exist false usage
}
