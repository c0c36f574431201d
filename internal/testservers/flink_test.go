package testservers_test

import (
	"net"
	"testing"

	"github.com/millrace/millrace/internal/testservers"
)

func TestStartJobServers(t *testing.T) {
	for name, start := range map[string]func(testing.TB) string{"flink": testservers.StartFlink, "spark": testservers.StartSpark} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", start(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
