package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/jobs/verify"
	"github.com/millrace/millrace/sdk/fault"
)

// Options describe a demo. Dir and Binary are required.
type Options struct {
	Dir      string // a new or empty folder, or one that an earlier demo wrote (which is replaced)
	Binary   string // the millrace binary that runs the ingest
	Seed     uint64
	Accounts int           // customer accounts [2000]
	Days     int           // business days [60]
	Pause    time.Duration // between business days, so that the ingest follows the producer [150 ms]
	Out      io.Writer     // what a person reads
	Clock    func() time.Time
}

// Summary is what summary.json holds.
type Summary struct {
	Seed       uint64           `json:"seed"`
	Source     map[string]int64 `json:"source_events"` // change events by table
	Messages   map[string]int64 `json:"messages"`      // Kafka messages by kind
	Rows       map[string]int64 `json:"rows"`          // lake rows by table
	Cuts       int              `json:"cuts_proved"`
	Findings   []verify.Finding `json:"findings"`
	Quarantine int64            `json:"quarantined"`
	Night      night            `json:"night"`
	Seconds    int64            `json:"seconds"`
}

// Run runs the demo and writes its summary.
func Run(ctx context.Context, o Options) (Summary, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	begin := o.Clock()
	cfg, err := prepare(&o)
	if err != nil {
		return Summary{}, err
	}
	h, err := startHost(ctx, filepath.Join(o.Dir, "s3"), cfg)
	if err != nil {
		return Summary{}, err
	}
	defer h.close()
	file := projectFile(h.kafka.ListenAddrs()[0], h.s3.Endpoint(), cfg)
	if err := os.WriteFile(filepath.Join(o.Dir, "millrace.yaml"), []byte(file), 0o644); err != nil {
		return Summary{}, fmt.Errorf("demo: %w", err)
	}
	p, err := ingestWhileProduced(ctx, o, h, cfg)
	if err != nil {
		return Summary{}, err
	}
	s, err := prove(ctx, o, p)
	if err != nil {
		return Summary{}, err
	}
	if s.Night, err = runNight(ctx, o, cfg, p.truth); err != nil {
		return Summary{}, err
	}
	s.Seconds = int64(o.Clock().Sub(begin).Seconds())
	return s, write(o, s)
}

// prepare makes the folder, replacing what an earlier demo left.
func prepare(o *Options) (ledgergen.Config, error) {
	if o.Accounts == 0 {
		o.Accounts = 2000
	}
	if o.Days == 0 {
		o.Days = 60
	}
	if o.Pause == 0 {
		o.Pause = 150 * time.Millisecond
	}
	b, err := ledgergen.New(ledgergen.Config{Seed: o.Seed, Accounts: o.Accounts, Days: o.Days})
	if err != nil {
		return ledgergen.Config{}, err
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return ledgergen.Config{}, fault.Usagef("demo: folder %s: %w", o.Dir, err)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "millrace.yaml")); len(entries) > 0 && err != nil {
		return ledgergen.Config{}, fault.Usagef("demo: folder %s holds something else than a demo; choose a new one with --dir", o.Dir)
	}
	for _, name := range []string{"s3", "catalog.db", "catalog.db-wal", "catalog.db-shm", "ingest.log", statementName, lookName, "reconciliation", "summary.json"} {
		if err := os.RemoveAll(filepath.Join(o.Dir, name)); err != nil {
			return ledgergen.Config{}, fmt.Errorf("demo: %w", err)
		}
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return ledgergen.Config{}, fault.Usagef("demo: folder %s: %w", o.Dir, err)
	}
	return b.Config(), nil
}

