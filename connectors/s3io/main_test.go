package s3io_test

import (
	"testing"

	"github.com/millrace/millrace/internal/s3gateway/gatewaytest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, gatewaytest.IgnoreServer()...) }
