package runners

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/connectors/jsonio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/runners/flink"
	"github.com/millrace/millrace/runners/internal/job"
	"github.com/millrace/millrace/runners/spark"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// Build is a function that builds a pipeline, with the lake that the flags and
// the project file name, or without any. Mistakes that datasets carry need not be returned.
type Build interface {
	func(beam.Scope, *catalog.Lake) | func(beam.Scope, *catalog.Lake) error | func(beam.Scope) | func(beam.Scope) error
}

// projectVariable tells a worker which project file the submitting process has read.
const projectVariable = "MILLRACE_PROJECT"

// Main is the main function of a program with one bounded pipeline. It never
// returns. Call it with --help for its flags; the exit codes are in the package's documentation.
// SIGTERM and SIGINT stop the pipeline; what it had not committed is not seen.
func Main[B Build](build B) {
	Init(environment(os.Getenv(projectVariable)))
	ctx, stop := embedded.UntilSignal(context.Background())
	code := Execute(ctx, build, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// environment is what a worker of Main's programs opens: the lake, with the storage and secrets of the project file, if there is one, and files.
func environment(projectFile string) dataset.Environment {
	stores := storage.Resolver{"file": localio.Opener(localio.Options{})}
	base := catalog.Config{}
	if projectFile != "" {
		f, err := project.Load(projectFile, os.LookupEnv)
		if err != nil {
			fmt.Fprintf(os.Stderr, "worker: %v\n", err)
			os.Exit(2)
		}
		stores = f.Stores()
		base.REST.Token = f.Lake.Token
	}
	base.Storage = stores.Open
	return dataset.Environment{
		Stores: stores,
		Tables: map[string]dataset.OpenTables{catalog.RefKind: catalog.OpenTables(base)},
		Readers: map[string]dataset.OpenReader{
			csvio.Kind: csvio.OpenSource(stores), jsonio.Kind: jsonio.OpenSource(stores), parquetio.Kind: parquetio.OpenSource(stores)},
		Sinks: map[string]dataset.OpenSink{
			csvio.Kind: csvio.OpenSink(stores), jsonio.Kind: jsonio.OpenSink(stores), parquetio.Kind: parquetio.OpenSink(stores)},
	}
}

// options are the flags of Main.
type options struct {
	project    string
	set        []string
	lake       string
	runner     string
	endpoint   string
	workers    string
	parallel   int
	verbose    bool
	dataset    dataset.RunOptions
	memoryMiB  int64
	out, err   io.Writer
	onTerminal bool
}

// Execute is Main without the process around it: it runs the pipeline as the
// arguments say and returns the exit code. Progress and errors go to errs, the summary of the run to out.
func Execute[B Build](ctx context.Context, build B, args []string, out, errs io.Writer) int {
	o := &options{out: out, err: errs, onTerminal: isTerminal(errs)}
	cmd := o.command(func(ctx context.Context) error { return o.run(ctx, any(build)) })
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(errs)
	err := cmd.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(errs, cmd.Name()+": stopped:", context.Cause(ctx))
		return 130
	}
	fmt.Fprintln(errs, cmd.Name()+":", err)
	return fault.Of(err).ExitCode()
}

func (o *options) command(run func(context.Context) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   filepath.Base(os.Args[0]),
		Short: "run the pipeline of this program",
		Long: `Runs the pipeline of this program over the lake that the project file names
(or --lake), on the runner that --runner names.

Exit codes: 0 done; 1 the run found breaks or failed checks; 2 wrong flags,
configuration or credentials; 3 a fault; 130 interrupted.`,
		SilenceUsage: true, SilenceErrors: true, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fault.Usagef("%s takes no argument, but was given %q; see --help", c.Name(), args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return run(c.Context()) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fault.Usagef("%w; see --help", err) })
	f := cmd.Flags()
	f.StringVarP(&o.project, "project", "p", envOr("MILLRACE_PROJECT", "millrace.yaml"), "the project file, whose lake is used")
	f.StringArrayVar(&o.set, "set", nil, "override one setting of the project file, as lake.warehouse=file://lake (repeatable)")
	f.StringVar(&o.lake, "lake", os.Getenv("MILLRACE_LAKE"), "a folder with a lake (catalog.db, and warehouse or the demo's s3), instead of a project file")
	f.StringVar(&o.runner, "runner", envOr("MILLRACE_RUNNER", string(Embedded)), "embedded, flink or spark")
	f.StringVar(&o.endpoint, "endpoint", os.Getenv("MILLRACE_ENDPOINT"), "host:port of the job server of flink or spark")
	f.StringVar(&o.workers, "workers", "loopback", "where functions run on flink or spark: loopback, process (this program, at this path on every machine), or external:HOST:PORT")
	f.IntVar(&o.parallel, "parallelism", 0, "into how many parts flink cuts a stage (0: its default)")
	f.StringVar(&o.dataset.Staging, "staging", "", "URL or folder for rows between stages (default the system's temporary folder); on a cluster one that all machines reach")
	f.IntVar(&o.dataset.Workers, "tasks", 0, "how many tasks a process works on at once (0: one a processor)")
	f.Int64Var(&o.memoryMiB, "memory", dataset.DefaultMemory>>20, "MiB that one operator of a task may hold before it spills")
	f.StringVar(&o.dataset.SpillDir, "spill-dir", "", "local folder for spilled rows (default the system's temporary folder)")
	f.StringVar(&o.dataset.ID, "run-id", "", "identity of the run (default random)")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log at debug level")
	return cmd
}

