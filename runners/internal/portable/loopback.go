package portable

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/container/tools"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness"
	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// drainTime is how long a job that ended waits for bundles that are still at work in this process.
const drainTime = 30 * time.Second

// loopback runs Beam's worker harness in this process: it is the worker pool
// that the runner asks for workers, and stands between each worker and the
// runner's control stream.
//
// Why it stands there: a runner that has seen one bundle fail ends the stream,
// and the harness then closes its channel of answers while other bundles have
// theirs yet to send, which panics in the harness and with it in this process. So the
// worker's stream ends only once each bundle that it was given has answered.
type loopback struct {
	fnpb.UnimplementedBeamFnExternalWorkerPoolServer
	fnpb.UnimplementedBeamFnControlServer

	log     *slog.Logger
	addr    string
	server  *grpc.Server
	root    context.Context // of workers
	streams sync.WaitGroup  // harnesses and their control streams

	mu      sync.Mutex
	workers map[string]*worker // by worker id; nil once stopped
}

// worker is one harness and the runner that it works for.
type worker struct {
	conn *grpc.ClientConn // to the runner's control service
	ctx  context.Context  // of calls to it, ended by stop
	stop context.CancelFunc
}

// startLoopback listens on a free port of this machine.
func startLoopback(ctx context.Context, log *slog.Logger) (*loopback, error) {
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return nil, err
	}
	l := &loopback{
		log: log, root: ctx, workers: map[string]*worker{},
		addr:   fmt.Sprintf("localhost:%d", lis.Addr().(*net.TCPAddr).Port),
		server: grpc.NewServer(grpc.MaxRecvMsgSize(math.MaxInt32)),
	}
	fnpb.RegisterBeamFnExternalWorkerPoolServer(l.server, l)
	fnpb.RegisterBeamFnControlServer(l.server, l)
	go l.server.Serve(lis) // ends with close
	return l, nil
}

// endpoint is the address that the pipeline's environment names.
func (l *loopback) endpoint(context.Context) string { return l.addr }

// close stops the workers once their bundles have ended, and the service.
func (l *loopback) close() {
	l.mu.Lock()
	for _, w := range l.workers {
		w.stop()
	}
	l.workers = nil
	l.mu.Unlock()
	ended := make(chan struct{})
	go func() { l.streams.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(drainTime):
		l.log.Warn("a bundle is still at work after its job has ended; its worker is left to it", "waited", drainTime)
		return
	}
	l.server.GracefulStop()
}

// StartWorker starts a harness, for the runner.
func (l *loopback) StartWorker(_ context.Context, req *fnpb.StartWorkerRequest) (*fnpb.StartWorkerResponse, error) {
	refuse := func(format string, args ...any) (*fnpb.StartWorkerResponse, error) {
		return &fnpb.StartWorkerResponse{Error: fmt.Sprintf("worker %q: ", req.GetWorkerId()) + fmt.Sprintf(format, args...)}, nil
	}
	control, logging := req.GetControlEndpoint(), req.GetLoggingEndpoint()
	if control == nil || logging == nil {
		return refuse("the request names no control endpoint or no logging endpoint")
	}
	if control.GetAuthentication() != nil || logging.GetAuthentication() != nil {
		return refuse("endpoints with authentication are not supported")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.workers == nil {
		return refuse("the job has ended")
	}
	if l.workers[req.GetWorkerId()] != nil {
		return refuse("it runs already")
	}
	conn, err := grpc.NewClient(control.GetUrl(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)))
	if err != nil {
		return refuse("control endpoint %q: %v", control.GetUrl(), err)
	}
	own := grpcx.WriteWorkerID(l.root, req.GetWorkerId())
	w := &worker{conn: conn}
	w.ctx, w.stop = context.WithCancel(own)
	l.workers[req.GetWorkerId()] = w
	l.streams.Go(func() {
		defer conn.Close()
		defer w.stop()
		if err := harness.MainWithOptions(own, logging.GetUrl(), l.addr, l.harnessOptions(own, req.GetProvisionEndpoint().GetUrl())); err != nil {
			l.log.Debug("worker ended", "worker", req.GetWorkerId(), "error", err)
		}
	})
	return &fnpb.StartWorkerResponse{}, nil
}

