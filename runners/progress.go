package runners

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/millrace/millrace/runners/internal/job"
	"github.com/millrace/millrace/sdk/dataset"
)

// progress shows how a run goes on: one line that changes on a terminal, a log line now and then elsewhere.
type progress struct {
	w          io.Writer
	onTerminal bool
	log        *slog.Logger
	clock      func() time.Time
	start      time.Time
	logged     time.Time
	width      int // of the line shown
}

// logEvery is how often a run that nobody watches says how far it is.
const logEvery = 15 * time.Second

func newProgress(w io.Writer, onTerminal bool, log *slog.Logger, clock func() time.Time) *progress {
	now := clock()
	return &progress{w: w, onTerminal: onTerminal, log: log, clock: clock, start: now, logged: now}
}

// update takes in the run's counters.
func (p *progress) update(s dataset.Stats) {
	now := p.clock()
	elapsed := now.Sub(p.start)
	if p.onTerminal {
		line := progressLine(s, elapsed)
		fmt.Fprintf(p.w, "\r%-*s", p.width, line)
		p.width = len([]rune(line))
		return
	}
	if now.Sub(p.logged) < logEvery {
		return
	}
	p.logged = now
	p.log.Info("progress", "rows_read", s.RowsRead, "rows_per_second", perSecond(s.RowsRead, elapsed), "rows_written", s.RowsWritten,
		"tasks_done", s.TasksDone, "tasks", s.Tasks, "elapsed_seconds", int64(elapsed.Seconds()))
}

// done ends the line.
func (p *progress) done() {
	if p.onTerminal && p.width > 0 {
		fmt.Fprintln(p.w)
	}
}

func progressLine(s dataset.Stats, elapsed time.Duration) string {
	parts := []string{
		fmt.Sprintf("%s rows read (%s/s)", grouped(s.RowsRead), grouped(perSecond(s.RowsRead, elapsed))),
		grouped(s.RowsWritten) + " written",
		fmt.Sprintf("tasks %d of %d so far", s.TasksDone, s.Tasks),
	}
	if s.BytesSpilled > 0 {
		parts = append(parts, grouped(s.BytesSpilled>>20)+" MiB spilled")
	}
	return strings.Join(append(parts, elapsed.Round(time.Second).String()), "  ")
}

func perSecond(rows int64, elapsed time.Duration) int64 {
	if elapsed <= 0 {
		return 0
	}
	return int64(float64(rows) / elapsed.Seconds())
}

// grouped writes a number with commas: 1,234,567.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// summary is what a run prints at its end, as one line of JSON.
type summary struct {
	Run          string           `json:"run"`
	Seconds      float64          `json:"seconds"`
	RowsRead     int64            `json:"rows_read"`
	RowsWritten  int64            `json:"rows_written"`
	Tasks        int64            `json:"tasks"`
	BytesStaged  int64            `json:"bytes_staged"`
	BytesSpilled int64            `json:"bytes_spilled"`
	Counters     map[string]int64 `json:"counters,omitempty"`
}

func writeSummary(w io.Writer, r job.Result) error {
	s := r.Stats
	b, err := json.Marshal(summary{r.RunID, r.Elapsed.Seconds(), s.RowsRead, s.RowsWritten, s.TasksDone, s.BytesStaged, s.BytesSpilled, r.Counters})
	if err != nil {
		return fmt.Errorf("encode the summary: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
