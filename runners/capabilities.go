package runners

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
)

// Runner names a runner.
type Runner string

// The runners.
const (
	Embedded Runner = "embedded" // prism in this process
	Flink    Runner = "flink"
	Spark    Runner = "spark"
)

// Capability is something that a pipeline may need of its runner.
type Capability string

// The capabilities.
const (
	Bounded      Capability = "bounded"       // pipelines that end
	Datasets     Capability = "datasets"      // package dataset; certified by package runnertest
	Counters     Capability = "counters"      // Beam counters come back with the result
	Unbounded    Capability = "unbounded"     // pipelines that do not end
	SplittableFn Capability = "splittable-fn" // splittable DoFns that resume
	State        Capability = "state"         // stateful DoFns
	Distributed  Capability = "distributed"   // workers on several machines
	Jobs         Capability = "jobs"          // readers and sinks of ingest, features and reconcile
	Cancel       Capability = "cancel"        // a running job ends soon after it is cancelled, whatever its functions do
)

// Support says how well a runner does something.
type Support struct {
	Yes bool
	// Note says under which condition, or why not.
	Note string
}

// capabilities is what was measured or is certified by tests, not what runners claim.
var capabilities = map[Runner]map[Capability]Support{
	Embedded: {
		Bounded:      {true, "12 to 35 ms a small job; shuffled Beam elements are held in memory, datasets stage theirs"},
		Datasets:     {true, ""},
		Counters:     {true, ""},
		Unbounded:    {false, "a stream is a loop of bounded epochs: package embedded, Loop"},
		SplittableFn: {false, "bounded ones run; resuming ones spin a core while idle"},
		State:        {true, "within a bounded pipeline"},
		Distributed:  {false, "one process"},
		Jobs:         {true, ""},
		Cancel:       {false, "tasks of datasets stop; a DoFn that ignores its context is waited for"},
	},
	Flink: {
		Bounded:      {true, "about 2 s a small job on a local Flink, 8 to 20 s on a cluster"},
		Datasets:     {true, ""},
		Counters:     {true, ""},
		Unbounded:    {true, "splittable planner, reshuffle, tasks, stateful commit; set checkpointing_interval"},
		SplittableFn: {true, "resume times are whole seconds"},
		State:        {true, ""},
		Distributed:  {true, "with Process or External workers"},
		Jobs:         {false, "they find their sources and sinks in the process that submits them: write such a pipeline with datasets"},
		Cancel:       {true, ""},
	},
	Spark: {
		Bounded:      {true, "0.5 to 1 s a small job on a local Spark"},
		Datasets:     {true, ""},
		Counters:     {true, ""},
		Unbounded:    {false, "Beam's portable Spark runner has none"},
		SplittableFn: {false, "bounded ones run"},
		State:        {true, "within a bounded pipeline"},
		Distributed:  {true, "with Process or External workers"},
		Jobs:         {false, "they find their sources and sinks in the process that submits them: write such a pipeline with datasets"},
		Cancel:       {true, ""},
	},
}

// Runners lists the runners.
func Runners() []Runner { return []Runner{Embedded, Flink, Spark} }

// Capabilities is what a runner can do, by capability; nil for an unknown runner. The map is the caller's.
func Capabilities(r Runner) map[Capability]Support {
	have, ok := capabilities[r]
	if !ok {
		return nil
	}
	out := make(map[Capability]Support, len(have))
	for c, s := range have {
		out[c] = s
	}
	return out
}

// Check refuses a runner that lacks one of the capabilities: a fault.Usage that
// says which, why, and which runners have all of them.
func Check(r Runner, need ...Capability) error {
	have, ok := capabilities[r]
	if !ok {
		return fault.Usagef("there is no runner %q: write %s", r, join(Runners()))
	}
	for _, c := range need {
		if s := have[c]; !s.Yes {
			return fault.Usagef("runner %s cannot do %s (%s); runners that can do all that is needed: %s", r, c, s.Note, join(able(need)))
		}
	}
	return nil
}

func able(need []Capability) []Runner {
	var out []Runner
	for _, r := range Runners() {
		if !slices.ContainsFunc(need, func(c Capability) bool { return !capabilities[r][c].Yes }) {
			out = append(out, r)
		}
	}
	return out
}

func join(list []Runner) string {
	if len(list) == 0 {
		return "none"
	}
	names := make([]string, len(list))
	for i, r := range list {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}
