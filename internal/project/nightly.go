package project

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

// Nightly says what runs every night, when, and who is told.
type Nightly struct {
	Schedule string            `yaml:"schedule" default:"30 1 * * *" doc:"cron expression of five fields: a business date's night begins at the first such time after its cut-off"`
	TimeZone string            `yaml:"time_zone" doc:"where the schedule, the cut-off and deadlines are times of day, such as Europe/Zurich; default that of ingest, or UTC"`
	Calendar NightlyCalendar   `yaml:"calendar" doc:"which dates are business dates: each has a night"`
	CutOff   string            `yaml:"cut_off" default:"24:00" doc:"time of day on the business date up to which the ledger counts; 24:00 is the date's end"`
	Deadline string            `yaml:"deadline" doc:"time of day by which the night must be done, such as 06:00: the first one after its beginning; an alert is raised when it passes"`
	CatchUp  string            `yaml:"catch_up" default:"run_all" enum:"run_all|latest|skip" doc:"what becomes of business dates whose night was missed: run_all in order, the latest only, or skip until the next"`
	MostBack int               `yaml:"catch_up_most" default:"10" doc:"most missed nights that are run; earlier ones are recorded as skipped, with an alert"`
	Out      string            `yaml:"out" default:"nights" doc:"folder of the reports, as OUT/STEP/2026-11-23"`
	Database string            `yaml:"database" doc:"sqlite://file or postgres://host/db for the lease and the run history; default the lake's catalog, which must be one of these"`
	Lease    time.Duration     `yaml:"lease" default:"30s" doc:"how long a runner that died keeps others out"`
	Parallel int               `yaml:"parallel" default:"1" doc:"steps that may run at once where they do not depend on one another"`
	Steps    []NightlyStep     `yaml:"steps" required:"true" doc:"what a night does"`
	Notify   []notifyio.Config `yaml:"notify" doc:"who is told of alerts, and how nights ended"`
}

// NightlyCalendar says which days are business days.
type NightlyCalendar struct {
	Weekend  []string `yaml:"weekend" doc:"days of the week, such as saturday; default saturday, sunday; [] for none"`
	Holidays []string `yaml:"holidays" doc:"days such as 2026-12-25"`
	Files    []string `yaml:"files" doc:"files of holidays: a line each such as 2026-12-25 Christmas, or YAML with weekend and holidays; a day must be open in all"`
	Target   bool     `yaml:"target" doc:"the Eurosystem's closing days too, computed"`
}

// NightlyStep is one job of a night.
type NightlyStep struct {
	Name     string        `yaml:"name" required:"true" doc:"the step's name: part of the run history, so keep it"`
	Job      string        `yaml:"job" required:"true" enum:"ingest|reconcile|features|export|maintain" doc:"what it runs"`
	After    []string      `yaml:"after" doc:"steps that must be done before"`
	Retries  int           `yaml:"retries" default:"2" doc:"how often it is tried again after a fault; mistakes of settings are not"`
	Backoff  time.Duration `yaml:"backoff" default:"30s" doc:"pause before the first retry; each next one is twice as long, an hour at most"`
	Timeout  time.Duration `yaml:"timeout" default:"4h" doc:"how long one attempt may take before it is ended"`
	Deadline string        `yaml:"deadline" doc:"time of day by which the step must be done: an alert is raised when it passes"`
	Findings string        `yaml:"findings" default:"stop" enum:"stop|go_on" doc:"whether breaks or failed checks (exit code 1) keep the steps after it from running"`

	Ingest string            `yaml:"ingest" default:"wait" enum:"wait|run" doc:"ingest: wait for an ingest that runs beside, or run one until it is caught up"`
	Settle time.Duration     `yaml:"settle" default:"0s" doc:"ingest: how long after the cut-off the stream's end counts as the date's, such as the longest delay of the source's change capture"`
	Rules  string            `yaml:"rules" doc:"reconcile: a rule file; default the section reconcile"`
	Sides  map[string]string `yaml:"sides" doc:"reconcile: where sides of the rule file are; {date} is the business date, {yyyymmdd} the same without dashes, {prior} the business date before"`
	Input  string            `yaml:"statement" doc:"reconcile: the statement of the section reconcile; {date} as in sides"`
	Files  time.Duration     `yaml:"files_within" default:"0s" doc:"reconcile: how long it waits for files whose names have a date in them, until they are there and no longer grow; 0s: they are there"`
	Table  string            `yaml:"table" doc:"features: the table to write; export: the table to export"`
	Where  string            `yaml:"where" doc:"export: which rows; {date} as in sides"`
	Tables []string          `yaml:"tables" doc:"maintain: tables, or patterns such as ledger.*"`
}

