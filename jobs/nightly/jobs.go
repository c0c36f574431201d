package nightly

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// Command is a verb of this program, to be run in a process of its own.
type Command struct {
	Args []string
	// Texts are files by their path that the process reads instead of what is there by now.
	Texts map[string]string
}

// Output is how a command ended.
type Output struct {
	Code   int    // its exit code
	Stdout []byte // all of it, within a limit
	Stderr []byte // its end
}

// LedgerCloser is a [Ledger] that is open.
type LedgerCloser interface {
	Ledger
	io.Closer
}

// Jobs runs steps as Millrace's own verbs, each in a process of its own: a time-out can end it, and what it leaks ends with it.
type Jobs struct {
	// Project is the project file's path, and Text what it said when the night began.
	Project, Text string
	// Set are settings that win over the file's, as --set has them.
	Set []string
	// Command runs a verb. When ctx ends it ends the process, and returns the context's error.
	Command func(ctx context.Context, c Command) (Output, error)
	// Open opens the lake and its stream, for reading. Where there is no lake yet it is one that holds nothing.
	Open func(ctx context.Context) (LedgerCloser, error)
	// Latest is the lake's latest cut; 0: there is no lake.
	Latest func(ctx context.Context) (int64, error)
	// Stores opens the places where files of the date arrive.
	Stores storage.Resolver
	// Zone is where the ledger's dates end; nil: they have no tags.
	Zone *time.Location
	// Poll is how often the lake is asked whether it has all of the date. 0: 2 s.
	Poll   time.Duration
	Clock  func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default()
}

var _ Runner = (*Jobs)(nil)

func (j *Jobs) defaults() (poll time.Duration, clock func() time.Time, log *slog.Logger) {
	poll, clock, log = j.Poll, j.Clock, j.Logger
	if poll == 0 {
		poll = 2 * time.Second
	}
	if clock == nil {
		clock = time.Now
	}
	if log == nil {
		log = slog.Default()
	}
	return poll, clock, log
}

// Run runs a step's job.
func (j *Jobs) Run(ctx context.Context, t Task) (Result, error) {
	if t.Step.Job == "ingest" {
		return j.ingest(ctx, t)
	}
	names := placeholders(t)
	if err := j.arrive(ctx, t, names); err != nil {
		return Result{}, err
	}
	args, err := j.args(t, names)
	if err != nil {
		return Result{}, err
	}
	if slices.Contains(args, "--project") {
		args = append(args, j.overrides()...)
	}
	return j.command(ctx, t, args)
}

// Locate finds the position of a night that has not found it itself.
func (j *Jobs) Locate(ctx context.Context, t Task) (Position, error) {
	if t.Step.Job != "ingest" {
		cut, err := j.Latest(ctx)
		if err != nil || cut == 0 {
			return Position{}, err
		}
		return Position{Cut: cut, How: "the lake's latest when it was asked for"}, nil
	}
	l, err := j.Open(ctx)
	if err != nil {
		return Position{}, err
	}
	defer l.Close()
	p, found, why, err := Locate(ctx, l, j.cutOff(t))
	if err == nil && !found {
		err = fault.Usagef("the position of %s is not known: %s; run the step %s too", calendar.FormatDay(t.Date), why, t.Step.Name)
	}
	return p, err
}

func (j *Jobs) cutOff(t Task) CutOff {
	_, clock, _ := j.defaults()
	return CutOff{Day: t.Date, At: t.CutOff, Settle: t.Step.Settle, Clock: clock, ByTag: t.Midnight && j.Zone != nil && j.Zone.String() == t.Zone}
}

