package pace_test

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/runners/embedded/pace"
)

// An epoch grows when the stream falls behind, and shrinks again when it has caught up.
func Example() {
	c, err := pace.New(pace.Limits{Latency: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	quiet := c.Next().Rows
	c.Observe(pace.Epoch{Rows: 100_000, Bytes: 50_000_000, Took: 150 * time.Millisecond, Lag: 3_000_000})
	behind := c.Next().Rows
	c.Observe(pace.Epoch{Rows: behind, Bytes: 500 * behind, Took: 3 * time.Second, Lag: 0})
	fmt.Println(behind > quiet, c.Next().Rows < behind)
	// Output: true true
}
