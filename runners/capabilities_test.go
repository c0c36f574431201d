package runners_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/runners"
	"github.com/millrace/millrace/sdk/fault"
)

func TestCapabilityTable(t *testing.T) {
	t.Parallel()
	all := []runners.Capability{runners.Bounded, runners.Datasets, runners.Counters, runners.Unbounded, runners.SplittableFn, runners.State, runners.Distributed, runners.Jobs, runners.Cancel}
	for _, r := range runners.Runners() {
		have := runners.Capabilities(r)
		if len(have) != len(all) {
			t.Errorf("%s: the table has %d capabilities, want %d", r, len(have), len(all))
		}
		for _, c := range all {
			s, ok := have[c]
			if !ok || !s.Yes && s.Note == "" {
				t.Errorf("%s: %s is missing or refused without a reason", r, c)
			}
			err := runners.Check(r, c)
			if (err == nil) != s.Yes {
				t.Errorf("%s: Check(%s) is %v", r, c, err)
			}
			if err != nil && (fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), s.Note)) {
				t.Errorf("%s: Check(%s) is %v, want a usage error with the reason", r, c, err)
			}
		}
		if err := runners.Check(r, runners.Bounded, runners.Datasets); err != nil {
			t.Error(err)
		}
	}
	if err := runners.Check(runners.Spark, runners.Unbounded); !strings.Contains(err.Error(), "flink") {
		t.Errorf("the refusal %v does not name the runner that can", err)
	}
	if runners.Capabilities("dataflow") != nil || runners.Check("dataflow") == nil {
		t.Error("an unknown runner has capabilities")
	}
}
