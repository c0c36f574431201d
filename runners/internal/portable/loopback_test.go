package portable

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"

	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// runner is a runner that asks for two bundles and ends the job when the first has failed.
type runner struct {
	fnpb.UnimplementedBeamFnControlServer
	ended chan struct{}
}

func (r *runner) Control(s fnpb.BeamFnControl_ControlServer) error {
	defer close(r.ended)
	for _, id := range []string{"fails", "slow"} {
		if err := s.Send(&fnpb.InstructionRequest{InstructionId: id, Request: &fnpb.InstructionRequest_ProcessBundle{ProcessBundle: &fnpb.ProcessBundleRequest{}}}); err != nil {
			return err
		}
	}
	_, err := s.Recv()
	return err
}

// dial connects to a server with a service until the test ends.
func dial(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// A worker's control stream outlives the runner's while a bundle has not answered, and ends then.
func TestControlWaitsForBundles(t *testing.T) {
	t.Parallel()
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	server, r := grpc.NewServer(), &runner{ended: make(chan struct{})}
	fnpb.RegisterBeamFnControlServer(server, r)
	go server.Serve(lis)
	defer server.Stop()
	l, err := startLoopback(t.Context(), slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	ctx := grpcx.WriteWorkerID(t.Context(), "w")
	l.workers["w"] = &worker{conn: dial(t, lis.Addr().String()), ctx: ctx, stop: func() {}}
	stream, err := fnpb.NewBeamFnControlClient(dial(t, l.addr)).Control(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Send(&fnpb.InstructionResponse{InstructionId: "fails", Error: "no such account"}); err != nil {
		t.Fatal(err)
	}
	<-r.ended
	got := make(chan error, 1)
	go func() { _, err := stream.Recv(); got <- err }()
	select {
	case err := <-got:
		t.Fatalf("the stream ended (%v) while a bundle was at work", err)
	default:
	}
	if err := stream.Send(&fnpb.InstructionResponse{InstructionId: "slow"}); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, io.EOF) {
		t.Fatalf("the stream ended with %v", err)
	}
}

// A pool refuses what it cannot serve in words that a runner can show.
func TestStartWorkerRefuses(t *testing.T) {
	t.Parallel()
	l, err := startLoopback(t.Context(), slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := l.StartWorker(t.Context(), &fnpb.StartWorkerRequest{WorkerId: "w"})
	if err != nil || resp.GetError() == "" {
		t.Errorf("without endpoints: %v, %v", resp, err)
	}
	if resp, err := l.StopWorker(t.Context(), &fnpb.StopWorkerRequest{WorkerId: "w"}); err != nil || resp.GetError() == "" {
		t.Errorf("stopping a worker that never ran: %v, %v", resp, err)
	}
	l.close()
	if resp, err := l.StopWorker(t.Context(), &fnpb.StopWorkerRequest{WorkerId: "w"}); err != nil || resp.GetError() != "" {
		t.Errorf("stopping a worker of a pool that ended: %v, %v", resp, err)
	}
}