// nightlyJobs are the settings of a step that only some jobs obey.
var nightlyJobs = map[string][]string{
	"ingest": {"ingest"}, "settle": {"ingest"}, "rules": {"reconcile"}, "sides": {"reconcile"}, "statement": {"reconcile"}, "files_within": {"reconcile"}, "table": {"features", "export"},
	"where": {"export"}, "tables": {"maintain"}, "findings": {"reconcile", "features", "export", "maintain"},
}

// Zone is where the night's times of day are.
func (n *Nightly) Zone(f *File) (*time.Location, error) {
	name := n.TimeZone
	if name == "" {
		name = f.Ingest.TimeZone
	}
	if name == noZone || name == "" {
		return time.UTC, nil
	}
	z, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fault.Usagef("%q is not a time zone; write a name such as Europe/Zurich", name)
	}
	return z, nil
}

// Business is the calendar, with its files read.
func (c NightlyCalendar) Business(f *File) (*calendar.Calendar, error) {
	own, err := makeCalendar(c.Weekend, c.Holidays)
	if err != nil {
		return nil, err
	}
	all := []*calendar.Calendar{own}
	if c.Target {
		all = append(all, calendar.TARGET())
	}
	for _, name := range c.Files {
		data, err := os.ReadFile(f.Path(name))
		if err != nil {
			return nil, fault.Usagef("read holidays: %w", err)
		}
		one, err := readCalendar(name, data)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return calendar.Union(all...)
}

// readCalendar reads a file of holidays, plain or YAML.
func readCalendar(name string, data []byte) (*calendar.Calendar, error) {
	if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" {
		days, err := calendar.ParseHolidays(name, data)
		if err != nil {
			return nil, err
		}
		return calendar.New(nil, days)
	}
	var in struct {
		Weekend  []string `yaml:"weekend" doc:"days of the week; none where it is left out"`
		Holidays []string `yaml:"holidays" doc:"days such as 2026-12-25"`
	}
	if _, problems := strictyaml.Decode(name, data, os.LookupEnv, &in); len(problems) > 0 {
		return nil, fault.Usagef("%w", problems[0])
	}
	if in.Weekend == nil {
		in.Weekend = []string{}
	}
	return makeCalendar(in.Weekend, in.Holidays)
}

// makeCalendar makes a calendar of texts; a weekend that is nil is Saturday and Sunday.
func makeCalendar(weekend, holidays []string) (*calendar.Calendar, error) {
	if weekend == nil {
		weekend = []string{"saturday", "sunday"}
	}
	var days []time.Weekday
	for _, text := range weekend {
		d, err := calendar.ParseWeekday(text)
		if err != nil {
			return nil, err
		}
		days = append(days, d)
	}
	var closed []calendar.Day
	for _, text := range holidays {
		d, err := calendar.ParseDay(text)
		if err != nil {
			return nil, err
		}
		closed = append(closed, d)
	}
	return calendar.New(days, closed)
}

// NightlyDatabase is where the lease and the run history are.
func (f *File) NightlyDatabase() string {
	if f.Nightly != nil && f.Nightly.Database != "" {
		return f.Path(f.Nightly.Database)
	}
	return f.Path(f.Lake.Catalog)
}

// checkNightly finds the mistakes of the section nightly.
func (f *File) checkNightly(say sayer) {
	n := f.Nightly
	if n == nil {
		return
	}
	f.checkNightlyTimes(n, say)
	database := n.Database
	if database == "" {
		database = f.Lake.Catalog
	}
	if scheme, _, _ := strings.Cut(database, "://"); !slices.Contains([]string{"sqlite", "postgres", "postgresql", ""}, scheme) {
		say("nightly.database", "must be sqlite://file or postgres://host/db: the lease and the run history need a database, which a REST catalog is not")
	}
	for i, c := range n.Notify {
		if err := c.Check(); err != nil {
			say(fmt.Sprintf("nightly.notify[%d]", i), "%v", err)
		}
	}
	if len(n.Steps) == 0 && f.where["nightly.steps"] != [2]int{} {
		say("nightly.steps", "list at least one")
	}
	earlier := map[string]bool{}
	for i, s := range n.Steps {
		f.checkNightlyStep(fmt.Sprintf("nightly.steps[%d].", i), s, earlier, say)
		earlier[s.Name] = true
	}
}