func envOr(name, value string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return value
}

// run opens what the pipeline needs, runs it and prints its summary.
func (o *options) run(ctx context.Context, build any) error {
	if err := Check(Runner(o.runner), Bounded, Datasets); err != nil {
		return err
	}
	if o.memoryMiB < 1 {
		return fault.Usagef("--memory %d: write at least 1 (MiB)", o.memoryMiB)
	}
	o.dataset.Memory = o.memoryMiB << 20
	log := o.logger()
	pipeline, stores, closeLake, err := o.pipeline(ctx, build, log)
	if err != nil {
		return err
	}
	defer func() {
		if err := closeLake(); err != nil {
			log.Warn("close the lake", "error", err)
		}
	}()
	env := dataset.Environment{Stores: stores}
	o.dataset.Environment = &env
	show := newProgress(o.err, o.onTerminal, log, time.Now)
	res, err := o.submit(ctx, pipeline, log, show.update)
	show.done()
	if err != nil {
		return err
	}
	return writeSummary(o.out, res)
}

// pipeline gives the author's function the lake, if it takes one.
func (o *options) pipeline(ctx context.Context, build any, log *slog.Logger) (p func(beam.Scope) error, stores storage.Resolver, closeLake func() error, err error) {
	stores, closeLake = storage.Resolver{"file": localio.Opener(localio.Options{})}, func() error { return nil }
	switch b := build.(type) {
	case func(beam.Scope):
		return func(s beam.Scope) error { b(s); return nil }, stores, closeLake, nil
	case func(beam.Scope) error:
		return b, stores, closeLake, nil
	}
	lk, stores, err := o.openLake(ctx, log)
	if err != nil {
		return nil, nil, nil, err
	}
	if b, ok := build.(func(beam.Scope, *catalog.Lake)); ok {
		return func(s beam.Scope) error { b(s, lk); return nil }, stores, lk.Close, nil
	}
	b := build.(func(beam.Scope, *catalog.Lake) error) // Build allows no other type
	return func(s beam.Scope) error { return b(s, lk) }, stores, lk.Close, nil
}

// openLake opens the lake of --lake, else that of the project file.
func (o *options) openLake(ctx context.Context, log *slog.Logger) (*catalog.Lake, storage.Resolver, error) {
	if o.lake == "" {
		f, err := project.Load(o.project, os.LookupEnv, o.set...)
		if err != nil {
			return nil, nil, err
		}
		lk, err := f.OpenLake(ctx, true, log)
		return lk, f.Stores(), err
	}
	return project.OpenFolder(ctx, o.lake, log)
}

// submit runs the pipeline on the runner that was asked for.
func (o *options) submit(ctx context.Context, build func(beam.Scope) error, log *slog.Logger, progress func(dataset.Stats)) (job.Result, error) {
	name := filepath.Base(os.Args[0])
	switch Runner(o.runner) {
	case Flink:
		opts := flink.Options{Endpoint: o.endpoint, Name: name, Parallelism: o.parallel, Dataset: o.dataset, Log: log, Progress: progress}
		if err := o.place(func(command string, env map[string]string) { opts.Workers = flink.Process(command, env) },
			func(addr string) { opts.Workers = flink.External(addr) }); err != nil {
			return job.Result{}, err
		}
		return flink.Run(ctx, build, opts)
	case Spark:
		opts := spark.Options{Endpoint: o.endpoint, Name: name, Dataset: o.dataset, Log: log, Progress: progress}
		if err := o.place(func(command string, env map[string]string) { opts.Workers = spark.Process(command, env) },
			func(addr string) { opts.Workers = spark.External(addr) }); err != nil {
			return job.Result{}, err
		}
		return spark.Run(ctx, build, opts)
	}
	return embedded.Run(ctx, build, embedded.Options{Name: name, Dataset: o.dataset, Log: log, Progress: progress})
}

// place reads --workers.
func (o *options) place(process func(string, map[string]string), external func(string)) error {
	kind, addr, _ := strings.Cut(o.workers, ":")
	switch {
	case o.workers == "loopback":
	case o.workers == "process":
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		env := map[string]string{}
		if o.lake == "" {
			if env[projectVariable], err = filepath.Abs(o.project); err != nil {
				return fault.Usagef("--project %s: %w", o.project, err)
			}
		}
		process(self, env)
	case kind == "external" && addr != "":
		external(addr)
	default:
		return fault.Usagef("--workers %s: write loopback, process or external:HOST:PORT", o.workers)
	}
	return nil
}

func (o *options) logger() *slog.Logger {
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelDebug
	} else if !o.onTerminal {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if o.onTerminal {
		return slog.New(slog.NewTextHandler(o.err, opts))
	}
	return slog.New(slog.NewJSONHandler(o.err, opts))
}
