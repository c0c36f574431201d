package nightly

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/millrace/millrace/catalog"
)

// leaseName is the lease of whoever runs nights. It is a contract between versions.
const leaseName = "nightly"

// hold renews a lease until ended is called. held ends, with catalog.ErrLeaseLost as its cause, once the lease is taken over, or could
// not be renewed for the whole of its time: what runs under it must then stop. The time is measured here only to give up early; who has the lease
// is decided by the database.
func hold(ctx context.Context, leases *catalog.Leases, l catalog.Lease, clock func() time.Time, log *slog.Logger) (held context.Context, ended func()) {
	held, cancel := context.WithCancelCause(ctx)
	stopped, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		every := time.NewTicker(max(l.TTL/3, time.Millisecond))
		defer every.Stop()
		good := clock()
		for {
			select {
			case <-stopped:
				return
			case <-every.C: // also after ctx has ended: what runs may still take a while to stop
			}
			asked := clock()
			renewing, stop := context.WithTimeout(context.WithoutCancel(ctx), l.TTL/3)
			err := leases.Renew(renewing, l)
			stop()
			switch {
			case err == nil:
				good = asked
				continue
			case errors.Is(err, catalog.ErrLeaseLost):
			case clock().Sub(good) < l.TTL:
				log.Warn("the lease could not be renewed", "reason", err, "left", l.TTL-clock().Sub(good))
				continue
			default:
				err = errors.Join(catalog.ErrLeaseLost, err)
			}
			log.Error("the lease is lost; what runs is ended", "reason", err)
			cancel(err)
			return
		}
	}()
	return held, func() {
		close(stopped)
		<-gone
		cancel(nil)
	}
}
