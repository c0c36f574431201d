package portable

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"

	beamlog "github.com/apache/beam/sdks/v2/go/pkg/beam/log"
)

// quiet makes Beam and prism log through h, at debug level only: what matters
// of what they say comes back as errors.
func quiet(before *slog.Logger) {
	h := before.Handler()
	if fmt.Sprintf("%T", h) == "*slog.defaultHandler" {
		// A handler that wraps slog's own default would call itself.
		h = slog.NewTextHandler(os.Stderr, nil)
	}
	beamlog.SetLogger(beamLogger{})
	slog.SetDefault(slog.New(quietHandler{h}))
}

// quietHandler lowers records that Beam's packages write to debug level.
type quietHandler struct{ slog.Handler }

const beamModule = "github.com/apache/beam/"

func (q quietHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.PC != 0 {
		frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
		if strings.HasPrefix(frame.Function, beamModule) {
			if !q.Handler.Enabled(ctx, slog.LevelDebug) {
				return nil
			}
			r.Level = slog.LevelDebug
		}
	}
	return q.Handler.Handle(ctx, r)
}

func (q quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{q.Handler.WithAttrs(attrs)}
}

func (q quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{q.Handler.WithGroup(name)}
}

// beamLogger sends what goes through Beam's log package to slog at debug level: every error is returned too.
type beamLogger struct{}

func (beamLogger) Log(ctx context.Context, _ beamlog.Severity, _ int, msg string) {
	slog.Default().Log(ctx, slog.LevelDebug, msg, "from", "beam")
}