// harnessOptions are what the runner provides for a worker; a runner that tells nothing gets the defaults.
func (l *loopback) harnessOptions(ctx context.Context, provision string) harness.Options {
	if provision == "" {
		return harness.Options{}
	}
	info, err := tools.ProvisionInfo(ctx, provision)
	if err != nil {
		l.log.Debug("the runner's provision service does not answer", "endpoint", provision, "error", err)
		return harness.Options{}
	}
	return harness.Options{StatusEndpoint: info.GetStatusEndpoint().GetUrl(), RunnerCapabilities: info.GetRunnerCapabilities()}
}

// StopWorker ends a worker's part with the runner; its harness ends when its bundles have.
func (l *loopback) StopWorker(_ context.Context, req *fnpb.StopWorkerRequest) (*fnpb.StopWorkerResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.workers == nil { // all are being stopped
		return &fnpb.StopWorkerResponse{}, nil
	}
	w := l.workers[req.GetWorkerId()]
	if w == nil {
		return &fnpb.StopWorkerResponse{Error: fmt.Sprintf("no worker %q runs here", req.GetWorkerId())}, nil
	}
	delete(l.workers, req.GetWorkerId())
	w.stop()
	return &fnpb.StopWorkerResponse{}, nil
}

// of is the worker that calls.
func (l *loopback) of(ctx context.Context) (*worker, error) {
	id, err := grpcx.ReadWorkerID(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.workers[id]; w != nil {
		return w, nil
	}
	return nil, fmt.Errorf("worker %q has been stopped", id)
}

// GetProcessBundleDescriptor asks the runner.
func (l *loopback) GetProcessBundleDescriptor(ctx context.Context, req *fnpb.GetProcessBundleDescriptorRequest) (*fnpb.ProcessBundleDescriptor, error) {
	w, err := l.of(ctx)
	if err != nil {
		return nil, err
	}
	return fnpb.NewBeamFnControlClient(w.conn).GetProcessBundleDescriptor(w.ctx, req)
}

// Control carries the runner's instructions to a worker and its answers back. It
// ends when the runner's stream has ended and no bundle is without an answer.
func (l *loopback) Control(worker fnpb.BeamFnControl_ControlServer) error {
	w, err := l.of(worker.Context())
	if err != nil {
		return err
	}
	runner, err := fnpb.NewBeamFnControlClient(w.conn).Control(w.ctx)
	if err != nil {
		return err
	}
	r := relay{bundles: map[string]bool{}, idle: make(chan struct{})}
	go r.answers(worker, runner)
	r.instructions(runner, worker)
	<-r.idle
	return nil
}

// relay knows the bundles that a worker has at work.
type relay struct {
	mu      sync.Mutex
	bundles map[string]bool // instruction ids
	over    bool            // no more instructions will come
	idle    chan struct{}   // closed when over and no bundle is at work
}

// instructions carries what the runner asks for until its stream ends.
func (r *relay) instructions(runner fnpb.BeamFnControl_ControlClient, worker fnpb.BeamFnControl_ControlServer) {
	defer r.note(func() { r.over = true })
	for {
		req, err := runner.Recv()
		if err != nil {
			return
		}
		if req.GetProcessBundle() != nil {
			r.note(func() { r.bundles[req.GetInstructionId()] = true })
		}
		if err := worker.Send(req); err != nil {
			return
		}
	}
}

// answers carries what the worker answers; those that a runner no longer takes are dropped.
func (r *relay) answers(worker fnpb.BeamFnControl_ControlServer, runner fnpb.BeamFnControl_ControlClient) {
	for {
		resp, err := worker.Recv()
		if err != nil { // the harness is gone: nothing of it will answer
			runner.CloseSend()
			r.note(func() { clear(r.bundles) })
			return
		}
		runner.Send(resp) // its error is the end of the runner's stream, which instructions sees
		r.note(func() { delete(r.bundles, resp.GetInstructionId()) })
	}
}

// note changes what is known, and closes idle when nothing is left to wait for.
func (r *relay) note(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	if r.over && len(r.bundles) == 0 {
		select {
		case <-r.idle:
		default:
			close(r.idle)
		}
	}
}
