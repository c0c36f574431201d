package embedded_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/record"
)

type posting struct {
	Account string `lake:"account_id"`
	Cents   int64
}

func init() {
	register.Function2x1(plainDoFn)
	register.Emitter1[string]()
	dataset.RegisterMapBatches(refuse)
}

var counted = beam.NewCounter("test", "seen")

// plainDoFn is a DoFn of an author's own.
func plainDoFn(ctx context.Context, _ []byte) string {
	counted.Inc(ctx, 3)
	return "x"
}

var errRefused = fault.Usagef("the sanctions list is older than a day")

func refuse(context.Context, arrow.RecordBatch) (arrow.RecordBatch, error) { return nil, errRefused }

func lakeOf(t testing.TB, rows ...posting) *datasettest.Tables {
	t.Helper()
	lk := datasettest.NewTables(t.Name())
	b, err := record.NewBuilder[posting]()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.AppendAll(rows); err != nil {
		t.Fatal(err)
	}
	if err := lk.Put("postings", dataset.Layout{}, b.Schema(), b.NewRecord()); err != nil {
		t.Fatal(err)
	}
	return lk
}

func totals(lk dataset.Lake) func(beam.Scope) error {
	return func(s beam.Scope) error {
		p := dataset.Scan[posting](s, lk, "postings")
		dataset.Write(s, lk, "totals", dataset.GroupBy(s, p, "account_id").Sum("cents", "cents"))
		return nil
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	lk := lakeOf(t, posting{"a", 5}, posting{"b", 7}, posting{"a", -2})
	var last dataset.Stats
	res, err := embedded.Run(t.Context(), totals(lk), embedded.Options{Progress: func(s dataset.Stats) { last = s }})
	if err != nil {
		t.Fatal(err)
	}
	b, err := lk.Rows("totals")
	if err != nil {
		t.Fatal(err)
	}
	if b.NumRows() != 2 || res.Stats.RowsRead != 3 || res.Stats.RowsWritten != 2 || res.RunID == "" || res.Elapsed <= 0 {
		t.Errorf("%d rows, result %+v", b.NumRows(), res)
	}
	if last != res.Stats {
		t.Errorf("the last progress is %+v, the result's stats %+v", last, res.Stats)
	}
}

func TestRunAnyBeamTransform(t *testing.T) {
	t.Parallel()
	res, err := embedded.Run(t.Context(), func(s beam.Scope) error {
		beam.ParDo(s, plainDoFn, beam.Impulse(s))
		return nil
	}, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Counters["test.seen"] != 3 {
		t.Errorf("counters are %v, want test.seen 3", res.Counters)
	}
}

func TestRunErrors(t *testing.T) {
	t.Parallel()
	lk := lakeOf(t, posting{"a", 5})
	own := errors.New("no such business date")
	cause := errors.New("shift is over")
	ended, end := context.WithCancelCause(context.Background())
	end(cause)
	for name, c := range map[string]struct {
		ctx   context.Context
		build func(beam.Scope) error
		is    error
		text  string
	}{
		"of the build":     {t.Context(), func(beam.Scope) error { return own }, own, ""},
		"a panic in Beam":  {t.Context(), func(s beam.Scope) error { beam.ParDo(s, 17, beam.Impulse(s)); return nil }, nil, "build the pipeline"},
		"of a function":    {t.Context(), refused(lk), errRefused, "sanctions list"},
		"ctx has ended":    {ended, totals(lk), cause, ""},
		"nothing to do":    {t.Context(), func(beam.Scope) error { return nil }, nil, "pipeline"},
		"a chain mistaken": {t.Context(), mistaken(lk), nil, "account_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := embedded.Run(c.ctx, c.build, embedded.Options{})
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error is %v, want %v %q", err, c.is, c.text)
			}
		})
	}
}

func refused(lk dataset.Lake) func(beam.Scope) error {
	return func(s beam.Scope) error {
		dataset.Write(s, lk, "never", dataset.MapBatches(s, dataset.Scan[posting](s, lk, "postings"), refuse))
		return nil
	}
}

func mistaken(lk dataset.Lake) func(beam.Scope) error {
	return func(s beam.Scope) error {
		dataset.Write(s, lk, "never", dataset.GroupBy(s, dataset.Scan[posting](s, lk, "postings"), "account").Count("n"))
		return nil
	}
}
