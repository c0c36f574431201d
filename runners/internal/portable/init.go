package portable

import (
	"log/slog"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

// Init readies Beam in this process, once, and keeps the process's slog default.
func Init() { initOnce() }

var initOnce = sync.OnceFunc(func() {
	before := slog.Default()
	if !beam.Initialized() {
		beam.Init()
	}
	quiet(before)
})
