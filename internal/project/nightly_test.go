package project_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

func TestNightlyDefaults(t *testing.T) {
	t.Parallel()
	f, err := project.Parse("m.yaml", []byte(around+"nightly: {steps: [{name: proof, job: reconcile, rules: r.yaml}]}\n"), env)
	if err != nil {
		t.Fatal(err)
	}
	n := f.Nightly
	if s := n.Steps[0]; n.Schedule != "30 1 * * *" || n.CutOff != "24:00" || n.CatchUp != "run_all" || n.MostBack != 10 || n.Lease != 30*time.Second ||
		s.Retries != 2 || s.Timeout != 4*time.Hour || s.Findings != "stop" {
		t.Errorf("%+v", n)
	}
	if z, err := n.Zone(f); err != nil || z != time.UTC {
		t.Errorf("zone %v, %v", z, err)
	}
	if db := f.NightlyDatabase(); !strings.HasPrefix(db, "sqlite://") || !strings.HasSuffix(db, "/c") {
		t.Errorf("database %s", db)
	}
}

func TestNightlyCalendars(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"bank.txt": "2026-12-24 Christmas Eve\n", "desk.yaml": "weekend: [friday]\nholidays: [2026-12-29]\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := project.Parse(filepath.Join(dir, "m.yaml"), []byte(around+`
nightly:
  calendar: {weekend: [sat, sun], holidays: [2026-12-31], files: [bank.txt, desk.yaml], target: true}
  steps: [{name: proof, job: reconcile, rules: r.yaml}]
`), env)
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Nightly.Calendar.Business(f)
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	from, err := calendar.ParseDay("2026-12-21")
	if err != nil {
		t.Fatal(err)
	}
	for d := from; d < from+14; d++ {
		if c.Business(d) {
			open = append(open, calendar.FormatDay(d)[8:])
		}
	}
	if got := strings.Join(open, " "); got != "21 22 23 28 30" {
		t.Errorf("open on %s", got)
	}
}

func TestMistakesOfNightly(t *testing.T) {
	t.Parallel()
	const proof = "{name: proof, job: reconcile, rules: r.yaml"
	for section, want := range map[string]string{
		"{}": "nightly.steps: is required",
		"{schedule: '61 1 * * *', steps: [" + proof + "}]}":                  `nightly.schedule: schedule "61 1 * * *": minute "61"`,
		"{schedule: '0 1 30 2 *', steps: [" + proof + "}]}":                  "nightly.schedule: schedule \"0 1 30 2 *\" never comes",
		"{time_zone: Europe/Praha, steps: [" + proof + "}]}":                 "nightly.time_zone: \"Europe/Praha\" is not a time zone",
		"{cut_off: 6pm, steps: [" + proof + "}]}":                            `nightly.cut_off: "6pm" is not a time of day`,
		"{deadline: '24:00', steps: [" + proof + "}]}":                       `nightly.deadline: "24:00"`,
		"{catch_up: none, steps: [" + proof + "}]}":                          "run_all",
		"{catch_up: skip, catch_up_most: 3, steps: [" + proof + "}]}":        "nightly.catch_up_most: has no effect",
		"{lease: 10ms, steps: [" + proof + "}]}":                             "nightly.lease: is too short",
		"{parallel: 0, steps: [" + proof + "}]}":                             "nightly.parallel: must be at least 1",
		"{database: 'https://h', steps: [" + proof + "}]}":                   "nightly.database: must be sqlite",
		"{calendar: {weekend: [someday]}, steps: [" + proof + "}]}":          `nightly.calendar: "someday" is no day of the week`,
		"{calendar: {files: [missing.txt]}, steps: [" + proof + "}]}":        "nightly.calendar: read holidays",
		"{steps: [" + proof + "}, {name: b, job: maintain, after: [prof]}]}": `nightly.steps[1].after: there is no step "prof" before this one; did you mean proof?`,
		"{steps: [" + proof + "}, " + proof + "}]}":                          "nightly.steps[1].name: proof is the name of an earlier step",
		"{steps: [" + proof + ", after: [proof]}]}":                          `nightly.steps[0].after: there is no step "proof" before this one`,
		"{steps: [{name: A b, job: maintain}]}":                              `nightly.steps[0].name: "A b"`,
		"{steps: [{name: a, job: maintain, rules: r.yaml}]}":                 "nightly.steps[0].rules: has no effect on maintain",
		"{steps: [{name: a, job: maintain, settle: 1m}]}":                    "nightly.steps[0].settle: has no effect on maintain",
		"{steps: [{name: a, job: ingest}]}":                                  "nightly.steps[0].job: ingest has no effect without a source",
		"{steps: [{name: a, job: reconcile}]}":                               "nightly.steps[0].rules: is required",
		"{steps: [" + proof + ", statement: a.csv}]}":                        "nightly.steps[0].statement: has no effect with rules",
		"{steps: [{name: a, job: export}]}":                                  `nightly.steps[0].table: "" is not a table`,
		"{steps: [{name: a, job: export, table: a.b, where: 'x ='}]}":        "nightly.steps[0].where: ",
		"{steps: [" + proof + ", timeout: 0s}]}":                             "nightly.steps[0].timeout: must be more than 0s",
		"{steps: [" + proof + ", files_within: 1h}]}":                        "nightly.steps[0].files_within: has no effect",
		"{steps: [" + proof + ", retries: -1}]}":                             "must not be negative",
		"{steps: [" + proof + "}], notify: [{on: fail}]}":                    "nightly.notify[0]: a channel is a webhook or an email",
	} {
		_, err := project.Parse("m.yaml", []byte(around+"nightly: "+section+"\n"), env)
		if err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "m.yaml:") {
			t.Errorf("%s: want %q in\n%v", section, want, err)
		}
	}
}
