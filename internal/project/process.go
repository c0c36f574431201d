package project

import "github.com/millrace/millrace/internal/strictyaml"

// Process says when the working process of an ingest is replaced by a new one. The runner that is embedded in it keeps
// about 40 KB of memory for each epoch, which only the process's end gives back.
type Process struct {
	MaxEpochs int64           `yaml:"max_epochs" default:"4000" doc:"after how many epochs"`
	MaxHeap   strictyaml.Size `yaml:"max_heap" default:"384MiB" doc:"or at how much live heap"`
	Memory    strictyaml.Size `yaml:"memory" default:"448MiB" doc:"how much memory the garbage collector keeps the working process within where it can (GOMEMLIMIT, where it is set, takes its place)"`
}

func (f *File) checkProcess(say sayer) {
	if p := f.Ingest.Process; f.where["ingest.process.max_epochs"] != [2]int{} && p.MaxEpochs < 1 {
		say("ingest.process.max_epochs", "must be at least 1")
	}
	if p := f.Ingest.Process; f.where["ingest.process.max_heap"] != [2]int{} && p.MaxHeap < 64<<20 {
		say("ingest.process.max_heap", "is too small; the least is 64MiB")
	}
	if p := f.Ingest.Process; f.where["ingest.process.memory"] != [2]int{} && p.Memory < p.MaxHeap {
		say("ingest.process.memory", "is less than max_heap: the garbage collector would work all the time before the process is replaced")
	}
}