// ingestWhileProduced runs the ingest beside the producer: killed in the middle, started again, ended by SIGTERM, caught up.
func ingestWhileProduced(ctx context.Context, o Options, h *host, cfg ledgergen.Config) (*produced, error) {
	say(o.Out, "a bank of %d accounts over %d days; Kafka and S3 in this process, the ingest in another\n", cfg.Accounts, cfg.Days)
	run, err := startIngest(ctx, o.Binary, o.Dir)
	if err != nil {
		return nil, err
	}
	var childErr error
	p, err := h.produce(ctx, cfg, o.Pause, func(day int) {
		if childErr != nil {
			return
		}
		if day%5 == 4 || day == cfg.Days-1 {
			say(o.Out, "  day %d of %d is in Kafka; %s\n", day+1, cfg.Days, run.said.epoch())
		}
		if day != (cfg.Days-1)/2 {
			return
		}
		if childErr = run.kill(ctx); childErr == nil {
			say(o.Out, "  the ingest was killed with SIGKILL; starting it again\n")
			run, childErr = startIngest(ctx, o.Binary, o.Dir)
		}
	})
	if err = errors.Join(err, childErr); err != nil {
		if run != nil {
			_ = run.cmd.Process.Kill() // it may have ended already
		}
		return nil, err
	}
	if err := run.working(ctx); err != nil {
		return nil, err
	}
	if err := run.signal(syscall.SIGTERM); err != nil {
		return nil, err
	}
	say(o.Out, "  the ingest ended at an epoch's end on SIGTERM; a third one catches up\n")
	last, err := startIngest(ctx, o.Binary, o.Dir, "--until-caught-up")
	if err != nil {
		return nil, err
	}
	return p, last.wait()
}

// prove compares the lake with the source and proves every cut.
func prove(ctx context.Context, o Options, p *produced) (Summary, error) {
	abs, err := filepath.Abs(o.Dir)
	if err != nil {
		return Summary{}, fmt.Errorf("demo: %w", err)
	}
	lake, err := catalog.Open(ctx, catalog.Config{Catalog: "sqlite://" + filepath.Join(abs, "catalog.db"), Warehouse: "s3://lake/warehouse",
		Existing: true, Storage: project.FolderOfBuckets(filepath.Join(abs, "s3")).Open, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return Summary{}, fmt.Errorf("demo: %w", err)
	}
	defer lake.Close()
	s := Summary{Seed: o.Seed, Source: p.truth.Events, Messages: map[string]int64{}}
	if s.Rows, err = compare(ctx, lake, p.truth); err != nil {
		return s, fmt.Errorf("demo: %w", err)
	}
	names := []string{"data", "tombstone", "begin", "end", "heartbeat", "duplicate", "malformed"}
	for k, n := range p.messages {
		s.Messages[names[k]] = n
	}
	if err := counts(ctx, lake, p, &s); err != nil {
		return s, fmt.Errorf("demo: %w", err)
	}
	rep, err := verify.Cuts(ctx, lake, "ledger")
	if err != nil {
		return s, fmt.Errorf("demo: %w", err)
	}
	s.Cuts, s.Findings = rep.Cuts, rep.Findings
	return s, nil
}

// counts checks that the logs hold every event once, and the dead-letter table every malformed message.
func counts(ctx context.Context, lake *catalog.Lake, p *produced, s *Summary) error {
	for t, n := range p.truth.Events {
		log, err := lake.Table(ctx, "ledger."+t+"_changes")
		if err != nil {
			return err
		}
		if log.Rows() != n {
			return fmt.Errorf("%s: %d rows, the source had %d events", log.Name(), log.Rows(), n)
		}
		s.Rows[log.Name()] = log.Rows()
	}
	dead, err := lake.Table(ctx, "ledger.dead_letters")
	if err != nil {
		return err
	}
	s.Quarantine = dead.Rows()
	s.Rows[dead.Name()] = dead.Rows()
	if want := p.messages[ledgergen.Malformed]; dead.Rows() != want {
		return fmt.Errorf("%d messages are in quarantine, %d were malformed", dead.Rows(), want)
	}
	return nil
}

func write(o Options, s Summary) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("demo: encode summary: %w", err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "summary.json"), append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	s.print(o)
	if len(s.Findings) > 0 {
		return fault.Findingsf("demo: %d cuts do not hold; see %s", len(s.Findings), filepath.Join(o.Dir, "summary.json"))
	}
	return nil
}
