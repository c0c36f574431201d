package project

import (
	"path"
	"time"

	"github.com/millrace/millrace/internal/strictyaml"
)

// Maintain says how the tables are kept cheap to read and small to store.
type Maintain struct {
	Tables               []string        `yaml:"tables" doc:"tables to maintain, such as ledger.entries or ledger.*; default every table"`
	Every                time.Duration   `yaml:"every" default:"0s" doc:"make a pass again so long after the last one's end; 0s: one pass"`
	TargetFileSize       strictyaml.Size `yaml:"target_file_size" default:"128MiB" doc:"size of the files that a compaction writes; files of half of it are left alone"`
	MinFiles             int64           `yaml:"min_files" default:"4" doc:"small files in a bucket before they are merged"`
	DeletedPercent       int64           `yaml:"deleted_percent" default:"10" doc:"a file is rewritten once so many of its rows in a hundred are deleted"`
	KeepSnapshots        int64           `yaml:"keep_snapshots" default:"100" doc:"newest snapshots of each table that stay; commits slow down with their number"`
	KeepSnapshotsFor     time.Duration   `yaml:"keep_snapshots_for" default:"5m" doc:"younger snapshots stay too: longer than the longest reader takes to open its cut"`
	KeepBusinessDatesFor time.Duration   `yaml:"keep_business_dates_for" default:"0s" doc:"how long the tag of a business date stays, such as 9600h; 0s: for ever"`
	GarbageAge           time.Duration   `yaml:"garbage_age" default:"24h" doc:"files that nothing refers to are deleted once they are older: longer than the longest write takes to its commit"`
	GarbageGrace         time.Duration   `yaml:"garbage_grace" default:"1h" doc:"and once an earlier pass saw them so long ago: longer than the longest scan"`
}

// checkMaintain finds the mistakes of the section maintain.
func (f *File) checkMaintain(say sayer) {
	m := f.Maintain
	for _, n := range []struct {
		path         string
		value, least int64
	}{
		{"target_file_size", int64(m.TargetFileSize), 1 << 16}, {"min_files", m.MinFiles, 2}, {"deleted_percent", m.DeletedPercent, 1},
		{"keep_snapshots", m.KeepSnapshots, 1}, {"garbage_age", int64(m.GarbageAge), 1}, {"garbage_grace", int64(m.GarbageGrace), 1},
	} {
		if f.where["maintain."+n.path] != [2]int{} && n.value < n.least {
			say("maintain."+n.path, "is too small; the least is %s", least(n.path, n.least))
		}
	}
	if m.DeletedPercent > 100 {
		say("maintain.deleted_percent", "must not be more than 100")
	}
	for i, t := range m.Tables {
		if _, err := path.Match(t, ""); err != nil {
			say("maintain.tables", "item %d: %q is no pattern; write a name such as ledger.entries, or ledger.*", i+1, t)
		}
	}
}

func least(path string, n int64) any {
	switch path {
	case "target_file_size":
		return strictyaml.Size(n)
	case "garbage_age", "garbage_grace":
		return "more than 0s"
	}
	return n
}
