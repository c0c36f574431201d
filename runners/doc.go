// Package runners starts pipelines: it is the main function of an author's own program.
//
//	func main() { runners.Main(build) }
//
// [Main] reads flags and the project file, opens the lake, runs the pipeline on
// the runner that the flags name, shows progress, and ends the process with an exit code.
// The same binary is the worker of a cluster, which is what [Init] is about.
//
// Runners. Package embedded runs in the process itself, flink and spark on
// clusters through Beam's job servers. [Capabilities] says what each can do;
// package runnertest holds them to the same results.
//
// Exit codes: 0 done; 1 the run found breaks or failed checks; 2 wrong flags,
// configuration or credentials; 3 a fault; 130 interrupted.
package runners