// ingest waits until the lake has all of the date, and brings it there itself where the step says so.
func (j *Jobs) ingest(ctx context.Context, t Task) (Result, error) {
	poll, clock, log := j.defaults()
	l, err := j.Open(ctx)
	if err != nil {
		return Result{}, err
	}
	defer l.Close()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	said := ""
	for {
		p, found, why, err := Locate(ctx, l, j.cutOff(t))
		if err != nil {
			return Result{}, err
		}
		if found {
			return Result{Position: &p, Cut: p.Cut, Report: detail(p)}, nil
		}
		if why != said {
			log.Info("waiting for the ledger", "date", calendar.FormatDay(t.Date), "reason", why)
			said = why
		}
		if t.Step.RunIngest && !clock().Before(t.CutOff) {
			res, err := j.command(ctx, t, append([]string{"ingest", "--project", j.Project, "--until-caught-up", "--in-process"}, j.overrides()...))
			if err != nil || res.Findings {
				return res, err
			}
			if p, found, _, err := Locate(ctx, l, j.cutOff(t)); found || err != nil {
				return Result{Position: &p, Cut: p.Cut, Report: detail(p)}, err
			}
		}
		select {
		case <-ctx.Done():
			return Result{}, fmt.Errorf("%s: %w", why, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// placeholders puts the task's dates into texts.
func placeholders(t Task) *strings.Replacer {
	date := calendar.FormatDay(t.Date)
	return strings.NewReplacer("{date}", date, "{yyyymmdd}", strings.ReplaceAll(date, "-", ""), "{prior}", calendar.FormatDay(t.Prior))
}

// args is the command line of a step.
func (j *Jobs) args(t Task, names *strings.Replacer) ([]string, error) {
	date := calendar.FormatDay(t.Date)
	cut := strconv.FormatInt(t.Position.Cut, 10)
	s := t.Step
	switch s.Job {
	case "reconcile":
		args := []string{"reconcile", "--out", t.Out}
		if s.Rules != "" {
			args = append(args, "--rules", s.Rules, "--as-of", date)
			for _, side := range slices.Sorted(maps.Keys(s.Sides)) {
				args = append(args, "--side", side+"="+names.Replace(s.Sides[side]))
			}
			if t.Position.Cut > 0 {
				args = append(args, "--project", j.Project, "--cut", cut)
			}
			return args, nil
		}
		args = append(args, "--project", j.Project)
		if s.Statement != "" {
			args = append(args, "--statement", names.Replace(s.Statement))
		}
		if t.Position.Tag || t.Position.Cut == 0 {
			return append(args, "--as-of", date), nil
		}
		return append(args, "--cut", cut), nil
	case "features":
		args := []string{"features", "--project", j.Project, "--json", "--as-of", date}
		if s.Table != "" {
			args = append(args, "--table", s.Table)
		}
		return withCut(args, t, true), nil
	case "export":
		args := []string{"export", s.Table, "--project", j.Project, "--json", "--name", s.Table + "-" + date, "--replace"}
		if s.Where != "" {
			args = append(args, "--where", names.Replace(s.Where))
		}
		return withCut(args, t, s.Ledger), nil
	case "maintain":
		args := []string{"maintain", "--project", j.Project, "--json"}
		for _, table := range s.Tables {
			args = append(args, "--table", table)
		}
		return args, nil
	}
	return nil, fault.Usagef("step %s: there is no job %q", s.Name, s.Job)
}

func (j *Jobs) overrides() (args []string) {
	for _, s := range j.Set {
		args = append(args, "--set", s)
	}
	return args
}

func withCut(args []string, t Task, ledger bool) []string {
	if !ledger || t.Position.Cut == 0 {
		return args
	}
	return append(args, "--cut", strconv.FormatInt(t.Position.Cut, 10))
}

// mostReport is how much of a job's report the history keeps.
const mostReport = 64 << 10

// command runs a verb, and reads its exit code and the report that it prints.
func (j *Jobs) command(ctx context.Context, t Task, args []string) (Result, error) {
	c := Command{Args: args, Texts: map[string]string{j.Project: j.Text}}
	maps.Copy(c.Texts, t.Texts)
	out, err := j.Command(ctx, c)
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("%s: %w", args[0], context.Cause(ctx))
	}
	if err != nil {
		return Result{}, fault.Mark(fault.Retryable, err)
	}
	res := Result{Cut: t.Position.Cut, Message: lastLine(out.Stderr)}
	if text, ok := t.Texts[t.Step.Rules]; ok {
		res.Digests = map[string]string{"rules": Digest(text)}
	}
	res.read(out.Stdout)
	switch out.Code {
	case 0:
		res.Message = ""
		return res, nil
	case 1:
		res.Findings = true
		return res, nil
	case 2:
		return res, fault.Usagef("%s", firstOf(res.Message, args[0]+" ended with exit code 2"))
	}
	return res, fault.Mark(fault.Retryable, fmt.Errorf("%s: exit code %d: %s", args[0], out.Code, firstOf(res.Message, "it says nothing")))
}

// read takes what the history keeps out of the last line of JSON that a job printed.
func (r *Result) read(stdout []byte) {
	lines := bytes.Split(bytes.TrimSpace(stdout), []byte("\n"))
	line := lines[len(lines)-1]
	if !json.Valid(line) { // --json may print in several lines
		line = bytes.TrimSpace(stdout)
	}
	var in struct {
		Run     string          `json:"run"`
		Cut     int64           `json:"cut"`
		Verdict string          `json:"verdict"`
		Report  json.RawMessage `json:"report"`
	}
	if json.Unmarshal(line, &in) != nil {
		return // it printed something else: the exit code says all
	}
	report := line
	if len(in.Report) > 0 {
		report = in.Report
		if err := json.Unmarshal(in.Report, &in); err != nil {
			in.Run, in.Verdict = "", "" // a report of another shape
		}
	}
	r.Run, r.Verdict = in.Run, in.Verdict
	if in.Cut != 0 {
		r.Cut = in.Cut
	}
	if len(report) <= mostReport {
		r.Report = json.RawMessage(report)
	}
}

// lastLine is the last line of a text, without the program's name before it.
func lastLine(b []byte) string {
	text := strings.TrimSpace(string(b))
	text = text[strings.LastIndexByte(text, '\n')+1:]
	return strings.TrimPrefix(text, "millrace: ")
}
