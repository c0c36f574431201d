package portable

import (
	"context"
	"encoding/json"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/millrace/millrace/sdk/fault"
)

// Dial connects to a job service and waits until it answers; timeout 0 is 30 s.
func Dial(ctx context.Context, endpoint string, timeout time.Duration) (*grpc.ClientConn, error) {
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return nil, fault.Usagef("job service %q: %w", endpoint, err)
	}
	wait, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn.Connect()
	for state := conn.GetState(); state.String() != "READY"; state = conn.GetState() {
		if !conn.WaitForStateChange(wait, state) {
			conn.Close()
			if err := context.Cause(ctx); err != nil {
				return nil, err
			}
			return nil, fault.Retryablef("job service %s does not answer within %s: is the job server running, and is the address right?", endpoint, timeout)
		}
		conn.Connect()
	}
	return conn, nil
}

// ProcessEnvironment has the runner start a command for each worker.
func ProcessEnvironment(command string, env map[string]string) Environment {
	config, err := json.Marshal(map[string]any{"command": command, "env": env})
	if err != nil { // texts always encode
		return Environment{}
	}
	return Environment{URN: "beam:env:process:v1", Config: string(config)}
}

// ExternalEnvironment uses worker pools at an address.
func ExternalEnvironment(addr string) Environment {
	return Environment{URN: "beam:env:external:v1", Config: addr}
}
