package mirror

import (
	"log/slog"
	"os"
	"runtime"
	"strconv"

	"github.com/millrace/millrace/sdk/fault"
)

// Table properties that this package obeys.
const (
	// PropAppendOnly, set to "true", declares that the stream only ever creates (or reads) rows of new
	// keys: no index is kept. Updates and deletes are then refused.
	PropAppendOnly = "millrace.append-only"
	// PropDeleteMode chooses how old rows leave: a DeleteMode. Default: auto.
	PropDeleteMode = "millrace.delete-mode"
)

// DeleteMode says how the old row of a changed key leaves the table.
type DeleteMode string

// The delete modes.
const (
	// Auto rewrites a file where that is cheap (it is small beside what the epoch writes anyway, or
	// largely deleted), and deletes by position elsewhere.
	Auto DeleteMode = "auto"
	// Position always writes position deletes. Epochs cost least; readers pay until compaction folds them away.
	Position DeleteMode = "position"
	// CopyOnWrite always rewrites the files that hold an old row: readers never see deletes. An epoch
	// holds all rows of those files in memory, and on a big hot table it costs much.
	CopyOnWrite DeleteMode = "cow"
)

// Options bound a mirror. The zero value has sensible defaults.
type Options struct {
	// MemoryBudget is how many bytes of memory the index may take. 0: 128 MiB, which holds about 4 million
	// keys; beyond it the index goes on in temporary files.
	MemoryBudget int64
	// Dir is the local folder for temporary files. "": the system's.
	Dir string
	// Workers bounds the goroutines that compute. 0: one a processor.
	Workers int
	// Logger is told of rebuilds of the index, at info level; default slog.Default.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MemoryBudget <= 0 {
		o.MemoryBudget = 128 << 20
	}
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// policy is what a table's properties ask for.
type policy struct {
	appendOnly bool
	deletes    DeleteMode
}

func policyOf(props map[string]string) (policy, error) {
	p := policy{deletes: Auto}
	if text, ok := props[PropAppendOnly]; ok {
		v, err := strconv.ParseBool(text)
		if err != nil {
			return p, fault.Usagef("table property %s is %q: write true or false", PropAppendOnly, text)
		}
		p.appendOnly = v
	}
	if text, ok := props[PropDeleteMode]; ok {
		switch p.deletes = DeleteMode(text); p.deletes {
		case Auto, Position, CopyOnWrite:
		default:
			return p, fault.Usagef("table property %s is %q: write position, cow or auto", PropDeleteMode, text)
		}
	}
	return p, nil
}