func (f *File) checkNightlyTimes(n *Nightly, say sayer) {
	if _, err := calendar.ParseSchedule(n.Schedule); err != nil && n.Schedule != "" {
		say("nightly.schedule", "%v", err)
	}
	if _, err := n.Zone(f); err != nil {
		say("nightly.time_zone", "%v", err)
	}
	if _, err := n.Calendar.Business(f); err != nil {
		say("nightly.calendar", "%v", err)
	}
	if _, err := calendar.ParseClock(n.CutOff); err != nil && n.CutOff != "" {
		say("nightly.cut_off", "%v", err)
	}
	checkDeadline("nightly.deadline", n.Deadline, say)
	if n.Lease < time.Second && f.where["nightly.lease"] != [2]int{} {
		say("nightly.lease", "is too short; the least is 1s")
	}
	if n.MostBack < 1 && f.where["nightly.catch_up_most"] != [2]int{} {
		say("nightly.catch_up_most", "must be at least 1")
	}
	if n.CatchUp != "run_all" && f.where["nightly.catch_up_most"] != [2]int{} {
		say("nightly.catch_up_most", "has no effect unless catch_up is run_all")
	}
	if n.Parallel < 1 && f.where["nightly.parallel"] != [2]int{} {
		say("nightly.parallel", "must be at least 1")
	}
}

func checkDeadline(path, text string, say sayer) {
	if c, err := calendar.ParseClock(text); text != "" && (err != nil || c == calendar.EndOfDay) {
		say(path, "%q is not a time of day; write it as 06:30", text)
	}
}

func (f *File) checkNightlyStep(at string, s NightlyStep, earlier map[string]bool, say sayer) {
	if strings.Trim(s.Name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		say(at+"name", "%q: write small letters, digits, - and _: it names a folder", s.Name)
	}
	if earlier[s.Name] {
		say(at+"name", "%s is the name of an earlier step", s.Name)
	}
	for _, a := range s.After {
		if !earlier[a] {
			say(at+"after", "there is no step %q before this one%s", a, strictyaml.DidYouMean(a, slices.Sorted(maps.Keys(earlier))))
		}
	}
	if s.Retries < 0 || s.Backoff < 0 || s.Settle < 0 || s.Files < 0 {
		say(strings.TrimSuffix(at, "."), "retries, backoff, settle and files_within must not be negative")
	}
	if s.Timeout <= 0 && f.where[at+"timeout"] != [2]int{} {
		say(at+"timeout", "must be more than 0s")
	}
	checkDeadline(at+"deadline", s.Deadline, say)
	for _, key := range slices.Sorted(maps.Keys(nightlyJobs)) {
		if f.where[at+key] != [2]int{} && !slices.Contains(nightlyJobs[key], s.Job) {
			say(at+key, "has no effect on %s", s.Job)
		}
	}
	f.checkNightlyJob(at, s, say)
}

func (f *File) checkNightlyJob(at string, s NightlyStep, say sayer) {
	switch s.Job {
	case "ingest":
		if f.Source == nil {
			say(at+"job", "ingest has no effect without a source")
		}
	case "reconcile":
		r := f.Reconcile
		switch {
		case s.Rules == "" && r.Statement == nil && r.Balances == nil && !r.Source:
			say(at+"rules", "is required: the section reconcile says nothing to prove")
		case s.Rules != "" && s.Input != "":
			say(at+"statement", "has no effect with rules; name a side under sides")
		case s.Rules == "" && len(s.Sides) > 0:
			say(at+"sides", "has no effect without rules")
		case s.Files > 0 && !dated(s):
			say(at+"files_within", "has no effect: no file of the step has {date}, {yyyymmdd} or {prior} in its name")
		case s.Input != "" && r.Statement == nil:
			say(at+"statement", "has no effect: the section reconcile.statement does not say with what it is compared")
		}
	case "export":
		if !isTableName(s.Table) {
			say(at+"table", "%q is not a table; write namespace.name", s.Table)
		}
		checkWhere(at+"where", strings.NewReplacer("{date}", "2026-11-23", "{prior}", "2026-11-20", "{yyyymmdd}", "20261123").Replace(s.Where), say)
	case "features":
		if s.Table != "" && !isTableName(s.Table) {
			say(at+"table", "%q is not a table; write namespace.name", s.Table)
		}
	}
}

// dated reports whether a file of a step belongs to a date.
func dated(s NightlyStep) bool {
	for _, location := range append(slices.Collect(maps.Values(s.Sides)), s.Input) {
		for _, mark := range []string{"{date}", "{yyyymmdd}", "{prior}"} {
			if strings.Contains(location, mark) {
				return true
			}
		}
	}
	return false
}
