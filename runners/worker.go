package runners

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness/init" // the worker's part of beam.Init
	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"

	"github.com/millrace/millrace/runners/internal/portable"
	"github.com/millrace/millrace/sdk/dataset"
)

// Init readies the process for Beam and says what it can open for pipelines
// that were built elsewhere. It comes first in main, after every init
// function; Main calls it. Where the process was started as a worker (by a
// runner with flink.Process or spark.Process), Init works and never returns.
func Init(env dataset.Environment) {
	dataset.SetEnvironment(env)
	if addr, id, ok := provisioned(os.Args[1:]); ok {
		if err := boot(addr, id); err != nil {
			fmt.Fprintf(os.Stderr, "start worker %s: %v\n", id, err)
			os.Exit(3)
		}
	}
	if worker(os.Args[1:]) {
		if err := flag.CommandLine.Parse(os.Args[1:]); err != nil {
			fmt.Fprintf(os.Stderr, "start worker: %v\n", err)
			os.Exit(2)
		}
		beam.Init() // works, and ends the process
	}
	portable.Init()
}

// provisioned finds the address that a runner gives the workers that it starts.
func provisioned(args []string) (addr, id string, ok bool) {
	for _, a := range args {
		a = strings.TrimLeft(a, "-")
		if v, found := strings.CutPrefix(a, "id="); found {
			id = v
		}
		if v, found := strings.CutPrefix(a, "provision_endpoint="); found {
			addr = v
		}
	}
	return addr, id, addr != ""
}

// worker reports whether boot has started this process.
func worker(args []string) bool {
	for _, a := range args {
		switch strings.TrimLeft(a, "-") {
		case "worker", "worker=true":
			return true
		}
	}
	return false
}

// boot asks the runner where its services are, and starts this program again
// in the same process with what Beam's worker needs to know.
func boot(addr, id string) error {
	ctx, cancel := context.WithTimeout(grpcx.WriteWorkerID(context.Background(), id), time.Minute)
	defer cancel()
	conn, err := grpcx.Dial(ctx, addr, time.Minute)
	if err != nil {
		return fmt.Errorf("reach the provision service %s: %w", addr, err)
	}
	resp, err := fnpb.NewProvisionServiceClient(conn).GetProvisionInfo(ctx, &fnpb.GetProvisionInfoRequest{})
	if err != nil {
		return fmt.Errorf("ask the provision service %s: %w", addr, err)
	}
	info := resp.GetInfo()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	env := append(os.Environ(), "RUNNER_CAPABILITIES="+strings.Join(info.GetRunnerCapabilities(), " "))
	return syscall.Exec(self, []string{self, "--worker=true", "--id=" + id,
		"--logging_endpoint=" + info.GetLoggingEndpoint().GetUrl(), "--control_endpoint=" + info.GetControlEndpoint().GetUrl(),
		"--semi_persist_dir=" + os.TempDir()}, env)
}
